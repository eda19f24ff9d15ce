"""Analysis of variance: the share that each factor explains, and the main effects of their levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpstrf
from scipy.sparse import coo_array, csr_array, diags_array

from gradlab.analysis.compare.seed_means import half_width, joint, seed_freedom, unbiased
from gradlab.record import Floats
from gradlab.store.records import Integers

__all__ = ["Factor", "LevelEffect", "VarianceShares", "VarianceTerm", "main_effects", "variance_shares"]

_COLUMNS = 2000
"""Most columns of a model; an interaction that would go beyond is left out, with the reason."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A setting that varies. `codes` [N] index `levels`, of which each occurs."""

    name: str
    levels: tuple[str, ...]
    codes: Integers


@dataclass(frozen=True, slots=True)
class VarianceTerm:
    """What one factor or one interaction of two explains."""

    factors: tuple[str, ...]
    freedom: int
    squares: float
    """Type II sum of squares."""
    eta2: float
    """squares / total: the share of the variance of these very cells."""
    omega2: float
    """The share less what it would be by chance alone, at least 0; NaN without a residual."""
    note: str = ""
    """Why it could be estimated in part only, or not at all."""


@dataclass(frozen=True, slots=True)
class VarianceShares:
    """The analysis of variance of one response. `terms` are sorted, largest share first."""

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
    """The scatter of seeds within a configuration."""
    overlap: float = 0.0
    """Share that several terms of an unbalanced grid explain together (negative: counted twice)."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LevelEffect:
    """The mean of one level of a factor against the mean over its levels, 95 % interval over seeds."""

    factor: str
    level: str
    effect: float
    low: float
    high: float
    cells: int


class _Model:
    """Least squares on indicator columns through their normal equations: rank and explained squares of any subset."""

    def __init__(self, blocks: Sequence[Integers], y: Floats) -> None:
        sizes = [int(block.max()) + 1 for block in blocks]
        ends = np.cumsum(sizes)
        self.spans = [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        columns = np.stack([block + span[0] for block, span in zip(blocks, self.spans, strict=True)], axis=1)
        rows = np.arange(0, columns.size + 1, columns.shape[1])
        x = csr_array((np.ones(columns.size), columns.ravel(), rows), shape=(len(y), int(ends[-1])))
        self.gram = (x.T @ x).toarray()
        self.cross = x.T @ y

    def fit(self, blocks: Sequence[int]) -> tuple[int, float]:
        """Return the rank and the sum of squares explained by some blocks together."""
        chosen = np.concatenate([self.spans[block] for block in blocks])
        gram = self.gram[np.ix_(chosen, chosen)]
        # pivoted Cholesky: aliased columns end with pivots of rounding size, true ones with 1/levels or more
        factor, pivots, rank, _ = dpstrf(gram, tol=1e-9 * gram.diagonal().max())
        right = self.cross[chosen][pivots[:rank] - 1]
        solved = solve_triangular(factor[:rank, :rank], right, trans="T", check_finite=False)
        return rank, float(solved @ solved)


def variance_shares(values: Floats, factors: Sequence[Factor], seed: Integers) -> VarianceShares:
    """Return the shares of the variance of `values` [N] that `factors`, their interactions and the seeds explain.

    Sums of squares are of type II, from least squares on all main effects, all two-factor interactions and the seed
    as a block: each term is adjusted for every other that does not contain it. In a balanced grid all types agree; in
    an unbalanced one type II is right for main effects whether or not an interaction is there, does not depend on how
    levels are coded or on how many cells a level happens to have been given, and has more power than type III, whose
    main effects have no meaning where a combination of levels has no cells (Langsrud 2003, Statistics and Computing
    13:163; Fox 2016, Applied Regression Analysis, 8.2). Levels are categories, depth too: nothing is assumed linear.

    Of the two usual shares, eta squared is what a term explains of these cells and grows with its number of levels by
    chance alone; omega squared, (SS - df*MSE)/(SS_total + MSE), takes that off and is the one to read (Hays 1963;
    Olejnik & Algina 2003). MSE is the scatter within configurations, from which the seed's common part has been
    taken: with one seed there is none, and what the two-factor model leaves unexplained takes its place.

    An interaction of which some combinations have no cells is estimated from those that there are, or not at all, and
    its `note` says so; nothing else is affected.
    """
    usable = np.isfinite(values)
    y, s = values[usable], joint([seed[usable]], int(usable.sum()))
    kept = [
        Factor(factor.name, factor.levels, codes)
        for factor in factors
        if (codes := joint([factor.codes[usable]], len(y))).max(initial=0)
    ]
    configuration = joint([f.codes for f in kept], len(y))
    n, kinds, seeds = len(y), int(configuration.max(initial=-1)) + 1, int(s.max(initial=-1)) + 1
    gone = [factor.name for factor in factors if factor.name not in {varied.name for varied in kept}]
    notes = [f"{name} has one level left among the cells with a value" for name in gone] if n else []
    nothing = VarianceShares(n, len(values) - n, kinds, seeds, notes=tuple(notes))
    if n < 2 or np.ptp(y) <= 1e-12 * max(1.0, float(np.abs(y).max())):
        reason = "no cell has a value" if n == 0 else "one cell has a value" if n == 1 else "does not vary"
        return VarianceShares(n, nothing.left_out, kinds, seeds, notes=(*notes, reason))
    y = y - y.mean()
    total = float(y @ y)
    pairs, too_many = _pairs(kept)
    notes += too_many
    blocks = [np.zeros(n, np.int64), s, *(f.codes for f in kept), *(code for _, _, code in pairs)]
    model = _Model(blocks, y)
    whole = list(range(len(blocks)))
    rank, explained = model.fit(whole)
    pure, pure_free, seed_squares, seed_free = _within(y, configuration, s)
    rest, rest_free = max(total - explained, 0.0), n - rank
    if pure_free > 0:
        scatter = pure / pure_free
    elif rest_free > 0:
        scatter = rest / rest_free
        notes.append("each configuration has one seed: what two factors together leave unexplained is the residual")
    else:
        scatter = float("nan")
        notes.append("there is no residual to estimate, so the shares are eta squared")

    def term(names: tuple[str, ...], free: int, squares: float, note: str = "") -> VarianceTerm:
        squares = max(squares, 0.0)
        omega2 = max((squares - free * scatter) / (total + scatter), 0.0) if free else 0.0
        return VarianceTerm(names, free, squares, squares / total, omega2 if scatter == scatter else np.nan, note)

    terms = []
    first_pair = 2 + len(kept)
    for index, f in enumerate(kept):
        without = [b for b in whole if b != 2 + index and (b < first_pair or index not in pairs[b - first_pair][:2])]
        low, high = model.fit(without), model.fit([*without, 2 + index])
        free, possible = high[0] - low[0], int(f.codes.max())
        note = "" if free == possible else f"{free} of {possible} contrasts can be told from the other factors"
        terms.append(term((f.name,), free, high[1] - low[1], note))
    for index, (a, b, code) in enumerate(pairs):
        low = model.fit([block for block in whole if block != first_pair + index])
        terms.append(
            term((kept[a].name, kept[b].name), rank - low[0], explained - low[1],
                 _interaction_note(kept[a], kept[b], int(code.max()) + 1, rank - low[0]))
        )  # fmt: skip
    terms.sort(key=lambda term: -term.eta2)
    higher = term((), rest_free - pure_free, rest - pure) if rest_free > pure_free else None
    seed_term = term(("seed",), seed_free, seed_squares) if seed_free else None
    residual = VarianceTerm((), pure_free, pure, pure / total, n * scatter / (total + scatter)) if pure_free else None
    split = sum(part.eta2 for part in (*terms, higher, seed_term, residual) if part is not None)
    overlap = 1.0 - split
    return VarianceShares(
        n, nothing.left_out, kinds, seeds, tuple(terms), higher, seed_term, residual, overlap, tuple(notes)
    )


def _pairs(factors: Sequence[Factor]) -> tuple[list[tuple[int, int, Integers]], list[str]]:
    """Return the interactions that fit into a model, smallest first, and why the others do not."""
    kept, notes = [], []
    columns = sum(len(factor.levels) for factor in factors)
    pairs = [(a, b, joint([factors[a].codes, factors[b].codes], len(factors[a].codes)))
             for a, b in combinations(range(len(factors)), 2)]  # fmt: skip
    for a, b, code in sorted(pairs, key=lambda pair: int(pair[2].max())):
        size = int(code.max()) + 1
        columns += size
        if columns <= _COLUMNS:
            kept.append((a, b, code))
        else:
            notes.append(f"{factors[a].name} x {factors[b].name} is left out: it has {size:,} combinations")
    return kept, notes


def _interaction_note(a: Factor, b: Factor, observed: int, free: int) -> str:
    rows, columns = int(a.codes.max()) + 1, int(b.codes.max()) + 1
    possible = (rows - 1) * (columns - 1)
    if free == possible:
        return ""
    missing = rows * columns - observed
    reason = f"{missing} of {rows * columns} combinations have no cells" if missing else "other terms overlap with it"
    return f"not estimable: {reason}" if free == 0 else f"{free} of {possible} contrasts: {reason}"


def _within(y: Floats, configuration: Integers, seed: Integers) -> tuple[float, int, float, int]:
    """Return squares and freedom of the scatter within configurations, then of what the seeds have in common there."""
    counts = csr_array(coo_array((np.ones(len(y)), (configuration, seed))))
    repeats, each = np.bincount(configuration), np.bincount(seed)
    sums = np.bincount(configuration, y)
    inside = float(y @ y) - float(np.square(sums) @ (1 / repeats))
    scaled = csr_array(diags_array(1 / repeats) @ counts)
    gram = np.diag(each) - (counts.T @ scaled).toarray()
    cross = np.bincount(seed, y) - scaled.T @ sums
    common = float(cross @ np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ cross)
    everything = np.zeros(len(y), np.int64)
    free = int(seed_freedom(configuration, seed, everything, 1)[1][0])
    pure_free = len(y) - len(repeats) - free
    return max(inside - common, 0.0) if pure_free else 0.0, pure_free, common, free


def main_effects(values: Floats, factors: Sequence[Factor], seed: Integers) -> tuple[LevelEffect, ...]:
    """Return the effects of all levels of all `factors` on `values` [N], with 95 % intervals over seeds.

    From least squares on the main effects alone, so that a level is not judged by the levels of other factors that it
    happens to occur with; the effects of a factor sum to zero over its levels, each level counting the same. A factor
    whose effects the grid cannot tell from those of others is left out (`variance_shares` says why). The interval is
    that of `seed_means`: it covers the mean effect at the settings there are, not its spread between them.
    """
    usable = np.isfinite(values)
    y, s = values[usable], joint([seed[usable]], int(usable.sum()))
    kept = [f for f in factors if len(np.unique(f.codes[usable])) == len(f.levels)]
    if not kept:
        return ()
    codes = [f.codes[usable] for f in kept]
    model = _Model([np.zeros(len(y), np.int64), *codes], y)
    inverse = np.linalg.pinv(model.gram, rcond=1e-10, hermitian=True)
    configuration = joint(codes, len(y))
    repeats = np.bincount(configuration)
    residual = y - (np.bincount(configuration, y) / repeats)[configuration]
    everything = list(range(len(kept) + 1))
    rank = model.fit(everything)[0]
    clusters = np.arange(len(y))
    deviations = csr_array((residual * unbiased(repeats)[configuration], (clusters, s)))
    _, freedom = seed_freedom(configuration, s, np.zeros(len(y), np.int64), 1)
    effects: list[LevelEffect] = []
    for index, f in enumerate(kept):
        if rank - model.fit([b for b in everything if b != index + 1])[0] < len(f.levels) - 1:
            continue
        rows = inverse[model.spans[index + 1]]
        rows = rows - rows.mean(axis=0)
        effect = rows @ model.cross
        weights = rows[:, [0]] + sum(rows[:, model.spans[k + 1]][:, code] for k, code in enumerate(codes))
        by_seed = (deviations.T @ weights.T).T
        half = half_width(np.square(by_seed).sum(axis=1), freedom)
        cells = np.bincount(codes[index])
        effects += [
            LevelEffect(
                f.name, name, float(effect[k]), float(effect[k] - half[k]), float(effect[k] + half[k]), int(cells[k])
            )
            for k, name in enumerate(f.levels)
        ]
    return tuple(effects)
