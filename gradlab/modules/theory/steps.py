"""What one part of a block does to a tensor and to the square of the gradient that comes back through it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from gradlab.mean_field.quadrature import normal_nodes
from gradlab.modules.parts import Step
from gradlab.modules.theory.token_steps import twin

__all__ = ["NotKnown", "State", "through"]

_DIFFERS = 0.1
"""Of the mean square slope, between a sample of the mean size and one that is a deviation larger. With GELU at
σ_w² = 2 and a width of 128 it comes to be more, and a factor taken at the mean size is 6 % off, as simulated."""
_HOMOGENEOUS = ("relu", "leaky_relu")
"""Activations whose slopes do not depend on the size of a sample."""


class NotKnown(Exception):
    """Why there is no prediction."""


@dataclass(frozen=True, slots=True)
class State:
    """A tensor between two steps."""

    square: float
    """Mean square."""
    mean: float
    batch_variance: float
    """Of a feature over the samples and positions of the batch, the mean over the features; NaN: not known."""
    spread: float
    """Deviation of the mean square of a sample, or token, over its mean; NaN: not known."""
    is_normal: bool
    """Whether it comes out of maps, so that its elements are normal."""


def through(step: Step, state: State) -> tuple[float, State]:
    """Return by what a step multiplies the square of a gradient, and the tensor after it. Raises NotKnown."""
    gain2, bias2 = step.gain**2, step.bias**2
    if step.kind == "map":
        after = gain2 * state.square + bias2
        return gain2, State(after, 0.0, gain2 * state.batch_variance, state.spread, is_normal=True)
    if step.kind in ("scale", "shift"):
        shifted = gain2 * state.square + bias2
        mean = state.mean * (step.parameters[0] if step.parameters else 1.0)
        return gain2, replace(state, square=shifted, mean=mean, batch_variance=gain2 * state.batch_variance)
    if step.kind == "dropout":
        after, batch_variance = state.square / step.keep, state.batch_variance
        return 1 / step.keep, replace(
            state, square=after, batch_variance=batch_variance + after - state.square, is_normal=False
        )
    if step.kind == "pool":  # what is next depends on how alike the positions are
        return gain2, State(math.nan, math.nan, math.nan, math.nan, is_normal=False)
    if step.kind == "group":
        return gain2 / step.variance, State(gain2 + bias2, 0.0, math.nan, 0.0, state.is_normal)
    if step.kind == "attention":
        raise NotKnown("attention")
    if step.kind == "activation":
        if not state.is_normal:
            raise NotKnown("an activation of what does not come out of a map")
        slope2, mean, square = _moments(step.activation, step.parameters, state.square)
        if step.activation not in _HOMOGENEOUS and not math.isnan(state.spread):
            larger, _, _ = _moments(step.activation, step.parameters, state.square * (1 + state.spread))
            if abs(larger - slope2) > _DIFFERS * slope2:
                raise NotKnown(f"samples of so different sizes that {step.activation} has different slopes for them")
        # what is normal over the batch is so after a norm over it
        alike = math.isclose(state.batch_variance, state.square, rel_tol=1e-9)
        variance = square - mean**2 if alike else math.nan
        return slope2, State(square, mean, variance, state.spread, is_normal=False)
    if step.kind == "batch":
        variance = state.batch_variance
    else:
        variance = state.square - (state.mean**2 if step.kind == "layer" else 0.0)
    if math.isnan(variance):
        raise NotKnown("the variance over the batch before a batch norm is not known")
    normalised = variance / (variance + step.eps) if variance > 0 else 0.0
    after = gain2 * normalised + bias2
    by_batch = step.kind == "batch"
    end = State(after, 0.0, after if by_batch else math.nan, state.spread if by_batch else 0.0, state.is_normal)
    return gain2 / (variance + step.eps), end


@lru_cache(maxsize=4096)
def _moments(name: str, parameters: tuple[float, ...], variance: float) -> tuple[float, float, float]:
    """Return E φ'², E φ and E φ² for a normal argument."""
    phi = twin(name, parameters)
    nodes = normal_nodes(phi, variance)
    values = phi.value(nodes.h)
    return nodes.mean(phi.slope(nodes.h) ** 2), nodes.mean(values), nodes.mean(values**2)
