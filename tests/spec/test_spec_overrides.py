"""`-s key=value`: what it does to a spec, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlab import grid, spec
from gradlab.cell import Cell
from gradlab.components import OPTIMIZERS
from gradlab.errors import SpecError

SPEC = """\
name: x
width: 16
lr: 0.1
optimizer: adam
train: {steps: 20, batch_size: 8}
grid: {depth: [2, 4], activation: [relu, tanh]}
zip: {l1: [0, 1], l2: [1, 0]}
include: [{depth: 9}, {width: 3}]
"""


def cells(*overrides: str, text: str = SPEC) -> tuple[Cell, ...]:
    return grid.expand(spec.loads(text, "spec.yaml", overrides)).cells


def seen(name: str, *overrides: str, text: str = SPEC) -> list[object]:
    return list(dict.fromkeys(getattr(cell, name) for cell in cells(*overrides, text=text)))


def test_one_value_fixes_a_setting_wherever_it_stood() -> None:
    assert seen("depth", "depth=8") == [8]
    assert seen("width", "width=5") == [5]
    assert seen("l1", "l1=3") == [3.0]
    assert seen("l2", "l1=3") == [1.0, 0.0]
    assert seen("steps", "train.steps=50") == [50]
    assert seen("batch_size", "train.steps=50") == [8]
    assert seen("warmup", "train={steps: 50, warmup: 3}") == [3]
    assert seen(
        "depth", "depth=8", text="name: x\ngrids: [{depth: 2, grid: {l1: [0, 1]}}, {grid: {depth: [2, 3]}}]"
    ) == [8]


def test_several_values_make_an_axis() -> None:
    assert seen("depth", "depth=2..5", text="name: x\ndepth: 3") == [2, 3, 4, 5]
    assert seen("depth", "depth=5,6..8*2") == [5, 6, 9, 8]  # 9 and the default 8 are included ones
    assert seen("width", "width=[7, 8]") == [7, 8, 16, 3]
    assert seen("l1", "l1=3,4") == [3.0, 4.0, 0.0]
    assert [(c.l1, c.l2) for c in cells("l1=3,4")][:2] == [(3.0, 1.0), (4.0, 0.0)]
    assert [str(c.activation) for c in cells("activation=leaky_relu(negative_slope=0.2),{elu: 2}", text="name: x")] == [
        "leaky_relu(negative_slope=0.2)", "elu(alpha=2)"
    ]  # fmt: skip
    assert seen(
        "depth", "depth=8,9", text="name: x\ngrids: [{depth: 2, grid: {l1: [0, 1]}}, {grid: {depth: [2, 3]}}]"
    ) == [8, 9]


def test_an_included_configuration_goes_with_its_only_setting() -> None:
    include = "include: [{depth: 9}, {depth: 9, width: 3}]"
    assert [(c.depth, c.width) for c in cells("depth=8", text=f"name: x\n{include}")] == [(8, 3)]
    nested = f"name: x\ngrids:\n- {{{include}}}\n- {{width: 4}}"
    assert [(c.depth, c.width) for c in cells("depth=8", text=nested)] == [(8, 3), (8, 4)]


def test_seeds_names_and_lists_of_steps() -> None:
    assert seen("seed", "seeds=3") == [0, 1, 2]
    assert seen("seed", "seeds=3,5..6") == [3, 5, 6]
    assert seen("probe_at", "probe.at=5,10") == [(0, 5, 10, 20)]
    assert spec.loads(SPEC, overrides=["name=y", "description=a, b: [c"]).name == "y"
    assert spec.loads(SPEC, overrides=["name=y", "description=a, b: [c"]).description == "a, b: [c"


def test_the_last_one_of_a_key_counts() -> None:
    assert seen("width", "width=abc", "width=5") == [5]


def test_a_learning_rate_wins_over_the_one_an_optimizer_brings() -> None:
    text = (
        "name: x\ngrid:\n  optimizer: [{sgd: 0.1}, 'adam(lr=0.2, beta1=0.8)', {name: nadam, lr: 3}, {radam: {lr: 1}}]\n"
    )
    rated = cells("lr=0.5", text=text)
    assert [(str(c.optimizer), c.lr) for c in rated] == [
        ("sgd", 0.5),
        ("adam(beta1=0.8)", 0.5),
        ("nadam", 0.5),
        ("radam", 0.5),
    ]
    assert seen("lr", "optimizer.lr=0.5", text="name: x\noptimizer: {name: sgd, lr: 0.1}") == [0.5]
    assert seen("lr", "optimizer={name: sgd, lr: 0.5}", text="name: x\nlr: 0.1") == [0.5]
    assert seen("lr", "optimizer=adam", text="name: x\nlr: 0.3") == [0.3]


def test_a_parameter_of_a_component() -> None:
    assert [str(value) for value in seen("clip", "clip.norm=1")] == ["norm(max=1)"]
    assert [str(value) for value in seen("clip", "clip.norm=1,2", text="name: x")] == ["norm(max=1)", "norm(max=2)"]
    assert [str(value) for value in seen("optimizer", "optimizer.beta1=0.5")] == ["adam(beta1=0.5)"]
    assert [
        str(value) for value in seen("optimizer", "optimizer.momentum=0.5", text="name: x\noptimizer: nesterov")
    ] == ["nesterov(momentum=0.5)"]
    assert [str(value) for value in seen("task", "task.noise=0.5", text="name: x\ntask: {teacher: 8}")] == [
        "teacher(inputs=8, noise=0.5)"
    ]
    assert [str(value) for value in seen("activation", "activation=elu", "activation.alpha=2")] == ["elu(alpha=2)"]


def test_paths_of_overrides_are_relative_to_where_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,y\n1,3\n")
    file = tmp_path / "specs" / "spec.yaml"
    file.write_text("name: x\ntask: {name: table, path: a.csv, target: y, kind: regression}\n")
    monkeypatch.chdir(tmp_path)

    def path(*overrides: str) -> object:
        (cell,) = grid.expand(spec.load(file, overrides)).cells
        return dict(cell.task.params)["path"]

    assert path() == str(tmp_path / "specs" / "a.csv")
    assert path("task.kind=classification") == str(tmp_path / "specs" / "a.csv")
    assert path("task.path=b.csv") == str(tmp_path / "b.csv")
    assert path("task={name: table, path: b.csv, target: y, kind: regression}") == str(tmp_path / "b.csv")


TOLD = {
    "depth=abc": "-s depth=abc: depth must be a whole number of at least 1, found 'abc'",
    "depth=-3,0": "-s depth=-3,0: depth must be a whole number of at least 1, found -3\n"
    "-s depth=-3,0: depth must be a whole number of at least 1, found 0",
    "depth=4..2": "-s depth=4..2: the range '4..2' runs backwards\n"
    "    a range goes up: the smaller number stands first",
    "depth=": "-s depth=: depth has no value",
    "depth=[]": "-s depth=[]: depth has no values\n    an axis needs at least one",
    "depth": "-s depth: a setting is overridden by key=value\n    as in -s depth=2..16 or -s train.steps=50",
    "depht=3": "-s depht=3: unknown setting 'depht'\n    did you mean 'depth'?",
    "steps=3": "-s steps=3: unknown setting 'steps'\n    did you mean 'train.steps'?",
    "seed=3": "-s seed=3: unknown setting 'seed'\n    did you mean 'seeds'?",
    "grid.depth=3": "-s grid.depth=3: unknown setting 'grid.depth'\n    did you mean 'depth'?",
    "optimizer.foo=3": "-s optimizer.foo=3: no optimizer has a parameter 'foo'\n"
    "    there are {parameters}",
    "activation.alpha=2": "-s activation.alpha=2: relu has no parameter 'alpha'\n    it has none\n"
    "-s activation.alpha=2: tanh has no parameter 'alpha'\n    it has none",
    "activation={a": "-s activation={a: the mapping { is never closed",
    "activation=relu,relu": "-s activation=relu,relu: activation has the value relu twice",
    "l1=1,2,3": "spec.yaml:7:19: the lists of zip must be equally long: l1 has 3, l2 has 2\n"
    "    zip: {l1: [0, 1], l2: [1, 0]}\n                      ^",
    "train.warmup=99": "-s train.warmup=99: a warm-up of 99 steps does not fit into 20 steps of training\n"
    "    train.steps is given at line 5",
    "task={table: no.csv}": "-s task={table: no.csv}: the data file no.csv does not exist\n"
    "    looked for {here}/no.csv\n"
    "-s task={table: no.csv}: table needs its target and kind\n"
    "    write {name: table, target: …, kind: …}; kind: classification or regression",
}  # fmt: skip


@pytest.mark.parametrize("override", TOLD)
def test_a_bad_override_is_told_by_its_own_words(
    override: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        cells(override)
    parameters = dict.fromkeys(name for known in OPTIMIZERS.values() for name in known.params)
    says = TOLD[override].replace("{here}", str(tmp_path)).replace("{parameters}", ", ".join(parameters))
    assert str(caught.value) == says
