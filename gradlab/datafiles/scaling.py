"""Mean 0 and deviation 1 on the training part, computed so that nothing overflows and no rounding is divided by."""

from __future__ import annotations

import numpy as np

from gradlab.datafiles.source import Floats

__all__ = ["Flags", "Rows", "constant", "constant_columns", "standardised", "unit_sized"]

Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
Rows = np.ndarray[tuple[int, ...], np.dtype[np.intp]]

ROUNDING = 1e-12
"""Range of a column, over its size, up to which it is constant but for rounding: some thousand units in the last place
of a double."""
_LARGEST = 2.0**512
"""Beyond it in size a number, over the deviation of others, is as good as infinite."""
SINGLE_ROUNDING = 2.0**-21
"""The same for a column whose numbers are all of single precision: four units in its last place."""


def standardised(x: Floats, train: Rows) -> tuple[Floats, Flags]:
    """Return columns `[M, I]` less their mean over their deviation on the rows `train`, and which are constant there.

    Those that are constant up to rounding are 0. Columns are brought to a size of about 1 by a power of two first,
    which changes no bit of the result and keeps squares and sums within the range of a double.
    """
    scaled = unit_sized(x, x[train])
    part = scaled[train]
    flat = constant_columns(x[train])
    deviation = np.where(flat, 1.0, part.std(0))
    result: Floats = (scaled - part.mean(0)) / deviation
    result[:, flat] = 0.0
    return result, flat


def constant(values: Floats) -> bool:
    """Return whether values `[M]` are the same up to rounding."""
    return bool(constant_columns(values[:, None])[0])


def unit_sized(x: Floats, part: Floats | None = None) -> Floats:
    """Return numbers `[M]`, or each column of `[M, I]`, times a power of two: the largest is 1/2 to 1 in size.

    With a `part` of the rows the largest of that; others are cut where they leave the range of a double.
    """
    _, exponent = np.frexp(np.abs(x if part is None else part).max(0))
    with np.errstate(over="ignore"):
        result: Floats = np.ldexp(x, -exponent)
    return np.clip(result, -_LARGEST, _LARGEST)


def constant_columns(x: Floats) -> Flags:
    """Return which columns of `[M, I]` are the same up to rounding."""
    scaled = unit_sized(x)
    single = (scaled.astype(np.float32) == scaled).all(0) & (x != np.rint(x)).any(0)
    tolerance = np.where(single, SINGLE_ROUNDING, ROUNDING) * np.abs(scaled).max(0)
    result: Flags = scaled.max(0) - scaled.min(0) <= tolerance
    return result
