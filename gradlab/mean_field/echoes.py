"""How much two gradients of a convolutional network have in common by chance: Var(δ_A·δ_B), layer by layer.

C random channels leave 1/C of |δ_A|²|δ_B|² in every layer, and the noise of later layers is larger for it. The kernels
below average it over positions and so take most of it out again (docs/derivations.md, section 13).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Echoes"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Echoes:
    """Var(δ_A·δ_B)/g_A g_B of two different elements, by the layers that added to it, for each kind of pair.

    What a layer adds belongs to one pair of positions, or in part (`coherent`) to all pairs of the same distance.
    `lines` says how much of it is left, and at which positions, relative to the gradients there.
    """

    lines: Floats
    """`[layers, kinds, P]`"""
    incoherent: Floats
    """`[layers, kinds]`"""
    coherent: Floats
    """`[layers, kinds]`"""
    positions: Floats
    """Number of positions where it was added, `[layers]`"""

    @staticmethod
    def none(kinds: int, positions: int) -> Echoes:
        """Return those of no layer."""
        return Echoes(np.zeros((0, kinds, positions)), np.zeros((0, kinds)), np.zeros((0, kinds)), np.zeros(0))

    def moved(self, lines: Floats) -> Echoes:
        """Return the echoes with other lines."""
        return Echoes(lines, self.incoherent, self.coherent, self.positions)

    def added(self, incoherent: Floats, coherent: Floats) -> Echoes:
        """Return them with those of a further layer, `[kinds]` both."""
        line = np.zeros((1, *self.lines.shape[1:]))
        line[..., _middle(line.shape[-1])] = 1.0
        return Echoes(
            np.concatenate([self.lines, line]),
            np.vstack([self.incoherent, incoherent]),
            np.vstack([self.coherent, coherent]),
            np.append(self.positions, line.shape[-1]),
        )

    def variance(self) -> Floats:
        """Return Var(δ_A·δ_B)/g_A g_B, `[kinds]`."""
        alone = (self.lines**2).sum(-1) * (self.lines.shape[-1] / self.positions)[:, None]
        together = self.lines.sum(-1) ** 2
        return np.asarray((self.incoherent * alone + self.coherent * together).sum(0))


def _middle(positions: int) -> int:
    """Return a position away from the border of a square map, or of a line."""
    side = round(positions**0.5)
    return (side // 2) * side + side // 2 if side * side == positions else positions // 2
