"""What every kind of cell can do."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradlab.components import Named
from gradlab.families.network import Context, State
from gradlab.nn.activations import activation
from gradlab.nn.embedding import embed
from gradlab.nn.inits import bias_draw, weight_draw
from gradlab.nn.linear import linear
from gradlab.nn.norms import Norm, parameters
from gradlab.nn.parameters import Draw, Parameter, Start
from gradlab.streams import generator

__all__ = ["Learned", "RecurrentCell", "State", "affine", "cuts", "recurred"]

Learned = dict[str, Tensor]
"""The parameters of one layer by name, each `[R, *shape]`."""

Options = Mapping[str, Any]
"""The parameters of the model, and ``features``, I of its inputs."""


def cuts(steps: int, truncate: int) -> frozenset[int]:
    """Return the steps whose incoming state is detached: every `truncate` of them, counted from the last step.

    A loss of the last step then sees exactly `truncate` steps. None are cut where `truncate` is 0.
    """
    return frozenset(range(steps - truncate, 0, -truncate)) if truncate else frozenset()


class RecurrentCell(ABC):
    """A kind of cell. It owns no parameters."""

    blocks: tuple[str, ...] = ("candidate",)
    """Names of the H x H blocks of the recurrent matrix, in the order of its rows."""
    candidate: int = 0
    """The block that carries the state to the next candidate: whose spectral radius is recorded."""
    memory: int | None = None
    """The block of the gate that keeps the state where it is open."""
    states: int = 1
    """Tensors in a state."""

    def __init__(self, act: Named, norm: Norm | None) -> None:
        self.act, self.norm = act, norm
        self.activation = activation(act)

    def _normed(self, name: str, x: Tensor, learned: Learned) -> Tensor:
        """Return `x` under the norm of that name, or as it is."""
        if self.norm is None:
            return x
        return self.norm(x, {key: learned[f"{name}_{key}"] for key in self.norm.starts}, None, "probe")

    def _norms(self, layer: int, **sizes: int) -> dict[str, Parameter]:
        return {
            f"{name}_{key}": parameter
            for name, size in sizes.items()
            for key, parameter in parameters(self.norm, size, layer).items()
        }

    def _matrices(self, layer: int, inputs: int, width: int, options: Options) -> dict[str, Parameter]:
        """Return the recurrent matrix ``weight``, whose H x H blocks are drawn by themselves, that of the inputs, and
        the biases."""
        recurrent = tuple(weight_draw("recurrent", layer, block, rows=width) for block in self.blocks)
        rows = len(self.blocks) * width
        return {
            "weight": Parameter((rows, width), "matrix", layer, recurrent, width, width, profiled=True),
            "input_weight": self._input_matrix("input_weight", layer, inputs, width, options),
            "bias": Parameter((rows,), "bias", layer, self._biases("bias", layer, width, options), width),
        } | self._learned(layer)

    def _input_matrix(self, name: str, layer: int, inputs: int, width: int, options: Options) -> Parameter:
        """Of indices I entries of the joined one-hot vectors are 1, whatever the vocabulary: that is the fan."""
        fan_in = options["features"] if layer == 0 and name == "input_weight" else width
        gain = options["input_gain"] if name == "input_weight" else 1.0
        columns = inputs if name == "input_weight" else width
        blocks = self.blocks if name == "input_weight" else self.blocks[:1]

        def rule(start: Start, z: Tensor) -> Tensor:
            return gain / math.sqrt(fan_in) * z

        draws = tuple(Draw(rule, (name, layer, block), width) for block in blocks)
        return Parameter((len(blocks) * width, columns), "matrix", layer, draws, fan_in, width)

    def _biases(self, name: str, layer: int, width: int, options: Options) -> tuple[Draw, ...]:
        """Return the draws of the biases, those of the gate that keeps the state as `forget_bias` or `chrono` say."""
        blocks = self.blocks if name == "bias" else ("candidate" if len(self.blocks) > 1 else self.blocks[0],)
        memory = self.blocks[self.memory] if name == "bias" and self.memory is not None else ""
        longest = options["chrono"] if memory else 0
        draws = []
        for block in blocks:
            if longest and block == memory:
                draws.append(_chrono(layer, longest, width, 1.0))
            elif longest and block == "input" and "forget" in blocks:
                draws.append(_chrono(layer, longest, width, -1.0))
            else:
                shift = options.get("forget_bias", 0.0) if block == memory else 0.0
                draws.append(bias_draw(width, name, layer, block, rows=width, shift=shift))
        return tuple(draws)

    def _learned(self, layer: int) -> dict[str, Parameter]:
        start = self.activation.start
        return {} if start is None else {"slope": Parameter((1,), "scalar", layer, start)}

    def _activate(self, before: Tensor, learned: Learned, ctx: Context) -> Tensor:
        """Return the activation of the candidate, whose slopes a probe looks at."""
        return ctx.activate(self.activation, before, learned.get("slope"))

    def _is_standard(self) -> bool:
        """Whether this is the cell of torch.nn, with tanh and without norms."""
        return self.norm is None and self.act.name == "tanh"

    @abstractmethod
    def parameters(self, layer: int, inputs: int, width: int, options: Options) -> dict[str, Parameter]:
        """Return the parameters of a layer; ``weight`` is the recurrent matrix `[G, H]`."""

    @abstractmethod
    def project(self, x: Tensor, learned: Learned, vocabulary: Sequence[int], ctx: Context) -> Tensor:
        """Return what the inputs `[R, M, I]` of any M steps and samples bring to their steps, `[R, M, rows]`."""

    @abstractmethod
    def step(self, projected: Tensor, state: State, learned: Learned, ctx: Context) -> State:
        """Return the next state; `projected` is `[R, N, rows]`."""

    @abstractmethod
    def by_hand(
        self, x: Tensor, learned: Learned, vocabulary: Sequence[int], cut: frozenset[int], last: bool, ctx: Context
    ) -> Tensor | None:
        """Return what `along` does with a backward pass by hand; None where there is none for this form of the cell."""

    def one_by_one(self, learned: Learned, vocabulary: Sequence[int], steps: int, cut: frozenset[int]) -> bool:
        """Return whether `along` computes the replicas one after another."""
        return False

    def along(
        self, x: Tensor, learned: Learned, vocabulary: Sequence[int], cut: frozenset[int], last: bool, ctx: Context
    ) -> Tensor:
        """Return h of every step, `[R, T, N, H]`, or, where `last`, of the last one, `[R, N, H]`.

        `x` are the inputs `[R, T, N, I]`; `cut` are the steps whose incoming state is detached.
        """
        h = self.by_hand(x, learned, vocabulary, cut, last, ctx)
        return self.stepwise(x, learned, vocabulary, cut, last, ctx) if h is None else h

    def _all_projected(self, x: Tensor, learned: Learned, vocabulary: Sequence[int], ctx: Context) -> Tensor:
        return self.project(x.flatten(1, 2), learned, vocabulary, ctx).view(*x.shape[:3], -1)

    def _joined(
        self, x: Tensor, learned: Learned, vocabulary: Sequence[int], ctx: Context
    ) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Return inputs, what is brought to the rows, and the joined weights `[R, G, H + I + 1]` for `sequence`."""
        weight = learned["weight"]
        if vocabulary:  # a look-up is no matrix product: its rows, with the bias, are added
            joined = torch.cat([weight, torch.zeros_like(weight[..., :1])], -1)
            return None, self._all_projected(x, learned, vocabulary, ctx), joined
        return x, None, torch.cat([weight, learned["input_weight"], learned["bias"].unsqueeze(2)], -1)

    def stepwise(
        self, x: Tensor, learned: Learned, vocabulary: Sequence[int], cut: frozenset[int], last: bool, ctx: Context
    ) -> Tensor:
        """Return what `along` does by plain autograd, step by step."""
        weight = learned["weight"]
        state: State = (weight.new_zeros(len(x), x.shape[2], weight.shape[-1]),) * self.states
        outputs = []
        for t, projected in enumerate(self._all_projected(x, learned, vocabulary, ctx).unbind(1)):
            if t in cut:
                state = tuple(part.detach() for part in state)
            state = self.step(projected, state, learned, ctx)
            outputs.append(state[0])
        return outputs[-1] if last else torch.stack(outputs, 1)


def _chrono(layer: int, longest: int, width: int, sign: float) -> Draw:
    """ln U(1, T_max - 1), in units that forget over 1 to T_max - 1 steps (Tallec & Ollivier 2018, arXiv 1804.11188)."""

    def rule(start: Start, _: Tensor) -> Tensor:
        z = torch.randn(width, generator=generator(start.seed, "chrono", layer), dtype=torch.float64)
        uniform = (1 + torch.erf(z / math.sqrt(2))) / 2
        return sign * torch.log(1 + uniform * (longest - 2))

    return Draw(rule, ("chrono", layer, str(sign)), width)


def affine(x: Tensor, weight_RGI: Tensor, bias_RG: Tensor | None, vocabulary: Sequence[int]) -> Tensor:
    """Return ``U x + b`` of inputs `[R, M, I]`, or of the one-hot vectors that indices stand for."""
    if vocabulary:
        y = embed(x, weight_RGI.transpose(1, 2), vocabulary).sum(-2)
        return y if bias_RG is None else y + bias_RG.unsqueeze(1)
    return torch.bmm(x, weight_RGI.transpose(1, 2)) if bias_RG is None else linear(x, weight_RGI, bias_RG)


def recurred(h: Tensor, weight: Tensor) -> Tensor:
    """Return ``W h``."""
    return torch.bmm(h, weight.transpose(1, 2))
