"""The kinds of cells, as their papers write them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.families.network import Context, State
from gradlab.families.recurrent import sequence
from gradlab.families.recurrent.cells.base import Learned, Options, RecurrentCell, affine, recurred
from gradlab.nn.embedding import one_hot
from gradlab.nn.linear import linear
from gradlab.nn.parameters import Parameter

__all__ = ["CELLS"]


class Vanilla(RecurrentCell):
    """h' = act(norm(U x + W h + b)) (Elman 1990)."""

    def parameters(self, layer: int, inputs: int, width: int, options: Options) -> dict[str, Parameter]:
        return self._matrices(layer, inputs, width, options) | self._norms(layer, sum=width)

    def project(self, x: Tensor, learned: Learned, vocabulary: Sequence[int], ctx: Context) -> Tensor:
        return affine(x, learned["input_weight"], learned["bias"], vocabulary)

    def step(self, projected: Tensor, state: State, learned: Learned, ctx: Context) -> State:
        before = torch.baddbmm(projected, state[0], learned["weight"].transpose(1, 2))
        before = self._normed("sum", before, learned)
        return (self._activate(before, learned, ctx),)

    def by_hand(
        self, x: Tensor, learned: Learned, vocabulary: Sequence[int], cut: frozenset[int], last: bool, ctx: Context
    ) -> Tensor | None:
        if self.norm is not None or self.activation.start is not None:
            return None
        return sequence.vanilla(*self._joined(x, learned, vocabulary, ctx), self.act, cut, last)


class LSTM(RecurrentCell):
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers 2000, as torch.nn.LSTM: rows o, i, f, g.

    c' = f c + i act(g), h' = o act(norm(c')), with o, i, f behind a sigmoid.
    """

    blocks = ("output", "input", "forget", "candidate")
    candidate = 3
    memory = 2
    states = 2

    def parameters(self, layer: int, inputs: int, width: int, options: Options) -> dict[str, Parameter]:
        return self._matrices(layer, inputs, width, options) | self._norms(
            layer, inputs=4 * width, hidden=4 * width, cell=width
        )

    def project(self, x: Tensor, learned: Learned, vocabulary: Sequence[int], ctx: Context) -> Tensor:
        if self.norm is None:
            return affine(x, learned["input_weight"], learned["bias"], vocabulary)
        mapped = self._normed("inputs", affine(x, learned["input_weight"], None, vocabulary), learned)
        return mapped + learned["bias"].unsqueeze(1)

    def step(self, projected: Tensor, state: State, learned: Learned, ctx: Context) -> State:
        h, c = state
        rows = projected + self._normed("hidden", recurred(h, learned["weight"]), learned)
        width = h.shape[-1]
        o, i, f = ctx.gate(rows[..., : 3 * width]).chunk(3, -1)
        c = f * c + i * self._activate(rows[..., 3 * width :], learned, ctx)
        return o * self.activation(self._normed("cell", c, learned), learned.get("slope")), c

    def by_hand(
        self, x: Tensor, learned: Learned, vocabulary: Sequence[int], cut: frozenset[int], last: bool, ctx: Context
    ) -> Tensor | None:
        if not self._is_standard():
            return None
        if not self.one_by_one(learned, vocabulary, x.shape[1], cut):
            return sequence.lstm(*self._joined(x, learned, vocabulary, ctx), cut, last)
        inputs = one_hot(x, vocabulary, learned["weight"].dtype) if vocabulary else x
        return sequence.kernel_lstm(inputs, learned["weight"], learned["input_weight"], learned["bias"], cut, last)

    def one_by_one(self, learned: Learned, vocabulary: Sequence[int], steps: int, cut: frozenset[int]) -> bool:
        return self._is_standard() and sequence.prefers_kernel(learned["weight"], vocabulary, steps, cut)


class GRU(RecurrentCell):
    """Cho 2014 as torch.nn.GRU has it, the reset gate behind the recurrent map: rows r, z, n.

    n = act(U_n x + b_n + r (W_n h + hidden_bias)), h' = (1 - z) n + z h.
    """

    blocks = ("reset", "update", "candidate")
    candidate = 2
    memory = 1

    def parameters(self, layer: int, inputs: int, width: int, options: Options) -> dict[str, Parameter]:
        norms = self._norms(
            layer, inputs_gates=2 * width, inputs_candidate=width, hidden_gates=2 * width, hidden_candidate=width
        )
        hidden = Parameter((width,), "bias", layer, self._biases("hidden_bias", layer, width, options), width)
        return self._matrices(layer, inputs, width, options) | {"hidden_bias": hidden} | norms

    def project(self, x: Tensor, learned: Learned, vocabulary: Sequence[int], ctx: Context) -> Tensor:
        if self.norm is None:
            return affine(x, learned["input_weight"], learned["bias"], vocabulary)
        mapped = affine(x, learned["input_weight"], None, vocabulary)
        two = 2 * learned["hidden_bias"].shape[-1]
        gates, candidate = mapped[..., :two], mapped[..., two:]
        normed = [self._normed("inputs_gates", gates, learned), self._normed("inputs_candidate", candidate, learned)]
        return torch.cat(normed, -1) + learned["bias"].unsqueeze(1)

    def step(self, projected: Tensor, state: State, learned: Learned, ctx: Context) -> State:
        (h,) = state
        two = 2 * h.shape[-1]
        mapped = recurred(h, learned["weight"])
        r, z = ctx.gate(projected[..., :two] + self._normed("hidden_gates", mapped[..., :two], learned)).chunk(2, -1)
        inner = self._normed("hidden_candidate", mapped[..., two:], learned) + learned["hidden_bias"].unsqueeze(1)
        n = self._activate(projected[..., two:] + r * inner, learned, ctx)
        return (torch.lerp(n, h, z),)

    def by_hand(
        self, x: Tensor, learned: Learned, vocabulary: Sequence[int], cut: frozenset[int], last: bool, ctx: Context
    ) -> Tensor | None:
        if not self._is_standard():
            return None
        inputs, brought, joined = self._joined(x, learned, vocabulary, ctx)
        width = joined.shape[1] // 3
        gates, candidate = joined[:, : 2 * width], joined[:, 2 * width :]
        # the reset gate comes between what the state and what the input bring to the candidate: rows of their own
        state, input_columns = candidate[..., :width], candidate[..., width:]
        hidden = torch.cat([state, torch.zeros_like(input_columns[..., :-1]), learned["hidden_bias"].unsqueeze(2)], -1)
        joined = torch.cat([gates, hidden, torch.cat([torch.zeros_like(state), input_columns], -1)], 1)
        if brought is not None:
            gates, candidate = brought[..., : 2 * width], brought[..., 2 * width :]
            brought = torch.cat([gates, torch.zeros_like(candidate), candidate], -1)
        return sequence.gru(inputs, brought, joined, cut, last)


class Minimal(RecurrentCell):
    """MinimalRNN (Chen 2017, arXiv 1711.06788): one gate, and a candidate that depends on the input alone.

    z = act(U x + b_z), u = sigmoid(norm(W h + V z + b)), h' = u h + (1 - u) z.
    """

    blocks = ("update",)
    memory = 0

    def parameters(self, layer: int, inputs: int, width: int, options: Options) -> dict[str, Parameter]:
        shared = self._matrices(layer, inputs, width, options)
        bias = self._biases("input_bias", layer, width, options)
        return {
            "weight": shared["weight"],
            "input_weight": shared["input_weight"],
            "input_bias": Parameter((width,), "bias", layer, bias, width),
            "inner_weight": self._input_matrix("inner_weight", layer, width, width, options),
            "bias": shared["bias"],
            **self._norms(layer, sum=width),
            **self._learned(layer),
        }

    def project(self, x: Tensor, learned: Learned, vocabulary: Sequence[int], ctx: Context) -> Tensor:
        z = self._activate(affine(x, learned["input_weight"], learned["input_bias"], vocabulary), learned, ctx)
        return torch.cat([linear(z, learned["inner_weight"], learned["bias"]), z], -1)

    def step(self, projected: Tensor, state: State, learned: Learned, ctx: Context) -> State:
        (h,) = state
        gate, z = projected.chunk(2, -1)
        u = ctx.gate(self._normed("sum", torch.baddbmm(gate, h, learned["weight"].transpose(1, 2)), learned))
        return (torch.lerp(z, h, u),)

    def by_hand(
        self, x: Tensor, learned: Learned, vocabulary: Sequence[int], cut: frozenset[int], last: bool, ctx: Context
    ) -> Tensor | None:
        if self.norm is not None:
            return None
        z = self._activate(
            affine(x.flatten(1, 2), learned["input_weight"], learned["input_bias"], vocabulary), learned, ctx
        )
        joined = torch.cat([learned["weight"], learned["inner_weight"], learned["bias"].unsqueeze(2)], -1)
        return sequence.minimal(z.view(*x.shape[:3], -1), joined, cut, last)


CELLS: dict[str, type[RecurrentCell]] = {"rnn": Vanilla, "lstm": LSTM, "gru": GRU, "minimal_rnn": Minimal}
