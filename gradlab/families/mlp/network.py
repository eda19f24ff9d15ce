"""The feed-forward network of R replicas: `depth` blocks of `width` units and a linear readout.

A block is a linear map, a norm, an activation, dropout and a residual add; `x_l` is its output. The first
block maps the input to the width and has no skip. With s the residual scale and N the norm, block l > 1 is

- ``none``: act(N(Wx+b)), or with the norm after the activation N(act(Wx+b))
- ``add``: x + s*that
- ``pre_norm``: x + s*act(W N(x) + b) (Transformer pre-LN, Xiong 2020, arXiv 2002.04745)
- ``post_norm``: N(x + s*act(Wx+b))
- ``sandwich``: x + s*N'(act(W N(x) + b)), N' with parameters of its own (peri-LN, Kim 2025, arXiv 2502.02732)
- ``layer_scale``: x + s*d*act(W N(x) + b) with a learned d for each unit (Touvron 2021, arXiv 2103.17239)
- ``deepnorm``: N(αx + act(Wx+b)), W drawn times β, α = (2L)^(1/4), β = (8L)^(-1/4) (Wang 2022, arXiv 2203.00555)

Inputs that are indices are looked up first: x is then their vectors, one after another (embeddings).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gradlab.families.mlp.by_hand import by_hand
from gradlab.families.network import Architecture, ByHand, Context, Network, State
from gradlab.nn import norms
from gradlab.nn.activations import activations
from gradlab.nn.embedding import embed
from gradlab.nn.inits import bias_draw, weight_draw
from gradlab.nn.linear import linear
from gradlab.nn.norms import WeightStandardisation
from gradlab.nn.parameters import Draw, Layout, Parameter, Params

__all__ = ["MLP"]


class MLP(Network):
    """See `families.network.Network`; a state is the stream x_l, `[R, N, O]`."""

    def __init__(self, arch: Architecture) -> None:
        self.arch = arch
        self.length = arch.depth
        self.activation = activations(arch.activations or [arch.activation])
        self.norm = norms.norm(arch.norm)
        self.learns_scale, self.scale = arch.learns_scale, arch.scale
        self.dropped = ((arch.width,),) * arch.depth
        options = arch.options
        self._embedding_std: float = options["embedding_std"]
        self._embedding: int = options["embedding"] if arch.vocabulary else 0
        """E, the length of an index's vector; 0 where the inputs are numbers."""
        blocks = [self._parameters(block) for block in range(arch.depth)]
        self.layout = Layout([*blocks, self._linear(arch.width, arch.out_features, "leave", "readout")])

    def _linear(self, fan_in: int, fan_out: int, block: int | Literal["leave"], stream: str) -> dict[str, Parameter]:
        branch = block if block != "leave" and block > 0 and self.arch.residual != "none" else None
        gain = 1.0 if branch is None else self.arch.branch_gain
        draw = weight_draw(stream, branch=branch, gain=gain)
        return {
            "weight": Parameter(
                (fan_out, fan_in), "matrix", block, (draw,), fan_in, fan_out, profiled=block != "leave"
            ),
            "bias": Parameter((fan_out,), "bias", block, (bias_draw(fan_in, stream),), fan_in, fan_out),
        }

    def _parameters(self, block: int) -> dict[str, Parameter]:
        width = self.arch.width
        fan_in = width if block else self.arch.in_features * (self._embedding or 1)
        parameters = self._linear(fan_in, width, block, "blocks")
        if not (block == 0 and self._place(1) == "input") or isinstance(self.norm, WeightStandardisation):
            parameters |= norms.parameters(self.norm, width, block)
        if block > 0 and self._norms_after:
            after_norm = norms.parameters(self.norm, width, block)
            parameters |= {f"after_{name}": parameter for name, parameter in after_norm.items()}
        if block > 0 and self.arch.residual == "layer_scale":
            parameters["layer_scale"] = Parameter((width,), "norm", block, self.arch.layer_scale)
        if self.activation.start is not None:
            parameters["slope"] = Parameter((1,), "scalar", block, self.activation.start)
        if self.learns_scale and block > 0:
            parameters["scale"] = Parameter((1,), "scalar", block, 0.0)
        if self._embedding and block == 0:
            std = self._embedding_std
            draw = Draw(lambda start, z: std * z, ("embedding",))
            parameters["embedding"] = Parameter((sum(self.arch.vocabulary), self._embedding), "table", "enter", (draw,))
        return parameters

    def _place(self, block: int) -> str:
        """Return where a block has its norm; of a sandwich the first one."""
        form = self.arch.residual
        if form in ("pre_norm", "sandwich", "layer_scale"):
            return "input" if block else ""
        return "stream" if form in ("post_norm", "deepnorm") else self.arch.norm_position

    @property
    def _norms_after(self) -> bool:
        """Whether branches have a second norm at their end."""
        return self.arch.residual == "sandwich" and not isinstance(self.norm, WeightStandardisation)

    def steepest(self) -> Tensor:
        """Return the largest |slope| of each replica's activation, `[R]` or `[1]`."""
        return self.activation.steepest()

    def running(self, replicas: int, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
        """Return fresh running statistics of each block's norm (mean 0, variance 1), or none where it keeps none."""
        if self.norm is None or not self.norm.running:
            return []
        places = self.arch.depth * (2 if self._norms_after else 1)
        running = torch.zeros(places, replicas, 2, self.arch.width, dtype=dtype, device=device)
        running[:, :, 1] = 1
        return list(running.unbind(0))

    def enter(self, params: Params, inputs: Tensor, ctx: Context) -> State:
        """Return the inputs `[R, N, I]`, of indices the vectors that they name, one after another."""
        if not self._embedding:
            return (inputs,)
        return (embed(inputs, params[0]["embedding"], self.arch.vocabulary).flatten(2),)

    def block(self, i: int, params: Params, x: State, inputs: Tensor, ctx: Context) -> tuple[State, Tensor]:
        """Return the stream after block i, twice: it is what the readout sees as well."""
        (stream,), learned, form = x, params[i], self.arch.residual
        place = self._place(i)

        def normed(t: Tensor, point: str) -> Tensor:
            return t if self.norm is None or point != place else ctx.norm(self.norm, t, learned, i)

        weight = learned["weight"]
        if isinstance(self.norm, WeightStandardisation):
            weight = self.norm.standardised(weight, learned)
        h = normed(linear(normed(stream, "input"), weight, learned["bias"]), "pre_activation")
        y = normed(ctx.activate(self.activation, h, learned.get("slope")), "post_activation")
        if self.norm is not None and self._norms_after and i > 0:
            after = {name.removeprefix("after_"): value for name, value in learned.items() if name.startswith("after_")}
            y = ctx.norm(self.norm, y, after, self.arch.depth + i)
        y = ctx.drop(y, i)
        if form == "layer_scale" and i > 0:
            y = learned["layer_scale"].unsqueeze(1) * y
        if form != "none" and i > 0:
            if self.arch.stream_gain != 1:
                stream = self.arch.stream_gain * stream
            y = stream + (learned["scale"].unsqueeze(2) * y if self.learns_scale else self.scale * y)
        y = normed(y, "stream")
        return (y,), y

    def by_hand(self, params: Params, grads: Params, batch: int) -> ByHand | None:
        """Return the chain by hand where no block has a norm or a scaled stream, and no table is learned."""
        if self.norm is not None or self._embedding or self.arch.residual in ("layer_scale", "deepnorm"):
            return None
        scale = None if self.arch.residual == "none" else self.scale
        return by_hand(params, grads, self.activation, scale, batch)

    def leave(self, params: Params, top: Tensor) -> Tensor:
        """Return the readout of the last block's output."""
        return linear(top, params[-1]["weight"], params[-1]["bias"])
