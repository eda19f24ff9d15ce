"""How single numbers of a report read: the text, the sign and the shade of a survival, a reach, what was learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isinf, isnan, log, log10, nan
from typing import Any, Literal

import numpy as np

from gradlab.definitions import verdicts
from gradlab.report.formatting import decade, log_text
from gradlab.thresholds import FADING, LEARNED_SHARE, UNEXPLAINED_Z

__all__ = [
    "FAILED",
    "VERDICT_NAMES",
    "Mark",
    "Point",
    "Sign",
    "judged_log10",
    "judged_verdict",
    "learned",
    "mark",
    "mark_of",
    "reach_text",
    "sign_names",
    "unexplained",
    "verdict_of",
]

Point = Mapping[str, Any]
"""The numbers of one configuration: a row of ``summary``, or of the table of a comparison."""
Sign = Literal["", "fading", "vanished", "growing", "exploded", "dead", "nonfinite", "failed"]

_SHADES = (FADING / 3, FADING, 1.0, 3.0, 9.0)
"""Distances from 1, as shares of the way to the threshold in orders of magnitude, at which the next shade begins."""
_BEYOND: dict[str, Sign] = {
    "vanishing": "vanished", "exploding": "exploded", "dead": "dead", "nonfinite": "nonfinite", "failed": "failed",
}  # fmt: skip
VERDICT_NAMES = {
    "vanishing": "vanished", "exploding": "exploded", "dead": "exactly zero", "nonfinite": "not finite",
}  # fmt: skip
"""Names of verdicts beside a survival, where they differ from the verdict."""
_SEVERITY: tuple[Sign, ...] = (
    "", "fading", "growing", "vanished", "exploded", "dead", "nonfinite", "failed",
)  # fmt: skip
_WITHOUT_NUMBER = {"dead": "zero", "nonfinite": "nan"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A survival as every report shows it."""

    text: str
    """Its log10 with one decimal; ``zero`` or ``nan`` where there is none."""
    sign: Sign
    shade: int | None
    """0 near 1, down to -5 the further it vanishes, up to 5 the further it explodes; None without a number."""


FAILED = Mark("failed", "failed", None)
"""The mark of a configuration of which no cell was measured."""


def mark(verdict: str, log10_survival: float, vanish: float, explode: float) -> Mark:
    """Return the mark of a survival; thresholds as in the spec."""
    text = log_text(log10_survival) or _WITHOUT_NUMBER.get(verdict, "")
    return Mark(text, _sign(verdict, log10_survival, vanish, explode), _shade(verdict, log10_survival, vanish, explode))


def mark_of(point: Point, *, final: bool = False) -> Mark:
    """Return the mark of a configuration's mean survival before training, or after it.

    Of a stacked network the sign is that of the layer furthest from 1, where that is worse than all layers together.
    """
    ending = "_final" if final else ""
    thresholds = float(point["thresholds.vanish"]), float(point["thresholds.explode"])
    together = mark(str(point[f"verdict{ending}"]), float(point[f"log10_survival{ending}"]), *thresholds)
    log10_layer = float(point.get(f"log10_survival_by_layer{ending}", nan))
    if isnan(log10_layer):
        return together
    layer = mark(verdict_of(log10_layer, *thresholds), log10_layer, *thresholds)
    worse = _SEVERITY.index(layer.sign) > _SEVERITY.index(together.sign)
    return Mark(together.text, layer.sign, layer.shade) if worse else together


def judged_log10(point: Point, *, final: bool = False) -> float:
    """Return the log10 of the survival that a configuration is judged by: that of the layer furthest from 1, where it
    is a stacked network, or of all together."""
    ending = "_final" if final else ""
    together = float(point[f"log10_survival{ending}"])
    layer = float(point.get(f"log10_survival_by_layer{ending}", nan))
    return layer if abs(layer) > abs(together) else together


def judged_verdict(point: Point, *, final: bool = False) -> str:
    """Return the verdict on a configuration, of a stacked network by layer (`mark_of`)."""
    verdict = str(point["verdict_final" if final else "verdict"])
    sign = mark_of(point, final=final).sign
    return next((name for name, beyond in _BEYOND.items() if beyond == sign), verdict)


def verdict_of(log10_survival: float, vanish: float, explode: float) -> str:
    """Return the verdict on a mean survival by its number alone; nonfinite for NaN, dead for an exact zero."""
    limits = np.log(vanish), np.log(explode)
    number = np.asarray(log10_survival * log(10.0))
    return str(verdicts(number, *limits, dead=np.isneginf(number), nonfinite=np.isnan(number)))


def _sign(verdict: str, log10_survival: float, vanish: float, explode: float) -> Sign:
    if verdict in _BEYOND:
        return _BEYOND[verdict]
    if log10_survival < FADING * log10(vanish) < 0:
        return "fading"
    return "growing" if log10_survival > FADING * log10(explode) > 0 else ""


def _shade(verdict: str, log10_survival: float, vanish: float, explode: float) -> int | None:
    if isnan(log10_survival) or verdict == "nonfinite":
        return None
    threshold, side = (vanish, -1) if log10_survival < 0 else (explode, 1)
    distance = log10_survival / log10(threshold) if threshold != 1 else 0.0
    return side * sum(distance >= step for step in _SHADES)


def sign_names(vanish: float | None, explode: float | None, verdicts: set[str]) -> list[tuple[Sign, str]]:
    """Return the legend: each sign with its name and threshold, None where there are several; signs without a threshold
    where they occur."""
    vanished, exploded = ("" if vanish is None else f" (<{vanish:g})"), ("" if explode is None else f" (>{explode:g})")
    fading = "" if vanish is None or vanish >= 1 else f" (<{vanish**FADING:.2g})"
    growing = "" if explode is None or explode <= 1 else f" (>{explode**FADING:.2g})"
    names: list[tuple[Sign, str]] = [
        ("fading", f"fading{fading}"), ("vanished", f"vanished{vanished}"),
        ("growing", f"growing{growing}"), ("exploded", f"exploded{exploded}"),
    ]  # fmt: skip
    names += [("dead", "exactly zero")] if "dead" in verdicts else []
    return names + ([("nonfinite", "not finite")] if "nonfinite" in verdicts else [])


def learned(point: Point) -> bool:
    """Whether most seeds of a configuration learned."""
    return bool(point["learned"] > LEARNED_SHARE)


def unexplained(z: float) -> bool:
    """Whether a mean lies further from its prediction than theory explains; False without a prediction."""
    return abs(z) > UNEXPLAINED_Z


def reach_text(point: Point, infinite: str) -> str:
    """Return the reach of a configuration with its 95 % interval over seeds: ``21 [19, 24]``.

    The lower end of the interval alone, ``>84``, where that has no upper end; no interval with one seed.
    """
    distance, low, high = (float(point[name]) for name in ("reach", "reach_lo", "reach_hi"))
    if isnan(distance):
        return ""
    if isinf(high) and not isinf(low):
        return f">{decade(low)}"
    if isinf(distance):
        return infinite
    return decade(distance) + ("" if isnan(low) else f" [{decade(low)}, {decade(high)}]")
