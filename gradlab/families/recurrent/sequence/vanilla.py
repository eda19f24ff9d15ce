"""The vanilla cell, with any activation that learns nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradlab.components import Named
from gradlab.families.recurrent.sequence.common import BackwardRun, ForwardRun, Grads, by_sigmoid, by_tanh
from gradlab.nn.activations import activation, derivative
from gradlab.nn.hyperbolic import tanh

__all__ = ["vanilla"]

_by_threshold: Any = torch.ops.aten.threshold_backward.grad_input


def vanilla(
    x_RTNI: Tensor | None, brought_RTNG: Tensor | None, joined: Tensor, act: Named, cut: frozenset[int], last: bool
) -> Tensor:
    """Return h of h' = act(W h + U x + b); `act` may be any activation that learns nothing."""
    return _Vanilla.apply(x_RTNI, brought_RTNG, joined, act, cut, last)  # type: ignore[no-any-return, no-untyped-call]


def _back(act: Named, dh: Tensor, after: Tensor, slope: Tensor | None, out: Tensor) -> None:
    """Write `dh` times the slope of an activation into `out`: of some from its value, of the others as given."""
    match act.name:
        case "tanh":
            by_tanh(dh, after, grad_input=out)
        case "sigmoid":
            by_sigmoid(dh, after, grad_input=out)
        case "relu":
            _by_threshold(dh, after, 0, grad_input=out)
        case "linear":
            out.copy_(dh)
        case _:
            assert slope is not None
            torch.mul(dh, slope, out=out)


def _slope(act: Named, before: Tensor) -> Tensor:
    with torch.enable_grad():
        x = before.detach().requires_grad_()
        return derivative(activation(act)(x, None), x)


_FROM_VALUE = ("tanh", "sigmoid", "relu", "linear")


class _Vanilla(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor | None, brought: Tensor | None, joined: Tensor, act: Named, cut: frozenset[int], last: bool
    ) -> Tensor:
        run = ForwardRun(x, brought, joined, joined.shape[1])
        h, function = run.h, activation(act)
        before = []
        for t in range(run.steps):
            rows = run.rows(t)
            if act.name == "tanh":
                tanh(rows, h[t + 1])
            else:
                h[t + 1].copy_(function(rows, None))
            if act.name not in _FROM_VALUE:
                before.append(rows)
        ctx.save_for_backward(joined, run.full, *([torch.stack(before, 1)] if before else []))
        ctx.act, ctx.cut, ctx.last = act, cut, last
        return run.out(last)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Grads:
        joined, full, *before = ctx.saved_tensors
        run = BackwardRun(ctx, grads[0], full, joined)
        slopes = _slope(ctx.act, before[0]).unbind(1) if before else None
        rows = full.new_empty(len(full), run.steps, *grads[0].shape[-2:])
        parts, h, dh = rows.unbind(1), full[..., : run.width].unbind(1), run.top
        for t in range(run.steps - 1, -1, -1):
            _back(ctx.act, dh, h[t + 1], None if slopes is None else slopes[t], parts[t])
            if t:
                dh = run.through(t, parts[t])
        dx, djoined = run.grads(rows)
        return dx, run.brought(rows), djoined, None, None, None
