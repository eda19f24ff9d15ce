"""`gradlab width`: the coordinate check on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradlab.cli import invoke

NET = """
import torch
from torch import nn


def make_model(width=64, depth=3, seed=0):
    layers = [layer for _ in range(depth - 2) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), *layers, nn.Linear(width, 4))


def by_size(size):
    return make_model(size)


def make_batch():
    return torch.ones(16, 8), torch.zeros(16, dtype=torch.int64)


def still(model):
    return torch.optim.SGD(model.parameters(), lr=1e-30)


def broken(width):
    raise ValueError("no such net")


number = 3
"""


@pytest.fixture(autouse=True)
def _net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)


RUN = ["width", "net.py:make_model", "--widths", "16..64*2", "--batch", "net.py:make_batch", "--loss", "cross_entropy"]


def test_a_report_and_its_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke([*RUN, "--seeds", "2"]) == 0
    report = capsys.readouterr().out
    assert report.startswith("Coordinate check")
    assert invoke([*RUN, "--seeds", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["widths"] == [16, 32, 64]
    assert [row["layer"] for row in document["layers"]] == ["0", "2", "4"]
    assert all(f"{row['slope']:.2f}" in report for row in document["layers"] if abs(row["slope"]) >= 0.005)


def test_fail_on_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke([*RUN, "--fail-on", "grows"]) == 3
    assert "--fail-on grows: grows at " in capsys.readouterr().err
    assert invoke([*RUN, "--fail-on", "shrinks"]) == 0


def test_an_optimizer_of_the_user_and_arguments_of_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--optimizer", "net.py:still", "--arg", "depth=4", "--json", "--steps", "1"]
    assert invoke([*RUN, *arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["layers"]) == 4
    assert document["optimizer"] == "the given optimizer"
    assert document["lr"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["net.py:make_model", "--widths", "16,32"], 2, "2 widths show no slope"),
        (["net.py:make_model", "--widths", "16,a,32"], 2, "'a' is no number"),
        (["net.py:make_model", "--widths", "16..8"], 2, "--widths 16..8"),
        (["net.py:make_model", "--widths", "1.5,2,3"], 2, "a width is a whole number"),
        (["net.py:make_model", "--widths", "1e400,2,3"], 2, "a width is a whole number"),
        (["net.py:by_size", "--widths", "8,16,32"], 2, "net.py:by_size takes no width"),
        (["net.py:number", "--widths", "8,16,32"], 2, "net.py:number is of type int"),
        (["net.py:nothing", "--widths", "8,16,32"], 2, "net.py has no nothing"),
        (["net.py:broken", "--widths", "8,16,32"], 1, "ValueError: no such net"),
        (["net.py:make_model", "--widths", "8,16,32", "--optimizer", "muon"], 2, "there is no such optimizer"),
        (["net.py:make_model", "--widths", "8,16,32", "--optimizer", "net.py:number"], 2, "is of type int"),
        (["net.py:make_model", "--widths", "8,16,32", "--fail-on", "explodes"], 2, "there is no such verdict"),
    ],
)
def test_what_does_not_fit_is_one_message(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["width", *arguments, "--input", "4x8"]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
