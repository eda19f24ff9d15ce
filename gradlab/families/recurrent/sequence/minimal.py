"""The MinimalRNN, whose candidate depends on the input alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradlab.families.recurrent.sequence.common import BackwardRun, ForwardRun, Grads, by_sigmoid

__all__ = ["minimal"]


def minimal(z_RTNH: Tensor, joined: Tensor, cut: frozenset[int], last: bool) -> Tensor:
    """Return h of h' = u h + (1 - u) z with u = sigmoid(W h + V z + b)."""
    return _Minimal.apply(z_RTNH, joined, cut, last)  # type: ignore[no-any-return, no-untyped-call]


class _Minimal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, joined: Tensor, cut: frozenset[int], last: bool) -> Tensor:
        run, gates = ForwardRun(z, None, joined, joined.shape[1]), torch.empty_like(z)
        u, candidates = gates.unbind(1), z.unbind(1)
        for t in range(run.steps):
            torch.sigmoid(run.rows(t), out=u[t])
            torch.lerp(candidates[t], run.h[t], u[t], out=run.h[t + 1])
        ctx.save_for_backward(joined, run.full, gates, z)
        ctx.cut, ctx.last = cut, last
        return run.out(last)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Grads:
        joined, full, u, z = ctx.saved_tensors
        run = BackwardRun(ctx, grads[0], full, joined)
        rows, whole = torch.empty_like(u), torch.empty_like(u)
        by_sigmoid(full[:, :-1, :, : run.width] - z, u, grad_input=rows)
        parts, all_dh, keep, dh = rows.unbind(1), whole.unbind(1), u.unbind(1), run.top
        for t in range(run.steps - 1, -1, -1):
            parts[t].mul_(dh)
            all_dh[t].copy_(dh)
            if t:
                dh = run.through(t, parts[t], None if t in ctx.cut else dh * keep[t])
        dx, djoined = run.grads(rows)
        direct = whole.mul_(1 - u)
        return direct if dx is None else direct.add_(dx), djoined, None, None
