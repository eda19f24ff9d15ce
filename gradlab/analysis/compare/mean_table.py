"""The table of means behind a comparison: one row per configuration, or per setting asked for."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np
import pandas as pd

from gradlab.analysis.compare.axes import labels_of, lengths_of, over_of
from gradlab.analysis.compare.design import Design, response_values
from gradlab.analysis.compare.responses import RESPONSES
from gradlab.analysis.compare.seed_means import joint, seed_means
from gradlab.cell import SETTINGS, parameter_of
from gradlab.components import nearest
from gradlab.definitions import reach, reach_interval, verdicts
from gradlab.errors import UsageError
from gradlab.query.columns import like
from gradlab.record import Floats
from gradlab.results.statistics import Interval
from gradlab.results.summary import mean_of_layers
from gradlab.store.records import Integers
from gradlab.thresholds import LEARNED_SHARE

__all__ = ["mean_table", "row_keys", "row_settings", "sorted_rows"]

LN10 = log(10.0)
_MEANS = ("survival", "survival_final", "decay", "metric", "loss")


def mean_table(cells: pd.DataFrame, plan: Design, by: Sequence[str]) -> pd.DataFrame:
    """Return one row for each combination of the settings `by`, and of depth: means with 95 % intervals over seeds.

    Depth stands for the design's axes: of recurrent networks it is seq_len, and where both kinds are among the cells a
    row has a value in one of the two columns.

    Columns: `by`, depth, `configurations`, `cells`, `n` (seeds), `n_survival` (seeds with a finite one); for each of
    survival, survival_final, decay (geometric means and their log10), metric and loss the mean, `_lo` and `_hi`;
    `reach`; `learned` (share of the cells), `learned_n`; `learns_to` (the largest depth, among rows that differ in
    depth only, at which more than half of the cells learned); `verdict`, `verdict_final`; of one configuration
    `log10_survival_by_layer` and `_final`, of the stacked layer furthest from 1; counts `dead`, `nonfinite`,
    `diverged`; `theory_log10_survival`, `theory_decay`, `theory_z` of the mean; the ends of the 95 % interval of the
    reach; the thresholds of the verdict. Rows are in the order of the levels.
    """
    over = over_of(cells, plan.axes)
    keys = [*dict.fromkeys((*by, *plan.axes))]
    codes = {key: _codes(plan, key, len(cells)) for key in keys}
    for key in set(plan.axes) - set(by):  # rows along another axis do not differ in it
        codes[key] = np.where(over == key, codes[key] + 1, 0)
    group = joint(list(codes.values()), len(cells))
    groups = int(group.max(initial=-1)) + 1
    first = np.unique(group, return_index=True)[1]
    columns: dict[str, Any] = {key: cells[key].to_numpy()[first] for key in keys}
    for key in plan.axes:
        lengths = pd.Series(pd.to_numeric(pd.Series(columns[key])), dtype="Int64")
        if key not in by:
            lengths[over[first] != key] = pd.NA
        columns[key] = lengths if lengths.isna().any() else lengths.to_numpy(np.int64)

    def mean(values: Floats) -> Interval:
        return seed_means(values, plan.configuration, plan.seed, group, groups)

    def count(flags: Any) -> Integers:
        return np.bincount(group, np.asarray(flags, np.float64), groups).astype(np.int64)

    total = np.bincount(group, minlength=groups)
    pairs = np.unique(np.stack([group, plan.configuration]), axis=1)[0]
    columns["configurations"], columns["cells"] = np.bincount(pairs, minlength=groups), total
    columns["n"] = mean(np.zeros(len(cells))).count
    for name in _MEANS:
        response = RESPONSES[name]
        interval = mean(response_values(cells, response))
        if name == "survival":
            columns["n_survival"] = interval.count
        for ending, values in (("", interval.mean), ("_lo", interval.low), ("_hi", interval.high)):
            if response.log:
                columns[response.column + ending] = values
            with np.errstate(over="ignore", under="ignore"):
                columns[name + ending] = np.power(10.0, values) if response.log else values
        if name == "decay":
            columns["reach"] = reach(interval.mean * LN10)
            reach_ends = reach_interval(interval.low * LN10, interval.high * LN10)
    for name in ("log10_survival_by_layer", "log10_survival_by_layer_final"):
        columns[name] = np.where(columns["configurations"] == 1, mean_of_layers(cells[name], mean, count), np.nan)
    thresholds = {name: cells[name].to_numpy(np.float64)[first] for name in ("thresholds.vanish", "thresholds.explode")}
    limits = [np.log(values) for values in thresholds.values()]

    def verdict(name: str, log10_values: Floats) -> tuple[Any, Integers, Integers]:
        dead, nonfinite = (count(cells[name] == value) for value in ("dead", "nonfinite"))
        values = log10_values * LN10
        judged = verdicts(values, limits[0], limits[1], dead=2 * dead >= total, nonfinite=2 * nonfinite >= total)
        return judged, dead, nonfinite

    columns["verdict_final"] = verdict("verdict_final", columns["log10_survival_final"])[0]
    columns["verdict"], dead, nonfinite = verdict("verdict", columns["log10_survival"])
    columns["learned_n"] = count(cells["learned"])
    columns["learned"] = columns["learned_n"] / total
    columns |= {"dead": dead, "nonfinite": nonfinite, "diverged": count(cells["status"] == "diverged")}
    for name in ("theory_log10_survival", "theory_decay"):
        columns[name] = mean(cells[name].to_numpy()).mean
    # of a mean over n seeds the scatter is √n times smaller, the known error of the prediction is not
    unknown = np.zeros(len(cells))  # tables of 0.1, whose predictions have no known error
    sd, error = (mean(np.asarray(cells.get(f"theory_log10_{name}", unknown))).mean for name in ("sd", "error"))
    of_mean = np.hypot(sd, np.sqrt(columns["n_survival"]) * error)
    smaller = np.divide(np.hypot(sd, error), of_mean, out=np.ones(groups), where=of_mean > 0)
    columns["theory_z"] = mean(cells["theory_z"].to_numpy()).mean * np.sqrt(columns["n_survival"]) * smaller
    columns["theory_z"] = np.where(columns["configurations"] == 1, columns["theory_z"], np.nan)
    table = pd.DataFrame(columns)
    # all seeds dead: nothing is left, which is below every threshold, and no mean
    table.loc[(table["verdict"] == "dead") & (table["n_survival"] == 0), "survival"] = 0.0
    if len(plan.axes) == 1:
        labels = table[[key for key in keys if key not in plan.axes]]
    else:
        labels = labels_of(table, keys, plan.axes).assign(_over=over_of(table, plan.axes))
    largest = _learns_to(table, labels, lengths_of(table, plan.axes))
    return table.assign(learns_to=largest, reach_lo=reach_ends[0], reach_hi=reach_ends[1], **thresholds)


def _codes(plan: Design, key: str, rows: int) -> Integers:
    return next((f.codes for f in plan.varied if f.name == key), np.zeros(rows, dtype=np.int64))


def _learns_to(table: pd.DataFrame, labels: pd.DataFrame, lengths: Integers) -> pd.Series[Any]:
    trainable = pd.Series(lengths, index=table.index).where(table["learned"] > LEARNED_SHARE)
    if not len(labels.columns):
        return pd.Series(trainable.max(), index=table.index)
    largest: pd.Series[Any] = trainable.groupby([labels[key] for key in labels], dropna=False).transform("max")
    return largest


def row_keys(text: str) -> tuple[str, ...]:
    """Return the keys that ``--by`` names."""
    names = (name.strip() for name in text.split(",") if name.strip())
    return tuple("lr" if name == "optimizer.lr" else name for name in names)


def row_settings(text: str, names: Sequence[str], flag: str = "--by") -> tuple[str, ...]:
    """Return the settings that a `flag` names. Raises UsageError for one that there is not, or that does not vary."""
    keys = row_keys(text)
    for name in keys:
        if (name not in SETTINGS and parameter_of(name) is None) or name == "seed":
            hint = like(name, [key for key in SETTINGS if key != "seed"]).replace("'", "")
            raise UsageError(f"{flag} {name}: there is no such setting", hint)
        if name not in names:
            raise UsageError(
                f"{flag} {name}: it is the same everywhere", f"what varies: {', '.join(names) or 'nothing'}"
            )
    return keys


def sorted_rows(
    table: pd.DataFrame, by: Sequence[str], axes: Sequence[str], sort: str | None, top: int | None
) -> pd.DataFrame:
    """Return the rows of `mean_table` with those of one combination of `by` together, sorted by the deepest of each.

    Numbers largest first, texts by the alphabet; a minus in front of the column turns it round. `top` keeps that many
    combinations. Raises UsageError for a column that there is not.
    """
    labels = labels_of(table, by, axes).assign(_over=over_of(table, axes))
    place = labels.groupby(list(labels), sort=False, dropna=False).ngroup()
    table = table.assign(_length=lengths_of(table, axes))
    if sort is not None:
        column, turned = sort.removeprefix("-"), sort.startswith("-")
        if column not in table:
            close = nearest(column, map(str, table))
            raise UsageError(f"--sort {column}: there is no such column", f"did you mean {close}?" if close else
                             f"there are {', '.join(map(str, table))}")  # fmt: skip
        deepest = table.assign(_place=place).sort_values("_length").groupby("_place")[column].last()
        texts = deepest.dtype == object or isinstance(deepest.dtype, pd.StringDtype)
        order = deepest.astype(str).sort_values(ascending=not turned, kind="stable") if texts else deepest.sort_values(
            ascending=turned, kind="stable", na_position="last")  # fmt: skip
        place = place.map({old: new for new, old in enumerate(order.index)})
    table = table.assign(_place=place).sort_values(["_place", "_length"], kind="stable")
    if top is not None:
        table = table[table["_place"] < top]
    return table.drop(columns=["_place", "_length"]).reset_index(drop=True)
