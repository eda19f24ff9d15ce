"""The command `report`: where it writes the page, and what it says of a run it cannot show."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import cells_of
from page_runs import Parsed, run_directory

from gradlab.cli import invoke
from gradlab.errors import UsageError
from gradlab.report.page import build_page


def test_the_command_writes_the_page_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = run_directory(tmp_path / "one", cells_of(depths=(2,), seeds=2))
    two = run_directory(tmp_path / "two", cells_of(depths=(4,), seeds=2))
    assert invoke(["report", str(one)]) == 0
    assert capsys.readouterr().out.startswith(f"{one / 'report.html'} (")
    assert (one / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert invoke(["report", str(one), str(two)]) == 0
    assert (tmp_path / "report.html").is_file()
    assert invoke(["report", str(tmp_path), "--out", str(tmp_path / "x.html")]) == 0
    assert (tmp_path / "x.html").read_bytes() == (tmp_path / "report.html").read_bytes()


def test_the_command_opens_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run_directory(tmp_path / "r", cells_of(depths=(2,), seeds=1))
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)) or True)
    assert invoke(["report", str(path), "--open"]) == 0
    assert opened == [(path / "report.html").resolve().as_uri()]


def test_what_cannot_be_done_is_said_in_plain_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_directory(tmp_path / "a" / "r", cells_of(depths=(2,), seeds=1))
    other = run_directory(tmp_path / "b" / "s", cells_of(depths=(2,), seeds=1))
    assert invoke(["report", str(path), str(other)]) == 2
    assert "different directories" in capsys.readouterr().err
    assert invoke(["report", str(path), "--out", str(tmp_path)]) == 2
    assert "is a directory" in capsys.readouterr().err
    assert invoke(["report", str(tmp_path / "nothing")]) == 2
    with pytest.raises(UsageError):
        build_page([tmp_path / "nothing"])


def test_a_damaged_part_is_named_and_the_exit_code_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_directory(tmp_path / "r", cells_of(seeds=2))
    (path / "parts" / "b1.parquet").write_bytes(b"not a part")
    assert invoke(["report", str(path)]) == 1
    assert "b1.parquet is damaged" in capsys.readouterr().err
    assert any("b1.parquet" in warning for warning in Parsed((path / "report.html").read_text()).data["warnings"])
