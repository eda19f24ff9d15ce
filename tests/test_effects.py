from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from gradlab import stats
from gradlab.compare.effects import Factor, Shares, Term, main_effects, shares
from gradlab.compare.pairs import differences, holm, sign_flip
from gradlab.compare.seeds import joint, seed_means
from gradlab.measured import Integers
from gradlab.record import Floats

Rows = Integers


def grid(*sizes: int) -> Rows:
    """Return all combinations of levels, one row each; the last column is the seed."""
    return np.array(list(product(*map(range, sizes))), dtype=np.int64)


def factors(rows: Rows) -> list[Factor]:
    return [
        Factor("abcdef"[index], tuple(map(str, range(int(rows[:, index].max()) + 1))), rows[:, index])
        for index in range(rows.shape[1] - 1)
    ]


def term(found: Shares, *names: str) -> Term:
    return next(one for one in found.terms if one.factors == names)


def residual(columns: list[Integers], y: Floats) -> tuple[float, int]:
    """Return residual squares and rank of the plainest least squares there is, on one indicator per level."""
    x = np.concatenate([np.ones((len(y), 1)), *(np.eye(int(one.max()) + 1)[one] for one in columns)], axis=1)
    solution, _, rank, _ = np.linalg.lstsq(x, y, rcond=1e-10)
    return float(np.square(y - x @ solution).sum()), int(rank)


@pytest.mark.parametrize("sizes", [(3, 4, 5), (2, 3, 2), (4, 2, 10)])
def test_a_balanced_two_way_table_has_the_closed_form_of_the_textbook(sizes: tuple[int, int, int]) -> None:
    rows = grid(*sizes)
    y = np.random.default_rng(1).normal(size=len(rows)) + rows[:, 0] + rows[:, 0] * rows[:, 1]
    cube = y.reshape(sizes)
    grand, a, b = cube.mean(), cube.mean((1, 2)), cube.mean((0, 2))
    cell, s = cube.mean(2), cube.mean((0, 1))
    expected = {
        ("a",): sizes[1] * sizes[2] * np.square(a - grand).sum(),
        ("b",): sizes[0] * sizes[2] * np.square(b - grand).sum(),
        ("a", "b"): sizes[2] * np.square(cell - a[:, None] - b[None, :] + grand).sum(),
    }
    seed_squares = sizes[0] * sizes[1] * np.square(s - grand).sum()
    total = np.square(cube - grand).sum()
    error = total - sum(expected.values()) - seed_squares
    scatter = error / ((sizes[0] * sizes[1] - 1) * (sizes[2] - 1))
    found = shares(y, factors(rows), rows[:, -1])
    for names, squares in expected.items():
        free = int(np.prod([sizes["ab".index(name)] - 1 for name in names]))
        one = term(found, *names)
        assert one.freedom == free
        assert_allclose([one.squares, one.eta2], [squares, squares / total], rtol=1e-9)
        assert_allclose(one.omega2, max((squares - free * scatter) / (total + scatter), 0), rtol=1e-9, atol=1e-12)
    assert found.seed is not None
    assert found.chance is not None
    assert_allclose([found.seed.squares, found.chance.squares], [seed_squares, error], rtol=1e-9)
    assert found.higher is None
    assert abs(found.unsplit) < 1e-9


@pytest.mark.parametrize("case", range(6))
def test_an_unbalanced_table_agrees_with_plain_least_squares_term_by_term(case: int) -> None:
    random = np.random.default_rng(case)
    rows = grid(3, 4, 2, 4)
    rows = rows[random.random(len(rows)) < 0.6]
    rows = rows[~((rows[:, 0] == 1) & (rows[:, 1] == 2))] if case % 2 else rows  # no cells for one combination
    y = (
        random.normal(size=len(rows))
        + rows[:, 0] * rows[:, 1]
        - rows[:, 2] * rows[:, 0]
        + random.normal(size=4)[rows[:, 3]]
    )
    found = shares(y, factors(rows), rows[:, -1])
    codes = {("abc"[index],): rows[:, index] for index in range(3)}
    for (a, one), (b, other) in combinations(list(codes.items()), 2):
        codes[a + b] = one * 10 + other
    seed = rows[:, 3]
    for names in codes:
        others = [code for key, code in codes.items() if key != names and not set(names) < set(key)]
        (with_it, rank), (without, low) = residual([seed, *others, codes[names]], y), residual([seed, *others], y)
        one = term(found, *names)
        assert one.freedom == rank - low
        assert_allclose(one.squares, without - with_it, rtol=1e-7, atol=1e-9)
    pure, rank = residual([rows[:, 0] * 100 + rows[:, 1] * 10 + rows[:, 2], seed], y)
    assert found.chance is not None
    assert (found.chance.freedom, len(y) - rank) == (len(y) - rank, found.chance.freedom)
    assert_allclose(found.chance.squares, pure, rtol=1e-8)


def test_an_interaction_without_some_of_its_cells_says_so_and_spoils_nothing_else() -> None:
    rows = grid(3, 2, 3, 4)
    rows = rows[~((rows[:, 0] == 0) & (rows[:, 1] == 1))]
    y = np.random.default_rng(2).normal(size=len(rows)) + rows[:, 2]
    found = shares(y, factors(rows), rows[:, -1])
    assert term(found, "a", "b").note == "1 of 2 contrasts: 1 of 6 combinations have no cells"
    assert [one.note for one in found.terms if one.factors != ("a", "b")] == [""] * 5
    rows = grid(2, 2, 3, 4)
    rows = rows[~((rows[:, 0] == 0) & (rows[:, 1] == 1))]
    found = shares(np.random.default_rng(2).normal(size=len(rows)), factors(rows), rows[:, -1])
    assert term(found, "a", "b").note == "not estimable: 1 of 4 combinations have no cells"
    assert term(found, "a", "b").freedom == 0
    assert term(found, "c").freedom == 2


def test_known_effects_come_out_as_the_shares_they_were_given() -> None:
    """Effects of variance 4, 1 and 0.25 and scatter of 0.25: shares 0.727, 0.182, 0.045 and 0.045."""
    rows = grid(5, 4, 3, 400)
    random = np.random.default_rng(3)

    def spread(size: int, variance: float) -> Floats:
        values = np.linspace(-1, 1, size)
        return np.asarray((values - values.mean()) * np.sqrt(variance / values.var()))

    product_of = spread(5, 1.0)[rows[:, 0]] * spread(4, 1.0)[rows[:, 1]] * 0.5
    y = spread(5, 4)[rows[:, 0]] + spread(4, 1)[rows[:, 1]] + product_of + random.normal(0, 0.5, len(rows))
    found = shares(y, factors(rows), rows[:, -1])
    assert [one.factors for one in found.terms[:3]] == [("a",), ("b",), ("a", "b")]
    omega = [one.omega2 for one in found.terms]
    assert_allclose(omega[:3], np.array([4, 1, 0.25]) / 5.5, atol=0.002)
    assert max(omega[3:]) < 0.002
    assert found.chance is not None
    assert_allclose(found.chance.omega2, 0.25 / 5.5, atol=0.002)


def test_omega_squared_is_right_on_average_where_eta_squared_is_not() -> None:
    rows, random = grid(4, 3), np.random.default_rng(4)
    found = [shares(random.normal(size=12), factors(rows), rows[:, -1]).terms[0] for _ in range(300)]
    assert np.mean([one.eta2 for one in found]) > 0.2  # pure noise: eta squared finds a fifth and more
    assert np.mean([one.omega2 for one in found]) < 0.12  # cut off at 0, so not 0 on average


def test_what_all_cells_of_a_seed_have_in_common_goes_to_the_seed() -> None:
    rows = grid(3, 4, 5)
    y = np.random.default_rng(5).normal(size=len(rows))
    shifted = y + np.array([3.0, -1.0, 4.0, 1.0, -5.0])[rows[:, -1]]
    plain, moved = shares(y, factors(rows), rows[:, -1]), shares(shifted, factors(rows), rows[:, -1])
    for one in plain.terms:
        assert_allclose(term(moved, *one.factors).squares, one.squares, rtol=1e-8)
    assert plain.chance is not None
    assert moved.chance is not None
    assert moved.seed is not None
    assert_allclose(moved.chance.squares, plain.chance.squares, rtol=1e-8)
    assert moved.seed.eta2 > 0.8


@pytest.mark.parametrize("value", [0.0, -19.5, 1e-300, 1e12])
def test_a_constant_does_not_vary(value: float) -> None:
    rows = grid(3, 2, 2)
    found = shares(np.full(len(rows), value), factors(rows), rows[:, -1])
    assert (found.terms, found.notes) == ((), ("does not vary",))


def test_what_is_not_finite_is_left_out_and_counted() -> None:
    rows = grid(3, 2, 4)
    y = np.random.default_rng(6).normal(size=len(rows))
    spoiled = y.copy()
    spoiled[[0, 5, 11]] = [np.nan, -np.inf, np.inf]
    kept = np.isfinite(spoiled)
    found, expected = shares(spoiled, factors(rows), rows[:, -1]), shares(y[kept], factors(rows[kept]), rows[kept, -1])
    assert (found.left_out, found.cells) == (3, len(rows) - 3)
    assert [one.squares for one in found.terms] == [one.squares for one in expected.terms]
    nothing = shares(np.full(len(rows), np.nan), factors(rows), rows[:, -1])
    assert (nothing.left_out, nothing.notes) == (len(rows), ("no cell has a value",))
    lost = np.where(rows[:, 1] == 1, -np.inf, y)
    assert "b has one level left among the cells with a value" in shares(lost, factors(rows), rows[:, -1]).notes
    assert {one.factor for one in main_effects(lost, factors(rows), rows[:, -1])} == {"a"}


def test_one_seed_is_judged_by_what_two_factors_leave_and_says_so() -> None:
    rows = grid(3, 3, 3, 1)
    y = np.random.default_rng(7).normal(size=len(rows)) + rows[:, 0]
    found = shares(y, factors(rows), rows[:, -1])
    assert found.chance is None
    assert found.higher is not None
    assert found.higher.freedom == 8
    assert any("one seed" in note for note in found.notes)
    assert np.isfinite(term(found, "a").omega2)
    rows = grid(3, 3, 1)
    found = shares(rows[:, 0] * 1.0, factors(rows), rows[:, -1])
    assert np.isnan(term(found, "a").omega2)
    assert any("eta squared" in note for note in found.notes)


def test_main_effects_of_a_balanced_table_are_its_means_with_the_interval_over_seeds() -> None:
    rows = grid(3, 4, 5)
    y = np.random.default_rng(8).normal(size=len(rows)) + 2 * rows[:, 0]
    cube = y.reshape(3, 4, 5)
    by_seed = cube.mean(1) - cube.mean((0, 1))
    for level, one in enumerate(main_effects(y, factors(rows), rows[:, -1])[:3]):
        low, high = scipy.stats.t.interval(0.95, 4, by_seed[level].mean(), scipy.stats.sem(by_seed[level]))
        assert_allclose([one.effect, one.low, one.high], [by_seed[level].mean(), low, high], rtol=1e-9)
        assert (one.factor, one.level, one.cells) == ("a", str(level), 20)


def test_main_effects_of_an_unbalanced_table_are_those_of_least_squares() -> None:
    random = np.random.default_rng(9)
    rows = grid(3, 4, 5)
    rows = rows[random.random(len(rows)) < 0.6]
    y = np.array([0.0, 1.0, 5.0])[rows[:, 0]] + np.array([3.0, -2.0, 0.0, 7.0])[rows[:, 1]]
    found = main_effects(y, factors(rows), rows[:, -1])
    assert_allclose([one.effect for one in found], [-2, -1, 3, 1, -4, -2, 5], atol=1e-9)


def test_a_factor_that_cannot_be_told_from_another_has_no_main_effects() -> None:
    rows = grid(3, 2, 3)
    every = [*factors(rows), Factor("twin", ("x", "y", "z"), rows[:, 0])]
    y = np.random.default_rng(10).normal(size=len(rows))
    assert {one.factor for one in main_effects(y, every, rows[:, -1])} == {"b"}
    found = shares(y, every, rows[:, -1])
    assert term(found, "a").note == "0 of 2 contrasts can be told from the other factors"


def test_the_mean_of_one_configuration_has_the_ordinary_interval() -> None:
    random = np.random.default_rng(11)
    group = np.repeat(np.arange(6), [1, 2, 3, 5, 8, 0 + 4])
    seed = np.concatenate([np.arange(n) for n in (1, 2, 3, 5, 8, 4)])
    values = random.normal(size=len(group))
    values[[4, 9]] = [np.nan, -np.inf]
    found, expected = seed_means(values, group, seed, group, 7), stats.mean_interval(values, group, 7)
    for name in ("mean", "low", "high", "count"):
        assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)


def test_pooled_configurations_have_the_interval_of_the_means_of_their_seeds() -> None:
    rows = grid(4, 6)
    y = np.random.default_rng(12).normal(size=24) + 10.0 * rows[:, 0]
    found = seed_means(y, rows[:, 0], rows[:, 1], np.zeros(24, np.int64), 1)
    means = y.reshape(4, 6).mean(0)
    low, high = scipy.stats.t.interval(0.95, 5, means.mean(), scipy.stats.sem(means))
    assert_allclose([found.mean[0], found.low[0], found.high[0]], [means.mean(), low, high], rtol=1e-9)
    # other seeds in each configuration: independent means, n - 2 degrees of freedom
    y = np.random.default_rng(13).normal(size=10)
    two, seed = np.repeat([0, 1], 5), np.arange(10)
    found = seed_means(y, two, seed, np.zeros(10, np.int64), 1)
    error = np.sqrt((y[:5].var(ddof=1) + y[5:].var(ddof=1)) / 5) / 2
    half = scipy.stats.t.ppf(0.975, 8) * error
    assert_allclose([found.mean[0], found.high[0] - found.mean[0]], [y.mean(), half], rtol=1e-9)


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
        differences(one, block, seed, np.zeros(len(one), np.int64), 1)[0].sign in "+-"
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
        found = differences(
            random.normal(size=len(rows)) - base[rows[:, 1]], rows[:, 0], rows[:, 1], rows[:, 0], compared
        )
        some += any(one.sign in "+-" for one in found)
    assert some / tables < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / tables)


def test_the_t_test_is_that_of_scipy_on_the_means_of_the_seeds() -> None:
    rows = grid(3, 7)
    values = np.random.default_rng(14).normal(0.5, 1, 21)
    (found,) = differences(values, rows[:, 0], rows[:, 1], np.zeros(21, np.int64), 1)
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
    return differences(array, zeros, np.arange(len(array)), zeros, 1, discrete=discrete)[0].sign


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
    (found,) = differences(values, np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0]), np.zeros(4, np.int64), 1)
    assert (found.mean, found.blocks, found.pairs) == (pytest.approx(1.0), 1, 3)


def test_blocks_of_one_name_in_two_comparisons_are_two_blocks() -> None:
    values = np.array([1.0, 1.2, 5.0, 5.2])
    zeros = np.zeros(4, np.int64)
    found = differences(values, zeros, np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 2)
    assert [one.mean for one in found] == [pytest.approx(1.1), pytest.approx(5.1)]
