"""The attention between the tokens of a sequence, as a branch of a transformer's block.

With queries, keys and values q, k, v of every head, d the dimensions of a head and D the width, a token becomes

- ``softmax``: softmax(q kᵀ/√d) v (Vaswani 2017, arXiv 1706.03762)
- ``shaped``: (I + softmax(q kᵀ/√(d·D)) - C) v, C the softmax of zeros under the same mask, so that a token keeps itself
  and nothing else where q = 0 (Noci 2023, arXiv 2306.17759, with τ_0 = 1)

and all heads together go through the last matrix. `qk_norm` is an RMS norm of q and k over the dimensions of a head,
with scales that all heads share (after Dehghani 2023, arXiv 2302.05442); `softcap` c turns scores s into c·tanh(s/c)
(Gemma 2, arXiv 2408.00118).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from gradlab.families.network import Architecture, Context
from gradlab.families.transformer.by_hand import MOST_TOKENS, mixed
from gradlab.families.transformer.factors import Factors
from gradlab.nn.inits import bias_draw, weight_draw
from gradlab.nn.linear import linear
from gradlab.nn.parameters import Parameter

__all__ = ["Attention"]

_EPS = 1e-5
"""Of the norm of queries and keys."""
_PROJECTIONS = ("query", "key", "value")


class Attention:
    """The map of a branch, `[R, N, T, D]` to the same."""

    def __init__(self, arch: Architecture, causal: bool, factors: Factors) -> None:
        options = arch.options
        self.heads: int = options["heads"]
        if arch.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide the width {arch.width}")
        self.width, self.causal = arch.width, causal
        self.size = arch.width // self.heads
        self.shaped: bool = options["attention"] == "shaped"
        self.softcap: float = options["softcap"]
        self.qk_norm: bool = options["qk_norm"]
        qk, vo = options["qk_gain"], options["vo_gain"]
        self._gains = {"query": qk, "key": qk, "value": vo * factors.inner, "output": vo * factors.last}

    def parameters(self, block: int) -> dict[str, Parameter]:
        """Return what it learns in a block."""
        width = self.width
        parameters: dict[str, Parameter] = {}
        for name, gain in self._gains.items():
            draw = weight_draw("attention", branch=block if name == "output" else None, gain=gain)
            parameters[name] = Parameter((width, width), "matrix", block, (draw,), width, width, profiled=True)
            parameters[f"{name}_bias"] = Parameter(
                (width,), "bias", block, (bias_draw(width, "attention"),), width, width
            )
        if self.qk_norm:
            parameters |= {f"{name}_norm": Parameter((self.size,), "norm", block, 1.0) for name in ("query", "key")}
        return parameters

    def __call__(self, x: Tensor, learned: dict[str, Tensor], ctx: Context) -> Tensor:
        """Return what every token gets from those that it sees."""
        replicas, batch, tokens, width = x.shape
        # one product for all three: the matrices are small beside the tokens, and stay parameters of their own
        weight = torch.cat([learned[name] for name in _PROJECTIONS], 1)
        bias = torch.cat([learned[f"{name}_bias"] for name in _PROJECTIONS], 1)
        joint = linear(x.flatten(1, 2), weight, bias)
        plain = ctx.mode != "probe" and not self.shaped and not self.softcap  # a probe looks at the weights
        if plain and not self.qk_norm and tokens <= MOST_TOKENS and x.device.type == "cpu":
            mix = mixed(joint, batch, self.heads, self.causal)
        else:
            q, k, v = joint.view(replicas, batch, tokens, 3, self.heads, self.size).unbind(3)
            if self.qk_norm:
                q, k = self._normed(q, learned["query_norm"]), self._normed(k, learned["key_norm"])
            q, k, v = (part.transpose(2, 3) for part in (q, k, v))
            mix = self._by_torch(q, k, v) if plain else self._weighted(q, k, v, ctx)
            mix = mix.transpose(2, 3).reshape(replicas, batch * tokens, width)
        return linear(mix, learned["output"], learned["output_bias"]).view(x.shape)

    def _normed(self, x: Tensor, scale: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], eps=_EPS) * scale.view(-1, 1, 1, 1, self.size)

    def _by_torch(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v, shape = q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), q.shape
        return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal).view(shape)

    def _weighted(self, q: Tensor, k: Tensor, v: Tensor, ctx: Context) -> Tensor:
        """Return what the tokens of each head get, `[R, N, heads, T, d]`."""
        scores = q @ k.mT / math.sqrt(self.size * (self.width if self.shaped else 1))
        if self.softcap:
            scores = self.softcap * torch.tanh(scores / self.softcap)
        tokens = scores.shape[-1]
        visible = scores.new_ones(tokens, tokens)
        later = None
        if self.causal:
            later = torch.ones_like(visible, dtype=torch.bool).triu(1)
            visible = visible.tril()
        weights = ctx.attend(scores, later)
        if not self.shaped:
            return weights @ v
        return v + (weights - visible / visible.sum(1, keepdim=True)) @ v
