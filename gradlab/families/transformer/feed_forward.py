"""The MLP of a transformer's block, for each token by itself: W_2 act(W_1 x), or gated W_2 (act(W_g x) · W_1 x).

The gated form with silu is SwiGLU (Shazeer 2020, arXiv 2002.05202).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gradlab.families.network import ActivationMap, Architecture, Context
from gradlab.families.transformer.by_hand import feed_forward
from gradlab.families.transformer.factors import Factors
from gradlab.nn.inits import bias_draw, weight_draw
from gradlab.nn.linear import linear
from gradlab.nn.parameters import Parameter

__all__ = ["FeedForward"]


class FeedForward:
    """The map of a branch, `[R, N, T, D]` to the same."""

    def __init__(self, arch: Architecture, activation: ActivationMap, factors: Factors) -> None:
        options = arch.options
        self.width, self.hidden = arch.width, options["ff"] * arch.width
        self.gated: bool = options["gate"]
        self.activation = activation
        self._first, self._last = options["in_gain"] * factors.inner, options["out_gain"] * factors.last
        self._gate = factors.inner

    def parameters(self, block: int) -> dict[str, Parameter]:
        """Return what it learns in a block."""

        def linear_map(name: str, fan_in: int, fan_out: int, gain: float) -> dict[str, Parameter]:
            stream = "gate" if name == "gate" else "feed_forward"
            draw = weight_draw(stream, branch=block if name == "second" else None, gain=gain)
            bias = (bias_draw(fan_in, stream),)
            return {
                name: Parameter((fan_out, fan_in), "matrix", block, (draw,), fan_in, fan_out, profiled=True),
                f"{name}_bias": Parameter((fan_out,), "bias", block, bias, fan_in, fan_out),
            }

        parameters = linear_map("gate", self.width, self.hidden, self._gate) if self.gated else {}
        parameters |= linear_map("first", self.width, self.hidden, self._first)
        parameters |= linear_map("second", self.hidden, self.width, self._last)
        if self.activation.start is not None:
            parameters["slope"] = Parameter((1,), "scalar", block, self.activation.start)
        return parameters

    def __call__(self, x: Tensor, learned: dict[str, Tensor], ctx: Context) -> Tensor:
        """Return the MLP of every token."""
        rows = x.flatten(1, 2)
        if ctx.mode != "probe" and not self.gated and self.activation.in_place:  # a probe looks at the activations
            return feed_forward(rows, learned, self.activation).view(x.shape)
        if self.gated:
            weight = torch.cat([learned["gate"], learned["first"]], 1)
            gate, up = linear(rows, weight, torch.cat([learned["gate_bias"], learned["first_bias"]], 1)).chunk(2, 2)
            hidden = ctx.activate(self.activation, gate, learned.get("slope")) * up
        else:
            hidden = ctx.activate(
                self.activation, linear(rows, learned["first"], learned["first_bias"]), learned.get("slope")
            )
        return linear(hidden, learned["second"], learned["second_bias"]).view(x.shape)
