"""One row per configuration: geometric means over its seeds, and how many seeds each number stands on."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.cell import Cell, settings_of
from gradlab.definitions import reach, verdicts
from gradlab.record import Floats
from gradlab.results import statistics as stats
from gradlab.results.predicted import Predicted, deviations
from gradlab.results.profile import number
from gradlab.store.records import Integers, Records

__all__ = ["summary_frame"]

LN10 = log(10.0)


def summary_frame(
    cells: pd.DataFrame, measured: Records, configurations: Sequence[Cell], group: Integers, predicted: Predicted
) -> pd.DataFrame:
    """Return the summary of the measured `cells`; `group` [C] says which configuration each belongs to.

    `n` counts the seeds measured. The means of survival and decay leave out the seeds in which a gradient is exactly
    zero or not finite (`dead`, `nonfinite`, counted at the end) and keep those that diverge later, since they are
    taken at step 0; the means of metric and loss leave out the seeds that `diverged`. The verdict is that of the
    geometric mean, unless half of the seeds or more are dead or not finite.

    After the columns of the design: `log10_survival`, `log10_survival_lo`, `log10_survival_hi`, `n_survival` (seeds
    in that mean), `decay_lo`, `decay_hi` (95 %), `dead`, `nonfinite` (counts), `log10_survival_final`,
    `verdict_final`, `theory_log10_survival`, `theory_z` (of the mean over its seeds), `theory_log10_sd` (of one seed),
    `theory_note` (why there is no prediction), `log10_cell_survival` (of an LSTM's cell state) and its
    `theory_log10_cell_survival`, `underflow` (the mean over its seeds of the largest share of gradient elements that
    the precision of training loses at step 0) and `underflow_at` (the block with it, of the seed that loses most).
    """
    groups = len(configurations)

    def mean(values: NDArray[np.floating]) -> stats.Interval:
        return stats.mean_interval(np.asarray(values, np.float64), group, groups)

    def count(condition: NDArray[np.bool_]) -> Integers:
        return np.bincount(group, condition, groups).astype(np.int64)

    n = np.bincount(group, minlength=groups)
    kept = (cells["status"] == "ok").to_numpy()
    survival = mean(cells["log10_survival"].to_numpy() * LN10)
    with np.errstate(divide="ignore"):
        decay = mean(np.log(cells["decay"].to_numpy()))
    dead, nonfinite = (count((cells["verdict"] == name).to_numpy()) for name in ("dead", "nonfinite"))
    final = mean(cells["log10_survival_final"].to_numpy() * LN10)
    thresholds = np.log([(cell.vanish, cell.explode) for cell in configurations]).reshape(-1, 2).T

    def verdict(log_survival: Floats, column: str) -> NDArray[np.str_]:
        dead, nonfinite = (count((cells[column] == name).to_numpy()) for name in ("dead", "nonfinite"))
        return verdicts(log_survival, *thresholds, dead=2 * dead >= n, nonfinite=2 * nonfinite >= n)

    settings = [{key: value for key, value in settings_of(cell).items() if key != "seed"} for cell in configurations]
    keys = [key for key in settings_of(Cell()) if key != "seed"]
    return pd.DataFrame(
        {
            **{key: [row[key] for row in settings] for key in keys},
            "n": n,
            "survival": number(survival.mean),
            "survival_lo": number(survival.low),
            "survival_hi": number(survival.high),
            "decay": number(decay.mean),
            "reach": reach(decay.mean),
            "theory_survival": number(predicted.log_survival),
            "theory_decay": predicted.decay,
            "verdict": verdict(survival.mean, "verdict"),
            "healthy": count((cells["verdict"] == "healthy").to_numpy()) / np.maximum(n, 1),
            "learned": count(cells["learned"].to_numpy(bool)) / np.maximum(n, 1),
            "metric": mean(np.where(kept, cells["metric"], np.nan)).mean,
            "loss": mean(np.where(kept, cells["loss"], np.nan)).mean,
            "diverged": count((cells["status"] == "diverged").to_numpy()),
            "log10_survival": survival.mean / LN10,
            "log10_survival_lo": survival.low / LN10,
            "log10_survival_hi": survival.high / LN10,
            "n_survival": survival.count,
            "decay_lo": number(decay.low),
            "decay_hi": number(decay.high),
            "dead": dead,
            "nonfinite": nonfinite,
            "log10_survival_final": final.mean / LN10,
            "verdict_final": verdict(final.mean, "verdict_final"),
            "theory_log10_survival": predicted.log_survival / LN10,
            "theory_z": deviations(
                survival.mean,
                predicted.log_survival,
                predicted.log_survival_sd / np.sqrt(np.maximum(survival.count, 1)),
            ),
            "theory_log10_sd": predicted.log_survival_sd / LN10,
            "theory_note": list(predicted.reasons),
            "log10_cell_survival": mean(cells["log10_cell_survival"].to_numpy()).mean,
            "theory_log10_cell_survival": predicted.log_cell_survival / LN10,
            "underflow": mean(cells["underflow"].to_numpy()).mean,
            "underflow_at": _at_most(cells, group, groups),
        }
    )


def _at_most(cells: pd.DataFrame, group: Integers, groups: int) -> Any:
    """Return `underflow_at` of the cell of each group that loses most; missing where none loses anything."""
    found = np.full(groups, np.nan)
    share = cells["underflow"].fillna(0).to_numpy(np.float64)
    at = cells["underflow_at"].to_numpy(np.float64, na_value=np.nan)
    for cell in np.argsort(share, kind="stable"):
        found[group[cell]] = at[cell]
    return pd.array(found, dtype="Int64")
