"""Factories and modules that cannot be trained: one message with the user's own line, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlab.cli import invoke

HEAD = """import gradlab as gl, torch
from torch import nn

"""
STACK = "nn.Sequential(nn.Linear(in_features, width), nn.Tanh(), nn.Linear({}, {}))"


def factory(body: str, arguments: str = "in_features, out_features, depth, width") -> str:
    return f'{HEAD}@gl.module("bad")\ndef bad({arguments}):\n    {body}\n'


def forward(body: str) -> str:
    return f"""{HEAD}@gl.module("bad", length=1)
class Bad(nn.Module):
    def __init__(self, in_features, out_features, width):
        super().__init__()
        self.a, self.b = nn.Linear(in_features, width), nn.Linear(width, out_features)

    def forward(self, x):
        {body}
"""


CASES = {
    "a factory that raises": (
        factory("return nn.Linear(in_features, widht)"),
        "lab.py:6: model bad: NameError: name 'widht' is not defined\n  return nn.Linear(in_features, widht)",
    ),
    "no module": (
        factory("return [1]"),
        "lab.py:4: model bad: the factory returned a list\n  return a torch.nn.Module",
    ),
    "no parameter": (factory("return nn.Tanh()"), "lab.py:4: model bad: its module has no parameter that requires a"),
    "maps that do not fit": (
        factory(f"return {STACK.format('width + 1', 'out_features')}"),
        "lab.py:4: model bad: RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x16 and 17x1)",
    ),
    "outputs of another size": (
        factory(f"return {STACK.format('width', '2')}"),
        "lab.py:4: model bad: for 4 samples it returned [4, 2], not [4, 1]\n  the last axis has out_features numbers",
    ),
    "outputs that are no tensor": (
        forward("return {'logits': self.b(self.a(x))}"),
        "lab.py:6: model bad: it returned a dict\n  return the outputs, a tensor [4, 1]",
    ),
    "a forward pass that raises": (
        forward("return self.b(self.a(x)) + y"),
        "lab.py:11: model bad: NameError: name 'y' is not defined\n  return self.b(self.a(x)) + y",
    ),
    "one format alone": (
        forward("return self.b(self.a(x).float())"),
        "lab.py:11: model bad in float64, in which it is probed: RuntimeError: mat1 and mat2 must have the same dtype",
    ),
    "no path": (
        forward("return self.b(self.a(x).detach())"),
        "lab.py:6: model bad: no gradient leads from its outputs to its inputs\n  nothing inside may detach, or",
    ),
    "another length": (
        factory(f"return {STACK.format('width', 'out_features')}"),
        "lab.py:4: model bad: its graph has 1 block (0), not 4, with depth 4\n  say how many in gl.module(…, length=…)",
    ),
    "no length": (
        factory("return nn.Linear(in_features, out_features)", "in_features, out_features"),
        "lab.py:4: bad has no argument depth\n  give it an argument depth, or say how many blocks it has: length=12",
    ),
    "a length that is none": (
        factory("return None").replace('"bad"', '"bad", length=lambda depth: depth / 2'),
        "the length of bad must be a whole number of blocks, found 2.0",
    ),
    "a length that raises": (
        factory("return None").replace('"bad"', '"bad", length=lambda depth: 1 // 0'),
        "the length of bad: ZeroDivisionError: integer division or modulo by zero",
    ),
    "no name": (
        f"{HEAD}@gl.module\ndef bad(in_features, depth):\n    pass\n",
        "lab.py:4: gl.module needs a name first",
    ),
    "no default": (
        factory("return None", "in_features, out_features, depth, extra"),
        "lab.py:4: the argument 'extra' of bad has no default",
    ),
}
SPEC = "name: bad\ntask: {name: teacher, inputs: 6, samples: 16}\nmodel: bad\ndepth: 4\nwidth: 16\n"


@pytest.mark.parametrize("case", CASES)
def test_one_message_and_nothing_runs(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, message = CASES[case]
    monkeypatch.chdir(tmp_path)
    Path("lab.py").write_text(text)
    Path("spec.yaml").write_text(SPEC)
    assert invoke(["run", "spec.yaml", "--plugin", "lab.py", "--out", "out", "--executor", "inline"]) == 2
    error = capsys.readouterr().err
    assert message in error.replace(f"{tmp_path}/", "")
    assert error.count("\n") <= 2
    assert not Path("out", "bad").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("norm: layer", "bad cannot have norm layer"),
        ("residual: add", "bad cannot have residual add"),
        ("dropout: 0.5", "model bad has nothing that dropout acts on"),
        ("task: adding", "adding is a task of sequences, bad takes none"),
        ("model: {name: bad, per: x}", "per"),
    ],
)
def test_settings_that_it_cannot_have(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lab.py").write_text(
        factory(f"return {STACK.format('width', 'out_features')}", "in_features, out_features, depth, width, per=1")
    )
    spec = {key: value for key, _, value in (text.partition(": ") for text in SPEC.splitlines())}
    key, _, value = line.partition(": ")
    Path("spec.yaml").write_text(
        "".join(f"{key}: {value}\n" for key, value in {**spec, "depth": "1", key: value}.items())
    )
    assert invoke(["plan", "spec.yaml", "--plugin", "lab.py", "--out", "out"]) == 2
    assert message in capsys.readouterr().err
