"""What the kinds of cells have in common forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["BackwardRun", "ForwardRun", "Grads", "by_sigmoid", "by_tanh"]

FACTOR_BYTES = 2**20
"""What the factors of the steps that are prepared together may take: about what a core has for itself."""

_aten: Any = torch.ops.aten
by_sigmoid, by_tanh = _aten.sigmoid_backward.grad_input, _aten.tanh_backward.grad_input
"""``(g, y, grad_input=out)``: g times the slope of the function where its value is y, in one pass."""

Grads = tuple[Tensor | None, ...]


class ForwardRun:
    """The states before the first step (zero) and after each, with the inputs and a 1 beside them."""

    def __init__(self, x: Tensor | None, brought: Tensor | None, joined: Tensor, width: int) -> None:
        like = brought if x is None else x
        assert like is not None
        replicas, steps, batch, inputs = like.shape
        columns = joined.shape[-1]
        self.full = joined.new_empty(replicas, steps + 1, batch, columns)
        self.full[:, 0, :, :width] = 0
        self.full[..., -1] = 1
        if x is not None:
            self.full[:, :-1, :, width : width + inputs] = x
        self.h = self.full[..., :width].unbind(1)
        self._before, self._turned = self.full.unbind(1), joined.transpose(1, 2)
        self._brought = None if brought is None else brought.unbind(1)
        self.steps, self._width = steps, width

    def rows(self, t: int) -> Tensor:
        """Return what the nonlinearities of step t are applied to."""
        if self._brought is None:
            return torch.bmm(self._before[t], self._turned)
        return torch.baddbmm(self._brought[t], self._before[t], self._turned)

    def out(self, last: bool) -> Tensor:
        """Return the states that were asked for."""
        return self.h[-1].clone() if last else self.full[:, 1:, :, : self._width]


class BackwardRun:
    """The gradient that comes from above at each step, and what to do with it on the way back."""

    def __init__(self, ctx: Any, grad: Tensor, full: Tensor, joined: Tensor) -> None:
        self._grads = () if ctx.last else grad.unbind(1)
        self.top = grad if ctx.last else self._grads[-1]
        self.steps, self.width = full.shape[1] - 1, grad.shape[-1]
        self._ctx, self._full, self._joined = ctx, full, joined
        self._weight = joined[..., : self.width]

    def through(self, t: int, rows: Tensor, direct: Tensor | None = None) -> Tensor:
        """Return dh before step t > 0 from the gradient of its first rows, and `direct`, what else dh has there."""
        above = self._grads[t - 1] if self._grads else None
        if t in self._ctx.cut:
            return torch.zeros_like(self.top) if above is None else above
        if direct is not None:
            above = direct if above is None else direct.add_(above)
        weight = self._weight[:, : rows.shape[-1]]
        return torch.bmm(rows, weight) if above is None else torch.baddbmm(above, rows, weight)

    def runs(self, bytes_a_step: int) -> Iterator[tuple[int, int]]:
        """Return runs of steps, the last first, as (first, after the last), that are prepared together."""
        size = max(1, FACTOR_BYTES // bytes_a_step)
        for stop in range(self.steps, 0, -size):
            yield max(0, stop - size), stop

    def brought(self, rows: Tensor) -> Tensor | None:
        """Return the gradient of what was added to the rows, if something was."""
        return rows if self._ctx.needs_input_grad[1] else None

    def grads(self, rows: Tensor) -> tuple[Tensor | None, Tensor]:
        """Return the gradients of the inputs, if they want one, and of the joined weights: one product each."""
        flat = rows.flatten(1, 2)
        joined = torch.bmm(flat.transpose(1, 2), self._full[:, :-1].flatten(1, 2))
        if not self._ctx.needs_input_grad[0]:
            return None, joined
        replicas, steps, batch, _ = rows.shape
        x = torch.bmm(flat, self._joined[..., self.width : -1]).view(replicas, steps, batch, -1)
        return x, joined
