"""VarianceShares of variance and main effects, against textbooks and plain least squares."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from gradlab.analysis.compare.variance import Factor, VarianceShares, VarianceTerm, main_effects, variance_shares
from gradlab.record import Floats
from gradlab.store.records import Integers

Rows = Integers


def grid(*sizes: int) -> Rows:
    """Return all combinations of levels, one row each; the last column is the seed."""
    return np.array(list(product(*map(range, sizes))), dtype=np.int64)


def factors(rows: Rows) -> list[Factor]:
    return [
        Factor("abcdef"[index], tuple(map(str, range(int(rows[:, index].max()) + 1))), rows[:, index])
        for index in range(rows.shape[1] - 1)
    ]


def term(found: VarianceShares, *names: str) -> VarianceTerm:
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
    found = variance_shares(y, factors(rows), rows[:, -1])
    for names, squares in expected.items():
        free = int(np.prod([sizes["ab".index(name)] - 1 for name in names]))
        one = term(found, *names)
        assert one.freedom == free
        assert_allclose([one.squares, one.eta2], [squares, squares / total], rtol=1e-9)
        assert_allclose(one.omega2, max((squares - free * scatter) / (total + scatter), 0), rtol=1e-9, atol=1e-12)
    assert found.seed is not None
    assert found.residual is not None
    assert_allclose([found.seed.squares, found.residual.squares], [seed_squares, error], rtol=1e-9)
    assert found.higher is None
    assert abs(found.overlap) < 1e-9


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
    found = variance_shares(y, factors(rows), rows[:, -1])
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
    assert found.residual is not None
    assert (found.residual.freedom, len(y) - rank) == (len(y) - rank, found.residual.freedom)
    assert_allclose(found.residual.squares, pure, rtol=1e-8)


def test_an_interaction_without_some_of_its_cells_says_so_and_spoils_nothing_else() -> None:
    rows = grid(3, 2, 3, 4)
    rows = rows[~((rows[:, 0] == 0) & (rows[:, 1] == 1))]
    y = np.random.default_rng(2).normal(size=len(rows)) + rows[:, 2]
    found = variance_shares(y, factors(rows), rows[:, -1])
    assert term(found, "a", "b").note == "1 of 2 contrasts: 1 of 6 combinations have no cells"
    assert [one.note for one in found.terms if one.factors != ("a", "b")] == [""] * 5
    rows = grid(2, 2, 3, 4)
    rows = rows[~((rows[:, 0] == 0) & (rows[:, 1] == 1))]
    found = variance_shares(np.random.default_rng(2).normal(size=len(rows)), factors(rows), rows[:, -1])
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
    found = variance_shares(y, factors(rows), rows[:, -1])
    assert [one.factors for one in found.terms[:3]] == [("a",), ("b",), ("a", "b")]
    omega = [one.omega2 for one in found.terms]
    assert_allclose(omega[:3], np.array([4, 1, 0.25]) / 5.5, atol=0.002)
    assert max(omega[3:]) < 0.002
    assert found.residual is not None
    assert_allclose(found.residual.omega2, 0.25 / 5.5, atol=0.002)


def test_omega_squared_is_right_on_average_where_eta_squared_is_not() -> None:
    rows, random = grid(4, 3), np.random.default_rng(4)
    found = [variance_shares(random.normal(size=12), factors(rows), rows[:, -1]).terms[0] for _ in range(300)]
    assert np.mean([one.eta2 for one in found]) > 0.2  # pure noise: eta squared finds a fifth and more
    assert np.mean([one.omega2 for one in found]) < 0.12  # cut off at 0, so not 0 on average


def test_what_all_cells_of_a_seed_have_in_common_goes_to_the_seed() -> None:
    rows = grid(3, 4, 5)
    y = np.random.default_rng(5).normal(size=len(rows))
    shifted = y + np.array([3.0, -1.0, 4.0, 1.0, -5.0])[rows[:, -1]]
    plain, moved = variance_shares(y, factors(rows), rows[:, -1]), variance_shares(shifted, factors(rows), rows[:, -1])
    for one in plain.terms:
        assert_allclose(term(moved, *one.factors).squares, one.squares, rtol=1e-8)
    assert plain.residual is not None
    assert moved.residual is not None
    assert moved.seed is not None
    assert_allclose(moved.residual.squares, plain.residual.squares, rtol=1e-8)
    assert moved.seed.eta2 > 0.8


@pytest.mark.parametrize("value", [0.0, -19.5, 1e-300, 1e12])
def test_a_constant_does_not_vary(value: float) -> None:
    rows = grid(3, 2, 2)
    found = variance_shares(np.full(len(rows), value), factors(rows), rows[:, -1])
    assert (found.terms, found.notes) == ((), ("does not vary",))


def test_what_is_not_finite_is_left_out_and_counted() -> None:
    rows = grid(3, 2, 4)
    y = np.random.default_rng(6).normal(size=len(rows))
    spoiled = y.copy()
    spoiled[[0, 5, 11]] = [np.nan, -np.inf, np.inf]
    kept = np.isfinite(spoiled)
    found, expected = (
        variance_shares(spoiled, factors(rows), rows[:, -1]),
        variance_shares(y[kept], factors(rows[kept]), rows[kept, -1]),
    )
    assert (found.left_out, found.cells) == (3, len(rows) - 3)
    assert [one.squares for one in found.terms] == [one.squares for one in expected.terms]
    nothing = variance_shares(np.full(len(rows), np.nan), factors(rows), rows[:, -1])
    assert (nothing.left_out, nothing.notes) == (len(rows), ("no cell has a value",))
    lost = np.where(rows[:, 1] == 1, -np.inf, y)
    assert (
        "b has one level left among the cells with a value" in variance_shares(lost, factors(rows), rows[:, -1]).notes
    )
    assert {one.factor for one in main_effects(lost, factors(rows), rows[:, -1])} == {"a"}


def test_one_seed_is_judged_by_what_two_factors_leave_and_says_so() -> None:
    rows = grid(3, 3, 3, 1)
    y = np.random.default_rng(7).normal(size=len(rows)) + rows[:, 0]
    found = variance_shares(y, factors(rows), rows[:, -1])
    assert found.residual is None
    assert found.higher is not None
    assert found.higher.freedom == 8
    assert any("one seed" in note for note in found.notes)
    assert np.isfinite(term(found, "a").omega2)
    rows = grid(3, 3, 1)
    found = variance_shares(rows[:, 0] * 1.0, factors(rows), rows[:, -1])
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
    found = variance_shares(y, every, rows[:, -1])
    assert term(found, "a").note == "0 of 2 contrasts can be told from the other factors"
