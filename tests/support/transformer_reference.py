"""Transformers at initialisation in plain torch, float64: what theory is held against."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import layer_norm, normalize

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """A transformer without shifts or scales in its norms; gains are variances of weights x fan_in."""

    form: str = "pre_norm"
    blocks: int = 12
    width: int = 256
    hidden: int = 4
    heads: int = 4
    tokens: int = 32
    samples: int = 2
    query: float = 1.0
    key: float = 1.0
    value: float = 1.0
    output: float = 1.0
    first: float = 2.0
    second: float = 1.0
    gated: float | None = None
    biases: float = 0.0
    """Mean square of the biases of queries, values, output and both layers of the MLP."""
    normed: bool = False
    alpha: float = 1.0
    scale: float = 1.0
    attention: bool = True
    mlp: bool = True
    activation: Callable[[Tensor], Tensor] = torch.relu
    cotangent: str = "token"
    cosine: float = 0.0
    """Between two tokens of the input."""
    keep: float = 1.0
    """Of dropout on attention weights, hidden units and branches."""
    final_norm: bool = False
    causal: bool = False


@dataclass(frozen=True)
class Means:
    """Over seeds: means and standard deviations of one seed, bottom first; input and blocks, `[1 + L]`."""

    log_norm: Floats
    log_norm_sd: Floats
    """Of ln g_l - ln g_L."""
    cosine: Floats
    variance: Floats
    common: Floats
    entropy: Floats
    """`[L]`"""
    log_weight_grad: Floats
    """Of W2 of each block, ln of the root mean square of an element, `[L]`."""


def simulated(setting: Setting, seeds: int) -> Means:
    rows = [_network(setting, seed) for seed in range(seeds)]
    logs, cosine, variance, common, entropy, weights = (np.array([row[i] for row in rows]) for i in range(len(rows[0])))
    relative = logs - logs[:, -1:]
    return Means(
        relative.mean(0), relative.std(0, ddof=min(1, seeds - 1)), cosine.mean(0), variance.mean(0), common.mean(0),
        entropy.mean(0), weights.mean(0),
    )  # fmt: skip


def _network(setting: Setting, seed: int) -> tuple[list[float], ...]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def linear(x: Tensor, out: int, gain: float, bias: float = 0.0) -> Tensor:
        y = x @ (normal(out, x.shape[-1]) * math.sqrt(gain / x.shape[-1])).T
        return y + normal(out) * math.sqrt(bias) if bias else y

    def dropped(x: Tensor) -> Tensor:
        if setting.keep == 1:
            return x
        return x * (torch.rand(x.shape, generator=generator, dtype=torch.float64) < setting.keep) / setting.keep

    samples, tokens, width, heads = setting.samples, setting.tokens, setting.width, setting.heads
    entropy: list[float] = []
    weights: list[Tensor] = []

    def attention(x: Tensor) -> Tensor:
        q, k, v = (
            linear(x, width, gain, bias).view(samples, tokens, heads, -1).transpose(1, 2)
            for gain, bias in ((setting.query, setting.biases), (setting.key, 0.0), (setting.value, setting.biases))
        )
        if setting.normed:
            q, k = (normalize(y, dim=-1) * math.sqrt(width // heads) for y in (q, k))
        scores = q @ k.transpose(-1, -2) / math.sqrt(width // heads)
        if setting.causal:
            scores = scores.masked_fill(~torch.ones(tokens, tokens, dtype=torch.bool).tril(), -math.inf)
        a = torch.softmax(scores, -1)
        entropy.append(float(-(a * a.clamp_min(1e-300).log()).sum(-1).mean().detach()) / math.log(max(2, tokens)))
        mixed = (dropped(a) @ v).transpose(1, 2).reshape(samples, tokens, width)
        return linear(mixed, width, setting.output, setting.biases)

    def mlp(x: Tensor) -> Tensor:
        inner = setting.hidden * width
        h = setting.activation(linear(x, inner, setting.first, setting.biases))
        if setting.gated is not None:
            h = h * linear(x, inner, setting.gated)
        weights.append((normal(width, inner) * math.sqrt(setting.second / inner)).requires_grad_())
        y = dropped(h) @ weights[-1].T
        return y + normal(width) * math.sqrt(setting.biases) if setting.biases else y

    def norm(x: Tensor) -> Tensor:
        return layer_norm(x, x.shape[-1:])

    c = setting.cosine
    x = math.sqrt(c) * normal(samples, 1, width) + math.sqrt(1 - c) * normal(samples, tokens, width)
    streams = [x.requires_grad_()]
    for _ in range(setting.blocks):
        for branch in [attention] * setting.attention + [mlp] * setting.mlp:
            read = norm(x) if setting.form in ("pre_norm", "sandwich") else x
            y = dropped(branch(read))
            if setting.form == "sandwich":
                y = norm(y)
            x = y if setting.form == "none" else setting.alpha * x + setting.scale * y
            if setting.form in ("post_norm", "deepnorm"):
                x = norm(x)
        streams.append(x)
    out = norm(x) if setting.final_norm else x
    if setting.cotangent == "common":
        cotangent = normal(samples, 1, width).expand_as(out)
    else:
        cotangent = normal(samples, tokens, width)
    gradients = torch.autograd.grad(out, streams + weights, cotangent)
    grads, weight_grads = gradients[: len(streams)], gradients[len(streams) :]
    directions = [normalize(stream.detach(), dim=-1) for stream in streams]
    return (
        [float(g.norm().log()) for g in grads],
        [float((d.sum(1).square().sum(-1) - tokens).mean()) / max(1, tokens * (tokens - 1)) for d in directions],
        [float(stream.detach().square().mean()) for stream in streams],
        [float(g.mean(1).square().sum() * tokens / g.square().sum()) for g in grads],
        entropy,
        [float((g.square().mean() / samples).log()) / 2 for g in weight_grads],
    )
