"""The design behind many cells: which settings vary, and the responses that are asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gradlab.analysis.compare.axes import axes_of
from gradlab.analysis.compare.effects import Factor
from gradlab.analysis.compare.seeds import joint
from gradlab.cell import REGISTRIES, SETTINGS
from gradlab.families import Axis
from gradlab.families.axes import length_settings
from gradlab.record import Floats
from gradlab.store.records import Integers

__all__ = ["METRICS", "Design", "Metric", "design", "respond", "setting_text"]

_ASIDE = ("seed", "thresholds.vanish", "thresholds.explode", "probe.at")
"""Settings that change no response, only how it is read; the seed is the repetition."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A response: the column of ``cells`` it is in, whether that is a log10, and what it is called.

    In a `title` stand the words of the axis: ``{ratio}`` (what survival is), ``{unit}`` and ``{units}``.
    """

    name: str
    column: str
    log: bool
    title: str


METRICS = {
    metric.name: metric
    for metric in (
        Metric("survival", "log10_survival", True, "survival before training: {ratio}"),
        Metric("survival_final", "log10_survival_final", True, "survival after training: {ratio}"),
        Metric("decay", "log10_decay", True, "factor per {unit} before training"),
        Metric("metric", "metric", False, "final metric"),
        Metric("loss", "loss", False, "final loss"),
        Metric("learned", "learned", False, "share of the seeds that learned"),
        Metric("reach", "log10_reach", True, "{units} until a thousandth is left, or a thousandfold"),
    )
}


def respond(cells: pd.DataFrame, metric: Metric) -> Floats:
    """Return the response of each cell; NaN for metric and loss of one that diverged, which has none."""
    values = cells[metric.column].to_numpy(np.float64)
    lost = (cells["status"] != "ok").to_numpy() if metric.name in ("metric", "loss") else False
    return np.where(lost, np.nan, values)


@dataclass(frozen=True)
class Design:
    """The settings of N cells as codes. `configuration` and `seed` have shape [N]."""

    varied: tuple[Factor, ...]
    """Every setting that varies, seed and what changes no response left out."""
    follows: dict[str, str]
    """Settings that vary only because another does, by the name of that other."""
    fixed: dict[str, Any]
    configuration: Integers
    seed: Integers
    seeds: int
    along: Mapping[str, Axis]
    """The axes of the families by the setting that the tables run over, see `axes_of`."""

    @property
    def axes(self) -> tuple[str, ...]:
        """The settings that the tables run over."""
        return tuple(self.along)

    @property
    def factors(self) -> tuple[Factor, ...]:
        """What varies by itself."""
        return tuple(f for f in self.varied if f.name not in self.follows)

    def code(self, names: Sequence[str]) -> Integers:
        """Return one code for each combination of some settings that vary, [N]."""
        return joint([f.codes for f in self.varied if f.name in names], len(self.configuration))


def design(cells: pd.DataFrame) -> Design:
    """Return the design of `cells`, whose levels are in the order of numbers or of the registries."""
    varied, fixed = [], {}
    for key in SETTINGS:
        codes, values = pd.factorize(cells[key], use_na_sentinel=False)
        if len(values) < 2:
            fixed[key] = values[0]
        elif key not in _ASIDE:
            order = sorted(range(len(values)), key=lambda index: _place(key, values[index]))
            rank = np.empty(len(values), dtype=np.int64)
            rank[order] = np.arange(len(values))
            varied.append(Factor(key, tuple(setting_text(values[index]) for index in order), rank[codes]))
    seed, seeds = pd.factorize(cells["seed"])
    configuration = joint([f.codes for f in varied], len(cells))
    along = axes_of(cells)
    follows = _follows(varied, tuple(along))
    return Design(tuple(varied), follows, fixed, configuration, seed.astype(np.int64), len(seeds), along)


def _place(key: str, value: Any) -> tuple[int, float, str]:
    if pd.isna(value):  # a setting that does not apply, as the seq_len of a feed-forward network
        return (-1, 0.0, "")
    if isinstance(value, int | float | np.number):
        return (0, float(value), "")
    known = list(REGISTRIES.get(key, ()))
    name = str(value).partition("(")[0]
    return (1, known.index(name) if name in known else len(known), str(value))


def setting_text(value: Any) -> str:
    """Return a setting as a label: numbers without needless digits, ``none`` for one that does not apply."""
    if pd.isna(value):
        return "none"
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def _follows(varied: Sequence[Factor], axes: Sequence[str]) -> dict[str, str]:
    """Return which factor is a function of which other; of two that go together, the second follows the first."""
    found: dict[str, str] = {}
    ranked = sorted(
        varied, key=lambda f: -len(f.levels)
    )  # stable; a leader has at least as many levels, none follows two
    for index, f in enumerate(ranked):
        for leader in ranked[:index]:
            known = leader.name in found or f.name in length_settings()
            known = known or (len(axes) > 1 and leader.name in axes)  # which have values for one kind of network only
            if not known and int(joint([leader.codes, f.codes], len(f.codes)).max()) + 1 == len(leader.levels):
                found[f.name] = leader.name
                break
    return found
