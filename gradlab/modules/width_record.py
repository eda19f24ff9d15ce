"""What a coordinate check gives, and the slopes that follow from it: plain numpy, without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from gradlab.record import Floats

__all__ = ["TOLERANCE", "Slope", "WidthCheck", "WidthVerdict"]

WidthVerdict = str
"""``stable``, ``grows``, ``shrinks``, ``undecided`` or ``does not move``."""

TOLERANCE = 0.1
"""Slopes up to this are those of a stable layer: so far from its limit is a slope measured at usual widths."""
_TOP = 3
"""The verdict is on the widest models alone: slopes bend at small widths."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope of log2 of an RMS against log2 of the width, by least squares over all seeds."""

    value: float
    error: float
    """Standard error from the scatter of all points around the line; NaN for fewer than three."""
    freedom: int

    @property
    def half_width(self) -> float:
        """Half of its 95 % interval, Student's t."""
        return float(stdtrit(self.freedom, 0.975)) * self.error if self.freedom > 0 else math.nan


@dataclass(frozen=True)
class WidthCheck:
    """How far each layer's output moved: L layers, W widths, S seeds, T updates."""

    layers: tuple[str, ...]
    widths: tuple[int, ...]
    before_LWS: Floats
    """Root mean square of the output before the first update."""
    moved_LTWS: Floats
    """Root mean square of how far it is from that after each update."""
    optimizer: str
    lr: float | None

    @property
    def steps(self) -> int:
        return int(self.moved_LTWS.shape[1])

    def slope(self, layer: int, step: int = 1, *, top: int | None = _TOP) -> Slope:
        """Return the slope of a layer's movement after `step` updates, over the `top` widest models (None: all)."""
        return _slope(self.widths, self.moved_LTWS[layer, step - 1], top)

    def slope_before(self, layer: int, *, top: int | None = _TOP) -> Slope:
        """Return the slope of the layer's output itself before the first update."""
        return _slope(self.widths, self.before_LWS[layer], top)

    def verdict(self, layer: int) -> WidthVerdict:
        """Return what the first update does to a layer in wider models.

        ``grows`` or ``shrinks``: the 95 % interval of the slope lies beyond `TOLERANCE`; ``stable``: the slope is
        within it, and the interval no wider than twice that; ``does not move``: the output stays as it was, exactly;
        ``undecided`` otherwise: more seeds or wider models decide.
        """
        if not self.moved_LTWS[layer, 0].any():
            return "does not move"
        slope = self.slope(layer)
        if math.isnan(slope.value):
            return "undecided"
        if slope.value - slope.half_width > TOLERANCE:
            return "grows"
        if slope.value + slope.half_width < -TOLERANCE:
            return "shrinks"
        return "stable" if abs(slope.value) <= TOLERANCE and slope.half_width <= 2 * TOLERANCE else "undecided"

    @property
    def verdicts(self) -> tuple[WidthVerdict, ...]:
        return tuple(map(self.verdict, range(len(self.layers))))

    @property
    def overall(self) -> WidthVerdict:
        """``grows`` or ``shrinks`` where a layer does, ``undecided`` where one is, else ``stable``."""
        return next((name for name in ("grows", "shrinks", "undecided") if name in self.verdicts), "stable")


def _slope(widths: Sequence[int], values_WS: Floats, top: int | None) -> Slope:
    largest = slice(None) if top is None else slice(-top, None)
    values = values_WS[largest]
    x = np.repeat(np.log2(np.array(widths[largest], dtype=float)), values.shape[1])
    if not (np.isfinite(values) & (values > 0)).all():
        return Slope(math.nan, math.nan, 0)
    y = np.log2(values).ravel()
    x = x - x.mean()
    value = float(x @ y / (x @ x))
    freedom = len(x) - 2
    residuals = y - y.mean() - value * x
    error = math.sqrt(float(residuals @ residuals) / freedom / float(x @ x)) if freedom > 0 else math.nan
    return Slope(value, error, freedom)
