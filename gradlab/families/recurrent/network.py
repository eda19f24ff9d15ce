"""Recurrent networks of R replicas: `depth` stacked layers of `width` units along a sequence, and a linear readout.

Layer l maps the sequence below it to its own states h_t (`cells` has the kinds) and hands up y_t = h_t, or with the
residual form ``add``, from the second layer on, y_t = x_t + s*h_t, x_t being what came from below. Dropout is one mask
for all time steps on what a layer hands up (Gal 2016, arXiv 1512.05287, without masks on the recurrence); h_0 = 0. The
readout sees the last step, or every step where the task has a target for each.

The recurrent matrix has one H x H block a gate. Each block is drawn from the init by itself; matrices of inputs
and readout are normal with variance 1/fan_in, those of inputs times `input_gain`^2.

A link of the chain is one time step of all layers. Training and evaluation take a faster form of the same map: layer
after layer, each along the whole sequence at once, with a backward pass by hand where `sequence` has one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradlab.families.network import Architecture, Context, Network, State
from gradlab.families.recurrent.cells import CELLS, cuts
from gradlab.nn.inits import bias_draw
from gradlab.nn.linear import linear
from gradlab.nn.norms import norm
from gradlab.nn.parameters import Draw, Layout, Parameter, Params

__all__ = ["Recurrent"]

CHUNK_BYTES = 2**26
"""What the activations of a forward pass without gradients may take; its samples are taken in chunks of that size."""
GRAPH_BYTES = 2**28
"""What the graphs of a probe may take; beyond that each is made again on the way back, for a quarter more time."""

ASSUMED_REPLICAS = 8
"""Stands for R in the size of a chunk where replicas are computed one after another: the last bits of a kernel's
numbers may depend on how many samples there are in a call, and must not on how many replicas there are in a bank."""


class Recurrent(Network):
    """See `families.network.Network`; a state holds h of every layer, of an LSTM (h, c) of every layer in turn."""

    shared = True

    def __init__(self, arch: Architecture) -> None:
        self.arch = arch
        if arch.seq_len is None:
            raise ValueError("a recurrent network needs a seq_len")
        self.length = arch.seq_len
        options = arch.options
        self.cell = CELLS[arch.model.name](arch.activation, norm(arch.norm))
        self._inputs = sum(arch.vocabulary) or arch.in_features
        """Columns of the first layer's input matrix: of indices, as many as they have values together."""
        self.learns_scale, self.scale = arch.learns_scale, arch.scale
        self.dropped = ((arch.width,),) * arch.depth
        self._cuts = cuts(self.length, options["truncate"])
        self.per_layer = self.cell.states
        options["features"] = arch.in_features
        layers = [self._parameters(layer, options) for layer in range(arch.depth)]
        self.layout = Layout([*layers, self._readout()])

    def _parameters(self, layer: int, options: dict[str, int]) -> dict[str, Parameter]:
        inputs = self.arch.width if layer else self._inputs
        parameters = self.cell.parameters(layer, inputs, self.arch.width, options)
        if self.learns_scale and layer:
            parameters["scale"] = Parameter((1,), "scalar", layer, 0.0)
        return parameters

    def _readout(self) -> dict[str, Parameter]:
        width, outputs = self.arch.width, self.arch.out_features
        weight = Draw(lambda start, z: z / math.sqrt(width), ("readout", "weight"))
        return {
            "weight": Parameter((outputs, width), "matrix", "leave", (weight,), width, outputs),
            "bias": Parameter((outputs,), "bias", "leave", (bias_draw(width, "readout", "bias"),), width, outputs),
        }

    @property
    def read_at_links(self) -> bool:
        """Whether the task has a target for every time step."""
        return self.arch.per_step

    def recompute(self, inputs: Tensor) -> bool:
        """Return whether the graphs of all steps may take more than `GRAPH_BYTES`: four numbers of every row."""
        rows = len(self.cell.blocks) * self.arch.width * self.arch.depth
        return 8 * 4 * rows * inputs.shape[0] * inputs.shape[1] * self.length > GRAPH_BYTES

    def cut(self, i: int) -> bool:
        """Return whether the state that comes into step i is detached (truncated backpropagation)."""
        return i in self._cuts

    def steepest(self) -> Tensor:
        """Return the largest |slope| of the activation, `[1]`."""
        return self.cell.activation.steepest()

    def recurrent_matrix(self, params: Params) -> Tensor:
        """Return the top layer's recurrent matrix, of gated cells its block for the candidate."""
        return params[self.arch.depth - 1]["weight"].chunk(len(self.cell.blocks), 1)[self.cell.candidate]

    def whole(self, params: Params, inputs: Tensor, ctx: Context) -> Tensor:
        """Return the readout `[R, N, C]`, or `[R, N, T, C]` of every step, for `[R, N, T, I]` numbers or indices."""
        if torch.is_grad_enabled() or len(ctx.masks):
            return self._outputs(params, inputs, ctx)
        rows = params[0]["bias"].shape[1]
        replicas = ASSUMED_REPLICAS if self._one_by_one(params) else inputs.shape[0]
        bytes_per_sample = replicas * inputs.shape[2] * rows * params[0]["bias"].element_size() * 2
        pieces = torch.split(inputs, max(1, CHUNK_BYTES // bytes_per_sample), 1)
        return torch.cat([self._outputs(params, piece, ctx) for piece in pieces], 1)

    def _one_by_one(self, params: Params) -> bool:
        """Return whether any layer computes the replicas one after another."""
        vocabularies = [self.arch.vocabulary, *[()] * (self.arch.depth - 1)]
        return any(
            self.cell.one_by_one(learned, vocabulary, self.length, self._cuts)
            for learned, vocabulary in zip(params, vocabularies, strict=False)
        )

    def _outputs(self, params: Params, x_RNTI: Tensor, ctx: Context) -> Tensor:
        below = x_RNTI.transpose(1, 2)
        for layer in range(self.arch.depth):
            last = layer == self.arch.depth - 1 and not self.arch.per_step
            vocabulary = () if layer else self.arch.vocabulary
            h = self.cell.along(below, params[layer], vocabulary, self._cuts, last, ctx)
            below = self._hand_up(layer, params[layer], below[:, -1] if last else below, h, ctx)
        return self.leave(params, below)

    def _hand_up(self, layer: int, learned: dict[str, Tensor], x: Tensor, h: Tensor, ctx: Context) -> Tensor:
        y = ctx.drop(h, layer)
        if self.arch.residual == "none" or not layer:
            return y
        scale = learned["scale"].view(-1, *[1] * (y.ndim - 1)) if self.learns_scale else self.scale
        return x + scale * y

    def enter(self, params: Params, inputs: Tensor, ctx: Context) -> State:
        """Return the states before the first step: zero."""
        weight = params[0]["weight"]
        zero = weight.new_zeros(inputs.shape[0], inputs.shape[1], self.arch.width)
        return (zero,) * (self.cell.states * self.arch.depth)

    def block(self, i: int, params: Params, x: State, inputs: Tensor, ctx: Context) -> tuple[State, Tensor]:
        """Return the states after step i, and what the top layer hands up: `whole`'s map by plain autograd."""
        states: list[Tensor] = []
        below = inputs[:, :, i]
        for layer in range(self.arch.depth):
            learned = params[layer]
            projected = self.cell.project(below, learned, () if layer else self.arch.vocabulary, ctx)
            before = x[layer * self.cell.states : (layer + 1) * self.cell.states]
            state = self.cell.step(projected, before, learned, ctx)
            states += state
            below = self._hand_up(layer, learned, below, state[0], ctx)
        return tuple(states), below

    def leave(self, params: Params, top: Tensor) -> Tensor:
        """Return the outputs of what the top layer hands up: `[R, N, C]` for `[R, N, H]`, of the last step, or
        `[R, N, T, C]` for `[R, T, N, H]`."""
        weight, bias = params[-1]["weight"], params[-1]["bias"]
        if top.ndim == 3:
            return linear(top, weight, bias)
        replicas, steps, batch, _ = top.shape
        return linear(top.flatten(1, 2), weight, bias).view(replicas, steps, batch, -1).transpose(1, 2)
