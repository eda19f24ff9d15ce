"""Main effects, against plain means, known effects and the simulated designs of benchmarks/interval_coverage.py."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats
from interval_coverage import DESIGNS, coverage
from numpy.testing import assert_allclose

from gradlab.analysis.compare.factor import Factor
from gradlab.analysis.compare.main_effects import main_effects
from gradlab.analysis.compare.seed_means import level_deviations, seed_means
from gradlab.store.records import Integers


def grid(*sizes: int) -> Integers:
    """Return all combinations of levels, one row each; the last column is the seed."""
    return np.array(list(product(*map(range, sizes))), dtype=np.int64)


def factors(rows: Integers) -> list[Factor]:
    return [
        Factor("abcdef"[index], tuple(map(str, range(int(rows[:, index].max()) + 1))), rows[:, index])
        for index in range(rows.shape[1] - 1)
    ]


def test_main_effects_of_a_balanced_table_are_its_means_with_the_interval_over_seeds() -> None:
    rows = grid(3, 4, 5)
    y = np.random.default_rng(8).normal(size=len(rows)) + 2 * rows[:, 0]
    cube = y.reshape(3, 4, 5)
    by_seed = cube.mean(1) - cube.mean((0, 1))
    effects = main_effects(y, factors(rows), rows[:, -1])
    assert effects.notes == ()
    for level, effect in enumerate(effects.levels[:3]):
        low, high = scipy.stats.t.interval(0.95, 4, by_seed[level].mean(), scipy.stats.sem(by_seed[level]))
        assert_allclose([effect.effect, effect.low, effect.high], [by_seed[level].mean(), low, high], rtol=1e-9)
        assert (effect.factor, effect.level, effect.cells, effect.matched) == ("a", str(level), 20, 4)


def test_levels_that_never_meet_get_no_effect_of_what_else_differed() -> None:
    """xavier beside sigmoid, orthogonal beside tanh and in one common setting, where both are alike.

    Least squares on main effects alone put the two four decades apart; matched configurations are equal.
    """
    init = np.array([0, 0, 0, 1, 1, 1])
    activation = np.array([0, 1, 2, 2, 3, 4])
    decades = np.array([-9.0, -8.0, 0.0, 0.0, -1.0, 0.5])
    seeds, settings = 5, len(init)
    rows = np.repeat(np.arange(settings), seeds)
    y = decades[rows] + np.random.default_rng(1).normal(0, 0.1, len(rows))
    named = [
        Factor("init", ("xavier", "orthogonal"), init[rows]),
        Factor("activation", tuple("abcde"), activation[rows]),
    ]
    effects = main_effects(y, named, np.tile(np.arange(seeds), settings))
    own = [effect for effect in effects.levels if effect.factor == "init"]
    assert [(effect.level, effect.matched) for effect in own] == [("xavier", 1), ("orthogonal", 1)]
    assert all(effect.low < 0 < effect.high and abs(effect.effect) < 0.2 for effect in own)
    assert "init: from 1 of 5 settings of the rest, where all its levels meet" in effects.notes


def test_a_factor_of_which_no_levels_meet_has_no_effect_and_the_reason() -> None:
    rows = grid(2, 3, 4)
    rows = rows[(rows[:, 0] == 0) == (rows[:, 1] < 2)]
    y = np.random.default_rng(9).normal(size=len(rows))
    effects = main_effects(y, factors(rows), rows[:, -1])
    assert {effect.factor for effect in effects.levels} == {"b"}
    assert "no effect of a: no two of its levels were measured with all other settings alike" in effects.notes
    assert "b: without 2, never measured at the settings of the others" in effects.notes


def test_levels_without_values_are_not_said_to_be_never_measured() -> None:
    rows = grid(2, 3, 4)
    y = np.random.default_rng(9).normal(size=len(rows))
    lost = np.where(rows[:, 1] == 2, np.nan, y)
    effects = main_effects(lost, factors(rows), rows[:, -1])
    assert "b: without 2, with too few finite values at the settings of the others" in effects.notes
    lost[(rows[:, 1] != 2) | (rows[:, -1] == 0)] = y[(rows[:, 1] != 2) | (rows[:, -1] == 0)]  # one seed is left
    effects = main_effects(lost, factors(rows), rows[:, -1])
    assert "b: without 2, with too few finite values at the settings of the others" in effects.notes
    assert not any("never measured" in note for note in effects.notes)
    effects = main_effects(np.full(len(y), np.nan), factors(rows), rows[:, -1])
    assert effects.notes == tuple(
        f"no effect of {name}: with all other settings alike, no two of its levels have enough finite values"
        for name in "ab"
    )


def test_a_level_that_others_are_compared_without_says_where_it_was_measured() -> None:
    rows = grid(3, 3, 4)
    rows = rows[(rows[:, 1] < 2) | (rows[:, 0] == 0)]  # level 2 of b at one of three settings of a
    y = np.random.default_rng(9).normal(size=len(rows))
    effects = main_effects(y, factors(rows), rows[:, -1])
    assert "b: without 2, measured at 1 of the 3 settings of the others only" in effects.notes
    assert {effect.matched for effect in effects.levels if effect.factor == "b"} == {3}


def test_known_effects_come_out_exactly_whatever_is_missing() -> None:
    """Without scatter and without interactions every matched part has the very effects that were put in."""
    random = np.random.default_rng(9)
    for _ in range(50):
        rows = grid(3, 4, 2)
        settings = np.unique(rows[:, :2], axis=0)
        kept = settings[random.random(len(settings)) < 0.7]
        rows = rows[[any((row[:2] == setting).all() for setting in kept) for row in rows]]
        if not len(rows):
            continue
        codes = np.stack([np.unique(column, return_inverse=True)[1].ravel() for column in rows.T], axis=1)
        put = {"a": np.array([0.0, 1.0, 5.0]), "b": np.array([3.0, -2.0, 0.0, 7.0])}
        named = [Factor(n, tuple(map(str, np.unique(rows[:, k]))), codes[:, k]) for k, n in enumerate("ab")]
        y = put["a"][rows[:, 0]] + put["b"][rows[:, 1]]
        for name in put:
            own = [effect for effect in main_effects(y, named, rows[:, 2]).levels if effect.factor == name]
            if own:
                true = np.array([put[name][int(effect.level)] for effect in own])
                assert_allclose([effect.effect for effect in own], true - true.mean(), atol=1e-12)


def test_a_level_measured_once_beside_repeated_ones_does_not_spoil_the_intervals() -> None:
    rows = grid(2, 3, 4)
    rows = rows[~((rows[:, 0] == 1) & (rows[:, 1] == 2) & (rows[:, 2] > 0))]
    effects = main_effects(np.random.default_rng(4).normal(size=len(rows)), factors(rows), rows[:, -1])
    own = [effect for effect in effects.levels if effect.factor == "a"]
    assert [effect.matched for effect in own] == [2, 2]
    assert all(np.isfinite([effect.low, effect.high]).all() for effect in own)


def test_a_factor_that_changes_nothing_at_all_is_named_without_effects() -> None:
    """As an optimizer does before training."""
    rows = grid(2, 3, 4)
    y = np.random.default_rng(4).normal(size=(3, 4))[rows[:, 1], rows[:, 2]]
    effects = main_effects(y, factors(rows), rows[:, -1])
    assert {effect.factor for effect in effects.levels} == {"b"}
    assert effects.notes == ("the same at every level: a",)


def test_one_seed_gives_effects_without_intervals() -> None:
    rows = grid(2, 3, 1)
    effects = main_effects(np.arange(6.0), factors(rows), rows[:, -1]).levels
    assert [effect.effect for effect in effects] == pytest.approx([-1.5, 1.5, -1.0, 0.0, 1.0])
    assert all(np.isnan(effect.low) for effect in effects)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 8])
@pytest.mark.parametrize("design", DESIGNS)
def test_intervals_of_main_effects_contain_the_truth_as_often_as_they_say(design: str, seeds: int) -> None:
    """Between 93 and 97 %, less three standard errors of the simulation; docs/statistics.md has 2,000 tables each."""
    share, error, number = coverage(DESIGNS[design], seeds, 400, np.random.default_rng(seeds))
    assert number > 300
    assert 0.93 - 3 * error < share < 0.97 + 3 * error


@pytest.mark.parametrize("several_sets", [False, True])
@pytest.mark.parametrize("single", [False, True])
def test_deviations_of_all_levels_at_once_are_the_seed_means_of_each(several_sets: bool, single: bool) -> None:
    random = np.random.default_rng(3)
    rows = grid(4, 6, 5)
    level, others, seed = rows.T
    seed = seed + 10 * (others > 3) * several_sets  # settings measured with other seeds
    repeated = np.concatenate([np.arange(len(rows)), random.integers(0, len(rows), 40)])  # a seed may count twice
    level, others, seed = level[repeated], others[repeated], seed[repeated]
    configuration = others * 4 + level
    if single:  # the first configuration has one value
        kept = (configuration != 0) | (np.arange(len(level)) == np.flatnonzero(configuration == 0)[0])
        level, configuration, seed = level[kept], configuration[kept], seed[kept]
    y = random.normal(size=len(level)) + level + seed % 3
    together = level_deviations(y, level, configuration, seed, 4)
    for place in range(4):
        weight = np.where(level == place, 3.0, -1.0)
        alone = seed_means(weight * y, configuration, seed, np.zeros(len(y), dtype=np.int64), 1)
        assert_allclose(together.mean[place], alone.mean[0], rtol=1e-12)
        assert_allclose([together.low[place], together.high[place]], [alone.low[0], alone.high[0]], rtol=1e-12)
        assert together.count[place] == alone.count[0]
    assert np.isnan(together.low).tolist() == [single] * 4
