"""One value of an axis for each configuration: chosen on one half of the held-out samples, judged on the other.

Plain numpy. What holds the choice and the judgement apart (docs/statistics.md): the choice reads the validation scores
alone, it is one value for all seeds of a configuration, and the rank of a value depends on its own cells alone, so that
worse values on the axis change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from gradlab.analysis.compare.paired_differences import FEWEST_SEEDS
from gradlab.analysis.compare.seed_means import LEVEL, joint
from gradlab.record import Floats
from gradlab.results.statistics import Interval, mean_interval
from gradlab.store.records import Integers

__all__ = ["Choice", "Trials", "choose", "scores"]

Flags = NDArray[np.bool_]
_DIGITS = 12
"""Means that agree in so many digits are the same: sums of the same numbers in another order differ in the last."""


def scores(metric: Floats, lost: Flags, floor: Floats) -> Floats:
    """Return the score of each cell, [N]: its metric, at least the `floor`, which is what a `lost` one has.

    A network below the floor is worth no more than one that diverged, and no cell can outweigh all others of a mean.
    Where the floor is -inf a lost cell has no score (NaN).
    """
    value: Floats = np.maximum(np.where(lost, floor, metric), floor)
    return np.where(np.isfinite(value), value, np.nan)


@dataclass(frozen=True, slots=True)
class Trials:
    """The scores of N cells, each of one value of the axis in one configuration; all [N].

    `configuration` and `value` count from 0, no configuration is left out.
    """

    validation: Floats
    test: Floats
    lost: Flags
    """Cells without a metric to choose by: they diverged, or it measures nothing."""
    unbounded: Flags
    """Whether the metric has no floor, so that a lost cell is worse than any score."""
    configuration: Integers
    value: Integers
    seed: Integers


@dataclass(frozen=True)
class Choice:
    """The values V of an axis in all configurations C, and which of them each configuration has at its best."""

    candidate: Integers
    """Index of each cell's value, [N]; a value of two configurations counts twice."""
    configuration: Integers
    """Of each value, [V]."""
    validation: Interval
    """Score on the samples of the choice, [V]."""
    test: Interval
    """Score on the samples of the judgement, [V]."""
    lost: Integers
    """Lost cells of each value, [V]."""
    chosen: Integers
    """The value of each configuration, [C]."""
    ties: Flags
    """Values that the samples of the choice do not tell from the chosen one, [V]; the chosen one is none."""
    decided: Flags
    """Configurations with enough common seeds for `ties`, [C]."""
    without_seed: Floats
    """Mean test score with each seed at the value that the other seeds choose, [C]; NaN where a value has one seed."""


def choose(trials: Trials) -> Choice:
    """Return for each configuration the value with the largest mean validation score over its seeds.

    Of equal means that with the fewest lost cells, then the first. Where the metric has no floor, the value with the
    fewest lost cells comes first, whatever the means.

    A value is a tie unless it is significantly worse than the chosen one by a paired one-sided t test over common seeds
    at level 0.05/(k - 1), k values of the configuration. So with 95 % confidence the best value is the chosen one or a
    tie (selection of a subset, Gupta 1965, with Bonferroni's bound). Fewer than `FEWEST_SEEDS` seeds decide nothing.
    """
    code = trials.configuration * (int(trials.value.max(initial=0)) + 1) + trials.value
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    candidate, size = inverse.astype(np.int64), len(first)
    owner, unbounded = trials.configuration[first], trials.unbounded[first]
    validation = mean_interval(trials.validation, candidate, size)
    lost = np.bincount(candidate, trials.lost, size).astype(np.int64)
    chosen = _best(owner, validation.mean, lost, unbounded, trials.value[first])
    ties, decided = _ties(trials, candidate, owner, chosen)
    return Choice(
        candidate,
        owner,
        validation,
        mean_interval(trials.test, candidate, size),
        lost,
        chosen,
        ties & (~unbounded | (lost == lost[chosen][owner])),
        decided,
        _without_seed(trials, candidate),
    )


def _best(group: Integers, mean: Floats, lost: Integers, unbounded: Flags, value: Integers) -> Integers:
    """Return the index of the best entry of each group, in the order of the groups."""
    best_first = -np.round(np.nan_to_num(mean, nan=-np.inf), _DIGITS)
    order = np.lexsort((value, lost, best_first, np.where(unbounded, lost, 0), group))
    best: Integers = order[np.unique(group[order], return_index=True)[1]]
    return best


def _ties(trials: Trials, candidate: Integers, owner: Integers, chosen: Integers) -> tuple[Flags, Flags]:
    """Return which values are ties, [V], and in which configurations that can be told, [C]."""
    size, best = len(owner), chosen[owner]
    score = dict(zip(zip(candidate, trials.seed, strict=True), trials.validation, strict=True))
    of_best = [score.get(pair, np.nan) for pair in zip(best[candidate], trials.seed, strict=True)]
    difference = mean_interval(np.array(of_best, dtype=np.float64) - trials.validation, candidate, size)
    freedom, alternatives = np.maximum(difference.count - 1, 1), np.maximum(np.bincount(owner) - 1, 1)
    bound = stdtrit(freedom, 1 - LEVEL / alternatives[owner]) / stdtrit(freedom, 1 - LEVEL / 2)
    worse = difference.mean - bound * (difference.high - difference.mean) > 0
    rivals = np.arange(size) != best
    decided = np.bincount(owner, rivals & (difference.count < FEWEST_SEEDS), len(chosen)) == 0
    return rivals & ~worse & decided[owner], decided


def _without_seed(trials: Trials, candidate: Integers) -> Floats:
    """Return the mean test score of each configuration with each seed judged at the value that the others choose.

    The networks of a seed are then chosen by other networks, so that the mean has no bias from luck of single networks
    either, which that at the chosen value has.
    """
    size = int(candidate.max(initial=-1)) + 1

    def of_others(values: Floats) -> Floats:
        return np.bincount(candidate, values, size)[candidate] - values

    finite = ~np.isnan(trials.validation)
    number, total = of_others(finite.astype(np.float64)), of_others(np.where(finite, trials.validation, 0.0))
    mean = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    lost = np.round(of_others(trials.lost.astype(np.float64))).astype(np.int64)
    pair = joint([trials.configuration, trials.seed], len(candidate))
    best = _best(pair, mean, lost, trials.unbounded, trials.value)
    configurations = int(trials.configuration.max(initial=-1)) + 1
    judged = mean_interval(trials.test[best], trials.configuration[best], configurations).mean
    single = np.bincount(candidate, minlength=size)[candidate] < 2
    return np.where(np.bincount(trials.configuration, single, configurations) > 0, np.nan, judged)
