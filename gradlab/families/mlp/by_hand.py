"""Blocks without norms, and the readout, forward and back by hand in memory that is allocated once."""

from __future__ import annotations

import torch
from torch import Tensor

from gradlab.families.network import ByHand, Context, State
from gradlab.nn.activations import Activation, Mixture
from gradlab.nn.linear import BufferedLinear
from gradlab.nn.parameters import Params

__all__ = ["by_hand"]


def by_hand(params: Params, grads: Params, activation: Activation | Mixture, scale: float | None, batch: int) -> ByHand:
    """Return the chain of blocks and their readout; the gradients are written to `grads`.

    `scale` is the constant factor on a residual branch, where none is learned; None: there are no residual branches.
    """
    first = params[0]["bias"]
    replicas, width = first.shape
    dx = first.new_empty(2, replicas, batch, width)  # the gradient at one block is made of that at the one above
    da = first.new_empty(replicas, batch, width)
    shapes = {learned["weight"].shape for learned in params}
    scratch = {shape: first.new_empty(shape) for shape in shapes}

    def linear(i: int) -> BufferedLinear:
        return BufferedLinear(params[i], grads[i], batch, scratch[params[i]["weight"].shape])

    depth = len(params) - 1
    links = [
        _Block(i, linear(i), params[i], grads[i], activation, scale if i else None, dx[i % 2] if i else None, da)
        for i in range(depth)
    ]
    return ByHand(links, _Readout(linear(depth), dx[depth % 2]))


class _Block:
    """See `families.network.Link`."""

    def __init__(
        self, i: int, linear: BufferedLinear, learned: dict[str, Tensor], grads: dict[str, Tensor],
        activation: Activation | Mixture, scale: float | None, dx: Tensor | None, da: Tensor,
    ) -> None:  # fmt: skip
        """`dx` and `da` are memory for gradients that other blocks use as well."""
        self._i, self._linear, self._activation, self._grads = i, linear, activation, grads
        self._slope = learned.get("slope")
        self._scale = learned["scale"].detach().unsqueeze(2) if "scale" in learned else scale
        self._dx, self._da = dx, da
        self._y = torch.empty_like(da) if scale is not None else None

    def forward(self, x: State, ctx: Context) -> tuple[State, Tensor]:
        (stream,) = x
        self._ctx = ctx
        h = self._linear.forward(stream)
        a, self._pull = self._activation.with_pullback(h, self._slope)
        y = self._branch = ctx.drop(a, self._i)
        if self._scale is not None:
            y = torch.mul(y, self._scale, out=self._y).add_(stream)
        return (y,), y

    def back(self, coming: State | None, above: Tensor | None) -> State:
        dy = above if coming is None else coming[0]
        assert dy is not None
        da = dy
        if self._scale is not None:
            if isinstance(self._scale, Tensor):
                self._grads["scale"].copy_((dy * self._branch).sum((1, 2)).unsqueeze(1))
            da = torch.mul(dy, self._scale, out=self._da)
        dh, dslope = self._pull(self._ctx.drop(da, self._i))
        if dslope is not None:
            self._grads["slope"].copy_(dslope)
        self._linear.back(dh, self._dx)
        if self._dx is None:
            return ()
        return (self._dx if self._scale is None else self._dx.add_(dy),)


class _Readout:
    """See `families.network.Readout`."""

    def __init__(self, linear: BufferedLinear, dx: Tensor) -> None:
        self._linear, self._dx = linear, dx

    def forward(self, top: Tensor) -> Tensor:
        return self._linear.forward(top)

    def back(self, grad: Tensor) -> Tensor:
        self._linear.back(grad, self._dx)
        return self._dx
