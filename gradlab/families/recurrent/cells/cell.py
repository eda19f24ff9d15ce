"""What every kind of cell can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradlab.components import Named
from gradlab.nn.activations import activation
from gradlab.nn.embedding import embed
from gradlab.nn.linear import linear
from gradlab.nn.norms import Norm

__all__ = ["Cell", "Own", "Seen", "State", "affine", "cuts", "recurred"]

Own = dict[str, Tensor]
"""The parameters of one layer by name, each `[R, *shape]`."""

State = tuple[Tensor, ...]
"""h, of an LSTM (h, c): each `[R, N, H]`."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a probe wants to know of one step."""

    gates: Tensor | None
    """Values of the sigmoid gates, `[R, N, number * H]`; None where the cell has none."""
    before: Tensor
    """What the activation is applied to (in a gated cell, that of the candidate), `[R, N, H]`."""
    after: Tensor | None
    """The activation of that, in one graph with it; None where it was done for all steps at once."""


def cuts(steps: int, truncate: int) -> frozenset[int]:
    """Return the steps whose incoming state is detached: every `truncate` of them, counted from the last step.

    A loss of the last step then sees exactly `truncate` steps. None are cut where `truncate` is 0.
    """
    return frozenset(range(steps - truncate, 0, -truncate)) if truncate else frozenset()


class Cell(ABC):
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

    def _normed(self, name: str, x: Tensor, own: Own) -> Tensor:
        """Return `x` under the norm of that name, or as it is."""
        if self.norm is None:
            return x
        return self.norm(x, {key: own[f"{name}_{key}"] for key in self.norm.names}, None, "probe")

    def _norm_shapes(self, **sizes: int) -> dict[str, tuple[int, ...]]:
        if self.norm is None:
            return {}
        return {f"{name}_{key}": (size,) for name, size in sizes.items() for key in self.norm.names}

    def _matrices(self, inputs: int, width: int) -> dict[str, tuple[int, ...]]:
        rows = len(self.blocks) * width
        return {"weight": (rows, width), "input_weight": (rows, inputs), "bias": (rows,)} | self._learned()

    def _learned(self) -> dict[str, tuple[int, ...]]:
        return {} if self.activation.start is None else {"slope": (1,)}

    def _activate(self, before: Tensor, own: Own) -> Tensor:
        return self.activation(before, own.get("slope"))

    def _is_standard(self) -> bool:
        """Whether this is the cell of torch.nn, with tanh and without norms."""
        return self.norm is None and self.act.name == "tanh"

    @abstractmethod
    def shapes(self, inputs: int, width: int) -> dict[str, tuple[int, ...]]:
        """Return the parameters of a layer; ``weight`` is the recurrent matrix `[G, H]`."""

    @abstractmethod
    def project(self, x: Tensor, own: Own, vocabulary: Sequence[int]) -> Tensor:
        """Return what the inputs `[R, M, I]` of any M steps and samples bring to their steps, `[R, M, rows]`."""

    @abstractmethod
    def step(self, projected: Tensor, state: State, own: Own) -> tuple[State, Seen]:
        """Return the next state; `projected` is `[R, N, rows]`."""

    @abstractmethod
    def by_hand(self, x: Tensor, own: Own, vocabulary: Sequence[int], cut: frozenset[int], last: bool) -> Tensor | None:
        """Return what `sequence` does by `sequence`; None where that does not have this form of the cell."""

    def sequence(self, x: Tensor, own: Own, vocabulary: Sequence[int], cut: frozenset[int], last: bool) -> Tensor:
        """Return h of every step, `[R, T, N, H]`, or, where `last`, of the last one, `[R, N, H]`.

        `x` are the inputs `[R, T, N, I]`; `cut` are the steps whose incoming state is detached.
        """
        found = self.by_hand(x, own, vocabulary, cut, last)
        return self.stepwise(x, own, vocabulary, cut, last) if found is None else found

    def _all_projected(self, x: Tensor, own: Own, vocabulary: Sequence[int]) -> Tensor:
        return self.project(x.flatten(1, 2), own, vocabulary).view(*x.shape[:3], -1)

    def _joined(self, x: Tensor, own: Own, vocabulary: Sequence[int]) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Return inputs, what is brought to the rows, and the joined weights `[R, G, H + I + 1]` for `sequence`."""
        weight = own["weight"]
        if vocabulary:  # a look-up is no matrix product: its rows, with the bias, are added
            joined = torch.cat([weight, torch.zeros_like(weight[..., :1])], -1)
            return None, self._all_projected(x, own, vocabulary), joined
        return x, None, torch.cat([weight, own["input_weight"], own["bias"].unsqueeze(2)], -1)

    def stepwise(self, x: Tensor, own: Own, vocabulary: Sequence[int], cut: frozenset[int], last: bool) -> Tensor:
        """Return what `sequence` does by plain autograd, step by step."""
        weight = own["weight"]
        state: State = (weight.new_zeros(len(x), x.shape[2], weight.shape[-1]),) * self.states
        outputs = []
        for t, projected in enumerate(self._all_projected(x, own, vocabulary).unbind(1)):
            if t in cut:
                state = tuple(part.detach() for part in state)
            state, _ = self.step(projected, state, own)
            outputs.append(state[0])
        return outputs[-1] if last else torch.stack(outputs, 1)


def affine(x: Tensor, weight_RGI: Tensor, bias_RG: Tensor | None, vocabulary: Sequence[int]) -> Tensor:
    """Return ``U x + b`` of inputs `[R, M, I]`, or of the one-hot vectors that indices stand for."""
    if vocabulary:
        y = embed(x, weight_RGI.transpose(1, 2), vocabulary).sum(-2)
        return y if bias_RG is None else y + bias_RG.unsqueeze(1)
    return torch.bmm(x, weight_RGI.transpose(1, 2)) if bias_RG is None else linear(x, weight_RGI, bias_RG)


def recurred(h: Tensor, weight: Tensor) -> Tensor:
    """Return ``W h``."""
    return torch.bmm(h, weight.transpose(1, 2))
