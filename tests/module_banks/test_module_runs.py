"""Modules of a plugin in runs: in workers as in this process, with a profile of another length, and read without it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import gradlab as gl
from gradlab import grid, spec
from gradlab.cell import REGISTRIES, cell_id
from gradlab.cli import invoke
from gradlab.store.setting import decode, encode

LAB = """
import torch
from torch import nn
import gradlab as gl

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.map, self.norm = nn.Linear(width, width), nn.LayerNorm(width)

    def forward(self, x):
        return x + torch.relu(self.map(self.norm(x)))

@gl.module("stages", blocks="Block", length=lambda depth, per: depth * per)
class Stages(nn.Module):
    \"\"\"Stages of residual blocks.\"\"\"

    def __init__(self, in_features, out_features, depth, width, per: int = 2):
        super().__init__()
        self.enter, self.leave = nn.Linear(in_features, width), nn.Linear(width, out_features)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth * per)))

    def forward(self, x):
        return self.leave(self.blocks(self.enter(x)))

@gl.module("fixed", length=2)
def fixed(in_features, out_features, act: str = "tanh"):
    return nn.Sequential(nn.Linear(in_features, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, out_features))
"""
SPEC = """
name: stages
task: {name: teacher, inputs: 6, samples: 32}
model: stages
width: 8
train: {steps: 3, batch_size: 8}
grid: {depth: [1, 2], model.per: [1, 3]}
seeds: 2
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("lab.py").write_text(LAB)
    Path("spec.yaml").write_text(SPEC)
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def test_workers_compute_what_this_process_does(plugin: Path) -> None:
    common = ["run", "spec.yaml", "--plugin", "lab.py", "-q", "--no-plots"]
    assert invoke([*common, "--out", "here", "--executor", "inline"]) == 0
    assert invoke([*common, "--out", "workers", "--workers", "2"]) == 0
    tables = [[rows(Path(out, "stages", name)) for name in ("layers.csv", "steps.csv")] for out in ("here", "workers")]
    assert tables[0] == tables[1]
    assert {int(row["layer"]) for row in tables[0][0]} == set(range(1, 7))


def test_results_are_read_without_the_plugin(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", "spec.yaml", "--plugin", "lab.py", "-q", "--out", "out", "--executor", "inline"]) == 0
    del REGISTRIES["model"]["stages"]
    Path("out/stages/layers.csv").unlink()
    capsys.readouterr()
    assert invoke(["report", "out/stages"]) == 0
    assert "stages(per=3)" in Path("out/stages/report.html").read_text()
    run = gl.load("out/stages")
    assert sorted(run.layers.groupby("cell").layer.max()) == [1, 1, 2, 2, 3, 3, 6, 6]


def test_the_length_is_put_down_in_a_cell_and_not_in_its_id(plugin: Path) -> None:
    gl.plugin("lab.py")
    cells = grid.expand(spec.load(Path("spec.yaml"))).cells
    assert [cell.blocks for cell in cells[::2]] == [1, 3, 2, 6]
    assert all(decode(encode(cell)) == cell for cell in cells)
    assert len({cell_id(cell) for cell in cells}) == 8
    (mlp, *_) = grid.expand(spec.loads("name: x\ntask: digits")).cells
    assert mlp.profile_length is None
    assert "profile_length" not in encode(mlp)


def test_settings_that_a_factory_does_not_take_make_no_cells_of_their_own(plugin: Path) -> None:
    gl.plugin("lab.py")
    text = (
        "name: x\nmodel: fixed\ngrid: {depth: [3, 5], width: [8, 16], activation: [tanh, relu], init: [xavier_normal]}"
    )
    expansion = grid.expand(spec.loads(text))
    assert len(expansion.cells) == 1
    assert (expansion.cells[0].depth, expansion.cells[0].blocks) == (2, 2)


def test_a_module_registered_from_python_is_made_anew(plugin: Path) -> None:
    first = "def own(in_features, out_features, depth, width):\n    return torch.nn.Linear(in_features, out_features)\n"
    digests = []
    for text in (first, first.replace("in_features, out_features)\n", "in_features, out_features, bias=False)\n")):
        namespace: dict = {"__name__": "notebook"}
        exec("import torch\n" + text, namespace)
        gl.module("own", namespace["own"])
        digests.append(REGISTRIES["model"]["own"].origin.digest)
    assert digests[0] != digests[1]


def test_what_means_nothing_to_a_module_does_not_stand_in_a_heading(
    plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--plugin", "lab.py", "--out", "out", "--executor", "inline", "--no-plots"]
    settings = "task: {name: teacher, inputs: 6, samples: 32}\nwidth: 8\ntrain: {steps: 3}\ndepth: 2\nseeds: 2\n"
    for name, models, named in (("alone", "[stages, fixed]", False), ("both", "[stages, mlp]", True)):
        Path("own.yaml").write_text(f"name: {name}\n{settings}grid: {{model: {models}}}\n")
        assert invoke(["run", "own.yaml", *options]) == 0
        heading = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(name))
        assert ("he_normal" in heading) == ("relu" in heading) == named
