"""The words for what a profile runs along, of a run whose networks are feed-forward, recurrent, or both."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from gradlab.families import axis_setting
from gradlab.report.words import DEPTH, TIME

__all__ = ["Along", "along_of", "is_recurrent"]


@dataclass(frozen=True, slots=True)
class Along:
    """What the page needs of an `Axis`: of both kinds together there is none."""

    name: str
    """Of the setting that is the length of a profile."""
    unit: str
    """Of one element of it."""
    ends: str
    """What the axis of a chart says."""


_DEPTH = Along(DEPTH.along, DEPTH.unit, DEPTH.ends)
_TIME = Along(TIME.along, TIME.unit, TIME.ends)
_BOTH = Along(f"{DEPTH.along} or {TIME.along}", "step", f"{DEPTH.unit} or {TIME.unit}")


def is_recurrent(models: pd.Series[str]) -> pd.Series[bool]:
    """Return which rows have a recurrent model; `models` as a table has them, ``lstm(forget_bias=1)``."""
    known = {text: axis_setting(str(text)) == "seq_len" for text in models.unique()}
    return models.map(known).astype(bool)


def along_of(flags: pd.Series[bool]) -> Along:
    """Return the words for rows of which the `flags` say whether they are recurrent."""
    return _TIME if len(flags) and flags.all() else _BOTH if flags.any() else _DEPTH
