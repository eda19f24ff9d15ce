"""What a measurement of a model gives: plain records, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from gradlab.modules.parts import Form
from gradlab.record import Floats

__all__ = ["BlockNumbers", "Head", "ModuleProfile", "Recurrence", "Slopes", "WeightUse"]


@dataclass(frozen=True, slots=True)
class Slopes:
    """The slopes of all activations of one kind inside a block."""

    operation: str
    """``Relu``, ``Tanh``."""
    elements: int
    rms: float
    """Root of the mean square of the slope over all elements: 1/√2 for ReLU on values symmetric about 0."""
    saturated: float
    """Share of elements whose slope is below 1/20 of the activation's largest."""


_NOT_READ = Form(unknown="its parts were not read")


@dataclass(frozen=True, slots=True)
class BlockNumbers:
    """The numbers of one block; NaN where there is none."""

    name: str
    kind: str
    call: int
    """The number of the call, of a module that is called several times."""
    shape: tuple[int, ...]
    dtype: str
    """The least precise format that the block computes in."""
    is_cut: bool
    """Whether all of the gradient goes through its output."""
    connected: bool
    """Whether there is a path from the loss to it."""
    parameters: int
    frozen: bool
    """Whether it has parameters of which none requires a gradient in the model of the user."""
    log_grad_norm: float
    """Natural logarithm of the norm of the gradient at its output; -inf for exactly zero, NaN for not finite."""
    zero_grad: float
    nonfinite: float
    """Shares of the gradient's elements."""
    common: float
    """Share of the gradient that is common to all tokens: ‖mean over tokens‖² T / ‖g‖²."""
    act_mean: float
    act_rms: float
    token_cosine: float
    """Mean cosine between two tokens of one sequence; towards 1 the rank collapses (Dong 2021, arXiv 2103.03404)."""
    attention_entropy: float
    """Mean entropy of the attention over ln T."""
    saturated: float
    """Share of elements whose activation has a slope below 1/20 of its largest."""
    dead: float
    """Share of units whose activation has a slope of exactly zero for every sample."""
    log_weight_grad_norm: float
    """Natural logarithm of the norm of the gradients of its matrices and kernels together."""
    weight_norm: float
    weights: tuple[str, ...]
    """Names of its matrices and kernels."""
    zero_weights: tuple[str, ...]
    """Names of weights and scales of zero in every element that the gradient ends by, at the block above that place."""
    underflow: float = 0.0
    """Share of the gradient's elements that are not zero, yet below the smallest magnitude that was asked for."""
    operation: str = ""
    """What made its output: ``Add``, ``NativeLayerNorm``."""
    joined: bool = False
    """Whether of several paths from the block below to its output one goes past all matrices and kernels: a skip."""
    slopes: tuple[Slopes, ...] = ()
    """Of its activations, those with most elements first."""
    norms: tuple[str, ...] = ()
    """Operations of its norms."""
    batch_values: int = 0
    """The fewest values that a batch norm inside averages over, of one feature; 0 where none does."""
    untouched_statistics: tuple[str, ...] = ()
    """Norms that normalise by running statistics which no data have changed: mean 0, variance 1."""
    nonfinite_values: float = math.nan
    """Share of its output's elements that are not finite."""
    batch_variance: float = math.nan
    """Variance of a feature of its output over the batch, the mean over the features; where a batch norm comes next."""
    sample_spread: float = math.nan
    """Deviation of the mean square of a sample (of a token, of values `[batch, tokens, features]`) over its mean."""
    cosine_spread: float = math.nan
    """Standard deviation of the cosines between two tokens, over the pairs of each
    sequence; where attention comes next."""
    size_ratio: float = math.nan
    """Mean square of a token times the mean of its inverse: 1 for tokens of one size; where attention comes next."""
    token_products: Floats | None = field(default=None, compare=False)
    """Mean product of the elements of two tokens, `[tokens, tokens]`, the mean over samples; of a chain with causal
    attention."""
    gradient_products: Floats | None = field(default=None, compare=False)
    """The same of the gradient, its mean square taken as 1."""
    form: Form = _NOT_READ


@dataclass(frozen=True, slots=True)
class WeightUse:
    """A module with a matrix or a kernel, and what its output goes through next."""

    name: str
    kind: str
    fan_in: int
    fan_out: int
    gain: float
    """Root of (variance of the weights x fan_in), with the mean square for the variance: 1 for LeCun's initialisation,
    √2 for He's, 1/√3 for torch's default."""
    activation: str
    """The operation of the activation that follows (``Relu``); empty where another map, or nothing, comes first."""
    normed: bool
    """Whether a norm comes before the activation."""
    ends_branch: bool
    """Whether its output is added to a stream."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands between the last block and the loss: a readout, as a rule."""

    parameters: int
    weights: tuple[str, ...]
    zero_weights: tuple[str, ...]
    """Names of its matrices and kernels, and of weights of zero that the gradient ends by."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """What one recurrent layer does to its state between two time steps."""

    name: str
    kind: str
    """``LSTM``, ``GRU``, ``RNN``."""
    kept: float
    """What the gate in the way of the state lets through, the mean over time steps, batch and units: of LSTM the forget
    gate, of GRU the update gate. NaN for a layer without gates."""
    radius: float
    """Largest absolute eigenvalue of the recurrent matrix of a layer without gates."""


@dataclass(frozen=True, slots=True)
class ModuleProfile:
    """What one measurement of a model gave; blocks from the data to the loss."""

    blocks: tuple[BlockNumbers, ...]
    objective: str
    """What was differentiated, in words."""
    loss: float
    source: str
    """The input that the chain begins at."""
    rule: str
    """How the blocks were chosen."""
    dtype: str
    training: bool
    parameters: int
    head: Head
    """What stands between the last block and the loss."""
    weight_uses: tuple[WeightUse, ...]
    """Of the modules with a matrix or a kernel, in the order of their calls."""
    parameter_grads: Mapping[str, float]
    """Natural logarithms of the norms of the parameters' gradients by name."""
    uncalled: tuple[str, ...]
    """Modules with parameters of their own that were never called, and whose parameters the loss does not depend on."""
    cut_off: tuple[tuple[str, str], ...]
    """Of a chain that is broken: where a gradient was cut off, by ``detach``, ``no_grad`` or
    ``inference_mode``, and in which module."""
    notes: tuple[str, ...]
    """What was switched off, or done otherwise than asked."""
    recurrences: tuple[Recurrence, ...] = ()
    """Of a profile over time."""
    copies: tuple[tuple[str, ...], ...] = ()
    """Names of matrices and kernels of several modules that are equal in every element, group by group."""
    norms_of_one_value: tuple[str, ...] = ()
    """Names of the norms that normalise each value by itself."""
