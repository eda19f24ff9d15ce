"""What a configuration is judged by: the worst of its survivals, and whether any of them carries a mark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.definitions import verdicts
from gradlab.store.records import Integers
from gradlab.thresholds import FADING

__all__ = ["Judgement", "judged"]

_SEVERITY = np.array(["healthy", "vanishing", "exploding", "dead", "nonfinite"])


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of each configuration, all [C]."""

    verdict: NDArray[np.str_]
    """Of all layers together, or of the stacked layer furthest from 1 where that is worse."""
    by_layer: NDArray[np.bool_]
    """Whether it is that of a layer."""
    healthy: NDArray[np.bool_]
    """Whether it has no mark: neither beyond a threshold nor fading or growing."""


def judged(table: pd.DataFrame) -> Judgement:
    """Return the judgement on the rows of a `mean_table`."""
    together, layer = (table[name].to_numpy(np.float64) for name in ("log10_survival", "log10_survival_by_layer"))
    low, high = (np.log10(table[f"thresholds.{name}"].to_numpy(np.float64)) for name in ("vanish", "explode"))
    verdict = table["verdict"].to_numpy(dtype=str)
    of_layer = verdicts(layer, low, high, dead=np.isneginf(layer), nonfinite=np.zeros(len(table), dtype=bool))
    worse = ~np.isnan(layer) & (_severity(of_layer) > _severity(verdict))
    verdict = np.where(worse, of_layer, verdict)
    near = np.zeros(len(table), dtype=bool)
    for values in (together, layer):  # a comparison with NaN is false
        near |= (values < FADING * low) & (low < 0) | (values > FADING * high) & (high > 0)
    return Judgement(verdict, worse, (verdict == "healthy") & ~near)


def _severity(verdict: NDArray[np.str_]) -> Integers:
    return np.asarray(np.argmax(verdict[:, None] == _SEVERITY, axis=1), dtype=np.int64)
