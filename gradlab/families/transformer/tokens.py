"""The way into a transformer: tokens of an image, of numbers or of indices, and their positions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.families.network import Architecture
from gradlab.families.transformer.factors import Factors
from gradlab.nn.embedding import embed
from gradlab.nn.inits import bias_draw, weight_draw
from gradlab.nn.linear import linear
from gradlab.nn.parameters import Draw, Parameter

__all__ = ["Entry", "patches", "sinusoids"]

_POSITION_STD = 0.02
"""Deviation of learned positions at the start, as in BERT, GPT-2 and ViT."""


class Entry:
    """Maps inputs to tokens `[R, N, T, D]`: a linear map of each step's or patch's numbers, or rows of a table."""

    def __init__(self, arch: Architecture, factors: Factors) -> None:
        options = arch.options
        self.arch, self._factor = arch, factors.embedding
        self._patch: int = options["patch"]
        self._std: float = options["embedding_std"] * factors.embedding
        self.positions: str = options["positions"]
        if arch.seq_len is not None:
            self.tokens, self._features = arch.seq_len, arch.in_features
        else:
            if not arch.shape or any(side % self._patch for side in arch.shape[1:]):
                raise ValueError(f"patches of {self._patch} do not fit samples of shape {arch.shape}")
            self.tokens = math.prod(side // self._patch for side in arch.shape[1:])
            self._features = arch.shape[0] * self._patch ** (len(arch.shape) - 1)

    def parameters(self) -> dict[str, Parameter]:
        """Return what it learns."""
        width, fan_in = self.arch.width, self._features
        if self.arch.vocabulary:
            std = self._std
            draw = Draw(lambda start, z: std * z, ("embedding",))
            parameters = {"embedding": Parameter((sum(self.arch.vocabulary), width), "table", "enter", (draw,))}
        else:
            draw = weight_draw("enter", gain=self._factor)
            parameters = {
                "weight": Parameter((width, fan_in), "matrix", "enter", (draw,), fan_in, width),
                "bias": Parameter((width,), "bias", "enter", (bias_draw(fan_in, "enter"),), fan_in, width),
            }
        if self.positions == "learned":
            draw = Draw(lambda start, z: _POSITION_STD * z, ("positions",))
            parameters["positions"] = Parameter((self.tokens, width), "table", "enter", (draw,))
        return parameters

    def __call__(self, inputs: Tensor, learned: dict[str, Tensor]) -> Tensor:
        """Return the tokens of `[R, N, I]` pixels, or `[R, N, T, I]` numbers or indices."""
        if self.arch.vocabulary:
            tokens = embed(inputs, learned["embedding"], self.arch.vocabulary).sum(-2)
        else:
            steps = inputs if inputs.ndim == 4 else patches(inputs, self.arch.shape, self._patch)
            tokens = linear(steps.flatten(1, 2), learned["weight"], learned["bias"]).view(*steps.shape[:3], -1)
        if self.positions == "learned":
            return tokens + learned["positions"].unsqueeze(1)
        if self.positions == "sinusoidal":
            return tokens + sinusoids(self.tokens, self.arch.width, tokens)
        return tokens


def patches(images: Tensor, shape: Sequence[int], patch: int) -> Tensor:
    """Return the patches of images `[R, N, I]` in reading order, `[R, N, T, C * patch^d]`, channel after channel.

    `shape` is that of an image: channels C, then d axes of positions, which `patch` divides.
    """
    replicas, batch, _ = images.shape
    channels, *sides = shape
    split = [part for side in sides for part in (side // patch, patch)]
    x = images.reshape(replicas, batch, channels, *split)
    places = range(3, 3 + len(split), 2)
    x = x.permute(0, 1, *places, 2, *(place + 1 for place in places))
    return x.reshape(replicas, batch, math.prod(side // patch for side in sides), channels * patch ** len(sides))


def sinusoids(tokens: int, width: int, like: Tensor) -> Tensor:
    """Return the positions of Vaswani 2017 (section 3.5), `[T, D]`: sin(t/10000^(2i/D)) and cos of it in turn."""
    place = torch.arange(tokens, dtype=torch.float64, device=like.device).unsqueeze(1)
    pair = torch.arange(0, width, 2, dtype=torch.float64, device=like.device)
    angle = place * torch.exp(-math.log(10_000.0) / width * pair)
    return torch.stack([angle.sin(), angle.cos()], 2).flatten(1)[:, :width].to(like.dtype)
