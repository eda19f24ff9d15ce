"""`gradlab probe`: what it prints of a model in a file, its exit codes, and one message for each wrong use."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from places import ROOT

import gradlab as gl
from gradlab.api.model_options import ModelOptions
from gradlab.api.user_model import batch_of
from gradlab.cli import invoke

FILE = """
import torch
from torch import nn

def make_model(depth=8, act="Sigmoid"):
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(16, 16), getattr(nn, act)()]
    return nn.Sequential(*layers, nn.Linear(16, 10))

def make_batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 16, generator=generator), torch.arange(6)

class Picky(nn.Module):
    def __init__(self):
        super().__init__()
        self.map = nn.Linear(4, 4)
    def forward(self, x):
        if x.shape[0] == 5:
            raise ValueError("five samples are one too many")
        return self.map(x)

net = Picky()

class Timed(nn.Module):
    def __init__(self):
        super().__init__()
        self.map = nn.Linear(4, 4)
    def forward(self, x, time):
        return self.map(x) * time

timed = Timed()

def calls(model):
    return model(torch.ones(3, 4))

def two(output, batch):
    return output.square().mean()

def one(output):
    return output.sum()

def nothing():
    nn.Linear(2, 2)

def number():
    return 3

def empty_batch():
    pass

def needs(width):
    return nn.Linear(width, width)

def plain():
    return nn.Sequential()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "mine.py").write_text(FILE)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert invoke(["probe", *arguments]) == code, capsys.readouterr().err
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    return dict(json.loads(printed(capsys, *arguments, "--json")))


def test_the_numbers_are_those_of_python(capsys: pytest.CaptureFixture[str]) -> None:
    shown = document(capsys, "mine.py:make_model", "--batch", "mine.py:make_batch", "--loss", "cross_entropy")
    space: dict[str, object] = {}
    exec(FILE, space)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = space["make_model"]()  # type: ignore[operator]
    probe = gl.probe(model, space["make_batch"](), "cross_entropy")  # type: ignore[operator]
    assert shown["log10_survival"] == probe.log10_survival
    assert shown["verdict"] == probe.verdict
    blocks = shown["blocks"]
    assert isinstance(blocks, list)
    assert [block["log10_grad_norm"] for block in blocks] == probe.blocks["log10_grad_norm"].tolist()


def test_seeds_build_models_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    shown = document(capsys, "mine.py:make_model", "--input", "6x16", "--seeds", "3")
    assert shown["seeds"] == 3
    low, high = shown["log10_survival_interval"]  # type: ignore[misc]
    assert low < shown["log10_survival"] < high
    text = printed(capsys, "mine.py:make_model", "--input", "6x16", "--seeds", "3")
    assert "3 seeds" in text
    assert "over the seeds" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["mine.py:net", "--batch", "mine.py:calls"],
        ["mine:Picky", "--input", "3x4", "--loss", "mine.py:two"],
        ["torch.nn:Linear", "--arg", "in_features=4", "--arg", "out_features=4", "--input", "3x4"],
        ["torch.nn:Linear", "--arg", "in_features=4", "--arg", "out_features=4", "--input", "3x4", "--loss", "mse"],
        ["mine.py:make_model", "--input", "6x16", "--loss", "cross_entropy", "--eval"],
        ["mine.py:make_model", "--arg", "act=ReLU", "--arg", "depth=3", "--input", "6x16", "--blocks", "cuts"],
        ["mine.py:make_model", "--input", "6x16", "--blocks", "0,4,8", "--samples", "2", "--dtype", "own"],
    ],
)
def test_every_way_to_name_a_model_and_its_batch(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    shown = document(capsys, *arguments)
    assert shown["blocks"]
    assert shown["training"] is ("--eval" not in arguments)


def test_random_batches_have_the_shape_asked_for() -> None:
    assert batch_of(ModelOptions(input="4x3x2")).shape == (4, 3, 2)
    tokens = batch_of(ModelOptions(tokens="200x6:5"))
    assert tokens.shape == (200, 6)
    assert set(tokens.unique().tolist()) == set(range(5))


def test_random_targets_have_the_loss_of_chance(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["mine.py:make_model", "--arg", "act=Sigmoid", "--input", "512x16", "--loss", "cross_entropy"]
    loss = document(capsys, *arguments)["loss"]
    assert isinstance(loss, float)
    assert loss == pytest.approx(math.log(10), abs=0.15)


def test_a_verdict_of_fail_on_leaves_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    vanishing = ["mine.py:make_model", "--input", "6x16"]
    printed(capsys, *vanishing, "--fail-on", "exploding,dead")
    assert invoke(["probe", *vanishing, "--fail-on", "dead,vanishing"]) == 3
    assert "the model is vanishing" in capsys.readouterr().err


def test_cures_are_in_the_report_and_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["mine.py:make_model", "--input", "6x16", "--cure"]
    cures = document(capsys, *arguments)["cures"]
    assert isinstance(cures, list)
    assert {"what", "source", "code", "helps", "before", "after", "trained_before", "trained"} == cures[0].keys()
    assert cures[0]["trained"] is None  # without a loss
    text = printed(capsys, *arguments)
    assert cures[0]["what"] in text
    assert all(line in text for line in cures[0]["code"].split("\n"))


@pytest.mark.parametrize(
    ("arguments", "message", "way_out"),
    [
        (["mine.py:make_model"], "there is no batch", "--input 4x3x64x64"),
        (["mine.py"], "names no object", "mine.py:make_model"),
        (["unheard_of.py:make_model", "--input", "6x16"], "unheard_of.py cannot be read", "Python file"),
        (["mine.py:make_modle", "--input", "6x16"], "has no make_modle", "did you mean make_model?"),
        (["mine.py:nothing", "--input", "6x16"], "returned nothing", "return the model"),
        (["mine.py:number", "--input", "6x16"], "an object of type int", "torch.nn.Module"),
        (["mine.py:FILE", "--input", "6x16"], "has no FILE", "it has make_model"),
        (["mine.py:torch", "--input", "6x16"], "of type module", "returns a torch.nn.Module"),
        (["mine.py:needs", "--input", "6x16"], "missing a required argument: 'width'", "--arg width=VALUE"),
        (["mine.py:make_model", "--arg", "deep=3", "--input", "6x16"], "'deep'", "it takes (depth=8"),
        (["mine.py:make_model", "--arg", "deep", "--input", "6x16"], "this is no argument", "--arg depth=12"),
        (["mine.py:net", "--arg", "a=1", "--input", "3x4"], "takes no --arg", "function or class"),
        (["mine.py:net", "--seeds", "2", "--input", "3x4"], "is one model", "function that builds it"),
        (["mine.py:make_model", "--input", "6x"], "this is no shape", "4x3x64x64"),
        (["mine.py:make_model", "--input", "0x16"], "this is no shape", "4x3x64x64"),
        (["mine.py:make_model", "--input", "999999999x999999999"], "--input 999999999x999999999", ""),
        (["mine.py:make_model", "--tokens", "6x16"], "number of tokens", "2x64:1000"),
        (["mine.py:make_model", "--input", "6x16", "--batch", "mine.py:make_batch"], "are given", "one of them"),
        (["mine.py:make_model", "--input", "6x15"], "does not take --input 6x15", "as the model takes it"),
        (["mine.py:make_model", "--tokens", "6x16:5"], "does not take --tokens 6x16:5", "as the model takes it"),
        (["mine.py:make_model", "--batch", "mine.py:empty_batch"], "returned nothing", "return the batch"),
        (["mine.py:make_model", "--batch", "mine.py:number"], "a batch of type int", "give a tensor"),
        (["mine.py:make_model", "--input", "6x16", "--loss", "cross_entropi"], "no such loss", "cross_entropy?"),
        (["mine.py:make_model", "--input", "6x16", "--loss", "mine.py:one"], "takes (output)", "two arguments"),
        (["mine.py:make_model", "--input", "6x16", "--loss", "mine.py:torch"], "of type module", "name a function"),
        (["mine.py:make_model", "--input", "6x16", "--loss", "token"], "needs an output", "normal"),
        (["mine.py:make_model", "--input", "6x16", "--blocks", "nope"], "'nope'", "names"),
        (["mine.py:make_model", "--input", "6x16", "--blocks", ","], "no block is named", "--blocks auto"),
        (["mine.py:make_model", "--input", "6x16", "--source", "nope"], "source='nope'", "it takes"),
        (["mine.py:make_model", "--input", "6x16", "--seeds", "0"], "--seeds 0", ""),
        (["mine.py:make_model", "--input", "6x16", "--fail-on", "sick"], "no such verdict", "vanishing"),
        (["mine.py:plain", "--input", "6x16"], "no block", "name the blocks"),
        ([], "missing argument", "gradlab probe --help"),
    ],
)
def test_a_wrong_use_is_one_message(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, way_out: str
) -> None:
    assert invoke(["probe", *arguments]) == 2
    written = capsys.readouterr()
    assert not written.out
    assert message in written.err
    assert way_out in written.err
    assert "Traceback" not in written.err
    assert "bug" not in written.err


def test_what_torch_raises_while_the_model_is_built_is_no_matter_of_the_input(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke(["probe", "mine.py:make_model", "--arg", "depth=2", "--arg", "act=Bilinear", "--input", "6x16"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("TypeError")
    assert "in make_model" in said
    assert "does not take" not in said


def test_an_exception_of_the_model_is_shown_as_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["probe", "mine.py:net", "--input", "5x4"]) == 1
    line = FILE.split("\n").index('            raise ValueError("five samples are one too many")') + 1
    assert capsys.readouterr().err.split("\n")[:2] == [
        "ValueError: five samples are one too many", f"  mine.py:{line}, in forward",
    ]  # fmt: skip
    assert invoke(["probe", "mine.py:net", "--input", "5x4", "--verbose"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_argument_that_the_batch_lacks_is_no_fault_of_gradlab(capsys: pytest.CaptureFixture[str]) -> None:
    """The call of a forward goes through gradlab, which records it; that it does not fit is the caller's."""
    assert invoke(["probe", "mine.py:timed", "--input", "3x4"]) == 2
    written = capsys.readouterr().err
    assert written.startswith(
        "gradlab: the model does not take --input 3x4: TypeError: Timed.forward() missing 1 required"
    )
    assert "bug" not in written


@pytest.mark.slow
def test_in_a_process_of_its_own_the_document_is_all_of_stdout(place: Path) -> None:
    (place / "loud.py").write_text(FILE.replace("    layers = []", "    print('building')\n    layers = []"))
    done = subprocess.run(
        [sys.executable, "-m", "gradlab", "probe", "loud.py:make_model", "--input", "6x16", "--json"],
        capture_output=True, text=True, timeout=120, cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "vanishing"
    assert "building" in done.stderr


def test_a_change_that_cannot_be_tried_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reader.py").write_text(
        "from torch import nn\n"
        "class Reader(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer, self.readout = nn.Linear(8, 8), nn.Linear(8, 2)\n"
        "    def forward(self, x):\n"
        "        return self.readout((self.layer(x) + 0 * self.layer.weight.sum()).relu())\n"
    )
    assert invoke(["probe", "reader.py:Reader", "--input", "4x8", "--cure"]) == 0
    shown = capsys.readouterr()
    assert "warning: could not be tried: LayerNorm before each activation: AttributeError" in shown.err
    assert "LayerNorm" not in shown.out
