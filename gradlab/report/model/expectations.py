"""The judgements on a spec's expectations as texts, and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from gradlab.analysis.expectations import Judgement

__all__ = ["document", "measured_text", "number_text", "summary_text"]

_LARGEST_DOUBLE = 300
"""Decades that a double surely holds."""


def summary_text(judgements: Sequence[Judgement]) -> str:
    """Return how many held, in words."""
    outcomes = [judgement.outcome for judgement in judgements]
    held, failed = outcomes.count("held"), outcomes.count("did not hold")
    text = f"{held} of {len(judgements)} held"
    text += f", {failed} did not" if failed else ""
    return text + (f", {len(judgements) - held - failed} not judged" if held + failed < len(judgements) else "")


def measured_text(judgement: Judgement, infinite: str) -> str:
    """Return what was measured against what, where, and in how many of the compared configurations."""
    parts = []
    if judgement.measured is not None and judgement.against is not None:
        text = number_text(judgement.measured, infinite)
        if not _written(judgement.against, judgement.text):
            text += f" against {number_text(judgement.against, infinite)}"
        if judgement.where:
            text += f" at {judgement.where}"
        parts.append(text)
    if judgement.failed and judgement.compared > 1:
        parts.append(f"not in {judgement.failed} of {judgement.compared}")
    elif judgement.compared > 1:
        parts.append(f"the nearest of {judgement.compared}")
    if judgement.outcome == "not judged":
        parts = [f"not judged: {judgement.reason}", *parts]
    return "; ".join(parts)


def _written(number: Decimal, text: str) -> bool:
    """Whether a statement ends with this number."""
    try:
        return Decimal(text.split()[-1]) == number
    except ArithmeticError:
        return False


def number_text(number: Decimal, infinite: str) -> str:
    """Return three or four digits of any number, however small: ``3.21e-627``."""
    if number.is_infinite():
        return ("" if number > 0 else "-") + infinite
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
            "that": judgement.text,
            "because": judgement.because,
            "outcome": judgement.outcome,
            "reason": judgement.reason,
            "measured": _plain(judgement.measured),
            "against": _plain(judgement.against),
            "where": judgement.where,
            "compared": judgement.compared,
            "failed": judgement.failed,
        }
        for judgement in judgements
    ]


def _plain(number: Decimal | None) -> float | str | None:
    if number is None:
        return None
    beyond = number.is_finite() and bool(number) and abs(number.adjusted()) > _LARGEST_DOUBLE
    return f"{number:.6e}" if beyond else float(number)
