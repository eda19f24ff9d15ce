"""A network as a chain of links: blocks along the depth, or time steps with shared parameters.

A family gives the way in (`enter`), the links (`block`) and the way out (`leave`); walking along them is the same for
all (`families.chain`). What a link needs beside its parameters it
asks of a `Context`, which training, evaluation and the probe each make their own.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from gradlab.components import Named
from gradlab.families import FAMILIES
from gradlab.nn.activations import Activation, Mixture
from gradlab.nn.buffers import Buffers
from gradlab.nn.norms import Mode, Norm
from gradlab.nn.parameters import Layout, Params

__all__ = ["ActivationMap", "Architecture", "ByHand", "Context", "Link", "Model", "Network", "Readout", "State"]

ActivationMap = Activation | Mixture
"""An activation, as a function of its input and of its learned parameter, if it has one."""

UNSCALED = ("none", "deepnorm", "fixup", "t_fixup")
"""Residual forms without a residual scale: what they multiply a branch by is their own."""

State = tuple[Tensor, ...]
"""What a link hands to the next one: the stream x, or the states of all stacked layers; each `[R, N, ...]`."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What fixes the tensors of a bank: equal for all its replicas."""

    model: Named
    in_features: int
    out_features: int
    depth: int
    width: int
    activation: Named
    """That of the first replica; `activations` has all."""
    norm: Named
    norm_position: str
    residual: str
    residual_scale: float | str
    dropout: float
    seq_len: int | None = None
    """T, of sequences."""
    vocabulary: tuple[int, ...] = ()
    """For inputs that are indices: how many values each of the I of them has. Empty for real inputs."""
    per_step: bool = False
    """Whether the task has a target for every time step, `[R, N, T, C]`, or one in the end, `[R, N, C]`."""
    activations: tuple[Named, ...] = ()
    """Of every replica, where they may differ inside a bank; empty: all have `activation`."""
    shape: tuple[int, ...] = ()
    """Of a sample of images: channels, then positions along each axis. Empty: samples have no shape."""
    seeds: tuple[int, ...] = ()
    """Of every replica, for what begins as the user's code draws it."""
    layer_scale: float = 1.0
    """Of the residual form ``layer_scale``: the factors of the units at the start."""

    @property
    def options(self) -> dict[str, Any]:
        """The parameters of the model, defaults filled in."""
        return self.model.resolve(FAMILIES)

    @property
    def learns_scale(self) -> bool:
        """Whether the factor on a residual branch is learned, beginning at zero (ReZero)."""
        return self.residual not in UNSCALED and self.residual_scale == "learned_zero"

    @property
    def stream_gain(self) -> float:
        """The factor on the stream that a branch is added to: with N = depth, DeepNorm's α (Wang 2022, table 1)."""
        return (2 * self.depth) ** 0.25 if self.residual == "deepnorm" else 1.0

    @property
    def branch_gain(self) -> float:
        """The factor on the matrix of a branch when it is drawn: DeepNorm's β."""
        return (8 * self.depth) ** -0.25 if self.residual == "deepnorm" else 1.0

    @property
    def scale(self) -> float:
        """The factor on a residual branch at the start."""
        if self.residual in UNSCALED:
            return 1.0
        if self.residual_scale in ("1/sqrt(depth)", "1/sqrt(2*depth)"):
            return 1 / math.sqrt(self.depth if self.residual_scale == "1/sqrt(depth)" else 2 * self.depth)
        return 0.0 if isinstance(self.residual_scale, str) else self.residual_scale


@dataclass(slots=True)
class Context:
    """What a link may ask for: the activation, norms with their running statistics, gates and dropout masks."""

    mode: Mode
    running: Sequence[Tensor] = ()
    """Running statistics `[R, 2, O]` of each norm that keeps them, by place; empty: none are kept."""
    masks: Sequence[Tensor] = ()
    """Dropout masks `[R, N, ...]` by place, already scaled by 1/(1-p); empty: nothing is dropped."""
    buffers: Buffers = field(default_factory=Buffers)
    """Memory of a training step or probe that the next one may write over; its own, unless it is handed on."""

    def activate(self, function: ActivationMap, x: Tensor, learned: Tensor | None) -> Tensor:
        """Return the activation of `x`; its slopes are what a probe calls saturated or dead."""
        return function(x, learned)

    def gate(self, x: Tensor) -> Tensor:
        """Return the sigmoid of `x`, the values of gates."""
        return x.sigmoid()

    def norm(self, norm: Norm, x: Tensor, learned: dict[str, Tensor], place: int) -> Tensor:
        """Return `x` normalised, with the running statistics of that place."""
        return norm(x, learned, self.running[place] if len(self.running) else None, self.mode)

    def attend(self, scores: Tensor, later: Tensor | None = None) -> Tensor:
        """Return the softmax of attention scores `[R, ..., T, T]` over keys, the last axis, without those that `later`,
        a boolean `[T, T]`, is true for."""
        return (scores if later is None else scores.masked_fill(later, -math.inf)).softmax(-1)

    def drop(self, x: Tensor, place: int) -> Tensor:
        """Return `x` under the mask of that place; one mask serves all time steps of `[R, T, N, ...]`."""
        if not len(self.masks):
            return x
        mask = self.masks[place]
        return x * (mask.unsqueeze(1) if x.ndim > mask.ndim else mask)


class Link(Protocol):
    """One link without a graph, and the way back through it; both write over what they returned before."""

    def forward(self, x: State, ctx: Context) -> tuple[State, Tensor]:
        """Return what `Network.block` does."""

    def back(self, coming: State | None, above: Tensor | None) -> State:
        """Return the gradient at the state before the link, given that at the state after it and that of what it
        hands to the readout, and write those of the parameters; None stands for zero.

        What is given may be written over."""


class Readout(Protocol):
    """The way out of a network without a graph, and the way back through it."""

    def forward(self, top: Tensor) -> Tensor:
        """Return what `Network.leave` does."""

    def back(self, grad: Tensor) -> Tensor:
        """Return the gradient at what the readout sees, given that at the outputs; write those of the parameters."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """A chain that goes forward and back without autograd."""

    links: Sequence[Link]
    readout: Readout


class Model(ABC):
    """What training asks of R replicas. Its parameters are views of a flat buffer that the caller holds."""

    arch: Architecture
    layout: Layout
    length: int
    """L, the elements of a profile."""
    shared: bool = False
    """Whether all links have the same parameters, those of every `block`; else link i has those of block i."""
    dropped: tuple[tuple[int, ...], ...] = ()
    """Shapes that dropout acts on, of one sample, by place."""
    recordable: bool = True
    """Whether a step can be recorded as a CUDA graph: the outputs are a fixed sequence of operations on the device."""

    @property
    def read_at_links(self) -> bool:
        """Whether the readout sees what every link hands up: where links are time steps with a target each."""
        return False

    def running(self, replicas: int, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
        """Return fresh tensors, each `[R, ...]`, that a step changes and that no gradient does: running statistics of
        norms by place, `[R, 2, O]`; empty where none are kept."""
        return []

    def by_hand(self, params: Params, grads: Params, batch: int) -> ByHand | None:
        """Return the chain in a form that goes back by hand, for batches of one size; None: there is none.

        It keeps both: `params`, whose values may change in place, and `grads`, where it writes the gradients."""
        return None

    @abstractmethod
    def whole(self, params: Params, inputs: Tensor, ctx: Context) -> Tensor | None:
        """Return the outputs `[R, N, C]`, or `[R, N, T, C]`, all at once; None: walk along the links of a network."""


class Network(Model):
    """A stacked network of R replicas as a chain of links, which a probe walks along."""

    per_layer: int = 1
    """Tensors of a state for each stacked layer: the hidden state, whose gradient is g_l, and a cell state (LSTM)."""
    tokens: bool = False
    """Whether a state is `[R, N, T, D]`, of T tokens."""

    @abstractmethod
    def enter(self, params: Params, inputs: Tensor, ctx: Context) -> State:
        """Return x_0 of the inputs, `[R, N, ...]`."""

    @abstractmethod
    def block(self, i: int, params: Params, x: State, inputs: Tensor, ctx: Context) -> tuple[State, Tensor]:
        """Return x_{i+1} of x_i, and what this link hands to the readout."""

    @abstractmethod
    def leave(self, params: Params, top: Tensor) -> Tensor:
        """Return the outputs `[R, N, C]`, or `[R, N, T, C]` where the task has a target for each time step, of what the
        last link hands up; where `read_at_links`, of what all links do, stacked as `[R, L, N, ...]`."""

    def recompute(self, inputs: Tensor) -> bool:
        """Return whether a probe keeps the states alone and makes the graph of each link anew: for long chains."""
        return False

    def cut(self, i: int) -> bool:
        """Return whether no gradient goes from link i back to link i - 1."""
        return False

    @abstractmethod
    def steepest(self) -> Tensor:
        """Return the largest |slope| of each replica's activation, `[R]` or, of all alike, `[1]`; float64, CPU."""

    def recurrent_matrix(self, params: Params) -> Tensor | None:
        """Return the square matrix `[R, H, H]` that is applied at every link, or None."""
        return None

    def whole(self, params: Params, inputs: Tensor, ctx: Context) -> Tensor | None:
        """Return the outputs by a faster form of the same map; None: there is none, walk along the links."""
        return None
