"""What one part of a block does to the moments of tokens, and to those of the gradient that comes back through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from gradlab.mean_field.activations import NUMPY_ACTIVATIONS, NumpyActivation
from gradlab.mean_field.prediction import NoPrediction
from gradlab.mean_field.token_matrix import TokenAttention, TokenMatrix
from gradlab.mean_field.token_stream import RELU, Pair
from gradlab.modules.parts import Step

__all__ = ["Passed", "PassedPart", "Tokens", "joined", "twin"]

Tokens = TypeVar("Tokens", Pair, TokenMatrix)
"""Moments of tokens that are alike, or by their positions."""


@dataclass(frozen=True, slots=True)
class Passed(Generic[Tokens]):
    """A step, what it read, and the number of tokens."""

    step: Step
    read: Tokens
    tokens: int

    def forward(self) -> Tokens:
        step, read = self.step, self.read
        match step.kind:
            case "map":
                return read.scaled(step.gain**2).shifted(step.bias**2)
            case "scale":
                return read.scaled(step.gain**2)
            case "shift":
                return read.shifted(step.bias**2)
            case "dropout":
                return read.dropped(step.keep)
            case "layer" | "rms":
                return read.scaled(read.norm_factor(step.gain**2, step.eps)).shifted(step.bias**2)
            case "activation":
                return read.kernels(twin(step.activation, step.parameters))[1]
            case "attention":
                assert step.mixing is not None
                weights = step.mixing.weights
                if isinstance(read, TokenMatrix):
                    return TokenAttention(weights, read).forward()
                weights.require(read, self.tokens)
                return weights.forward(read, self.tokens)
        raise NoPrediction(f"{step.kind} norm of tokens" if step.kind in ("batch", "group") else step.kind)

    def backward(self, g: Tokens) -> Tokens:
        step, read = self.step, self.read
        match step.kind:
            case "map" | "scale":
                return g.scaled(step.gain**2)
            case "dropout":
                return g.dropped(step.keep)
            case "layer" | "rms":
                return g.scaled(read.norm_factor(step.gain**2, step.eps))
            case "activation":
                return read.kernels(twin(step.activation, step.parameters))[0].times(g)
            case "attention":
                assert step.mixing is not None
                if isinstance(read, TokenMatrix):
                    return TokenAttention(step.mixing.weights, read).backward(g)
                return step.mixing.weights.backward(read, g, self.tokens)
        return g


@dataclass(frozen=True, slots=True)
class PassedPart(Generic[Tokens]):
    branches: tuple[tuple[Passed[Tokens], ...], ...]
    after: tuple[Passed[Tokens], ...]

    def backward(self, g: Tokens) -> Tokens:
        """Return the moments of the gradient below, from those above."""
        for passed in reversed(self.after):
            g = passed.backward(g)
        ends = []
        for branch in self.branches:
            inner = g
            for passed in reversed(branch):
                inner = passed.backward(inner)
            ends.append(inner)
        return joined(ends)


def joined(parts: Sequence[Tokens]) -> Tokens:
    """Return the moments of a sum of independent tensors."""
    total = parts[0]
    for part in parts[1:]:
        total = total.plus(part)
    return total


@lru_cache(maxsize=256)
def twin(name: str, parameters: tuple[float, ...] = ()) -> NumpyActivation:
    """Return the numpy twin of an activation with these parameters."""
    return RELU if name == "relu" else NUMPY_ACTIVATIONS[name](*parameters)
