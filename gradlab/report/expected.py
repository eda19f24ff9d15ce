"""The judgements on a spec's expectations, for a terminal and for JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from gradlab.analysis.expectations import Judgement
from gradlab.report.glyphs import Glyphs

__all__ = ["document", "lines", "number_text", "summary_text"]

_STYLES = {"held": "green", "did not hold": "bold red", "not judged": "yellow"}
_LARGEST_DOUBLE = 300
"""Decades that a double surely holds."""


def lines(judgements: Sequence[Judgement], glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the block "Expected", folded to `width` columns; nothing without judgements."""
    if not judgements:
        return []
    signs = {"held": glyphs.learned, "did not hold": glyphs.vanished, "not judged": "?"}
    found = [Text(f"Expected: {summary_text(judgements)}", "bold")]
    widest = max(cell_len(one.text) for one in judgements)
    rows = [(one, f"  {signs[one.outcome]} {one.text}", _says(one, glyphs)) for one in judgements]
    beside = width is None or all(widest + 6 + cell_len(says) <= width for _, _, says in rows)
    for one, text, says in rows:
        if beside:
            found.append(_styled(f"{text.ljust(widest + 4)}  {says}", _STYLES[one.outcome]))
        else:
            found += [_styled(line, _STYLES[one.outcome]) for line in _wrapped(text, width, "    ")]
            found += [Text(line) for line in _wrapped(f"    {says}", width, "    ")]
        if one.because:
            found += [Text(line, "dim") for line in _wrapped(f"    {one.because}", width, "    ")]
    return found


def _styled(line: str, style: str) -> Text:
    text = Text(line)
    text.stylize(style, 2, 3)
    return text


def _wrapped(text: str, width: int | None, indent: str) -> list[str]:
    if width is None:
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def summary_text(judgements: Sequence[Judgement]) -> str:
    """Return how many held, in words."""
    outcomes = [one.outcome for one in judgements]
    held, failed = outcomes.count("held"), outcomes.count("did not hold")
    text = f"{held} of {len(judgements)} held"
    text += f", {failed} did not" if failed else ""
    return text + (f", {len(judgements) - held - failed} not judged" if held + failed < len(judgements) else "")


def _says(one: Judgement, glyphs: Glyphs) -> str:
    parts = []
    if one.measured is not None and one.against is not None:
        text = number_text(one.measured, glyphs)
        if not _written(one.against, one.text):
            text += f" against {number_text(one.against, glyphs)}"
        if one.where:
            text += f" at {one.where}"
        parts.append(text)
    if one.failed and one.compared > 1:
        parts.append(f"not in {one.failed} of {one.compared}")
    elif one.compared > 1:
        parts.append(f"the nearest of {one.compared}")
    if one.outcome == "not judged":
        parts = [f"not judged: {one.reason}", *parts]
    return "; ".join(parts)


def _written(number: Decimal, text: str) -> bool:
    """Whether a statement ends with this number, so that it need not be said again."""
    try:
        return Decimal(text.split()[-1]) == number
    except ArithmeticError:
        return False


def number_text(number: Decimal, glyphs: Glyphs) -> str:
    """Return three or four digits of any number, however small: ``3.21e-627``."""
    if number.is_infinite():
        return ("" if number > 0 else "-") + glyphs.infinite
    if not number:
        return "0"
    size = number.adjusted()
    if -3 <= size < 6:
        return f"{float(number):.4g}" if size < 4 else f"{float(number):,.0f}"
    return f"{number:.2e}".replace("e+", "e")


def document(judgements: Sequence[Judgement]) -> list[dict[str, Any]]:
    """Return the judgements as plain values for JSON. A number that no double holds is given as text."""
    return [
        {
            "that": one.text,
            "because": one.because,
            "outcome": one.outcome,
            "reason": one.reason,
            "measured": _plain(one.measured),
            "against": _plain(one.against),
            "where": one.where,
            "compared": one.compared,
            "failed": one.failed,
        }
        for one in judgements
    ]


def _plain(number: Decimal | None) -> float | str | None:
    if number is None:
        return None
    beyond = number.is_finite() and bool(number) and abs(number.adjusted()) > _LARGEST_DOUBLE
    return f"{number:.6e}" if beyond else float(number)
