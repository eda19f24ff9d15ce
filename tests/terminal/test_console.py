"""Widths of reports: that of the terminal, COLUMNS, or 120 in a pipe."""

from __future__ import annotations

import pytest
from rich.text import Text

from gradlab.terminal.console import WIDEST, print_report


@pytest.mark.parametrize(("columns", "width"), [(None, WIDEST), ("80", 80), ("300", 300), ("", WIDEST)])
def test_a_pipe_is_as_wide_as_columns_says_or_120(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    print_report(lambda glyphs, given: [Text(str(given))])
    assert capsys.readouterr().out == f"{width}\n"
