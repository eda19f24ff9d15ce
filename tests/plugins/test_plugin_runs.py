"""Components of the user in runs: in this process, in workers, in Ray; and afterwards without them."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from places import ROOT
from torch.nn import functional as F

import gradlab as gl
from gradlab import grid, spec
from gradlab.cell import REGISTRIES, cell_id
from gradlab.cli import invoke
from gradlab.errors import PluginError, SpecError, UsageError
from gradlab.families.chain import outputs
from gradlab.families.network import Context
from gradlab.planning.banks import bank_of, estimate
from gradlab.training.loop import Trainer, train_bank

LAB = ROOT / "docs" / "examples" / "my_lab.py"
SPEC = LAB.with_suffix(".yaml")
SMALL = ("-s", "train.steps=3", "-s", "seeds=1", "-s", "task={parity: 4}")


def run(out: Path, *options: str) -> int:
    return invoke(["run", str(SPEC), *SMALL, "--plugin", str(LAB), "--out", str(out), "-q", "--no-plots", *options])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_the_example_trains_in_workers_as_it_does_here(lab: Path) -> None:
    assert run(Path("workers"), "--workers", "2") == 0
    assert run(Path("here"), "--executor", "inline") == 0
    tables = [[rows(Path(out, "my_lab", name)) for name in ("layers.csv", "steps.csv")] for out in ("workers", "here")]
    assert tables[0] == tables[1]
    assert len({row["cell"] for row in tables[0][0]}) == 11


def test_the_digest_of_the_example_is_in_its_cell_ids(lab: Path) -> None:
    gl.plugin(LAB)
    digest = hashlib.sha256(LAB.read_bytes()).hexdigest()
    cells = grid.expand(spec.load(SPEC)).cells
    assert {cell.plugin_digest for cell in cells} == {digest}
    assert run(Path("out"), "--executor", "inline") == 0
    small = grid.expand(spec.load(SPEC, overrides=SMALL[1::2])).cells
    assert {row["cell"] for row in rows(Path("out/my_lab/cells.csv"))} == {cell_id(cell) for cell in small}


@pytest.mark.slow
def test_the_example_trains_in_ray(lab: Path) -> None:
    ray = pytest.importorskip("ray")
    try:
        assert run(Path("ray"), "--executor", "ray", "--workers", "2") == 0
    finally:
        ray.shutdown()
    assert run(Path("here"), "--executor", "inline") == 0
    assert rows(Path("ray/my_lab/layers.csv")) == rows(Path("here/my_lab/layers.csv"))


def test_a_run_with_a_plugin_is_reported_without_it(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {key: dict(registry) for key, registry in REGISTRIES.items()}
    assert run(Path("results"), "--executor", "inline") == 0
    for key, registry in REGISTRIES.items():
        for name in registry.keys() - before[key].keys():
            del registry[name]
    cell = next(row["cell"] for row in rows(Path("results/my_lab/cells.csv")) if row["model"] == "highway")
    capsys.readouterr()
    for command in (
        ["compare", "results", "--where", "activation=snake"], ["compare", "results", "--by", "init,model"],
        ["show", cell], ["report", "results"], ["plot", "results"], ["watch", "results/my_lab"],
    ):  # fmt: skip
        assert invoke(command) == 0
        assert capsys.readouterr().err == "", command
    process = [sys.executable, "-m", "gradlab", "compare", "results", "--json"]  # which has never seen the plugin
    compared = subprocess.run(process, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True)
    assert b"highway" in compared.stdout


@pytest.fixture
def bent() -> Callable[..., torch.Tensor]:
    @gl.activation("bent")
    def bent(x: torch.Tensor, slope: float = 0.1) -> torch.Tensor:
        return torch.where(x > 0, x, slope * x)

    return bent


DEMO = {"name": "demo", "depth": 2, "width": 4, "train": {"steps": 2, "batch_size": 4}, "probe": {"batch_size": 8}}


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_an_object_registered_from_python_works_here_and_in_workers(workers: int, lab: Path, bent: Any) -> None:
    results = gl.run({**DEMO, "activation": ["bent", {"leaky_relu": 0.1}]}, workers=workers, quiet=True)
    ours, same = (results.cells[results.cells["activation"].str.startswith(name)] for name in ("bent", "leaky"))
    assert ours["loss"].tolist() == same["loss"].tolist()


def test_without_cloudpickle_the_message_says_what_to_do(lab: Path, bent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cloudpickle", "ray", "ray.cloudpickle"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PluginError) as caught:
        gl.run({**DEMO, "activation": "bent"}, workers=1, quiet=True)
    assert str(caught.value) == (
        "the activation 'bent' was registered from Python, and worker processes cannot get it without cloudpickle\n"
        "  put it into a file and load that: gl.plugin('my_lab.py'), install cloudpickle, or work in this process: "
        "gl.run(…, workers=0)"
    )


def test_an_object_that_is_registered_again_makes_new_cells(lab: Path) -> None:
    def scaled(factor: float) -> Callable[[torch.Tensor], torch.Tensor]:
        def again(x: torch.Tensor) -> torch.Tensor:
            return factor * x

        return again

    functions = (lambda x: x, lambda x: 2 * x, torch.sin, scaled(1), scaled(2), scaled(1))  # two lambdas, one line
    digests = []
    for function in functions:
        gl.activation("again", function)
        (cell,) = grid.expand(spec.loads("name: x\nactivation: again")).cells
        digests.append(cell.plugin_digest)
    assert len(set(digests)) == 5
    assert digests[3] == digests[5]


def test_an_object_that_uses_what_no_digest_covers_is_refused(lab: Path) -> None:
    table = torch.zeros(3)
    with pytest.raises(PluginError, match="looked_up uses a value of type Tensor"):
        gl.activation("looked_up", lambda x: table[0] * x)


@pytest.fixture
def lars() -> None:
    """A rule that is not elementwise: its steps have the length of the parameters."""

    @gl.optimizer("lars", lr=0.1)
    class Lars(torch.optim.Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for parameter in group["params"]:
                    length = parameter.norm() / parameter.grad.norm()
                    parameter.sub_(group["lr"] * length * parameter.grad)


def test_a_rule_with_a_norm_couples_no_cells(lars: None) -> None:
    cells = grid.expand(spec.loads("name: x\nwidth: 4\noptimizer: lars\nseeds: 3\ntrain: {steps: 3}")).cells
    together = train_bank(cells, "cpu")
    for cell, record in zip(cells, together, strict=True):
        (alone,) = train_bank([cell], "cpu")
        assert record.loss[-1] == alone.loss[-1]


def test_weight_decay_for_a_rule_that_has_none_is_refused(lars: None) -> None:
    with pytest.raises(SpecError, match=r"lars has no weight_decay, found 0\.1\n.*\n.*\n +those that have one are sgd"):
        spec.loads("name: x\noptimizer: lars\nweight_decay: 0.1")
    assert not REGISTRIES["optimizer"]["lars"].weight_decay
    gl.optimizer("own_adam", torch.optim.Adam, lr=0.01)
    params = REGISTRIES["optimizer"]["own_adam"].params
    assert (REGISTRIES["optimizer"]["own_adam"].weight_decay, list(params)[:2]) == (True, ["lr", "eps"])


def test_a_failure_of_the_user_s_code_fails_its_cells_alone(lab: Path) -> None:
    @gl.activation("broken")
    def broken(x: torch.Tensor) -> torch.Tensor:
        raise ValueError("no such thing")

    results = gl.run({**DEMO, "activation": ["broken", "relu"]}, workers=0, quiet=True)
    assert results.cells["error"].fillna("").tolist() == ["ValueError: no such thing", ""]


def test_a_family_is_the_network_that_it_says(lab: Path) -> None:
    gl.plugin(LAB)
    (cell,) = grid.expand(
        spec.loads("name: x\nmodel: highway\ndepth: 3\nwidth: 5\ntask: {parity: 4}\nactivation: tanh")
    ).cells
    trainer = Trainer([cell], torch.device("cpu"))
    x, params = trainer.probe_x, [{name: p[0].detach() for name, p in block.items()} for block in trainer.params]

    def plain(h: torch.Tensor) -> torch.Tensor:
        for i, own in enumerate(params[:-1]):
            y = torch.tanh(F.linear(h, own["weight"], own["bias"]))
            gate = torch.sigmoid(F.linear(h, own["gate"], own["gate_bias"])) if i else torch.ones(())
            h = gate * y + (1 - gate) * (h if i else 0)
        return F.linear(h, params[-1]["weight"], params[-1]["bias"])

    output = outputs(trainer.model, trainer.params, x.float(), Context("eval"))
    torch.testing.assert_close(output[0], plain(x[0].float()))
    assert [own["gate_bias"][0].item() for own in params[1:-1]] == [-1.0, -1.0]
    assert len({len(block) for block in params}) == 2


REFUSED = {
    "norm: layer": "highway cannot have norm layer",
    "residual: add": "highway cannot have residual add",
    "task: adding": "adding is a task of sequences, highway takes none",
    "model: {highway: x}": "gate_bias of highway must be a number, found 'x'",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_a_family_has_not_is_refused(line: str, lab: Path) -> None:
    gl.plugin(LAB)
    model = "" if line.startswith("model") else "model: highway\n"
    with pytest.raises(SpecError, match=REFUSED[line]):
        spec.loads(f"name: x\n{model}{line}")


def test_dropout_of_a_family_that_drops_nothing_is_refused(lab: Path) -> None:
    gl.plugin(LAB)
    (cell,) = grid.expand(spec.loads("name: x\nmodel: highway\ndropout: 0.1")).cells
    with pytest.raises(UsageError, match="model highway has nothing that dropout acts on"):
        train_bank([cell], "cpu")


def test_a_family_like_a_transformer_takes_sequences_and_images(lab: Path) -> None:
    gl.family("mine", type("Mine", (), {}), like="transformer", inputs=("sequences", "images"))
    shallow = spec.loads("name: x\nmodel: mine\ntask: {adding: 64}\nseq_len: 7")
    (cell,) = grid.expand(shallow).cells
    assert (cell.blocks, cell.depth, cell.norm.name, cell.residual.name) == (4, 4, "none", "none")
    assert estimate(bank_of([cell])).seconds > 0
    with pytest.raises(SpecError, match="mine cannot have norm layer"):
        spec.loads("name: x\nmodel: mine\nnorm: layer")


def test_a_family_along_time_has_time_steps_without_its_plugin_too(lab: Path) -> None:
    gl.family("later", type("Later", (), {}), like="rnn", uses=("norm",))
    (cell,) = grid.expand(spec.loads("name: x\nmodel: later\ntask: {name: adding}\nseq_len: 7\nnorm: layer")).cells
    assert (cell.blocks, cell.depth, str(cell.activation)) == (7, 1, "tanh")
    del REGISTRIES["model"]["later"]
    assert cell.blocks == 7
    with pytest.raises(PluginError, match="like 'cnn', which is no family"):
        gl.family("later", type("Later", (), {}), like="cnn")
    with pytest.raises(PluginError, match="uses 'dropout'"):
        gl.family("later", type("Later", (), {}), uses=("dropout",))
