"""The LSTM of torch.nn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradlab.families.recurrent.sequence.common import BackwardRun, ForwardRun, Grads, by_sigmoid, by_tanh
from gradlab.nn.hyperbolic import tanh

__all__ = ["lstm"]


def lstm(x_RTNI: Tensor | None, brought_RTNG: Tensor | None, joined: Tensor, cut: frozenset[int], last: bool) -> Tensor:
    """Return h of an LSTM with tanh; blocks of rows: o, i, f, g."""
    return _LSTM.apply(x_RTNI, brought_RTNG, joined, cut, last)  # type: ignore[no-any-return, no-untyped-call]


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor | None, brought: Tensor | None, joined: Tensor, cut: frozenset[int], last: bool
    ) -> Tensor:
        width = joined.shape[1] // 4
        run = ForwardRun(x, brought, joined, width)
        shape = (len(joined), run.steps, run.full.shape[2])
        values, squashed = joined.new_empty(*shape, 4 * width), joined.new_empty(*shape, width)
        cells = joined.new_empty(shape[0], run.steps + 1, shape[2], width)
        cells[:, 0] = 0
        h, c, s = run.h, cells.unbind(1), squashed.unbind(1)
        gates, candidates = values[..., : 3 * width].unbind(1), values[..., 3 * width :].unbind(1)
        for t in range(run.steps):
            rows = run.rows(t)
            o, i, f = torch.sigmoid(rows[..., : 3 * width], out=gates[t]).chunk(3, -1)
            g = tanh(rows[..., 3 * width :], candidates[t])
            torch.addcmul(f * c[t], i, g, out=c[t + 1])
            torch.mul(o, tanh(c[t + 1], s[t]), out=h[t + 1])
        ctx.save_for_backward(joined, run.full, cells, squashed, values)
        ctx.cut, ctx.last = cut, last
        return run.out(last)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Grads:
        joined, full, cells, squashed, rows = ctx.saved_tensors
        run = BackwardRun(ctx, grads[0], full, joined)
        values = rows.view(*squashed.shape[:3], 4, run.width)
        parts, out, inner = rows.unbind(1), values[..., 0, :].unbind(1), values[..., 1:, :].unbind(1)
        dh, dc = run.top, torch.zeros_like(run.top)
        for start, stop in run.runs(6 * squashed[:, 0].numel() * squashed.element_size()):
            now = slice(start, stop)
            o, i, f, g = values[:, now].unbind(3)
            # dh -> row o, dc -> rows i, f, g; dh -> dc; and f, which the gradient is about to replace
            factors, enter, forget = torch.empty_like(values[:, now]), torch.empty_like(squashed[:, now]), f.clone()
            by_sigmoid(squashed[:, now], o, grad_input=factors[..., 0, :])
            by_sigmoid(g, i, grad_input=factors[..., 1, :])
            by_sigmoid(cells[:, now], f, grad_input=factors[..., 2, :])
            by_tanh(i, g, grad_input=factors[..., 3, :])
            by_tanh(o, squashed[:, now], grad_input=enter)
            by_h, by_c = factors[..., 0, :].unbind(1), factors[..., 1:, :].unbind(1)
            entering, keep = enter.unbind(1), forget.unbind(1)
            for t in range(stop - 1, start - 1, -1):
                k = t - start
                torch.mul(dh, by_h[k], out=out[t])
                dc = torch.addcmul(dc, dh, entering[k])
                torch.mul(dc.unsqueeze(2), by_c[k], out=inner[t])
                if t:
                    dh = run.through(t, parts[t])
                    dc = torch.zeros_like(dc) if t in ctx.cut else dc.mul_(keep[k])
        dx, djoined = run.grads(rows)
        return dx, run.brought(rows), djoined, None, None
