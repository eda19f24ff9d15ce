"""`gradlab compare` without its looks: from many cells and a question to all the numbers of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from gradlab.analysis.compare.axes import labels_of, over_of
from gradlab.analysis.compare.best import Best, folded, refuse_named_twice, with_choice
from gradlab.analysis.compare.collect import Collected, Collection, unlike
from gradlab.analysis.compare.conditions import read_condition, truth
from gradlab.analysis.compare.design import ASIDE, Design, design_of, response_values
from gradlab.analysis.compare.judgement import Judgement, judged
from gradlab.analysis.compare.main_effects import MainEffects, main_effects
from gradlab.analysis.compare.mean_table import mean_table, row_settings, sorted_rows
from gradlab.analysis.compare.paired_comparisons import (
    Improvement,
    PairedComparison,
    compare_with_baseline,
    improvements,
    parse_baseline,
)
from gradlab.analysis.compare.parameters import split_parameters
from gradlab.analysis.compare.responses import RESPONSES, Response
from gradlab.analysis.compare.variance import VarianceShares, variance_shares
from gradlab.cell import SETTINGS
from gradlab.components import nearest
from gradlab.errors import UsageError
from gradlab.query import names

__all__ = ["Check", "Comparison", "Question", "ResponseAnalysis", "analyse", "compare"]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, as the flags of the command have it."""

    metric: str | None = None
    """None: survival; with `best` the metric."""
    by: str | None = None
    best: str | None = None
    where: str | None = None
    baseline: str | None = None
    sort: str | None = None
    top: int | None = None
    fail_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResponseAnalysis:
    """The analysis of variance and the main effects of one response."""

    response: Response
    shares: VarianceShares
    effects: MainEffects


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that must not hold: the configurations for which it does, and those without a value."""

    text: str
    names: tuple[str, ...]
    holds: pd.DataFrame
    unknown: pd.DataFrame

    @property
    def failed(self) -> bool:
        """Whether it holds for a configuration, or one has no value: a missing value does not pass."""
        return len(self.holds) + len(self.unknown) > 0


@dataclass(frozen=True)
class Comparison:
    """The answer. `cells` are those that `where` left over, of `total`."""

    runs: tuple[Collected, ...]
    question: Question
    cells: pd.DataFrame
    total: int
    design: Design
    response: Response
    metric_name: str
    """What the task calls its metric; empty when there are several."""
    by: tuple[str, ...]
    """The settings in which the rows of `table` differ, other than the length."""
    table: pd.DataFrame
    """See `mean_table`; sorted, and cut to `top`."""
    rows: int
    """Combinations of `by` before the cut."""
    configurations: pd.DataFrame
    """See `mean_table`, by everything that varies."""
    analyses: tuple[ResponseAnalysis, ...]
    """Of the response asked for and, where networks are trained, of the final metric."""
    baseline: dict[str, str]
    paired: tuple[PairedComparison, ...]
    """Against the baseline."""
    judgement: Judgement
    """Of the `configurations`."""
    improvements: dict[str, tuple[Improvement, ...]]
    """For the verdicts ``vanishing`` and ``exploding``."""
    checks: tuple[Check, ...]
    best: Best | None = None
    """The choice along the settings that were folded; `cells` and all else are then those at the chosen values."""
    warnings: tuple[str, ...] = field(default=())


def compare(collection: Collection, question: Question) -> Comparison:
    """Return the answer to `question` over all cells of `collection`.

    Raises UsageError for a question that cannot be answered: names that there are not, a condition that cannot be
    read, or one that no cell fits.
    """
    response = _response(question)
    cells, warnings = _chosen(collection.cells, question.where)
    cells, notes = _counted_once(cells)
    warnings += notes
    all_cells = cells
    cells = split_parameters(cells, ",".join(filter(None, (question.by, question.best))), question.baseline)
    best = None
    if question.best is None:
        plan = design_of(cells)
    else:
        refuse_named_twice(question.best, question.by, question.baseline)
        best, cells, plan = folded(cells, question.best)
        all_cells = all_cells[best.cells].reset_index(drop=True)
    varied = [factor.name for factor in plan.varied]
    baseline = {} if question.baseline is None else parse_baseline(question.baseline, plan)
    configurations = with_choice(mean_table(cells, plan, varied), best)
    by = _usual_rows(cells, plan, varied) if question.by is None else row_settings(question.by, varied)
    table = configurations if question.by is None else mean_table(cells, plan, by)
    ordered = sorted_rows(table, by, plan.axes, question.sort, question.top)
    metric_names = sorted(set(cells["metric_name"]))
    # without an update the metric depends on the initial readout alone
    trained = plan.fixed.get("train.steps") != 0
    analysed = [response, RESPONSES["metric"]] if trained and response.name != "metric" else [response]
    if len(metric_names) > 1 and (response.name == "metric" or len(analysed) > 1):
        warnings.append(f"metrics that are not the same thing are averaged together: {', '.join(metric_names)}")
        analysed = [response]
    if differing := unlike(cells):
        warnings.insert(0, f"the runs differ in {differing}: what differs in the numbers may come from that")
    survival = RESPONSES["survival"]
    learned = configurations["learned"].to_numpy()
    judgement = judged(configurations)
    return Comparison(
        runs=collection.runs,
        question=question,
        cells=cells,
        total=len(collection.cells),
        design=plan,
        response=response,
        metric_name=metric_names[0] if len(metric_names) == 1 else "",
        by=tuple(by),
        table=ordered,
        rows=len(labels_of(table, by, plan.axes).assign(over=over_of(table, plan.axes)).drop_duplicates()),
        configurations=configurations,
        analyses=tuple(analyse(cells, plan, quantity) for quantity in analysed),
        baseline=baseline,
        paired=compare_with_baseline(cells, plan, response, baseline) if baseline else (),
        judgement=judgement,
        improvements={
            verdict: improvements(cells, plan, survival, verdict, judgement, learned)
            for verdict in ("vanishing", "exploding")
        },
        checks=tuple(_check(text, configurations, all_cells, plan) for text in question.fail_on),
        best=best,
        warnings=tuple(warnings),
    )


def _response(question: Question) -> Response:
    name = question.metric or ("survival" if question.best is None else "metric")
    if name not in RESPONSES:
        close = nearest(name, RESPONSES)
        raise UsageError(
            f"--metric {name}: there is no such metric" + (f"; did you mean {close}?" if close else ""),
            f"choose from {', '.join(RESPONSES)}",
        )
    return RESPONSES[name]


def _usual_rows(cells: pd.DataFrame, plan: Design, varied: Sequence[str]) -> list[str]:
    """Return the settings that vary, but for those the tables run over; another axis' own only if it varies there."""
    over = over_of(cells, plan.axes)
    return [name for name in varied if name not in plan.axes or cells.loc[over != name, name].nunique() > 1]


def analyse(cells: pd.DataFrame, plan: Design, response: Response) -> ResponseAnalysis:
    """Return the analysis of one response of the `cells`, whose design is `plan`."""
    values = response_values(cells, response)
    shares = variance_shares(values, plan.factors, plan.seed)
    effects = main_effects(values, plan.factors, plan.seed)
    if response.name == "learned":  # from few seeds the scatter of 0 and 1 says nothing: it may well be zero
        levels = tuple(replace(effect, low=np.nan, high=np.nan) for effect in effects.levels)
        effects = replace(effects, levels=levels)
    return ResponseAnalysis(response, shares, effects)


def _chosen(cells: pd.DataFrame, where: str | None) -> tuple[pd.DataFrame, list[str]]:
    if where is None:
        return cells, []
    condition = read_condition(where, cells, "--where")
    truths = truth(condition, cells)
    if not truths.holds.any():
        occurring = [f"{name} is {_values(cells[name])}" for name in names(condition)]
        raise UsageError(f"--where {where!r} fits none of the {len(cells):,} cells", "; ".join(occurring))
    lost = int(truths.unknown.sum())
    note = f"{lost:,} cells are left out because a field that --where asks for is empty there"
    return cells[truths.holds].reset_index(drop=True), [note] if lost else []


def _counted_once(cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the cells without those that repeat another one with the same seed: a seed counts once.

    Of two that differ in `probe.record` the one that measured everything stays, else the first.
    """
    settings = [key for key in SETTINGS if key not in ASIDE]
    by_record = cells.sort_values("probe.record", kind="stable")  # all before profile
    repeated = by_record.duplicated([*settings, "seed"]).reindex(cells.index).to_numpy()
    if not repeated.any():
        return cells, []
    aside = [key for key in ASIDE if key != "seed" and cells[key].astype(str).nunique() > 1]
    note = f"cells that differ in {' and '.join(aside)} only count once: {int(repeated.sum()):,} left out"
    return cells[~repeated].reset_index(drop=True), [note]


def _values(column: pd.Series[Any]) -> str:
    if pd.api.types.is_float_dtype(column.dtype) and column.nunique() > 8:
        return f"from {column.min():.3g} to {column.max():.3g}"
    texts = [f"{value:g}" if isinstance(value, float) else str(value) for value in sorted(column.unique(), key=str)]
    return ", ".join(texts[:8]) + (f" and {len(texts) - 8} more" if len(texts) > 8 else "")


def _check(text: str, configurations: pd.DataFrame, cells: pd.DataFrame, plan: Design) -> Check:
    first = np.unique(plan.configuration, return_index=True)[1]
    settings = cells.iloc[first][[key for key in SETTINGS if key != "seed"]].reset_index(drop=True)
    frame = pd.concat(
        [settings, configurations.drop(columns=[key for key in settings if key in configurations])], axis=1
    )
    condition = read_condition(text, frame, "--fail-on")
    truths = truth(condition, frame)
    keys = _shown(plan, names(condition))
    return Check(text, names(condition), frame.loc[truths.holds, keys], frame.loc[truths.unknown, keys])


def _shown(plan: Design, columns: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*(factor.name for factor in plan.varied), *columns]))
