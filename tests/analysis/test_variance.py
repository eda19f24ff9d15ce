"""Shares of the variance, against textbooks, plain least squares and known effects."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gradlab.analysis.compare.complete_grid import complete_grid, is_complete
from gradlab.analysis.compare.factor import Factor
from gradlab.analysis.compare.variance import VarianceShares, VarianceTerm, variance_shares
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
    assert sum(part.eta2 for part in found.parts) == pytest.approx(1, abs=1e-12)


def test_unequal_numbers_of_seeds_give_the_squares_of_unweighted_means() -> None:
    """Against least squares on the means of the configurations, each with weight one, times the harmonic mean."""
    random = np.random.default_rng(3)
    rows = grid(3, 4, 2, 6)
    rows = rows[(random.random(len(rows)) < 0.6) | (rows[:, -1] < 2)]
    y = random.normal(size=len(rows)) + rows[:, 0] * rows[:, 1] - rows[:, 2] * rows[:, 0]
    shares = variance_shares(y, factors(rows), rows[:, -1])
    kinds, inverse, counts = np.unique(rows[:, :3], axis=0, return_inverse=True, return_counts=True)
    means = np.bincount(inverse.ravel(), y) / counts
    harmonic = len(counts) / np.sum(1 / counts)
    codes = {("abc"[index],): kinds[:, index] for index in range(3)}
    for (a, first), (b, second) in combinations(list(codes.items()), 2):
        codes[a + b] = first * 10 + second
    for names, code in codes.items():
        others = [other for key, other in codes.items() if key != names and not set(names) < set(key)]
        (with_it, rank), (without, low) = residual([*others, code], means), residual(others, means)
        part = term(shares, *names)
        assert part.freedom == rank - low
        assert_allclose(part.squares, harmonic * (without - with_it), rtol=1e-7, atol=1e-9)
    pure, rank = residual([rows[:, 0] * 100 + rows[:, 1] * 10 + rows[:, 2], rows[:, -1]], y)
    assert shares.residual is not None
    assert shares.residual.freedom == len(y) - rank
    assert_allclose(shares.residual.squares, pure, rtol=1e-8)


@pytest.mark.parametrize("seed", range(40))
def test_shares_sum_to_one_whatever_the_numbers(seed: int) -> None:
    """Pure noise too, of which the residual alone used to be more than everything."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 5, size=random.integers(1, 4))
    rows = grid(*sizes, int(random.integers(1, 5)))
    rows = rows[(random.random(len(rows)) < random.choice([0.7, 1.0])) | (rows[:, -1] == 0)]
    y = random.normal(size=len(rows)) + random.choice([0.0, 3.0]) * rows[:, 0]
    shares = variance_shares(y, factors(rows), rows[:, -1])
    if shares.terms:
        assert sum(part.eta2 for part in shares.parts) == pytest.approx(1, abs=1e-9)
        omega = [part.omega2 for part in shares.parts]
        if not np.isnan(omega).any():
            assert min(omega) >= 0
            assert sum(omega) == pytest.approx(1, abs=1e-9)


def test_an_incomplete_grid_has_the_shares_of_its_largest_complete_part_and_names_it() -> None:
    rows = grid(3, 2, 3, 4)
    rows = rows[~((rows[:, 0] == 0) & (rows[:, 1] == 1))]
    y = np.random.default_rng(2).normal(size=len(rows)) + rows[:, 2] + 5 * (rows[:, 0] == 0)
    kept = rows[:, 0] > 0
    shares, expected = (
        variance_shares(y, factors(rows), rows[:, -1]),
        variance_shares(y[kept], factors(np.maximum(rows[kept] - [1, 0, 0, 0], 0)), rows[kept, -1]),
    )
    assert shares.notes == ("shares of the largest complete grid: 12 of 15 configurations; a 1, 2",)
    assert shares.terms == expected.terms
    assert shares.residual == expected.residual


def test_where_nothing_is_complete_there_are_no_shares_and_the_reason() -> None:
    """Two grids that share no setting, and a third: the largest part has less than half of the configurations."""
    rows = np.concatenate([grid(2, 2, 2, 3) + np.array([2 * k, 2 * k, 2 * k, 0]) for k in range(3)])
    y = np.random.default_rng(2).normal(size=len(rows))
    shares = variance_shares(y, factors(rows), rows[:, -1])
    assert shares.terms == ()
    assert shares.notes[-1].startswith("confounded: the settings form no complete grid (largest complete part: 8 of 24")


def test_a_grid_that_lost_most_of_its_values_has_no_shares() -> None:
    """As the final accuracy where two thirds of the configurations diverged: what is left stands for nothing."""
    rows = grid(3, 2, 4)
    y = np.random.default_rng(2).normal(size=len(rows))
    third_lost, most_lost = np.where(rows[:, 0] == 2, np.nan, y), np.where(rows[:, 0] > 0, np.nan, y)
    assert variance_shares(third_lost, factors(rows), rows[:, -1]).terms
    shares = variance_shares(most_lost, factors(rows), rows[:, -1])
    assert shares.terms == ()
    assert shares.notes[-1] == "2 of 6 configurations have a value"


@pytest.mark.parametrize("case", range(30))
def test_the_part_of_a_grid_is_complete_and_as_large_as_a_search_through_all_finds(case: int) -> None:
    """Every choice of levels of three factors, tried one by one: at least 90 % of the largest, mostly all of it."""
    random = np.random.default_rng(case)
    codes = grid(3, 3, 3)
    codes = codes[random.random(len(codes)) < random.choice([0.5, 0.7, 0.9])]
    part = complete_grid(codes)
    assert is_complete(codes[part])
    present = {tuple(row) for row in codes.tolist()}
    some = [levels for size in (1, 2, 3) for levels in combinations(range(3), size)]
    sizes = [
        len(a) * len(b) * len(c)
        for a, b, c in product(some, some, some)
        if all(setting in present for setting in product(a, b, c))
    ]
    assert part.sum() >= 0.6 * max(sizes)


def test_the_part_found_is_the_largest_in_most_grids_with_gaps() -> None:
    random, largest, number = np.random.default_rng(0), 0, 60
    some = [levels for size in (1, 2, 3) for levels in combinations(range(3), size)]
    for _ in range(number):
        codes = grid(3, 3, 3)
        codes = codes[random.random(len(codes)) < 0.85]
        present = {tuple(row) for row in codes.tolist()}
        best = max(
            len(a) * len(b) * len(c)
            for a, b, c in product(some, some, some)
            if all(setting in present for setting in product(a, b, c))
        )
        largest += complete_grid(codes).sum() == best
    assert largest >= 0.8 * number


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


def test_one_seed_is_judged_by_the_interactions_of_three_factors_and_says_so() -> None:
    rows = grid(3, 3, 3, 1)
    y = np.random.default_rng(7).normal(size=len(rows)) + rows[:, 0]
    shares = variance_shares(y, factors(rows), rows[:, -1])
    assert shares.higher is None
    assert shares.residual is not None
    assert shares.residual.freedom == 8
    assert any("one seed" in note for note in shares.notes)
    assert np.isfinite(term(shares, "a").omega2)
    rows = grid(3, 3, 1)
    shares = variance_shares(rows[:, 0] * 1.0, factors(rows), rows[:, -1])
    assert np.isnan(term(shares, "a").omega2)
    assert any("eta squared" in note for note in shares.notes)


def test_settings_that_change_together_are_one_factor_of_both_names() -> None:
    rows = grid(3, 2, 3)
    joined = Factor("init", ("x", "o", "h"), rows[:, 0], ("gain",), ("x, gain 1", "o, gain 2", "h, gain 3"))
    y = np.random.default_rng(10).normal(size=len(rows))
    shares = variance_shares(y, [joined, factors(rows)[1]], rows[:, -1])
    assert {part.factors for part in shares.terms} == {("init with gain",), ("b",), ("init with gain", "b")}
