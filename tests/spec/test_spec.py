"""What a spec may say, and what it comes to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT
from short_specs import cells, only_cell, values

from gradlab import grid, spec
from gradlab.cell import REGISTRIES, SETTINGS, Cell
from gradlab.components import Named, Param, Task
from gradlab.errors import SpecError
from gradlab.families import Family
from gradlab.spelling import FLAGS

EXPERIMENT = ROOT / "experiments" / "sigmoid_vs_relu.yaml"


def test_a_name_is_enough() -> None:
    assert only_cell("") == Cell(lr=0.1)


def test_the_experiment_in_the_repository() -> None:
    expansion = grid.expand(spec.load(EXPERIMENT))
    assert len(expansion.cells) == 5 * 3 * 5
    assert (expansion.axes, expansion.excluded, expansion.duplicates) == (("depth", "activation", "init"), 25, 0)
    assert expansion.cells[0] == Cell(depth=2, activation=Named("sigmoid"), init=Named("xavier_normal"), lr=0.05)
    assert [cell.seed for cell in expansion.cells[:6]] == [0, 1, 2, 3, 4, 0]


NUMBERS = {
    "lr: 1e-3": ("lr", 0.001),
    "lr: .5": ("lr", 0.5),
    "lr: 1": ("lr", 1.0),
    "lr: 1E-2": ("lr", 0.01),
    "l2: -0.0": ("l2", 0.0),
    "dropout: none": ("dropout", 0.0),
    "bias_std: null": ("bias_std", 0.0),
    "bias_std: auto": ("bias_std", "auto"),
    "residual: add\nresidual_scale: 1/sqrt(depth)": ("residual_scale", "1/sqrt(depth)"),
    "residual: add\nresidual_scale: -0.5": ("residual_scale", -0.5),
    "train.steps: 1_000": ("train.steps", 1000),
    "train: {steps: 1e3}": ("train.steps", 1000),
    "train:\n  steps: 0x20": ("train.steps", 32),
    "train: {warmup: ~}": ("train.warmup", 0),
    "probe: {at: [100, 3, 3, 0]}": ("probe.at", (0, 3, 100, 300)),
    "probe: {at: 0..300:100}": ("probe.at", (0, 100, 200, 300)),
    "probe.at: [5, 10..30:10]": ("probe.at", (0, 5, 10, 20, 30, 300)),
    "lr: none": ("lr", 0.1),
}


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers(text: str) -> None:
    key, value = NUMBERS[text]
    (read,) = values(text, key)
    assert read == value
    assert type(read) is type(value)
    assert str(read) == str(value)  # 0.0, not -0.0


LEAKY = Named("leaky_relu", (("negative_slope", 0.2),))
COMPONENTS = {
    "activation: leaky_relu": ("activation", Named("leaky_relu")),
    "activation: {name: leaky_relu}": ("activation", Named("leaky_relu")),
    "activation: {name: leaky_relu, negative_slope: 0.01}": ("activation", Named("leaky_relu")),
    "activation: {name: leaky_relu, negative_slope: 0.2}": ("activation", LEAKY),
    "activation: {leaky_relu: 0.2}": ("activation", LEAKY),
    "activation: {leaky_relu: {negative_slope: 2e-1}}": ("activation", LEAKY),
    "activation: leaky_relu(negative_slope=0.2)": ("activation", LEAKY),
    "activation: relu()": ("activation", Named("relu")),
    "activation: {relu: }": ("activation", Named("relu")),
    "activation: swish": ("activation", Named("silu")),
    "activation: none": ("activation", Named("linear")),
    "init: {kaiming_normal: 2}": ("init", Named("he_normal", (("gain", 2.0),))),
    "init: {gain: 2, name: normal, std: 0}": ("init", Named("normal", (("std", 0.0), ("gain", 2.0)))),
    "clip: {norm: 1}": ("clip", Named("norm", (("max", 1.0),))),
    "clip: null": ("clip", Named("none")),
    "norm: {name: none}": ("norm", Named("none")),
    "residual: ~": ("residual", Named("none")),
    "task: {teacher: 8.0}": ("task", Named("teacher", (("inputs", 8),))),
    "optimizer: {name: adam, eps: 0, beta1: 0.8}": ("optimizer", Named("adam", (("beta1", 0.8), ("eps", 0.0)))),
    "optimizer: {name: adamw, betas: [0.9, 0.95]}": ("optimizer", Named("adamw", (("beta2", 0.95),))),
    "optimizer: {name: rprop, etas: [0.4, 1.3], step_sizes: [0, 1]}": (
        "optimizer", Named("rprop", (("eta_minus", 0.4), ("eta_plus", 1.3), ("step_min", 0.0), ("step_max", 1.0))),
    ),
    "optimizer: {name: adafactor, eps: [1e-9, 1e-2]}": (
        "optimizer", Named("adafactor", (("eps1", 1e-9), ("eps2", 0.01))),
    ),
    "activation: GELU(approximate='tanh')": ("activation", Named("gelu_tanh")),
    "activation: {name: gelu, approximate: none}": ("activation", Named("gelu")),
    "activation: nn.Hardtanh(min_val=-2, max_val=2)": (
        "activation", Named("hardtanh", (("min_val", -2.0), ("max_val", 2.0))),
    ),
    "init: {name: glorot_normal, truncated: yes}": ("init", Named("xavier_normal", (("truncated", True),))),
    "residual: {layer_scale: 0.1}": ("residual", Named("layer_scale", (("start", 0.1),))),
    "residual: Peri-LN": ("residual", Named("sandwich")),
    "norm: GroupNorm(groups=8)": ("norm", Named("group", (("groups", 8),))),
    "activation: nn.Hardswish": ("activation", Named("hardswish")),
    "precision: fp64": ("precision", Named("float64")),
}  # fmt: skip


@pytest.mark.parametrize("text", COMPONENTS)
def test_components(text: str) -> None:
    key, value = COMPONENTS[text]
    assert values(text, key) == [value]


def other(param: Param) -> object:
    """A value within the bounds of a parameter that is not its default."""
    if param.kind is bool:
        return str(not param.default).lower()
    if param.kind is int:
        return 4 if param.default != 4 else 2
    return 0.125 if param.low <= 0.125 <= param.high else param.low + 0.125 if param.low > 0 else param.high - 0.125


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, known in REGISTRIES.items() for name in known])
def test_what_a_table_prints_can_be_pasted_back(key: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    texts = {"path": "a.csv", "target": "y", "kind": "regression", "user": "u", "item": "i", "rating": "r"}
    texts["missing"] = "NA"
    known = REGISTRIES[key][name]
    texts |= {
        k: word for k, p in known.params.items() for word in reversed(p.choices) if p.kind is str and word != p.default
    }
    params = {k: texts[k] if k in texts else other(p) for k, p in known.params.items()}
    params.pop("lr", None)
    if key == "task":
        params |= {k: 64 for k in params if k == "samples"}
    partner = "model: lstm\n" if isinstance(known, Task) and known.of_sequences else ""
    partner += "task: ratings\n" if isinstance(known, Family) and "embedding" in known.params else ""
    partner += f"model: {known.models[0]}\n" if known.models else ""
    if name == "conv":  # with stages, and a stride or a pooling
        partner += "residual: add\n"
        params = params | {"dims": 1}
        params.pop("stride")
    if name == "transformer":  # on images, with an attention
        params |= {"attention": "shaped"}
        del params["embedding_std"]
    text = f"name: x\n{partner}{key}: {{name: {name}{''.join(f', {k}: {v}' for k, v in params.items())}}}"
    (cell,) = grid.expand(spec.loads(text, base_dir=tmp_path)).cells
    printed = getattr(cell, SETTINGS[key].attribute)
    assert set(dict(printed.params)) == set(params)
    (again,) = grid.expand(spec.loads(f'name: x\n{partner}{key}: "{printed}"', base_dir=tmp_path)).cells
    assert again == cell


def test_every_optimizer_of_an_axis_brings_its_learning_rate() -> None:
    rated = cells("grid:\n  optimizer: [sgd, {name: adam, lr: 0.01}, nadam, {adadelta: 0.5}]")
    assert [(cell.optimizer.name, cell.lr) for cell in rated] == [
        ("sgd", 0.1), ("adam", 0.01), ("nadam", 0.002), ("adadelta", 0.5)
    ]  # fmt: skip


def test_one_learning_rate_for_all() -> None:
    rated = cells("lr: 0.5\ngrid:\n  optimizer: [sgd, adam]")
    assert {cell.lr for cell in rated} == {0.5}
    assert [cell.lr for cell in cells("optimizer: adam\ngrid: {lr: [0.5, 1e-2..1*10]}")] == [0.5, 0.01, 0.1, 1.0]


def test_names_and_descriptions_are_text() -> None:
    for name in ("a", "2024", "1e-3", "none", "true", "A_b-c.d", "_", "a" * 100):
        assert spec.loads(f"name: {name}").name == name
    assert spec.loads("name: x\ndescription: 3").description == "3"
    assert spec.loads("name: x\ndescription: |\n  two\n  lines\n").description == "two\nlines"


ROUND = (
    EXPERIMENT.read_text(encoding="utf-8"),
    "name: none\ndescription: 'yes: # no'\nseeds: [3, 1]\nprobe.at: [0, 10]\nresidual: add\n"
    "residual_scale: 1/sqrt(depth)\n",
    "name: x\ngrid: {lr: [1e-7, 0.3], optimizer: [sgd, {name: adam, beta1: 0.5}]}\n"
    "zip: {depth: [1, 2], width: [3, 4]}\n",
    "name: x\nzip: {optimizer: [{sgd: 1}, adam], depth: [2, 3]}\ngrid: {activation: [{elu: 2}]}\n"
    "include: [{width: 5}]\n",
    "name: x\ngrid: {probe.at: [log, [1, 2]]}\n"
    "grids: [{depth: 2, seeds: 2}, {seeds: [7], grid: {l1: [0, 1]}}, {include: [{l2: 1}]}]\n",
    "name: x\nzip: {l1: [0, 1], l2: [1, 0]}\ngrids: [{grid: {optimizer: [sgd, {adam: 0.1}]}}]\n"
    "exclude: [{optimizer: sgd, l1: 0}]\n",
    "name: x\ngrid: {activation: [relu, elu, {elu: 2}], depth: [1, 2]}\n"
    "exclude: [{activation: {elu: 1}, depth: [1, 5]}]\n",
)


@pytest.mark.parametrize("text", ROUND)
@pytest.mark.parametrize("defaults", [True, False])
def test_a_dumped_spec_loads_to_the_same_cells(text: str, defaults: bool) -> None:
    original = spec.loads(text)
    again = spec.loads(spec.dump(original, defaults=defaults))
    assert (again.name, again.description) == (original.name, original.description)
    first, second = grid.expand(original), grid.expand(again)
    assert (second.cells, second.axes) == (first.cells, first.axes)
    assert spec.dump(again, defaults=defaults) == spec.dump(original, defaults=defaults)


def test_a_resolved_spec_names_every_setting() -> None:
    import yaml

    document = yaml.safe_load(spec.dump(spec.loads("name: x\ngrid: {depth: [2, 3]}")))
    groups = {"train", "probe", "thresholds", "inputs", "targets"}
    named = {f"{key}.{member}" for key in groups for member in document[key]} | set(document)
    apart = {"seed", "depth", "seq_len"}  # feed-forward networks have no seq_len
    assert named - {"name", "grid", "seeds", *groups} == set(SETTINGS) - apart


def test_plain_values_make_a_spec() -> None:
    original = spec.from_mapping(
        "sweep",
        {"depth": "2..8*2", "activation": "sigmoid,leaky_relu(negative_slope=0.2)", "lr": [0.1, 1], "seeds": 2,
         "train": {"steps": 10}, "clip": None, "zip": {"init": ["he_normal", "xavier_normal"], "l1": [0, 0.5]}},
        description="from flags",
    )  # fmt: skip
    text = (
        "name: sweep\ndescription: from flags\nclip: none\ntrain.steps: 10\nseeds: 2\n"
        "grid: {depth: [2, 4, 8], activation: [sigmoid, {leaky_relu: 0.2}], lr: [0.1, 1]}\n"
        "zip: {init: [he_normal, xavier_normal], l1: [0, 0.5]}\n"
    )
    assert grid.expand(original) == grid.expand(spec.loads(text))
    with pytest.raises(SpecError) as caught:
        spec.from_mapping("sweep", {"depth": "2..8*x", "activatio": "relu"}, spelling=FLAGS)
    assert str(caught.value) == (
        "--activatio relu: unknown key 'activatio'\n    did you mean 'activation'?\n"
        "--depth 2..8*x: the range '2..8*x' cannot be read\n"
        "    a range is written 2..64, 2..64:2 (step) or 2..64*2 (factor)"
    )


def test_checking_a_spec_loads_neither_torch_nor_pandas_nor_numpy() -> None:
    code = (
        "import sys, gradlab.spec, gradlab.grid, gradlab.planning.banks\n"
        "cells = gradlab.grid.expand(gradlab.spec.loads('name: x\\ngrid: {depth: 2..9}')).cells\n"
        "gradlab.planning.banks.estimate(gradlab.planning.banks.pack(cells)[0])\n"
        "print([name for name in ('torch', 'pandas', 'numpy') if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


@pytest.mark.parametrize(("installed", "runs"), [("2.8.1+cpu", False), ("2.9.0", True), ("2.13.0+cu121", True)])
def test_an_optimizer_that_an_older_torch_has_not_is_one_message(installed, runs, monkeypatch) -> None:
    monkeypatch.setattr("gradlab.components.component.version", lambda name: {"torch": installed}[name])
    text = "name: x\noptimizer: {muon: 0.02}"
    if runs:
        assert values("optimizer: {muon: 0.02}", "optimizer") == [Named("muon")]
        return
    with pytest.raises(SpecError) as refused:
        spec.loads(text)
    assert "2:13: optimizer muon needs torch 2.9 or newer, 2.8.1+cpu is installed" in str(refused.value)
