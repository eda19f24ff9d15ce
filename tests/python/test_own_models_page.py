"""docs/own_models.md: its first example prints what the page shows, and its table is of the models that are tested."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from places import ROOT
from zoo import MODELS

from gradlab.cli import invoke

PAGE = (ROOT / "docs" / "own_models.md").read_text(encoding="utf-8")


def test_the_first_example_prints_what_the_page_shows() -> None:
    code, shown = re.findall(r"```(?:python)?\n(.*?)```", PAGE, re.DOTALL)[:2]
    with redirect_stdout(StringIO()) as printed:
        exec(code.replace("print(p)", "print(p.report(110))"), {})
    assert printed.getvalue().rstrip() == shown.rstrip()


def test_the_example_of_a_training_loop_leaves_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers of training in float32 differ from machine to machine: the words, and how many numbers there are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    section = PAGE.partition("## Your training loop")[2]
    code, watched, compared = re.findall(r"```(?:python)?\n(.*?)```", section, re.DOTALL)
    exec(code, {})
    shown = {("watch", "results/he"): watched, ("compare", "results/default", "results/he"): compared}
    for command, text in shown.items():
        capsys.readouterr()
        assert invoke(command) == 0
        assert words(capsys.readouterr().out) == words(text)


def words(text: str) -> list[str]:
    text = re.sub(r"ended after [^:]*:", "ended:", re.sub("[▁▂▃▄▅▆▇█]+", "", text))
    return re.sub(r"[-+]?\d[\d.,]*(\^[-+]?\d+\.\d+)?", "#", text).split()


def test_the_table_is_of_the_models_that_are_tested() -> None:
    rows = re.findall(r"^\| ([^|]+) \| (\w+) \| (\d+) \| `([^`]+)` … `([^`]+)` \| (\w+) \|", PAGE, re.MULTILINE)
    assert {
        name: (package, int(blocks), first, last, verdict) for name, package, blocks, first, last, verdict in rows
    } == {name: (entry.package, entry.blocks, entry.first, entry.last, entry.verdict) for name, entry in MODELS.items()}
