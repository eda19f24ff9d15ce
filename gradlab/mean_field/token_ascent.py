"""A sub-layer of a transformer by the energies of the modes of its tokens, on the way up and on the way down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.attention import Attention
from gradlab.mean_field.token_modes import Modes
from gradlab.mean_field.token_profile import Sublayer
from gradlab.mean_field.token_stream import Pair

__all__ = ["Ascent"]

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Ascent:
    """A sub-layer with its energies, and what these owe to each source of noise: relative, [2, sources]."""

    layer: Sublayer
    modes: Modes
    state: Floats
    between: float
    """Mean product of two sequences in the stream"""
    state_noise: Floats
    branch: Floats
    branch_noise: Floats
    total: Floats
    total_noise: Floats
    hidden_noise: Floats

    def read(self, state: Floats | None = None) -> Pair:
        """Return the moments of what the branch reads."""
        pair = self.modes.pair(self.state if state is None else state)
        return self.layer.input_norm.forward(pair) if self.layer.input_norm else pair

    def read_between(self) -> float:
        """Return the mean product of two sequences in what the branch reads."""
        norm = self.layer.input_norm
        return self.between * (norm.factor(self.modes.pair(self.state)) if norm else 1.0)

    def output(self, state: Floats) -> Floats:
        """Return the energies of the branch's output."""
        return self.modes.of(self.layer.branch.forward(self.read(state), self.modes.tokens))

    def output_between(self) -> float:
        """Return the mean product of two sequences in the branch's output."""
        branch, between = self.layer.branch, self.read_between()
        if isinstance(branch, Attention):
            return branch.output * (branch.value * between + branch.value_bias) + branch.output_bias
        return branch.forward(Pair(self.read().square, between), 1).product

    def sum(self, state: Floats, branch: Floats) -> Floats:
        """Return the energies of skip and branch together."""
        added = self.modes.pair(branch)
        added = self.layer.branch_norm.forward(added) if self.layer.branch_norm else added
        return self.layer.skip**2 * state + self.layer.scale**2 * self.modes.of(added)

    def leave(self, total: Floats) -> Floats:
        """Return the energies of the stream above."""
        norm = self.layer.stream_norm
        return self.modes.of(norm.forward(self.modes.pair(total))) if norm else total

    def skipped(self, g: Floats, total: Floats) -> Floats:
        """Return the gradient that comes down along the skip."""
        norm = self.layer.stream_norm
        return self.layer.skip**2 * (norm.factor(self.modes.pair(total)) if norm else 1.0) * g

    def through(self, g: Floats, state: Floats, branch: Floats, total: Floats) -> Floats:
        """Return the gradient that comes down through the branch."""
        back = self.layer.branch.backward(
            self.read(state), self.modes.pair(g).scaled(self._factor(branch, total)), self.modes.tokens
        )
        norm = self.layer.input_norm
        return self.modes.of(back.scaled(norm.factor(self.modes.pair(state))) if norm else back)

    def kept(self, g: Floats, through: Floats) -> float:
        """Return what the branch leaves of the correlation of two sequences' gradients, both averaged over tokens."""
        branch, norm = self.layer.branch, self.layer.input_norm
        if not through[1] > 0:
            return 0.0
        if isinstance(branch, Attention):
            product = branch.output * branch.value
        else:
            product = branch.backward(Pair(self.read().square, self.read_between()), Pair(1.0, 1.0), 1).product
        product *= norm.factor(self.modes.pair(self.state)) if norm else 1.0
        return product * self._factor(self.branch, self.total) * float(g[1] / through[1])

    def _factor(self, branch: Floats, total: Floats) -> float:
        """Return the factor on the squares of a gradient from above the sub-layer to the branch's output."""
        inner, outer = self.layer.branch_norm, self.layer.stream_norm
        factor = self.layer.scale**2
        factor *= outer.factor(self.modes.pair(total)) if outer else 1.0
        return factor * (inner.factor(self.modes.pair(branch)) if inner else 1.0)
