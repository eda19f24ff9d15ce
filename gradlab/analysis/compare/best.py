"""``--best``: an axis folded, so that each configuration of the other settings stands at its own best value."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.analysis.compare.choice import Choice, Trials, choose, scores
from gradlab.analysis.compare.conditions import read_equalities
from gradlab.analysis.compare.design import Design, design_of, setting_text
from gradlab.analysis.compare.mean_table import row_keys, row_settings
from gradlab.analysis.compare.parameters import split_parameters
from gradlab.analysis.compare.seed_means import joint
from gradlab.cell import SETTINGS, Cell, columns_of_settings
from gradlab.definitions import measures
from gradlab.errors import UsageError
from gradlab.query import names
from gradlab.record import Floats
from gradlab.thresholds import METRIC_FLOORS

__all__ = [
    "Best", "check_choice", "folded", "has_choice", "refuse_named_twice", "require_choice",
    "with_choice",
]  # fmt: skip

_ATTACHED = ("sensitivity", "validation", "test_without_seed")


@dataclass(frozen=True)
class Best:
    """The values of an axis, the one chosen for each configuration of the other settings, and how it is judged."""

    keys: tuple[str, ...]
    """The settings of the axis."""
    settings: tuple[str, ...]
    """The other settings that vary."""
    values: pd.DataFrame
    """One row for each value of the axis in each configuration: `settings`, `keys`, `model`, `configuration` (its index
    in `table`), `label` (the value as a text), `n` (seeds), `lost` (seeds that diverged, or whose metric measures
    nothing), `validation` and `test` (mean scores) with `_lo` and `_hi` (95 %), `chosen`, `tie`."""
    table: pd.DataFrame
    """One row for each configuration: the chosen row of `values`, without `configuration`, `chosen` and `tie`, and with
    `values` (how many there are), `ties` (their labels), `decided` (whether there were seeds enough to tell ties),
    `learned` (share of the seeds whose test metric passes the task's mark), `sensitivity` (largest minus smallest
    `test` of the values), `test_without_seed` (`Choice.without_seed`)."""
    cells: NDArray[np.bool_]
    """Which cells have the value chosen for their configuration, [N]."""
    metric_name: str
    """What the tasks call the metric; ``metric`` where they have different ones."""

    @property
    def title(self) -> str:
        """The axis, as in ``lr`` or ``lr, optimizer``."""
        return ", ".join(self.keys)

    def places(self, rows: pd.DataFrame) -> list[int]:
        """Return the row of `table` for each of `rows`, which have a column for each of `settings`."""
        places = {_place(row, self.settings): at for at, row in enumerate(self.table.to_dict("records"))}
        return [places[_place(row, self.settings)] for row in rows.to_dict("records")]


def folded(cells: pd.DataFrame, text: str) -> tuple[Best, pd.DataFrame, Design]:
    """Return the choice along the settings that `text` names, the cells that have the chosen values, and their design,
    of which these settings are no part.

    `cells` [N] with the columns of ``cells.csv``, each configuration and seed once. In the cells returned `metric` is
    the score on the test half and `learned` whether the test metric passes the task's mark: all that is made of them
    afterwards is judged on samples that the choice has not seen.

    Raises UsageError where there is nothing to choose, or nothing to choose by.
    """
    plan = design_of(cells)
    keys = _keys_of_choice(plan, text)
    settings = tuple(factor.name for factor in plan.varied if factor.name not in keys)
    _require_training(cells)
    _check_measured(cells)
    lost = (cells["status"] != "ok").to_numpy()
    floor = np.array([METRIC_FLOORS.get(str(name), -np.inf) for name in cells["metric_name"]], dtype=np.float64)
    metric = {name: cells[f"{name}_metric"].to_numpy(np.float64) for name in ("validation", "test")}
    unknown = {name: lost | ~measures(metric[name]) for name in metric}
    score = {name: scores(metric[name], unknown[name], floor) for name in metric}
    trials = Trials(
        score["validation"], score["test"], unknown["validation"], np.isneginf(floor), plan.code(settings),
        plan.code(keys), plan.seed,
    )  # fmt: skip
    best = _described(cells, keys, settings, trials, choose(trials))
    judged = cells.assign(metric=score["test"], learned=cells["test_learned"].astype(bool), judged=True)
    judged = judged[best.cells].reset_index(drop=True)
    return best, judged, design_of(judged, without=keys)


def refuse_named_twice(best: str, by: str | None, baseline: str | None) -> None:
    """Raise UsageError where a setting of `best` is also to make rows (`by`), or a `baseline`."""
    keys_of_flag = {"--by": row_keys(by or ""), "--baseline": ()}
    if baseline:
        keys_of_flag["--baseline"] = names(read_equalities(baseline, SETTINGS, "--baseline"))
    for flag, keys in keys_of_flag.items():
        if twice := [key for key in keys if key in row_keys(best)]:
            raise UsageError(
                f"--best {twice[0]}: {flag} names it too", f"leave it out of {flag}: each row is at its best"
            )


def with_choice(table: pd.DataFrame, best: Best | None) -> pd.DataFrame:
    """Return a table with one row for each configuration with what was chosen for it: `best_` and each of the keys,
    `ties` (as a text), `sensitivity`, `validation` and `test_without_seed`; the table itself without a choice."""
    if best is None:
        return table
    chosen = best.table.iloc[best.places(table)].reset_index(drop=True)
    columns = {f"best_{key}": chosen[key] for key in best.keys}
    columns["ties"] = chosen["ties"].map("; ".join)
    return table.assign(**columns, **{name: chosen[name] for name in _ATTACHED})


def _place(row: Mapping[Hashable, Any], keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(setting_text(row[key]) for key in keys)


def _check_measured(cells: pd.DataFrame) -> None:
    """Raise UsageError for cells without the metrics of the halves, and where those have nothing to say."""
    finished = (cells["status"] == "ok").to_numpy() & measures(cells["metric"].to_numpy(np.float64))
    nothing = np.full(len(cells), np.nan)
    metric_of_half: dict[str, Floats] = {
        half: np.asarray(cells.get(f"{half}_metric", nothing), dtype=np.float64) for half in ("validation", "test")
    }
    missing = finished & np.isnan(metric_of_half["validation"]) & np.isnan(metric_of_half["test"])
    if "test_learned" not in cells:
        missing[:] = True
    if missing.any():
        affected = f"{int(missing.sum()):,} of {len(cells):,} cells"
        raise UsageError(
            f"--best: {affected} have no validation_metric and test_metric: an older version of gradlab computed them, "
            "which did not measure the two halves of the held-out samples apart",
            "compute them again: run the spec with --fresh, or into another directory with --out",
        )
    for name, values in metric_of_half.items():
        if finished.any() and not (finished & measures(values)).any():
            raise UsageError(
                f"--best: the {name} half of the held-out samples measures nothing in any cell",
                "the task holds out too few samples, or all with the same target",
            )


def check_choice(cells: Sequence[Cell], text: str) -> None:
    """Raise UsageError where cells that are to be trained leave nothing to choose along the settings of `text`."""
    frame = pd.DataFrame(columns_of_settings(cells))
    _require_training(frame)
    _keys_of_choice(design_of(split_parameters(frame, text, None)), text)


def require_choice(cells: pd.DataFrame, text: str) -> None:
    """Raise UsageError where cells with the columns of ``cells.csv`` cannot be folded along the settings of `text`."""
    measured = cells[cells["status"] != "failed"].reset_index(drop=True)
    if not len(measured):
        raise UsageError(f"--best {text}: there is no measured cell")
    _require_training(measured)
    _check_measured(measured)
    _keys_of_choice(design_of(split_parameters(measured, text, None)), text)


def has_choice(cells: pd.DataFrame, text: str) -> bool:
    """Return whether `require_choice` raises nothing."""
    try:
        require_choice(cells, text)
    except UsageError:
        return False
    return True


def _require_training(cells: pd.DataFrame) -> None:
    if not (cells["train.steps"] > 0).any():
        raise UsageError("--best: nothing is trained here (train.steps 0), so no value is better than another")


def _keys_of_choice(plan: Design, text: str) -> tuple[str, ...]:
    """Return the settings that ``--best`` names. Raises UsageError where the design leaves nothing to choose."""
    varied = [factor.name for factor in plan.varied]
    keys = row_settings(text, varied, "--best")
    if not keys:
        raise UsageError("--best names no setting", "as in --best lr")
    if lengths := [key for key in keys if key in plan.axes]:
        raise UsageError(
            f"--best {lengths[0]}: the tables run over {lengths[0]}, and have a column for each of its values",
            "fold another setting; --by shows means over the rest",
        )
    configuration, value = plan.code([name for name in varied if name not in keys]), plan.code(keys)
    pairs = np.unique(np.stack([configuration, value]), axis=1)
    if len(pairs.T) > len(np.unique(configuration)):
        return keys
    together = [
        name
        for factor in plan.varied
        if (name := factor.name) not in keys
        and int(joint([value, factor.codes], len(value)).max()) == int(value.max(initial=0))
    ]
    hint = f"fold these too: --best {','.join([*keys, *together])}" if together else "fold other settings too"
    raise UsageError(f"--best {','.join(keys)}: no configuration of the other settings has two values of it", hint)


def _described(
    cells: pd.DataFrame, keys: tuple[str, ...], settings: tuple[str, ...], trials: Trials, choice: Choice
) -> Best:
    first = np.unique(choice.candidate, return_index=True)[1]
    example = cells.iloc[first].reset_index(drop=True)
    labels = [" ".join(map(setting_text, row)) for row in example[list(keys)].itertuples(index=False, name=None)]
    chosen = np.zeros(len(first), dtype=bool)
    chosen[choice.chosen] = True
    intervals = {
        name + ending: values
        for name, interval in (("validation", choice.validation), ("test", choice.test))
        for ending, values in (("", interval.mean), ("_lo", interval.low), ("_hi", interval.high))
    }
    values = example[list(dict.fromkeys([*settings, *keys, "model"]))].assign(
        configuration=choice.configuration,
        label=labels,
        n=np.bincount(choice.candidate),
        lost=choice.lost,
        **intervals,
        chosen=chosen,
        tie=choice.ties,
    )
    grouped = values.groupby("configuration")
    learned = pd.Series(cells["test_learned"].astype(bool).to_numpy()).groupby(choice.candidate).mean()
    table = (
        values.iloc[choice.chosen]
        .drop(columns=["configuration", "chosen", "tie"])
        .reset_index(drop=True)
        .assign(
            values=grouped.size().to_numpy(),
            ties=pd.Series([tuple(rows["label"][rows["tie"]]) for _, rows in grouped], dtype=object),
            decided=choice.decided,
            learned=learned.to_numpy()[choice.chosen],
            sensitivity=(grouped["test"].max() - grouped["test"].min()).to_numpy(),
            test_without_seed=choice.without_seed,
        )
    )
    names = set(cells["metric_name"])
    metric = str(names.pop()) if len(names) == 1 else "metric"
    return Best(keys, settings, values, table, chosen[choice.candidate], metric)
