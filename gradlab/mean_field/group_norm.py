"""Norms over a finite number of elements before relu: of a channel of one sample (instance), of a group of channels.

A group of m channels at P positions has h_i(α) = √c t_i + √(1-c) z_i(α), all normal, c the correlation of two
positions. About its own mean it has the variance, in units of that of h,

    v = (c + (1-c)/P) χ²_{m-1}/m + (1-c) χ²_{m(P-1)}/(mP).

Weights have lost all memory of the group, so a block multiplies the mean square of a gradient by χ = E 1/v: relu halves
both the square of the map and that of the gradient. Two of the mP directions are taken out of the gradient, its mean
and the one along h; where the norm above has taken them out already (of one channel: all of the mean), relu brings a
part back. What is left of c between two positions is relu's correlation of what the norm hands on. One channel is
batch norm with B = P; all channels are a layer norm over the whole sample (docs/derivations.md, section 13).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.prediction import NoPrediction

__all__ = ["group_norm_chi", "instance_norm_chi"]

Floats = NDArray[np.float64]

_FEWEST = 4
"""Elements of a group: with 3 the mean of 1/v does not exist."""
_NODES = 48


def instance_norm_chi(elements: int) -> float:
    """Return χ of a block with a norm over `elements` B numbers of one channel before relu, once data are forgotten.

    Batch norm of B samples and instance norm over B positions are one and the same: with κ = κ1(-1/(B-1)) and κ0,
    relu's correlations of values and slopes, B/((B-3)(1-κ)) · (1 - (2-κ-κ0)/B). For numbers that are equally
    correlated; π/(π-1) for large B (Yang et al. 2019, arXiv 1902.08129).

    Raises:
        NoPrediction: fewer than 4 elements.
    """
    return float(group_norm_chi(1, elements, 1, 3)[1])


def group_norm_chi(channels: int, positions: int, groups: int, blocks: int, shared: float = 0.0) -> Floats:
    """Return χ of each of a stack of blocks with group norm before relu, `[blocks]`, for white data.

    `shared` is the correlation of the gradient at the top between two positions, 1 behind a mean over them. Block 1's χ
    leads down to the data.

    Raises:
        NoPrediction: fewer than 4 elements in a group.
    """
    m = channels // groups
    elements = m * positions
    if elements < _FEWEST:
        raise NoPrediction(f"a norm over {elements} numbers has no prediction: 1/variance has no mean")
    inverse, values, slopes = (np.empty(blocks) for _ in range(3))
    c = 0.0
    for at in range(blocks):
        across, within = (c + (1 - c) / positions) / m, (1 - c) / elements
        inverse[at] = _inverse(across, m - 1, within, m * (positions - 1))
        values[at], slopes[at] = _after_relu(across, m - 1, within * m * (positions - 1), positions)
        c = values[at]
    chi = np.empty(blocks)
    other_positions = positions - 1
    for at in range(blocks - 1, -1, -1):
        in_channel = 1 + other_positions * shared * slopes[at]  # (Σ over positions of u)², of P independent ones
        lost = (in_channel + 1 + other_positions * shared * values[at]) / elements
        chi[at] = inverse[at] * (1 - lost)
        shared = (in_channel * (1 - 1 / m) / (1 - lost) - 1) / other_positions if other_positions else 0.0
    return chi


@lru_cache(maxsize=4096)
def _inverse(a: float, p: int, b: float, n: int) -> float:
    """Return E 1/(a χ²_p + b χ²_n) = ∫ (1 + 2as)^(-p/2) (1 + 2bs)^(-n/2) ds over s > 0."""
    from scipy.integrate import quad

    scale = 1 / (a * p + b * n)

    def density(t: float) -> float:  # s = scale t/(1 - t)
        s = scale * t / (1 - t)
        return math.exp(-p / 2 * math.log1p(2 * a * s) - n / 2 * math.log1p(2 * b * s)) * scale / (1 - t) ** 2

    value: float = quad(density, 0, 1, epsabs=0, epsrel=1e-9, limit=200)[0]
    return value


def _after_relu(across: float, p: int, within: float, positions: int) -> tuple[float, float]:
    """Return relu's correlations of two positions behind the norm, of its values and of its slopes.

    What differs within a channel is taken at its mean, and h within a group as normal.
    """
    if p == 0:
        shared, weight = np.zeros(1), np.ones(1)
    else:
        from scipy.special import roots_genlaguerre

        nodes, weight = roots_genlaguerre(_NODES, p / 2 - 1)
        shared, weight = 2 * across * nodes, weight / weight.sum()  # χ²_p = 2 Γ(p/2)
    other_variance = within / (positions - 1) if positions > 1 else 0.0
    c = np.clip((shared - other_variance) / (shared + within), -1, 1)
    slopes = 1 - np.arccos(c) / math.pi
    return float(weight @ (np.sqrt(1 - c**2) / math.pi + slopes * c)), float(weight @ slopes)
