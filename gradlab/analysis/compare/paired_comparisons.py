"""One setting changed, all others equal: comparisons against a baseline, and improvements of vanished gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gradlab.analysis.compare.conditions import read_equalities
from gradlab.analysis.compare.design import Design, response_values
from gradlab.analysis.compare.judgement import Judgement
from gradlab.analysis.compare.paired_differences import PairedDifference, paired_differences
from gradlab.analysis.compare.responses import Response
from gradlab.cell import SETTINGS
from gradlab.errors import UsageError
from gradlab.families.axes import length_settings
from gradlab.query import Condition, conjuncts
from gradlab.query.values import read_number
from gradlab.record import Floats
from gradlab.store.records import Integers
from gradlab.thresholds import LEARNED_SHARE

__all__ = ["Improvement", "PairedComparison", "compare_with_baseline", "improvements", "parse_baseline"]


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """The effect of going from one combination of levels to another, in the response's unit (log10 where it is one)."""

    settings: tuple[str, ...]
    source: tuple[str, ...]
    target: tuple[str, ...]
    difference: PairedDifference
    left_out: int
    """Pairs of which one has no finite response."""


@dataclass(frozen=True, slots=True)
class Improvement:
    """A change of one setting after which networks beyond a threshold are healthy, with how many of them."""

    change: PairedComparison
    networks: int
    """Configurations beyond the threshold to which the change can be made."""
    healthy: int
    """Of them, healthy afterwards."""
    learned_before: int
    learned: int
    """Of them, with most seeds learning afterwards."""


def parse_baseline(text: str, plan: Design) -> dict[str, str]:
    """Return the levels of ``--baseline 'key=value key=value'``, each of which must occur.

    Raises UsageError for anything else, naming what there is.
    """
    baseline: dict[str, str] = {}
    levels = {factor.name: factor.levels for factor in plan.varied}
    for part in conjuncts(read_equalities(text, SETTINGS, "--baseline")):
        if not isinstance(part, Condition) or part.sign != "=" or len(part.constants) > 1:
            raise UsageError(f"--baseline: {part} is not one value of one setting", "as in activation=sigmoid, depth=4")
        key = part.name
        if key not in levels:
            raise UsageError(
                f"--baseline {key}: it is the same everywhere, so there is nothing to compare it with",
                f"what varies: {', '.join(levels) or 'nothing'}",
            )
        matching = [level for level in levels[key] if part.holds(_value(level))]
        exact = [level for level in matching if level == str(part.constants[0])]
        if not matching:
            raise UsageError(f"--baseline {part}: it does not occur", f"there are {', '.join(levels[key])}")
        if len(exact or matching) > 1:
            raise UsageError(f"--baseline {part}: these are several: {', '.join(matching)}", "name one of them")
        baseline[key] = (exact or matching)[0]
    return baseline


def _value(level: str) -> str | float:
    number = read_number(level)
    return level if number is None else number


def compare_with_baseline(
    cells: pd.DataFrame, plan: Design, response: Response, baseline: Mapping[str, str]
) -> tuple[PairedComparison, ...]:
    """Return every other combination of the levels of the `baseline`'s settings against it, otherwise equal.

    A pair is two cells with the same seed and all other settings the same, but for those that follow the compared
    ones. Raises UsageError when there is no pair.
    """
    factors = [factor for factor in plan.varied if factor.name in baseline]
    level = plan.code([factor.name for factor in factors])
    is_base = np.logical_and.reduce([factor.codes == factor.levels.index(baseline[factor.name]) for factor in factors])
    pairs = _pairs(response_values(cells, response), level, _block(plan, tuple(baseline)), plan.seed, is_base)
    if not len(pairs):
        baseline_text = ", ".join(f"{key}={value}" for key, value in baseline.items())
        raise UsageError(
            f"--baseline {baseline_text}: no two cells differ in {' and '.join(baseline)} alone and share a seed",
            "run the other levels with the same seeds and otherwise the same settings",
        )
    targets = sorted(set(pairs["target"]))
    group = np.searchsorted(targets, pairs["target"]).astype(np.int64)
    tests = _differences(pairs, group, len(targets), response)
    example = {int(code): int(row) for row, code in enumerate(level)}
    return tuple(
        PairedComparison(
            tuple(factor.name for factor in factors),
            tuple(baseline[factor.name] for factor in factors),
            tuple(factor.levels[factor.codes[example[target]]] for factor in factors),
            difference,
            left_out,
        )
        for target, (difference, left_out) in zip(targets, tests, strict=True)
    )


def _block(plan: Design, keys: Sequence[str]) -> Integers:
    """Return one code for each setting of all that is neither among `keys` nor follows one of them."""
    return plan.code([f.name for f in plan.varied if f.name not in keys and plan.follows.get(f.name) not in keys])


def _pairs(values: Floats, level: Integers, block: Integers, seed: Integers, is_source: Floats) -> pd.DataFrame:
    every = pd.DataFrame(
        {"block": block, "seed": seed, "target": level, "value": values, "row": np.arange(len(values))}
    )
    source = every[is_source.astype(bool)].rename(columns={"target": "source", "value": "before", "row": "row_before"})
    pairs = source.merge(every, on=["block", "seed"])
    return pairs[pairs["source"] != pairs["target"]]


def _differences(
    pairs: pd.DataFrame, group: Integers, groups: int, response: Response
) -> list[tuple[PairedDifference, int]]:
    with np.errstate(invalid="ignore"):
        change = (pairs["value"] - pairs["before"]).to_numpy()
    block, seed = pairs["block"].to_numpy(), pairs["seed"].to_numpy()
    tests = paired_differences(change, block, seed, group, groups, discrete=response.name == "learned")
    lost = np.bincount(group, ~np.isfinite(change), groups).astype(int)
    return list(zip(tests, lost.tolist(), strict=True))


def improvements(
    cells: pd.DataFrame, plan: Design, response: Response, verdict: str, judgement: Judgement, learned_of: Floats
) -> tuple[Improvement, ...]:
    """Return the changes of one setting, lengths aside, after which networks of a `verdict` are healthy, best first.

    `judgement` and `learned_of` (share of its seeds) are those of each configuration. Only changes
    that pass their paired test, corrected for all that were tried, and leave at least one network healthy, which is
    without any mark. The best has most healthy.
    """
    mostly = learned_of > LEARNED_SHARE
    lost = judgement.verdict[plan.configuration] == verdict
    values = response_values(cells, response)
    tried = [
        _pairs(values, factor.codes, _block(plan, (factor.name,)), plan.seed, lost).assign(factor=factor.name)
        for factor in plan.factors
        if factor.name not in length_settings()
    ]
    if not sum(map(len, tried)):
        return ()
    pairs = pd.concat(tried, ignore_index=True)
    names, group = _numbered(pairs)
    tests = _differences(pairs, group, len(names), response)
    levels = {factor.name: factor.level_labels for factor in plan.factors}
    titles = {factor.name: factor.title for factor in plan.factors}
    improving_sign = "+" if verdict == "vanishing" else "-"
    improved = []
    for index, (name, source, target) in enumerate(names):
        difference, left_out = tests[index]
        if difference.sign != improving_sign:
            continue
        rows = pairs.loc[group == index, ["row_before", "row"]].to_numpy()
        before, after = np.unique(plan.configuration[rows], axis=0).T
        healthy = int(judgement.healthy[after].sum())
        if not healthy:
            continue
        title, labels = titles[name], levels[name]
        change = PairedComparison((title,), (labels[source],), (labels[target],), difference, left_out)
        learned_before, learned = int(mostly[before].sum()), int(mostly[after].sum())
        improved.append(Improvement(change, len(before), healthy, learned_before, learned))
    return tuple(
        sorted(
            improved,
            key=lambda improvement: (
                -improvement.healthy,
                improvement.healthy < improvement.networks,
                -abs(improvement.change.difference.mean),
            ),
        )
    )


def _numbered(pairs: pd.DataFrame) -> tuple[list[tuple[str, int, int]], Integers]:
    columns = ["factor", "source", "target"]
    names = pairs[columns].drop_duplicates()
    group = pairs[columns].merge(names.assign(index=np.arange(len(names))), on=columns, how="left")["index"]
    return list(names.itertuples(index=False, name=None)), group.to_numpy(np.int64)
