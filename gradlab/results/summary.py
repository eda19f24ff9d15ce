"""One row per configuration: means over its seeds, and how many seeds each number stands on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.cell import Cell, columns_of_settings
from gradlab.columns import Column
from gradlab.definitions import measures, reach, reach_interval, verdicts
from gradlab.record import Floats
from gradlab.results.frames import frame_of
from gradlab.results.statistics import Interval, deviation, mean_interval
from gradlab.results.survival import LN10, number
from gradlab.results.theory import Predicted, deviations
from gradlab.store.records import Integers

__all__ = ["summary_table"]


def summary_table(
    cells: pd.DataFrame, configurations: Sequence[Cell], group: Integers, predicted: Predicted
) -> pd.DataFrame:
    """Return the summary of the measured `cells`; `group` [C] says which configuration each belongs to.

    `n` counts the seeds measured. The means of survival and decay leave out the seeds in which a gradient is exactly
    zero or not finite (`dead`, `nonfinite`, counted at the end) and keep those that diverge later, since they are
    taken at step 0; the means of metric and loss leave out the seeds that `diverged`, that of the metric those whose
    metric measures nothing too (`metric_lost`). The verdict is that of the geometric mean, unless half of the seeds or
    more are dead or not finite. `theory_z` is that of the mean over the seeds.
    """
    groups = len(configurations)

    def mean(values: NDArray[np.floating]) -> Interval:
        return mean_interval(np.asarray(values, np.float64), group, groups)

    def count(condition: NDArray[np.bool_]) -> Integers:
        return np.bincount(group, condition, groups).astype(np.int64)

    def counted(column: str, value: str) -> Integers:
        return count((cells[column] == value).to_numpy())

    n = np.bincount(group, minlength=groups)
    finished = (cells["status"] == "ok").to_numpy()
    survival = mean(cells["log10_survival"].to_numpy() * LN10)
    with np.errstate(divide="ignore"):
        decay = mean(np.log(cells["decay"].to_numpy()))
    final = mean(cells["log10_survival_final"].to_numpy() * LN10)
    thresholds = np.log([(cell.vanish, cell.explode) for cell in configurations]).reshape(-1, 2).T

    def verdict(log_survival: Floats, column: str) -> NDArray[np.str_]:
        dead, nonfinite = counted(column, "dead"), counted(column, "nonfinite")
        return verdicts(log_survival, *thresholds, dead=2 * dead >= n, nonfinite=2 * nonfinite >= n)

    settings = columns_of_settings(configurations)
    blocks = np.array([configurations[index].blocks for index in group], dtype=np.int64)
    derived: dict[str, Callable[[], Any]] = {
        "n": lambda: n,
        "survival": lambda: number(survival.mean),
        "survival_lo": lambda: number(survival.low),
        "survival_hi": lambda: number(survival.high),
        "log10_survival": lambda: survival.mean / LN10,
        "log10_survival_lo": lambda: survival.low / LN10,
        "log10_survival_hi": lambda: survival.high / LN10,
        "log10_survival_sd": lambda: deviation(cells["log10_survival"].to_numpy(np.float64), group, groups),
        "n_survival": lambda: survival.count,
        "decay": lambda: number(decay.mean),
        "decay_lo": lambda: number(decay.low),
        "decay_hi": lambda: number(decay.high),
        "reach": lambda: reach(decay.mean),
        "reach_lo": lambda: reach_interval(decay.low, decay.high)[0],
        "reach_hi": lambda: reach_interval(decay.low, decay.high)[1],
        "verdict": lambda: verdict(survival.mean, "verdict"),
        "log10_survival_final": lambda: final.mean / LN10,
        "verdict_final": lambda: verdict(final.mean, "verdict_final"),
        "healthy": lambda: counted("verdict", "healthy") / np.maximum(n, 1),
        "log10_survival_by_layer": lambda: mean_of_layers(cells["log10_survival_by_layer"], mean, count),
        "log10_survival_by_layer_final": lambda: mean_of_layers(cells["log10_survival_by_layer_final"], mean, count),
        "diverged": lambda: counted("status", "diverged"),
        "unmoved": lambda: count((cells["unmoved_blocks"] == blocks).fillna(False).to_numpy(bool)),
        "metric_lost": lambda: count(finished & ~measures(cells["metric"].to_numpy(np.float64))),
        "dead": lambda: counted("verdict", "dead"),
        "nonfinite": lambda: counted("verdict", "nonfinite"),
        "underflow_at": lambda: _of_largest(cells, "underflow_at", "underflow", group, groups),
        "theory_survival": lambda: number(predicted.log_survival),
        "theory_log10_survival": lambda: predicted.log_survival / LN10,
        "theory_log10_sd": lambda: predicted.log_survival_sd / LN10,
        "theory_log10_error": lambda: predicted.log_survival_error / LN10,
        "theory_decay": lambda: predicted.decay,
        "theory_z": lambda: deviations(
            survival.mean,
            predicted.log_survival,
            predicted.log_survival_sd / np.sqrt(np.maximum(survival.count, 1)),
            predicted.log_survival_error,
        ),
        "theory_note": lambda: list(predicted.reasons),
        "theory_log10_cell_survival": lambda: predicted.log_cell_survival / LN10,
    }

    def over_seeds(column: Column) -> Any:
        if column.kept == "setting":
            return settings[column.name]
        values = cells[column.name].to_numpy()
        if column.name.endswith("metric"):
            values = np.where(measures(values), values, np.nan)
        if column.over_seeds == "share":
            return count(values.astype(bool)) / np.maximum(n, 1)
        if column.over_seeds == "geometric":
            with np.errstate(divide="ignore"):
                return number(mean(np.log(values)).mean)
        return mean(np.where(finished, values, np.nan) if column.over_seeds == "mean_finished" else values).mean

    return frame_of("summary", derived, over_seeds)


def mean_of_layers(
    column: pd.Series[float],
    mean: Callable[[Floats], Interval],
    count: Callable[[NDArray[np.bool_]], Integers],
) -> Floats:
    """Return the means of log10 survivals, -inf where half of the seeds or more have an exact zero."""
    values: Floats = np.asarray(column, dtype=np.float64)
    zeros = count(np.isneginf(values))
    return np.where(2 * zeros >= np.maximum(count(~np.isnan(values)), 1), -np.inf, mean(values).mean)


def _of_largest(cells: pd.DataFrame, name: str, largest: str, group: Integers, groups: int) -> Any:
    """Return the column `name` of the cell of each group whose column `largest` is largest; missing where all are 0."""
    selected = np.full(groups, np.nan)
    size = cells[largest].fillna(0).to_numpy(np.float64)
    values = cells[name].to_numpy(np.float64, na_value=np.nan)
    for cell in np.argsort(size, kind="stable"):
        selected[group[cell]] = values[cell]
    return pd.array(selected, dtype="Int64")
