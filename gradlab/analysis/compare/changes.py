"""One setting changed and all others equal: paired differences against a baseline, and what cures a lost gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.analysis.compare.conditions import read_equalities
from gradlab.analysis.compare.design import Design, Metric, respond
from gradlab.analysis.compare.pairs import Difference, differences
from gradlab.cell import SETTINGS
from gradlab.errors import UsageError
from gradlab.families.axes import length_settings
from gradlab.query import Condition, conjuncts
from gradlab.query.values import read_number
from gradlab.record import Floats
from gradlab.store.records import Integers
from gradlab.thresholds import LEARNED_SHARE

__all__ = ["Change", "Cure", "against", "cures", "parse_baseline"]


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of going from one combination of levels to another, in the response's unit (log10 where it is one)."""

    settings: tuple[str, ...]
    source: tuple[str, ...]
    target: tuple[str, ...]
    difference: Difference
    left_out: int
    """Pairs of which one has no finite response."""


@dataclass(frozen=True, slots=True)
class Cure:
    """A change of one setting where survival was beyond a threshold: configurations counted, out of `networks`."""

    change: Change
    networks: int
    healthy: int
    """Of them, healthy afterwards."""
    learned_before: int
    learned: int
    """Of them, with most seeds learning afterwards."""


def parse_baseline(text: str, plan: Design) -> dict[str, str]:
    """Return the levels of ``--baseline 'key=value key=value'``, each of which must occur.

    Raises UsageError for anything else, naming what there is.
    """
    found: dict[str, str] = {}
    levels = {f.name: f.levels for f in plan.varied}
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
        found[key] = (exact or matching)[0]
    return found


def _value(level: str) -> str | float:
    number = read_number(level)
    return level if number is None else number


def against(cells: pd.DataFrame, plan: Design, metric: Metric, baseline: Mapping[str, str]) -> tuple[Change, ...]:
    """Return every other combination of the levels of the `baseline`'s settings against it, otherwise equal.

    A pair is two cells with the same seed and all other settings the same, but for those that follow the compared
    ones. Raises UsageError when there is no pair.
    """
    keys = [f for f in plan.varied if f.name in baseline]
    level = plan.code([f.name for f in keys])
    is_base = np.logical_and.reduce([f.codes == f.levels.index(baseline[f.name]) for f in keys])
    pairs = _pairs(respond(cells, metric), level, _block(plan, tuple(baseline)), plan.seed, is_base)
    if not len(pairs):
        named = ", ".join(f"{key}={value}" for key, value in baseline.items())
        raise UsageError(
            f"--baseline {named}: no two cells differ in {' and '.join(baseline)} alone and share a seed",
            "run the other levels with the same seeds and otherwise the same settings",
        )
    targets = sorted(set(pairs["target"]))
    group = np.searchsorted(targets, pairs["target"]).astype(np.int64)
    found = _differences(pairs, group, len(targets), metric)
    example = {int(code): int(row) for row, code in enumerate(level)}
    return tuple(
        Change(
            tuple(f.name for f in keys),
            tuple(baseline[f.name] for f in keys),
            tuple(f.levels[f.codes[example[target]]] for f in keys),
            difference,
            left_out,
        )
        for target, (difference, left_out) in zip(targets, found, strict=True)
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


def _differences(pairs: pd.DataFrame, group: Integers, groups: int, metric: Metric) -> list[tuple[Difference, int]]:
    with np.errstate(invalid="ignore"):
        change = (pairs["value"] - pairs["before"]).to_numpy()
    found = differences(
        change, pairs["block"].to_numpy(), pairs["seed"].to_numpy(), group, groups, discrete=metric.name == "learned"
    )
    lost = np.bincount(group, ~np.isfinite(change), groups).astype(int)
    return list(zip(found, lost.tolist(), strict=True))


def cures(
    cells: pd.DataFrame, plan: Design, metric: Metric, verdict: str, verdict_of: NDArray[Any], learned_of: Floats
) -> tuple[Cure, ...]:
    """Return the changes of one setting (not depth or seq_len) that mend configurations of a `verdict`, the best first.

    `verdict_of` and `learned_of` (share of its seeds) say how each configuration stands. Only changes that pass their
    paired test, corrected for all that were tried, and leave at least one network healthy. The best mends most.
    """
    mostly = learned_of > LEARNED_SHARE
    lost = verdict_of[plan.configuration] == verdict
    values = respond(cells, metric)
    tried: list[pd.DataFrame] = []
    for f in plan.factors:
        if f.name not in length_settings():
            pairs = _pairs(values, f.codes, _block(plan, (f.name,)), plan.seed, lost)
            tried.append(pairs.assign(factor=f.name))
    if not tried or not sum(map(len, tried)):
        return ()
    every = pd.concat(tried, ignore_index=True)
    names, group = _numbered(every)
    found = []
    tests = _differences(every, group, len(names), metric)
    levels = {f.name: f.levels for f in plan.factors}
    wanted = "+" if verdict == "vanishing" else "-"
    for index, (factor, source, target) in enumerate(names):
        difference, left_out = tests[index]
        if difference.sign != wanted:
            continue
        rows = every.loc[group == index, ["row_before", "row"]].to_numpy()
        pairs_of = np.unique(plan.configuration[rows], axis=0)
        before, after = pairs_of[:, 0], pairs_of[:, 1]
        healthy = int((verdict_of[after] == "healthy").sum())
        if not healthy:
            continue
        change = Change((factor,), (levels[factor][source],), (levels[factor][target],), difference, left_out)
        found.append(Cure(change, len(before), healthy, int(mostly[before].sum()), int(mostly[after].sum())))
    return tuple(
        sorted(found, key=lambda cure: (-cure.healthy, cure.healthy < cure.networks, -abs(cure.change.difference.mean)))
    )


def _numbered(pairs: pd.DataFrame) -> tuple[list[tuple[str, int, int]], Integers]:
    columns = ["factor", "source", "target"]
    names = pairs[columns].drop_duplicates()
    group = pairs[columns].merge(names.assign(index=np.arange(len(names))), on=columns, how="left")["index"]
    return list(names.itertuples(index=False, name=None)), group.to_numpy(np.int64)
