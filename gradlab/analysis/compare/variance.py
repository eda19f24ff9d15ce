"""Analysis of variance: the share that each factor and each interaction explains, of a complete grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isnan, nan

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array

from gradlab.analysis.compare.complete_grid import complete_grid
from gradlab.analysis.compare.factor import Factor
from gradlab.analysis.compare.seed_means import joint, seed_sets
from gradlab.record import Floats
from gradlab.store.records import Integers

__all__ = ["VarianceShares", "VarianceTerm", "variance_shares"]

_LEAST_PART = 0.5
"""Share of the configurations that the complete part of a grid must have to stand for it."""
_LISTED = 6
"""Levels that are named in a note; the rest are counted."""


@dataclass(frozen=True, slots=True)
class VarianceTerm:
    """What one factor or one interaction of two explains."""

    factors: tuple[str, ...]
    freedom: int
    squares: float
    eta2: float
    """squares / total: the share of the variance of these very cells."""
    omega2: float
    """The share less what it would be by chance alone, at least 0; NaN without a residual."""


@dataclass(frozen=True, slots=True)
class VarianceShares:
    """The analysis of variance of one response. `terms` are sorted, largest share first; all shares sum to 1."""

    cells: int
    left_out: int
    """Cells whose response is not finite."""
    configurations: int
    seeds: int
    terms: tuple[VarianceTerm, ...] = ()
    higher: VarianceTerm | None = None
    """Interactions of three factors and more, together."""
    seed: VarianceTerm | None = None
    """What the seeds have in common over all configurations: the same data, the same draws."""
    residual: VarianceTerm | None = None
    """The scatter of seeds within a configuration; with one seed, interactions of three factors and more."""
    notes: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[VarianceTerm, ...]:
        """All that the variance is split into."""
        return (*self.terms, *(part for part in (self.higher, self.seed, self.residual) if part is not None))


def variance_shares(values: Floats, factors: Sequence[Factor], seed: Integers) -> VarianceShares:
    """Return the shares of the variance of `values` [N] that `factors`, their interactions and the seeds explain.

    Only a complete grid, in which every combination of levels was measured, has shares: elsewhere what factors
    explain overlaps, shares depend on which cells there happen to be, and their sum is not one. Of an incomplete grid
    the largest complete part is taken and named; one that has less than half of the configurations stands for
    nothing, and there are no shares. Levels are categories, depth too: nothing is assumed linear.

    The sums of squares of factors and interactions are those of the unweighted means of the configurations, times the
    harmonic mean of their numbers of seeds (Yates 1934, JASA 29:51): orthogonal whatever the
    numbers of seeds, and with equal numbers the ordinary ones.

    Of the two usual shares, eta squared is what a term explains of these cells and grows with its number of levels by
    chance alone; omega squared, (SS - df*MSE)/(SS_total + MSE), takes that off and is the one to read (Hays 1963;
    Olejnik & Algina 2003). MSE is the scatter within configurations, from which the seed's common part has been taken;
    with one seed there is none, and the interactions of three factors and more take its place. Estimates below zero
    are zero, and the residual is what the others leave of one.
    """
    usable = np.isfinite(values)
    left_out = int(len(values) - usable.sum())
    varied = [factor for factor in factors if len(np.unique(factor.codes[usable])) > 1]
    gone = [factor.title for factor in factors if factor.name not in {other.name for other in varied}]
    notes = [f"{name} has one level left among the cells with a value" for name in gone] if usable.any() else []
    configuration = joint([factor.codes[usable] for factor in varied], int(usable.sum()))
    first = np.unique(configuration, return_index=True)[1]
    codes = np.array([factor.codes[usable][first] for factor in varied], np.int64).reshape(len(varied), len(first)).T
    part = complete_grid(codes)
    chosen = part[configuration]
    y, s = values[usable][chosen], joint([seed[usable][chosen]], int(chosen.sum()))
    shares = VarianceShares(len(y), left_out, int(part.sum()), int(s.max(initial=-1)) + 1)
    every = int(joint([factor.codes for factor in factors], len(values)).max(initial=-1)) + 1
    if len(part) and len(part) < _LEAST_PART * every:
        return replace(shares, notes=(*notes, f"{len(part):,} of {every:,} configurations have a value"))
    if len(part) and not part.all():
        text = _described(varied, codes, part, " with a value" if left_out else "")
        if part.sum() < _LEAST_PART * every:
            reason = f"confounded: the settings form no complete grid (largest complete part: {text})"
            return replace(shares, notes=(*notes, reason))
        notes.append(f"shares of the largest complete grid: {text}")
    if len(y) < 2 or np.ptp(y) <= 1e-12 * max(1.0, float(np.abs(y).max())):
        reason = "no cell has a value" if not len(y) else "one cell has a value" if len(y) == 1 else "does not vary"
        return replace(shares, notes=(*notes, reason))
    inside = joint([configuration[chosen]], len(y))
    varying = [(f.title, joint([codes[part, place]], int(part.sum()))) for place, f in enumerate(varied)]
    varying = [(title, code) for title, code in varying if code.max() > 0]
    if not varying:
        return replace(shares, notes=(*notes, "nothing varies but the seed"))
    return _analysed(replace(shares, notes=tuple(notes)), y, inside, s, varying)


def _described(
    factors: Sequence[Factor], codes: Integers, part: np.ndarray[tuple[int], np.dtype[np.bool_]], suffix: str
) -> str:
    """Return what a part of the configurations is: ``8 of 12 configurations; init he, xavier; width 64``."""
    texts = [f"{int(part.sum()):,} of {len(part):,} configurations{suffix}"]
    for place, factor in enumerate(factors):
        levels = np.unique(codes[part, place])
        if len(levels) < len(np.unique(codes[:, place])):
            names = [factor.level_labels[int(level)] for level in levels[:_LISTED]]
            unlisted = f" and {len(levels) - _LISTED} more" if len(levels) > _LISTED else ""
            texts.append(f"{factor.title} {', '.join(names)}{unlisted}")
    return "; ".join(texts)


def _analysed(
    shares: VarianceShares, y: Floats, configuration: Integers, seed: Integers, factors: Sequence[tuple[str, Integers]]
) -> VarianceShares:
    repeats = np.bincount(configuration)
    y = y - y.mean()
    means = np.bincount(configuration, y) / repeats
    sizes = [int(code.max()) + 1 for _, code in factors]
    cube = np.empty(sizes)
    cube[tuple(code for _, code in factors)] = means
    cube -= cube.mean()
    scale = len(repeats) / float(np.sum(1 / repeats))
    squares = _sums_of_squares(cube, scale)
    pure, pure_free, seed_squares, seed_free = _within(y, configuration, seed)
    explained = sum(square for _, square in squares.values())
    higher_free = len(means) - 1 - sum(free for free, _ in squares.values())
    higher = max(scale * float(np.square(cube).sum()) - explained, 0.0) if higher_free else 0.0
    total = explained + higher + seed_squares + pure
    notes = list(shares.notes)
    if pure_free > 0:
        scatter = pure / pure_free
    elif higher_free > 0:
        scatter = higher / higher_free
        notes.append("each configuration has one seed: the interactions of three factors and more are the residual")
    else:
        scatter = nan
        notes.append("there is no residual to estimate, so the shares are eta squared")

    def term(names: tuple[str, ...], free: int, square: float) -> VarianceTerm:
        omega2 = max((square - free * scatter) / (total + scatter), 0.0)
        return VarianceTerm(names, free, square, square / total, nan if isnan(scatter) else omega2)

    terms = [
        term(tuple(factors[place][0] for place in places), free, square) for places, (free, square) in squares.items()
    ]
    above = term((), higher_free, higher) if higher_free and pure_free else None
    common = term(("seed",), seed_free, seed_squares) if seed_free else None
    residual = None
    if not isnan(scatter):
        residual_share = 1.0 - sum(component.omega2 for component in (*terms, above, common) if component is not None)
        free, square = (pure_free, pure) if pure_free else (higher_free, higher)
        residual = VarianceTerm((), free, square, square / total, max(residual_share, 0.0))
    terms.sort(key=lambda component: -component.eta2)
    return replace(shares, terms=tuple(terms), higher=above, seed=common, residual=residual, notes=tuple(notes))


def _sums_of_squares(cube: Floats, scale: float) -> dict[tuple[int, ...], tuple[int, float]]:
    """Return freedom and sum of squares of each axis and each pair of axes of the centred means `cube`."""
    axes = range(cube.ndim)
    squares: dict[tuple[int, ...], tuple[int, float]] = {}
    single = [cube.mean(axis=tuple(other for other in axes if other != axis), keepdims=True) for axis in axes]
    for axis in axes:
        square = scale * cube.size / cube.shape[axis] * float(np.square(single[axis]).sum())
        squares[axis,] = (cube.shape[axis] - 1, square)
    for a, b in combinations(axes, 2):
        pair_means = cube.mean(axis=tuple(other for other in axes if other not in (a, b)), keepdims=True)
        square = scale * cube.size / pair_means.size * float(np.square(pair_means - single[a] - single[b]).sum())
        squares[a, b] = ((cube.shape[a] - 1) * (cube.shape[b] - 1), square)
    return squares


def _within(y: Floats, configuration: Integers, seed: Integers) -> tuple[float, int, float, int]:
    """Return squares and freedom of the scatter within configurations, then of what the seeds have in common there."""
    counts = csr_array(coo_array((np.ones(len(y)), (configuration, seed))))
    repeats, per_seed = np.bincount(configuration), np.bincount(seed)
    sums = np.bincount(configuration, y)
    inside = float(y @ y) - float(np.square(sums) @ (1 / repeats))
    scaled = csr_array(diags_array(1 / repeats) @ counts)
    gram = np.diag(per_seed) - (counts.T @ scaled).toarray()
    cross = np.bincount(seed, y) - scaled.T @ sums
    common = float(cross @ np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ cross)
    sets = int(seed_sets(configuration, seed, np.zeros(len(y), np.int64))[2].max(initial=-1)) + 1
    free = len(per_seed) - sets
    pure_free = len(y) - len(repeats) - free
    return max(inside - common, 0.0) if pure_free else 0.0, pure_free, common, free
