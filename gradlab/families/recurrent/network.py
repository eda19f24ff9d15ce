"""Recurrent networks of R replicas: `depth` stacked layers of `width` units along a sequence, and a linear readout.

Layer l maps the sequence below it to its own states h_t (`cells` has the kinds) and hands up
y_t = h_t, or with the residual form ``add``, from the second layer on, y_t = x_t + s*h_t, x_t being what came from
below. Dropout is one mask for all time steps on what a layer hands up (Gal 2016, arXiv 1512.05287, without masks on
the recurrence); h_0 = 0. The readout sees the last step, or every step where the task has a target for each.

The recurrent matrix has one H x H block a gate. Each block is drawn from the init by itself; matrices of inputs
and readout are normal with variance 1/fan_in, those of inputs times `input_gain`^2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.families import FAMILIES
from gradlab.families.network import Architecture, Start, Tap
from gradlab.families.recurrent.cells import CELLS, Seen, State, cuts
from gradlab.families.recurrent.initial import fill
from gradlab.nn.layout import Layout, Params
from gradlab.nn.linear import linear
from gradlab.nn.norms import Mode, norm

__all__ = ["Recurrent"]

CHUNK_BYTES = 2**26
"""What the activations of a forward pass without gradients may take; its samples are taken in chunks of that size."""


class Recurrent:
    """One stacked recurrent network; see `models.base.Model`."""

    def __init__(self, arch: Architecture) -> None:
        self.arch = arch
        self.params = arch.model.resolve(FAMILIES)
        self.cell = CELLS[arch.model.name](arch.activation, norm(arch.norm))
        self.inputs = sum(arch.vocabulary) or arch.in_features
        """Columns of the first layer's input matrix: of indices, as many as they have values together."""
        self.learns_scale, self.scale = arch.learns_scale, arch.scale
        readout = {"weight": (arch.out_features, arch.width), "bias": (arch.out_features,)}
        self.layout = Layout([*(self._shapes(layer) for layer in range(arch.depth)), readout])

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        shapes = self.cell.shapes(self.arch.width if layer else self.inputs, self.arch.width)
        return shapes | ({"scale": (1,)} if self.learns_scale and layer else {})

    def initial(self, starts: Sequence[Start]) -> Tensor:
        """Return the flat buffer `[R, P]` of initial parameters, float64 on the CPU.

        Replicas with one seed share their normal draws, and each block of each layer has a stream of its own: a
        deeper network begins with the layers of a shallower one, a gated one with the candidate of a vanilla one.
        """
        flat_RP = torch.zeros(len(starts), self.layout.size, dtype=torch.float64)
        for row_P, start in zip(flat_RP, starts, strict=True):
            fill(row_P, self.layout, self.cell, self.arch, self.params, start)
        return flat_RP

    def running(self, replicas: int, dtype: torch.dtype, device: torch.device) -> None:
        """Return None: no norm over the batch is used along a sequence."""

    def cuts(self, steps: int) -> frozenset[int]:
        """Return the steps, 0 first, whose incoming state is detached in a sequence of so many."""
        return cuts(steps, self.params["truncate"])

    def forward(
        self,
        params: Params,
        x: Tensor,
        mode: Mode,
        *,
        running: Tensor | None = None,
        masks_LRNO: Tensor | None = None,
        tap: Tap | None = None,
    ) -> Tensor:
        """Return the readout `[R, N, C]`, or `[R, N, T, C]` of every step, for `[R, N, T, I]` numbers or indices.

        A tap is not called: `gradlab.probing` goes through the steps by itself.
        """
        if torch.is_grad_enabled():
            return self._outputs(params, x, masks_LRNO)
        rows = params[0]["bias"].shape[1]
        each = x.shape[0] * x.shape[2] * rows * params[0]["bias"].element_size() * 2
        size = max(1, CHUNK_BYTES // each)
        pieces = [
            self._outputs(params, x[:, n : n + size], None if masks_LRNO is None else masks_LRNO[:, :, n : n + size])
            for n in range(0, x.shape[1], size)
        ]
        return torch.cat(pieces, 1)

    def _outputs(self, params: Params, x_RNTI: Tensor, masks_LRNO: Tensor | None) -> Tensor:
        cut = self.cuts(x_RNTI.shape[2])
        below = x_RNTI.transpose(1, 2)
        for layer in range(self.arch.depth):
            own = params[layer]
            last = layer == self.arch.depth - 1 and not self.arch.per_step
            h = self.cell.sequence(below, own, () if layer else self.arch.vocabulary, cut, last)
            mask = None if masks_LRNO is None else masks_LRNO[layer] if last else masks_LRNO[layer].unsqueeze(1)
            below = self._hand_up(layer, own, below[:, -1] if last else below, h, mask)
        return self.readout(params, below)

    def _hand_up(self, layer: int, own: dict[str, Tensor], x: Tensor, h: Tensor, mask: Tensor | None) -> Tensor:
        y = h if mask is None else h * mask
        if self.arch.residual == "none" or not layer:
            return y
        scale = own["scale"].view(-1, *[1] * (y.ndim - 1)) if self.learns_scale else self.scale
        return x + scale * y

    def readout(self, params: Params, top: Tensor) -> Tensor:
        """Return the outputs for what the top layer hands up: `[R, N, C]` for `[R, N, H]`, of the last step, or
        `[R, N, T, C]` for `[R, T, N, H]`."""
        weight, bias = params[-1]["weight"], params[-1]["bias"]
        if top.ndim == 3:
            return linear(top, weight, bias)
        replicas, steps, batch, _ = top.shape
        return linear(top.flatten(1, 2), weight, bias).view(replicas, steps, batch, -1).transpose(1, 2)

    def start(self, replicas: int, batch: int, like: Tensor) -> list[State]:
        """Return the states before the first step, a zero state for each layer."""
        zero = like.new_zeros(replicas, batch, self.arch.width)
        return [(zero,) * self.cell.states for _ in range(self.arch.depth)]

    def step(
        self, params: Params, x_RNI: Tensor, states: Sequence[State], masks_LRNO: Tensor | None
    ) -> tuple[list[State], list[Seen], Tensor]:
        """Return the states of all layers after one step, what a probe sees of it, and what the top layer hands up.

        The same map as `forward`'s, one step at a time and by plain autograd.
        """
        found, seen, below = [], [], x_RNI
        for layer, state in enumerate(states):
            own = params[layer]
            projected = self.cell.project(below, own, () if layer else self.arch.vocabulary)
            state, shown = self.cell.step(projected, state, own)
            found.append(state)
            seen.append(shown)
            mask = None if masks_LRNO is None else masks_LRNO[layer]
            below = self._hand_up(layer, own, below, state[0], mask)
        return found, seen, below
