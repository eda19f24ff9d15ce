"""The positions of a convolutional network: which inputs a kernel reads, and what a border takes from a gradient.

Positions of a map with the sizes `(H, W)` are numbered row by row; P is their number. With weights that are drawn anew
in every layer the taps of a kernel do not interfere, so the square of a gradient's norm follows `reach`, the share of a
kernel's taps that lead from each output to each input. Zero padding cuts the kernel at the border: a stack of l blocks
keeps 1ᵀA^l 1/P of the square, in the end the largest eigenvalue of A a block (docs/derivations.md, section 13).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "REPEATING", "Padding", "Window", "gather_pairs", "padding_factor", "padding_profile", "pooling_factor", "reach",
    "scatter_pairs", "taps",
]  # fmt: skip

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Padding = Literal["zeros", "circular", "reflect", "replicate", "none"]
REPEATING = ("reflect", "replicate")
"""Paddings that let several outputs read one input with the same tap"""


@dataclass(frozen=True, slots=True)
class Window:
    """What a convolution or a pooling reads of a map, the same along every axis."""

    sizes: tuple[int, ...]
    """Positions of its input along each axis."""
    kernel: int = 3
    stride: int = 1
    padding: Padding = "zeros"
    """So that the output has as many positions, over the stride: (kernel - 1)//2 before and kernel//2 behind; ``none``:
    no padding at all."""

    @property
    def above(self) -> tuple[int, ...]:
        """Positions of its output along each axis."""
        return tuple(self._above(size) for size in self.sizes)

    def _above(self, size: int) -> int:
        return (size - self.kernel) // self.stride + 1 if self.padding == "none" else -(-size // self.stride)

    def axis(self, size: int) -> Indices:
        """Return the input position of each tap and output along an axis, `[kernel, above]`; -1: a zero."""
        border = 0 if self.padding == "none" else (self.kernel - 1) // 2
        at: Indices = np.arange(self._above(size)) * self.stride - border + np.arange(self.kernel)[:, None]
        if self.padding == "circular":
            return at % size
        if self.padding == "reflect":
            at = np.abs(at)
            return np.asarray(np.minimum(at, 2 * (size - 1) - at))
        if self.padding == "replicate":
            return np.asarray(np.clip(at, 0, size - 1))
        return np.asarray(np.where((at >= 0) & (at < size), at, -1))


@lru_cache(maxsize=256)
def taps(window: Window) -> Indices:
    """Return the input position of each tap and output, `[taps, outputs]`; -1 where a tap reads a zero."""
    axes = [window.axis(size) for size in window.sizes]
    rows: list[Indices] = []
    for tap in product(range(window.kernel), repeat=len(axes)):
        at = np.zeros(1, dtype=np.intp)
        for size, axis, place in zip(window.sizes, axes, tap, strict=True):
            line = axis[place]
            at = np.where((at[:, None] < 0) | (line < 0), -1, at[:, None] * size + line).ravel()
        rows.append(at)
    return np.stack(rows)


@lru_cache(maxsize=256)
def reach(window: Window) -> Floats:
    """Return `[outputs, inputs]`: the share of a kernel's taps that lead from each output to each input."""
    shares: Floats = np.ones((1, 1))
    for size in window.sizes:
        axis = window.axis(size)
        line: Floats = np.zeros((axis.shape[1], size))
        for tap in axis:
            np.add.at(line, (np.flatnonzero(tap >= 0), tap[tap >= 0]), 1 / window.kernel)
        shares = np.asarray(np.kron(shares, line), dtype=np.float64)
    return shares


def gather_pairs(window: Window, pairs: Floats) -> Floats:
    """Return the mean over the taps of a number known for each pair of inputs, `[..., P, P]`, for each pair of outputs.

    Both outputs read with the same tap, as only equal weights are correlated; a zero reads 0.
    """
    padded = np.pad(pairs, [(0, 0)] * (pairs.ndim - 2) + [(0, 1), (0, 1)])
    rows = taps(window)
    total: Floats = sum((padded[..., at[:, None], at] for at in rows), np.zeros(1)) / len(rows)
    return total


def scatter_pairs(window: Window, pairs: Floats) -> Floats:
    """Return the adjoint of `gather_pairs`: from pairs of outputs to pairs of inputs."""
    inputs = math.prod(window.sizes) + 1
    total = np.zeros((*pairs.shape[:-2], inputs, inputs))
    rows = taps(window)
    for at in rows:
        if len(np.unique(at[at >= 0])) == np.count_nonzero(at >= 0):
            total[..., at[:, None], at] += pairs  # what falls on zeros, the last row and column, is not kept
        else:
            leads = np.zeros((len(at), inputs))
            leads[np.arange(len(at)), at] = 1.0
            total += leads.T @ pairs @ leads
    return np.asarray(total[..., :-1, :-1] / len(rows))


def padding_factor(sizes: tuple[int, ...], kernel: int = 3) -> float:
    """Return what zero padding leaves of a gradient's norm in each of many blocks of stride 1.

    The root of the product over the axes of the largest eigenvalue of the kernel cut at the border: with 3 taps
    (1 + 2 cos(π/(H + 1)))/3.
    """
    return math.sqrt(math.prod(_eigenvalue(size, kernel) for size in sizes))


def _eigenvalue(size: int, kernel: int) -> float:
    line = reach(Window((size,), kernel))
    return float(np.abs(np.linalg.eigvals(line)).max())


def padding_profile(sizes: tuple[int, ...], blocks: int, kernel: int = 3, padding: Padding = "zeros") -> Floats:
    """Return g_l²/g_L² of the blocks below the top for a gradient that is spread evenly there, `[blocks + 1]`.

    Element k is k blocks below the top: 1ᵀA^k 1/P, without the factor χ of a block.
    """
    shares = np.ones(blocks + 1)
    for size in sizes:
        line, place = reach(Window((size,), kernel, 1, padding)), np.full(size, 1 / size)
        for k in range(1, blocks + 1):
            place = place @ line
            shares[k] *= place.sum()
    return shares


def pooling_factor(kind: Literal["average", "max", "global"], size: int, dims: int = 2) -> float:
    """Return ‖g_in‖/‖g_out‖ of a pooling over windows that do not overlap, of `size` positions along `dims` axes.

    Exact: an average spreads a gradient over size^dims positions, of 1/size^dims each; a maximum hands it to one of
    them. A global average is one over all positions: `size` = H for a map of H x H.
    """
    return 1.0 if kind == "max" else float(size ** (-dims / 2))
