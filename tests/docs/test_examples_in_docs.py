"""The code in README and docs: specs are valid, calls fit the functions, commands and their flags are there."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
import typer
from documented import NAMES, Block, blocks, outside_of_blocks, text_of
from matplotlib import rc_context
from places import ROOT
from registered import registries as registries
from torch import nn

import gradlab as gl
from gradlab import spec
from gradlab.api.experiments import experiments
from gradlab.cell import SETTINGS, parameter_of
from gradlab.cli.app import app
from gradlab.report.plots import PICTURES

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
_PLACEHOLDERS = re.compile(r"…|\.\.\.|[A-Z]{3,}|KEY=|^\[|\]$")


WINES = "fixed acidity;alcohol;quality\n" + "".join(f"{7 + k / 10};{9 + k % 5};{5 + k % 3}\n" for k in range(60))


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_a_spec_is_valid(block: Block, tmp_path: Path) -> None:
    """One that only has an `expect:` belongs to the spec before it on its page; others may leave out their name."""
    (tmp_path / "winequality-red.csv").write_text(WINES)
    text = block.text
    if text.startswith("expect:"):
        before = [other for other in blocks("yaml") if other.page == block.page and other.line < block.line]
        text = before[-1].text + text
    if not re.search("^name:", text, re.MULTILINE):
        text = f"name: example\n{text}"
    assert spec.loads(text, str(block), base_dir=tmp_path).size > 0


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_calls_fit_the_functions(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "gl":
            assert hasattr(gl, node.attr), f"{block}: gl.{node.attr}"
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("gl.")):
            continue
        _, *path = ast.unparse(node.func).split(".")
        if path[0] in gl._CALLBACKS:  # of packages that need not be there
            continue
        function: Any = gl
        for name in path:
            function = getattr(function, name)
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            continue
        keywords = {keyword.arg: None for keyword in node.keywords if keyword.arg is not None}
        inspect.signature(function).bind(*node.args, **keywords)


def test_the_model_of_the_readme_is_measured() -> None:
    (block,) = (block for block in blocks("python") if block.page == "README.md")
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(block.text, str(block), "exec"), {})
    assert "Vanishing" in printed.getvalue()
    assert "Why:" in printed.getvalue()


@pytest.mark.slow
def test_the_figure_for_a_paper_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (question,) = (block for block in blocks("yaml") if block.page == "README.md")
    Path("deep_tanh.yaml").write_text(question.text)
    gl.run("deep_tanh.yaml", train_steps=0, workers=0, quiet=True)
    (figure,) = (block for block in blocks("python") if block.page == "docs/pictures.md")
    with rc_context():
        exec(compile(figure.text, str(figure), "exec"), {})
    assert Path("profiles.pdf").read_bytes().startswith(b"%PDF")


def wide(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4))


@pytest.mark.slow
def test_the_guide_to_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a smaller spec of the name that it uses, and what a reader has: a model, data, an optimizer."""
    monkeypatch.chdir(tmp_path)
    text = experiments()["sigmoid_vs_relu"].read_text(encoding="utf-8").partition("\nexpect:")[0]
    Path("experiments").mkdir()
    Path("experiments/sigmoid_vs_relu.yaml").write_text(text.replace("steps: 300", "steps: 2"), encoding="utf-8")
    shutil.copy(ROOT / "docs" / "examples" / "my_lab.py", tmp_path)
    model, (inputs, targets) = wide(16), (torch.randn(8, 16), torch.randint(4, (8,)))
    known: dict[str, Any] = {
        "np": numpy, "torch": torch, "nn": nn, "model": model, "make": wide, "mlp": wide, "inputs": inputs,
        "targets": targets, "loader": [(inputs, targets)] * 2, "loss_function": nn.functional.cross_entropy,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
    }  # fmt: skip
    guide = [block for block in blocks("python") if block.page == "docs/python.md"]
    with redirect_stdout(StringIO()):
        for block in guide:
            if "import lightning" not in block.text:  # has tests of its own, and needs both packages
                exec(compile(block.text, str(block), "exec"), known)
    assert known["w"].verdict
    assert {path.name for path in Path("results").iterdir()} == {"sigmoid_vs_relu", "my_question", "mine"}


def test_every_picture_is_on_its_page() -> None:
    page = text_of("docs/pictures.md")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(PICTURES)


def command_lines(name: str) -> Iterator[str]:
    """Commands of gradlab: lines of blocks without a language or of a shell, and code inside of the text."""
    for language in ("", "bash", "sh", "console"):
        for block in blocks(language):
            if block.page == name:
                joined = re.sub(r"\\\n\s*", " ", block.text)
                yield from (re.sub(r"^\$ ", "", line) for line in joined.splitlines())
    yield from (" ".join(match[1].split()) for match in re.finditer(r"`([^`]+)`", outside_of_blocks(name)))


@pytest.mark.parametrize("name", NAMES)
def test_commands_and_flags_are_there(name: str) -> None:
    wrong = []
    for line in command_lines(name):
        if not re.match(r"gradlab [a-z@]", line):
            continue
        words = shlex.split(line, comments=True)[1:]
        if words and words[0] not in COMMANDS:
            wrong.append(f"{line}: no command {words[0]}")
            continue
        command = COMMANDS[words[0]]
        flags = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}
        for word in words[1:]:
            flag = word.partition("=")[0]
            if flag.startswith("-") and not re.match(r"-\d|-$", flag) and flag not in flags:
                key = flag.removeprefix("--")
                if "--parameter" in flags and (key in SETTINGS or parameter_of(key)):
                    continue
                wrong.append(f"{line}: {words[0]} has no {flag}")
            elif word.startswith("@") and word[1:] not in experiments() and not _PLACEHOLDERS.search(word):
                wrong.append(f"{line}: no experiment {word}")
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_settings_given_to_commands_are_there(name: str) -> None:
    wrong = []
    for line in command_lines(name):
        for key in re.findall(r"(?:^|\s)-s '?([\w.]+)=", line):
            known = key in SETTINGS or key in ("seeds", "name") or parameter_of(key) is not None
            if not known and not _PLACEHOLDERS.search(key) and key not in ("key",):
                wrong.append(f"{line}: no setting {key}")
    assert wrong == []
