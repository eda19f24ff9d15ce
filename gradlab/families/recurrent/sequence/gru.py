"""The GRU of torch.nn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradlab.families.recurrent.sequence.common import BackwardRun, ForwardRun, Grads, by_sigmoid, by_tanh
from gradlab.nn.hyperbolic import tanh

__all__ = ["gru"]


def gru(x_RTNI: Tensor | None, brought_RTNG: Tensor | None, joined: Tensor, cut: frozenset[int], last: bool) -> Tensor:
    """Return h of a GRU with tanh; blocks of rows: r, z, what the state brings to n, what the input brings to it."""
    return _GRU.apply(x_RTNI, brought_RTNG, joined, cut, last)  # type: ignore[no-any-return, no-untyped-call]


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor | None, brought: Tensor | None, joined: Tensor, cut: frozenset[int], last: bool
    ) -> Tensor:
        width = joined.shape[1] // 4
        run = ForwardRun(x, brought, joined, width)
        values = joined.new_empty(len(joined), run.steps, run.full.shape[2], 4 * width)
        gates, candidates = values[..., : 2 * width].unbind(1), values[..., 2 * width :].unbind(1)
        for t in range(run.steps):
            rows = run.rows(t)
            r, z = torch.sigmoid(rows[..., : 2 * width], out=gates[t]).chunk(2, -1)
            inner, n = candidates[t].chunk(2, -1)
            inner.copy_(rows[..., 2 * width : 3 * width])
            tanh(torch.addcmul(rows[..., 3 * width :], r, inner), n)
            torch.lerp(n, run.h[t], z, out=run.h[t + 1])
        ctx.save_for_backward(joined, run.full, values)
        ctx.cut, ctx.last = cut, last
        return run.out(last)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Grads:
        joined, full, rows = ctx.saved_tensors
        run = BackwardRun(ctx, grads[0], full, joined)
        values, h = rows.view(*rows.shape[:3], 4, run.width), full[..., : run.width]
        parts, whole, dh = rows[..., : 3 * run.width].unbind(1), values.unbind(1), run.top
        for start, stop in run.runs(2 * rows[:, 0].numel() * rows.element_size()):
            now = slice(start, stop)
            r, z, inner, n = values[:, now].unbind(3)
            # dh -> rows r, z, the state's part of n, the input's part of n; and z, which the gradient will replace
            factors, keep = torch.empty_like(values[:, now]), z.clone().unbind(1)
            by_tanh(1 - z, n, grad_input=factors[..., 3, :])
            torch.mul(factors[..., 3, :], r, out=factors[..., 2, :])
            by_sigmoid(h[:, now] - n, z, grad_input=factors[..., 1, :])
            by_sigmoid(factors[..., 3, :] * inner, r, grad_input=factors[..., 0, :])
            factor = factors.unbind(1)
            for t in range(stop - 1, start - 1, -1):
                torch.mul(dh.unsqueeze(2), factor[t - start], out=whole[t])
                if t:
                    dh = run.through(t, parts[t], None if t in ctx.cut else dh * keep[t - start])
        dx, djoined = run.grads(rows)
        return dx, run.brought(rows), djoined, None, None
