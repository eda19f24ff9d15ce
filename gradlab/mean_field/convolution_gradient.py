"""A gradient on its way down a convolutional network: where it lies, and how its square scatters over networks.

Expectations are over the weights, for positions A, B of two samples (docs/derivations.md, section 13). Squares at
infinite width are exact, their covariances are those of order 1/C, C the channels: every layer adds its own noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.convolution_steps import Down, Slopes
from gradlab.mean_field.echoes import Echoes
from gradlab.mean_field.positions import REPEATING, Window, reach, scatter_pairs

__all__ = ["Gradient", "NetworkBlock", "Statistics", "below"]

Floats = NDArray[np.float64]

_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of pairs of positions A, B, by kinds of pairs of samples, the first a sample with itself."""

    pairs: Floats
    """E δ_A·δ_B, `[kinds, P, P]`"""
    covariance: Floats
    """Cov(|δ_A|², |δ_B|²), `[kinds, P, P]`"""
    echoes: Echoes

    def products(self, energy: Floats) -> Floats:
        """Return E (δ_A·δ_B)², `[kinds, P, P]`."""
        lengths = energy[:, None] * energy
        products: Floats = self.pairs**2 + self.echoes.variance()[:, None, None] * lengths
        np.einsum("ii->i", products[0])[:] = energy**2 + np.diagonal(self.covariance[0])
        return products

    def growth(self, energy: Floats) -> Floats:
        """Return E |δ_A|²|δ_B|²/g_A g_B of each kind of pair, `[kinds]`: noise is relative to what a network has."""
        return np.asarray(1 + self.covariance.mean((-1, -2)) / max(float(energy.mean()) ** 2, _TINY))

    def alike(self, energy: Floats) -> tuple[float, Floats]:
        """Return the mean of (E δ_A·δ_B)²/g_A g_B over different positions of a sample, and of each kind, `[kinds]`."""
        means = _apart(self.pairs**2 / np.maximum(energy[:, None] * energy, _TINY))
        return float(means[0]), means


@dataclass(frozen=True, slots=True)
class Gradient:
    """The gradient at one place of the network."""

    energy: Floats
    """g = E |δ|² at each position, `[P]`"""
    statistics: Statistics | None = None
    """None: scatter is not followed"""

    def scaled(self, factor: float) -> Gradient:
        """Return the gradient with `factor` times its squares."""
        known = self.statistics
        if known is not None:
            known = Statistics(factor * known.pairs, factor**2 * known.covariance, known.echoes)
        return Gradient(factor * self.energy, known)

    def through(self, down: Down) -> Gradient:
        """Return the gradient below a step."""
        known, spreads = self.statistics, down.energy.ndim == 2
        energy = down.energy @ self.energy if spreads else down.energy * self.energy
        if known is None:
            return Gradient(energy)
        if down.slopes is not None:
            return Gradient(energy, self._through_activation(known, down, down.slopes))
        if not spreads:
            root = np.sqrt(down.energy)
            pairs, covariance = (
                known.pairs * root[:, None] * root,
                known.covariance * down.energy[:, None] * down.energy,
            )
            return Gradient(energy, Statistics(pairs, covariance, known.echoes))
        covariance = down.energy @ known.covariance @ down.energy.T
        if down.window is None:
            return Gradient(energy, _averaged(known, covariance, down.average))
        return _convolved(known, covariance, energy, down, down.window)

    def _through_activation(self, known: Statistics, down: Down, slopes: Slopes) -> Statistics:
        root = np.sqrt(down.energy)
        overlap = slopes.slope_product / np.maximum(root[:, None] * root, _TINY)
        lengths = self.energy[:, None] * self.energy + known.covariance
        noise = (slopes.eta * lengths + 2 * slopes.spread * known.products(self.energy)) / down.channels
        within_sample, by_kind = known.alike(self.energy)
        scattered = known.growth(self.energy) * _apart(slopes.spread + 1 - overlap**2) / down.channels
        echoes = known.echoes.moved(known.echoes.lines * np.sqrt(_apart(overlap**2))[:, None])
        return Statistics(
            known.pairs * slopes.slope_product,
            (known.covariance + noise) * down.energy[:, None] * down.energy,
            echoes.added(scattered * (1 - within_sample), scattered * (within_sample + 2 * by_kind)),
        )

    def log_shift_and_variance(self, weights: Floats) -> tuple[float, float]:
        """Return E ln Σ|δ|² - ln E Σ|δ|² and Var ln Σ|δ|² for kinds of pairs with these shares; 0 if not followed."""
        if self.statistics is None:
            return 0.0, 0.0
        ratio = float(weights @ self.statistics.covariance.sum((-1, -2))) / float(self.energy.sum()) ** 2
        variance = float(np.log1p(max(ratio, 0.0)))
        return -variance / 2, variance


def _convolved(known: Statistics, covariance: Floats, energy: Floats, down: Down, window: Window) -> Gradient:
    pairs = down.gain * scatter_pairs(window, known.pairs)
    if window.padding in REPEATING:  # one tap leads from several outputs to one input, and their gradients add
        energy = np.diagonal(pairs[0]).copy()
    after = Statistics(pairs, covariance, known.echoes.moved(known.echoes.lines @ reach(window)))
    if not down.random_lengths:
        return Gradient(energy, after)
    within_sample, by_kind = after.alike(energy)
    grown = after.growth(energy) / down.channels
    return Gradient(energy, Statistics(
        pairs,
        covariance + 2 * after.products(energy) / down.channels,
        after.echoes.added(grown * (1 - within_sample), grown * (within_sample + by_kind)),
    ))  # fmt: skip


def _averaged(known: Statistics, covariance: Floats, average: Floats | None) -> Statistics:
    assert average is not None
    # each position below sees the gradient of one above
    shares = (average > 0) / (average > 0).sum(1).mean()
    return Statistics(average.T @ known.pairs @ average, covariance, known.echoes.moved(known.echoes.lines @ shares))


def _apart(values: Floats) -> Floats:
    """Return the mean over pairs of elements that are not one and the same, `[kinds]`."""
    positions = values.shape[-1]
    means: Floats = values.mean((-1, -2))
    if positions > 1:
        means[0] = (means[0] - np.trace(values[0]) / positions**2) * positions / (positions - 1)
    else:
        means[0] = 0.0
    return means


@dataclass(frozen=True, slots=True)
class NetworkBlock:
    """What a block does to a gradient: branches that are added, and what stands behind the add, each bottom first."""

    branch: tuple[Down, ...]
    skip: tuple[Down, ...] | None = None
    """None: no skip"""
    scale: float = 1.0
    """Factor on the branch"""
    after: tuple[Down, ...] = ()


def below(block: NetworkBlock, gradient: Gradient) -> Gradient:
    """Return the gradient below a block; behind a skip its scatter is not followed."""
    gradient = _down(block.after, gradient)
    if block.skip is None:
        return _down(block.branch, gradient)
    branch, skip = (_down(steps, Gradient(gradient.energy)) for steps in (block.branch, block.skip))
    return Gradient(block.scale**2 * branch.energy + skip.energy)


def _down(steps: Sequence[Down], gradient: Gradient) -> Gradient:
    for step in reversed(steps):
        gradient = gradient.through(step)
    return gradient
