"""Transformers of R replicas: tokens, `depth` blocks of an attention and an MLP, a final norm and a linear readout.

A block is two sub-layers, each a branch beside the stream (`sublayer` has the residual forms); `x_l` is the stream
behind block l, a tensor `[R, N, T, D]`. The readout sees the mean over the tokens, the first or the last, or every
token where the task has a target for each. `causal: auto` is a mask there and none elsewhere; `final_norm: auto` is a
norm where branches read a normed stream (``pre_norm``, ``sandwich``, ``layer_scale``), which itself has none.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gradlab.families.network import Architecture, Context, Network, State
from gradlab.families.transformer.attention import Attention
from gradlab.families.transformer.factors import Factors
from gradlab.families.transformer.feed_forward import FeedForward
from gradlab.families.transformer.sublayer import Branch, Sublayer
from gradlab.families.transformer.tokens import Entry
from gradlab.nn import norms
from gradlab.nn.activations import activations
from gradlab.nn.inits import bias_draw, weight_draw
from gradlab.nn.linear import linear
from gradlab.nn.parameters import Layout, Parameter, Params

__all__ = ["Transformer"]

CHUNK_BYTES = 2**22
"""What one replica may take in a pass without gradients; the samples are taken in chunks of that size. Not of all
replicas: the last bits of a kernel's numbers may depend on how many samples there are in a call."""
GRAPH_BYTES = 2**28
"""What the graphs of a probe may take; beyond that each is made again on the way back."""


class Transformer(Network):
    """See `families.network.Network`; a state is the stream, `[R, N, T, D]`."""

    tokens = True

    def __init__(self, arch: Architecture) -> None:
        self.arch, self.length = arch, arch.depth
        options, factors = arch.options, Factors.of(arch)
        self.activation = activations(arch.activations or [arch.activation])
        self.norm = norms.norm(arch.norm)
        self.pool: str = options["pool"]
        causal = arch.per_step if options["causal"] == "auto" else options["causal"]
        final = arch.residual in ("pre_norm", "sandwich", "layer_scale")
        final = final if options["final_norm"] == "auto" else options["final_norm"]
        self._final_norm = final and self.norm is not None
        self._entry = Entry(arch, factors)
        branches: list[Branch] = []
        if options["attention"] != "none":
            branches.append(Attention(arch, causal, factors))
        if options["ff"]:
            branches.append(FeedForward(arch, self.activation, factors))
        self._branches = len(branches)
        self._sublayers = [
            Sublayer(arch, branch, self.norm, block, block * len(branches) + i)
            for block in range(arch.depth)
            for i, branch in enumerate(branches)
        ]
        self.dropped = ((self._entry.tokens, arch.width),) * len(self._sublayers)
        sublayers = [sublayer.parameters() for sublayer in self._sublayers]
        self.layout = Layout([self._entry.parameters(), *sublayers, self._readout()])
        heads = options["heads"] if options["attention"] != "none" else 0
        hidden = (1 + options["gate"]) * options["ff"]
        self._kept: int = self._entry.tokens * (arch.width * (8 + 2 * hidden) + 2 * heads * self._entry.tokens)
        """Numbers that the graph of a block keeps of one sample, about."""

    def _readout(self) -> dict[str, Parameter]:
        width, outputs = self.arch.width, self.arch.out_features
        parameters: dict[str, Parameter] = {}
        if self._final_norm:
            for name, parameter in norms.parameters(self.norm, width, 0).items():
                parameters[name] = Parameter(parameter.shape, parameter.role, "leave", parameter.initial)
        weight, bias = weight_draw("readout"), bias_draw(width, "readout")
        return parameters | {
            "weight": Parameter((outputs, width), "matrix", "leave", (weight,), width, outputs),
            "bias": Parameter((outputs,), "bias", "leave", (bias,), width, outputs),
        }

    def recompute(self, inputs: Tensor) -> bool:
        """Return whether the graphs of all blocks may take more than `GRAPH_BYTES`."""
        return 8 * self._kept * self.length * inputs.shape[0] * inputs.shape[1] > GRAPH_BYTES

    def steepest(self) -> Tensor:
        """Return the largest |slope| of each replica's activation, `[R]` or `[1]`."""
        return self.activation.steepest()

    def whole(self, params: Params, inputs: Tensor, ctx: Context) -> Tensor | None:
        """Return the outputs of a pass without gradients, chunk by chunk; None: walk along the blocks."""
        if torch.is_grad_enabled() or len(ctx.masks):
            return None
        size = params[-1]["weight"].element_size()
        chunk = max(1, CHUNK_BYTES // (size * self._kept))
        return torch.cat([self._outputs(params, piece, ctx) for piece in torch.split(inputs, chunk, 1)], 1)

    def _outputs(self, params: Params, inputs: Tensor, ctx: Context) -> Tensor:
        state = self.enter(params, inputs, ctx)
        for i in range(self.length):
            state, _ = self.block(i, params, state, inputs, ctx)
        return self.leave(params, state[0])

    def enter(self, params: Params, inputs: Tensor, ctx: Context) -> State:
        """Return the tokens of `[R, N, I]` pixels, or `[R, N, T, I]` numbers or indices."""
        return (self._entry(inputs, params[0]),)

    def block(self, i: int, params: Params, x: State, inputs: Tensor, ctx: Context) -> tuple[State, Tensor]:
        """Return the stream after block i, twice: it is what the readout sees as well."""
        (stream,) = x
        for layer in range(i * self._branches, (i + 1) * self._branches):
            stream = self._sublayers[layer](stream, params[layer + 1], ctx)
        return (stream,), stream

    def leave(self, params: Params, top: Tensor) -> Tensor:
        """Return the readout of the pooled tokens, `[R, N, C]`, or of each token, `[R, N, T, C]`."""
        learned, of_all = params[-1], self.arch.per_step
        if not of_all and self.pool != "mean":
            top = top[:, :, :1] if self.pool == "first" else top[:, :, -1:]
        replicas, batch, tokens, _ = top.shape
        if self._final_norm and self.norm is not None:
            top = self.norm(top.flatten(1, 2), learned, None, "eval").view(replicas, batch, tokens, -1)
        if of_all:
            return linear(top.flatten(1, 2), learned["weight"], learned["bias"]).view(replicas, batch, tokens, -1)
        return linear(top.mean(2), learned["weight"], learned["bias"])
