"""The design behind many cells: which settings vary, which follow others, and the values of a response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from gradlab.analysis.compare.axes import axes_of
from gradlab.analysis.compare.factor import Factor
from gradlab.analysis.compare.responses import Response
from gradlab.analysis.compare.seed_means import joint
from gradlab.cell import REGISTRIES, SETTINGS, parameter_of
from gradlab.definitions import measures
from gradlab.families import Axis
from gradlab.families.axes import idle_attributes, length_settings
from gradlab.record import Floats
from gradlab.store.records import Integers

__all__ = ["ASIDE", "Design", "design_of", "response_values", "setting_text"]

ASIDE = ("seed", "thresholds.vanish", "thresholds.explode", "probe.at", "probe.record")
"""Settings that change no response, only how it is read; the seed is the repetition."""


def response_values(cells: pd.DataFrame, response: Response) -> Floats:
    """Return the response of each cell; NaN for metric and loss of one that diverged, which has none, and for a metric
    that measures nothing. Of cells at their best values (`best.folded`) the metric is a score: lost ones have one."""
    values = cells[response.column].to_numpy(np.float64)
    if response.name == "metric" and "judged" in cells:  # a score, in which the lost ones count
        return values
    lost = (cells["status"] != "ok").to_numpy() if response.name in ("metric", "loss") else False
    if response.name == "metric":
        lost = lost | ~measures(values)
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
        """What varies by itself, with the settings that follow it: effects are of all of them together."""
        return tuple(self._joined(factor) for factor in self.varied if factor.name not in self.follows)

    def _joined(self, leader: Factor) -> Factor:
        following = [factor for factor in self.varied if self.follows.get(factor.name) == leader.name]
        if not following:
            return leader
        first = np.unique(leader.codes, return_index=True)[1]
        labels = tuple(
            ", ".join([level, *(f"{other.name} {other.levels[other.codes[row]]}" for other in following)])
            for level, row in zip(leader.levels, first, strict=True)
        )
        return replace(leader, confounded=tuple(factor.name for factor in following), labels=labels)

    def code(self, names: Sequence[str]) -> Integers:
        """Return one code for each combination of some settings that vary, [N]."""
        return joint([factor.codes for factor in self.varied if factor.name in names], len(self.configuration))


def design_of(cells: pd.DataFrame, without: Sequence[str] = ()) -> Design:
    """Return the design of `cells`, whose levels are in the order of numbers or of the registries; `without` some
    settings, as if there were none."""
    varied, fixed = [], {}
    idle = idle_attributes(cells["model"].unique())
    parameters = (str(column) for column in cells if parameter_of(str(column)) is not None)
    for key in (key for key in (*SETTINGS, *parameters) if key not in without):
        codes, values = pd.factorize(cells[key], use_na_sentinel=False)
        if len(values) < 2:
            if key not in idle:
                fixed[key] = values[0]
        elif key not in ASIDE:
            order = sorted(range(len(values)), key=lambda index: _place(key, values[index]))
            rank = np.empty(len(values), dtype=np.int64)
            rank[order] = np.arange(len(values))
            varied.append(Factor(key, tuple(setting_text(values[index]) for index in order), rank[codes]))
    seed, seeds = pd.factorize(cells["seed"])
    configuration = joint([factor.codes for factor in varied], len(cells))
    along = axes_of(cells)
    follows = _follows(varied, tuple(along))
    return Design(tuple(varied), follows, fixed, configuration, seed.astype(np.int64), len(seeds), along)


def _place(key: str, value: Any) -> tuple[int, float, str]:
    if pd.isna(value):  # a setting that does not apply, as the seq_len of a feed-forward network
        return (-1, 0.0, "")
    if isinstance(value, int | float | np.number):
        return (0, float(value), "")
    registered = list(REGISTRIES.get(key, ()))
    name = str(value).partition("(")[0]
    return (1, registered.index(name) if name in registered else len(registered), str(value))


def setting_text(value: Any) -> str:
    """Return a setting as a label: numbers without needless digits, ``none`` for one that does not apply."""
    if pd.isna(value):
        return "none"
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def _follows(varied: Sequence[Factor], axes: Sequence[str]) -> dict[str, str]:
    """Return which factor is a function of which other; of two that go together, the second follows the first."""
    follows: dict[str, str] = {}
    # stable; a leader has at least as many levels, none follows two
    ranked = sorted(varied, key=lambda factor: -len(factor.levels))
    for index, factor in enumerate(ranked):
        if factor.name in length_settings():
            continue
        for leader in ranked[:index]:
            one_kind = len(axes) > 1 and leader.name in axes  # it has values for one kind of network only
            if leader.name in follows or one_kind:
                continue
            if int(joint([leader.codes, factor.codes], len(factor.codes)).max()) + 1 == len(leader.levels):
                follows[factor.name] = leader.name
                break
    return follows
