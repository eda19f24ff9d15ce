"""Intervals and paired tests with the seed as the unit of replication."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from gradlab.analysis.compare.paired_differences import holm, paired_differences, sign_flip
from gradlab.analysis.compare.seed_means import joint, seed_means
from gradlab.record import Floats
from gradlab.results import statistics
from gradlab.store.records import Integers


def grid(*sizes: int) -> Integers:
    """Return all combinations of levels, one row each; the last column is the seed."""
    return np.array(list(product(*map(range, sizes))), dtype=np.int64)


def test_the_mean_of_one_configuration_has_the_ordinary_interval() -> None:
    random = np.random.default_rng(11)
    group = np.repeat(np.arange(6), [1, 2, 3, 5, 8, 0 + 4])
    seed = np.concatenate([np.arange(n) for n in (1, 2, 3, 5, 8, 4)])
    values = random.normal(size=len(group))
    values[[4, 9]] = [np.nan, -np.inf]
    found, expected = seed_means(values, group, seed, group, 7), statistics.mean_interval(values, group, 7)
    for name in ("mean", "low", "high", "count"):
        assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)


def test_pooled_configurations_have_the_interval_of_the_means_of_their_seeds() -> None:
    rows = grid(4, 6)
    y = np.random.default_rng(12).normal(size=24) + 10.0 * rows[:, 0]
    found = seed_means(y, rows[:, 0], rows[:, 1], np.zeros(24, np.int64), 1)
    means = y.reshape(4, 6).mean(0)
    low, high = scipy.stats.t.interval(0.95, 5, means.mean(), scipy.stats.sem(means))
    assert_allclose([found.mean[0], found.low[0], found.high[0]], [means.mean(), low, high], rtol=1e-9)
    # other seeds in each configuration: independent means, the interval of Welch's test of their difference
    y = np.random.default_rng(13).normal(size=10) * np.repeat([1.0, 3.0], [6, 4])
    two, seed = np.repeat([0, 1], [6, 4]), np.arange(10)
    pooled = seed_means(y, two, seed, np.zeros(10, np.int64), 1)
    welch = scipy.stats.ttest_ind(y[:6], -y[6:], equal_var=False).confidence_interval(0.95)
    assert_allclose([pooled.low[0], pooled.high[0]], [welch.low / 2, welch.high / 2], rtol=1e-9)


def test_a_mean_over_configurations_of_which_one_has_one_seed_has_no_interval() -> None:
    y, configuration, seed = np.array([1.0, 2.0, 3.0, 7.0]), np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0])
    pooled = seed_means(y, configuration, seed, np.zeros(4, np.int64), 1)
    assert pooled.mean[0] == 4.5
    assert np.isnan(pooled.low[0])


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_intervals_cover_the_truth_as_often_as_they_say(seeds: int, missing: float) -> None:
    """4,000 means over three configurations with a common part of each seed: 95 % within 4 binomial deviations."""
    tables = 4000
    random = np.random.default_rng(seeds)
    rows = grid(tables, 3, seeds)
    common = random.normal(0, 1, (tables, seeds))[rows[:, 0], rows[:, 2]]
    values = 5.0 * rows[:, 1] + common + random.normal(0, 1, len(rows))
    values[random.random(len(rows)) < (missing if seeds > 3 else 0)] = np.nan
    found = seed_means(values, joint([rows[:, 0], rows[:, 1]], len(rows)), rows[:, 2], rows[:, 0], tables)
    covered = np.mean((found.low <= 5.0) & (found.high >= 5.0))
    assert covered == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / tables))


DRAWS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Floats]] = {
    "normal": lambda random, shape: random.normal(size=shape),
    "uniform": lambda random, shape: random.uniform(-1, 1, size=shape),
    "heavy tails": lambda random, shape: random.standard_t(3, size=shape),
    "swapped skew": lambda random, shape: random.exponential(size=shape) - random.exponential(size=shape),
}


def one_by_one(values: Floats, block: Integers, seed: Integers, tables: int) -> int:
    """Return how many of the tables [tables, ...] give an arrow, each tested alone."""
    return sum(
        paired_differences(one, block, seed, np.zeros(len(one), np.int64), 1)[0].sign in "+-"
        for one in values.reshape(tables, -1)
    )


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("draw", DRAWS)
def test_where_nothing_differs_an_arrow_is_as_rare_as_the_level_says(seeds: int, draw: str) -> None:
    """Differences at four settings that share their seed's draw: at most 5 %, and for normal ones no less than 3 %."""
    tables, random = 600, np.random.default_rng(seeds)
    rows = grid(4, seeds)
    shared = DRAWS[draw](random, (tables, 1, seeds)) + 0.3 * DRAWS[draw](random, (tables, 4, seeds))
    rate = one_by_one(shared, rows[:, 0], rows[:, 1], tables) / tables
    above = 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / tables)
    assert rate < (above if draw != "uniform" or seeds > 3 else above + 0.025)  # t at n = 3 of uniforms: 6 to 7 %
    if draw == "normal":
        assert rate > 0.025


def test_two_seeds_decide_nothing_however_large_the_difference() -> None:
    two = paired_differences(np.array([6.0, 6.001]), np.zeros(2, np.int64), np.arange(2), np.zeros(2, np.int64), 1)[0]
    assert (two.sign, two.seeds) == ("~", 2)
    assert two.low > 5.9
    three = np.array([6.0, 6.001, 6.002])
    assert paired_differences(three, np.zeros(3, np.int64), np.arange(3), np.zeros(3, np.int64), 1)[0].sign == "+"


def test_counting_settings_as_repetitions_would_find_what_is_not_there() -> None:
    """The reason for the seed as the unit: the same null, with each pair as a repetition of its own."""
    tables, seeds, random = 400, 5, np.random.default_rng(0)
    shared = random.normal(size=(tables, 1, seeds)) + 0.3 * random.normal(size=(tables, 4, seeds))
    naive = scipy.stats.ttest_1samp(shared.reshape(tables, -1), 0, axis=1).pvalue
    assert np.mean(naive < 0.05) > 0.2


def test_with_many_comparisons_the_chance_of_any_arrow_is_at_most_the_level() -> None:
    tables, compared, seeds, random = 400, 8, 6, np.random.default_rng(1)
    rows = grid(compared, seeds)
    some = 0
    for _ in range(tables):
        base = random.normal(size=seeds)  # all are compared with the same baseline, so they are not independent
        found = paired_differences(
            random.normal(size=len(rows)) - base[rows[:, 1]], rows[:, 0], rows[:, 1], rows[:, 0], compared
        )
        some += any(one.sign in "+-" for one in found)
    assert some / tables < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / tables)


def test_the_t_test_is_that_of_scipy_on_the_means_of_the_seeds() -> None:
    rows = grid(3, 7)
    values = np.random.default_rng(14).normal(0.5, 1, 21)
    (found,) = paired_differences(values, rows[:, 0], rows[:, 1], np.zeros(21, np.int64), 1)
    expected = scipy.stats.ttest_1samp(values.reshape(3, 7).mean(0), 0)
    interval = expected.confidence_interval(0.95)
    assert_allclose([found.p, found.low, found.high], [expected.pvalue, interval.low, interval.high], rtol=1e-9)
    assert (found.seeds, found.blocks, found.pairs) == (7, 3, 21)
    assert found.agree == sum(np.sign(values.reshape(3, 7).mean(1)) == np.sign(values.mean()))


def test_the_sign_flips_are_those_counted_by_hand() -> None:
    # 1 2 3: of 8 patterns only +++ and --- sum to 6 or more
    assert sign_flip(np.array([1.0, 2.0, 3.0])) == 2 / 8
    # 1 1 -1 sums to 1, and every pattern sums to an odd number
    assert sign_flip(np.array([1.0, 1.0, -1.0])) == 1.0
    # 3 2 -1 sums to 4: +++ 6, ++- 4, and the two mirrored
    assert sign_flip(np.array([3.0, 2.0, -1.0])) == 4 / 8
    assert sign_flip(np.array([0.1] * 5)) == 2 / 32
    assert sign_flip(np.array([5.0])) == 1.0


@pytest.mark.parametrize("n", [4, 9, 13])
def test_the_sign_flips_agree_with_scipy(n: int) -> None:
    parts = np.random.default_rng(n).normal(0.4, 1, n)
    expected = scipy.stats.permutation_test(
        (parts,), lambda x: abs(np.sum(x)), permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    assert sign_flip(parts) == pytest.approx(expected.pvalue)


def test_beyond_sixteen_seeds_the_flips_are_drawn_and_repeatable() -> None:
    parts = np.random.default_rng(15).normal(0.5, 1, 17)
    exact = np.mean([abs((np.array(signs) * parts).sum()) >= abs(parts.sum()) * (1 - 1e-12)
                     for signs in product([-1, 1], repeat=17)])  # fmt: skip
    assert sign_flip(parts) == pytest.approx(exact, abs=4 * np.sqrt(exact / 20_000) + 1e-4)
    assert sign_flip(parts) == sign_flip(parts)


def test_holm_is_that_of_the_textbook() -> None:
    # sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, made monotone .02 .03 .06 .06
    assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert_allclose(holm(np.array([0.5, 0.9])), [1.0, 1.0])
    assert_allclose(holm(np.array([np.nan, 0.02, np.nan, 0.03])), [np.nan, 0.04, np.nan, 0.04])
    assert len(holm(np.array([]))) == 0


def difference(values: list[float], *, discrete: bool = False) -> str:
    array = np.array(values)
    zeros = np.zeros(len(array), np.int64)
    return paired_differences(array, zeros, np.arange(len(array)), zeros, 1, discrete=discrete)[0].sign


@pytest.mark.parametrize(
    ("values", "sign"),
    [
        ([1.0, 1.1, 0.9, 1.05, 0.95], "+"),  # five seeds: sign flips cannot pass, the t test does
        ([-1.0, -1.1, -0.9], "-"),
        ([1.0, -1.1, 0.9, -1.05, 0.95], "~"),
        ([0.0, 0.0, 0.0], "="),
        ([1.0], "~"),
        ([0.5, 0.5, 0.5, 0.5], "+"),  # the same in every seed, to the last digit
        ([float("nan"), 1.0, 1.1, 0.9, 1.05], "+"),
        ([float("nan")] * 3, "~"),
    ],
)
def test_an_arrow_stands_for_what_passes_its_tests(values: list[float], sign: str) -> None:
    assert difference(values) == sign


def test_where_the_sign_flips_could_pass_they_must() -> None:
    random = np.random.default_rng(16)
    for _ in range(2000):
        values = random.normal(0.8, 1, 8)
        if scipy.stats.ttest_1samp(values, 0).pvalue < 0.05 < sign_flip(values):
            assert difference(list(values)) == "~"
            return
    raise AssertionError("no table was found on which the two tests part")


def test_a_discrete_difference_is_left_to_the_sign_flips() -> None:
    assert difference([1.0] * 5, discrete=True) == "~"  # 1/16, whatever the t test says of no scatter
    assert difference([1.0] * 6, discrete=True) == "+"  # 1/32
    assert difference([0.0] * 6, discrete=True) == "="


def test_a_setting_with_one_pair_is_left_out_where_others_have_several() -> None:
    values = np.array([1.0, 1.1, 0.9, 50.0])
    (found,) = paired_differences(values, np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0]), np.zeros(4, np.int64), 1)
    assert (found.mean, found.blocks, found.pairs) == (pytest.approx(1.0), 1, 3)


def test_blocks_of_one_name_in_two_comparisons_are_two_blocks() -> None:
    values = np.array([1.0, 1.2, 5.0, 5.2])
    zeros = np.zeros(4, np.int64)
    found = paired_differences(values, zeros, np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 2)
    assert [one.mean for one in found] == [pytest.approx(1.1), pytest.approx(5.1)]
