"""The design behind many cells, and their table of means: one row per configuration, or per setting asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import pandas as pd

from gradlab import stats
from gradlab.cell import SETTINGS
from gradlab.compare.effects import Factor
from gradlab.compare.seeds import joint, seed_means
from gradlab.errors import UsageError
from gradlab.measured import Integers
from gradlab.record import Floats
from gradlab.registry import REGISTRIES, nearest
from gradlab.survival.profile import verdicts

__all__ = ["METRICS", "Design", "Metric", "design", "respond", "row_table", "select_rows", "sort_rows"]

LN10 = log(10.0)
_ASIDE = ("seed", "thresholds.vanish", "thresholds.explode", "probe.at")
"""Settings that change no response, only how it is read; the seed is the repetition."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A response: the column of ``cells`` it is in, whether that is a log10, and what it is called."""

    name: str
    column: str
    log: bool
    title: str


METRICS = {
    metric.name: metric
    for metric in (
        Metric("survival", "log10_survival", True, "gradient left at the first block, before training"),
        Metric("survival_final", "log10_survival_final", True, "gradient left at the first block, after training"),
        Metric("decay", "log10_decay", True, "factor per block, before training"),
        Metric("metric", "metric", False, "final metric"),
        Metric("loss", "loss", False, "final loss"),
        Metric("learned", "learned", False, "share of the seeds that learned"),
        Metric("reach", "log10_reach", True, "blocks until a thousandth is left, or a thousandfold"),
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
        codes, values = pd.factorize(cells[key])
        if len(values) < 2:
            fixed[key] = values[0]
        elif key not in _ASIDE:
            order = sorted(range(len(values)), key=lambda index: _place(key, values[index]))
            rank = np.empty(len(values), dtype=np.int64)
            rank[order] = np.arange(len(values))
            varied.append(Factor(key, tuple(_text(values[index]) for index in order), rank[codes]))
    seed, seeds = pd.factorize(cells["seed"])
    configuration = joint([f.codes for f in varied], len(cells))
    return Design(tuple(varied), _follows(varied), fixed, configuration, seed.astype(np.int64), len(seeds))


def _place(key: str, value: Any) -> tuple[int, float, str]:
    if isinstance(value, int | float | np.number):
        return (0, float(value), "")
    known = list(REGISTRIES.get(key, ()))
    name = str(value).partition("(")[0]
    return (1, known.index(name) if name in known else len(known), str(value))


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def _follows(varied: Sequence[Factor]) -> dict[str, str]:
    """Return which factor is a function of which other; of two that go together, the second follows the first."""
    found: dict[str, str] = {}
    ranked = sorted(
        varied, key=lambda f: -len(f.levels)
    )  # stable; a leader has at least as many levels, none follows two
    for index, f in enumerate(ranked):
        for leader in ranked[:index]:
            known = leader.name in found or f.name == "depth"
            if not known and int(joint([leader.codes, f.codes], len(f.codes)).max()) + 1 == len(leader.levels):
                found[f.name] = leader.name
                break
    return found


_MEANS = ("survival", "survival_final", "decay", "metric", "loss")


def row_table(cells: pd.DataFrame, plan: Design, by: Sequence[str]) -> pd.DataFrame:
    """Return one row for each combination of the settings `by`, and of depth: means with 95 % intervals over seeds.

    Columns: `by`, `depth`, `configurations`, `cells`, `n` (seeds), `n_survival` (seeds with a finite one); for each
    of survival, survival_final, decay (geometric means and their log10), metric and loss the mean, `_lo` and `_hi`;
    `reach`; `learned` (share of the cells), `learned_n`; `learns_to` (of all rows that differ in depth only: the
    deepest depth at which more than half of the cells learned); `verdict`; counts `dead`, `nonfinite`, `diverged`;
    `theory_log10_survival`, `theory_decay`, `theory_z` of the mean. Rows are in the order of the levels.
    """
    keys = [*dict.fromkeys((*by, "depth"))]
    group = joint([_codes(plan, key, len(cells)) for key in keys], len(cells))
    groups = int(group.max(initial=-1)) + 1
    first = np.unique(group, return_index=True)[1]
    found: dict[str, Any] = {key: cells[key].to_numpy()[first] for key in keys}

    def mean(values: Floats) -> stats.Interval:
        return seed_means(values, plan.configuration, plan.seed, group, groups)

    def count(flags: Any) -> Integers:
        return np.bincount(group, np.asarray(flags, np.float64), groups).astype(np.int64)

    total = np.bincount(group, minlength=groups)
    pairs = np.unique(np.stack([group, plan.configuration]), axis=1)[0]
    found["configurations"], found["cells"] = np.bincount(pairs, minlength=groups), total
    found["n"] = mean(np.zeros(len(cells))).count
    for name in _MEANS:
        metric = METRICS[name]
        interval = mean(respond(cells, metric))
        if name == "survival":
            found["n_survival"] = interval.count
            log_survival = interval.mean * LN10
        for ending, values in (("", interval.mean), ("_lo", interval.low), ("_hi", interval.high)):
            if metric.log:
                found[metric.column + ending] = values
            with np.errstate(over="ignore", under="ignore"):
                found[name + ending] = np.power(10.0, values) if metric.log else values
        if name == "decay":
            found["reach"] = stats.reach(interval.mean * LN10)
    dead, nonfinite = (count(cells["verdict"] == name) for name in ("dead", "nonfinite"))
    limits = [np.log(cells[f"thresholds.{name}"].to_numpy(np.float64)[first]) for name in ("vanish", "explode")]
    found["verdict"] = verdicts(log_survival, *limits, dead=2 * dead >= total, nonfinite=2 * nonfinite >= total)
    found["learned_n"] = count(cells["learned"])
    found["learned"] = found["learned_n"] / total
    found |= {"dead": dead, "nonfinite": nonfinite, "diverged": count(cells["status"] == "diverged")}
    for name in ("theory_log10_survival", "theory_decay"):
        found[name] = mean(cells[name].to_numpy()).mean
    found["theory_z"] = mean(cells["theory_z"].to_numpy()).mean * np.sqrt(found["n_survival"])
    found["theory_z"] = np.where(found["configurations"] == 1, found["theory_z"], np.nan)
    table = pd.DataFrame(found)
    # all seeds dead: nothing is left, which is below every threshold, and no mean
    table.loc[(table["verdict"] == "dead") & (table["n_survival"] == 0), "survival"] = 0.0
    return table.assign(learns_to=_learns_to(table, [key for key in keys if key != "depth"]))


def _codes(plan: Design, key: str, rows: int) -> Integers:
    return next((f.codes for f in plan.varied if f.name == key), np.zeros(rows, dtype=np.int64))


def _learns_to(table: pd.DataFrame, keys: Sequence[str]) -> pd.Series[Any]:
    depth = table["depth"].where(table["learned"] > 0.5)
    if not keys:
        return pd.Series(depth.max(), index=table.index)
    deepest: pd.Series[Any] = depth.groupby([table[key] for key in keys], dropna=False).transform("max")
    return deepest


def select_rows(text: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the settings of ``--by``. Raises UsageError for one that there is not, or that does not vary."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in found:
        if name not in SETTINGS or name == "seed":
            close = nearest(name, [key for key in SETTINGS if key != "seed"])
            raise UsageError(f"--by {name}: there is no such setting", f"did you mean {close}?" if close else "")
        if name not in names:
            raise UsageError(f"--by {name}: it is the same everywhere", f"what varies: {', '.join(names) or 'nothing'}")
    return found


def sort_rows(table: pd.DataFrame, by: Sequence[str], sort: str | None, top: int | None) -> pd.DataFrame:
    """Return the rows of `row_table` with those of one combination of `by` together, sorted by the deepest of each.

    Numbers largest first, texts by the alphabet; a minus in front of the column turns it round. `top` keeps that many
    combinations. Raises UsageError for a column that there is not.
    """
    keys = list(by)
    place = table.groupby(keys, sort=False, dropna=False).ngroup() if keys else pd.Series(0, index=table.index)
    if sort is not None:
        column, turned = sort.removeprefix("-"), sort.startswith("-")
        if column not in table:
            close = nearest(column, map(str, table))
            raise UsageError(f"--sort {column}: there is no such column", f"did you mean {close}?" if close else
                             f"there are {', '.join(map(str, table))}")  # fmt: skip
        deepest = table.assign(_place=place).sort_values("depth").groupby("_place")[column].last()
        texts = deepest.dtype == object or isinstance(deepest.dtype, pd.StringDtype)
        order = deepest.astype(str).sort_values(ascending=not turned, kind="stable") if texts else deepest.sort_values(
            ascending=turned, kind="stable", na_position="last")  # fmt: skip
        place = place.map({old: new for new, old in enumerate(order.index)})
    table = table.assign(_place=place).sort_values(["_place", "depth"], kind="stable")
    if top is not None:
        table = table[table["_place"] < top]
    return table.drop(columns="_place").reset_index(drop=True)
