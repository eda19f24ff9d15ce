"""The words for what the profiles of a run, or of several, run along."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from gradlab.families.axes import models_by_axis

__all__ = ["Along", "along_of", "settings_along"]


@dataclass(frozen=True, slots=True)
class Along:
    """What the page needs of an `Axis`: of several together there is none."""

    name: str
    """Of the setting that is the length of a profile."""
    unit: str
    """Of one element of it."""
    ends: str
    """What the axis of a chart says."""


def along_of(models: Collection[str]) -> Along:
    """Return the words for networks of these models; those of the first family without any."""
    axes = list(models_by_axis(models or ["mlp"]))
    if len(axes) == 1:
        return Along(axes[0].along, axes[0].unit, axes[0].ends)
    names, units = (" or ".join(words) for words in zip(*((axis.along, axis.unit) for axis in axes), strict=True))
    return Along(names, "step", units)


def settings_along(models: pd.Series[str]) -> pd.Series[str]:
    """Return for each model of a table the setting that is the length of its profiles."""
    settings = {model: axis.along for axis, own in models_by_axis(models.unique().tolist()).items() for model in own}
    return models.map(settings).astype(object)
