"""Activations: plain functions of a tensor of any shape, mostly torch's own. A new one is a line in the registry.

One with a learned parameter is a `Learned` pair; its parameter is a scalar for each block and replica.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gradlab.components import ACTIVATIONS, Named
from gradlab.nn.hyperbolic import tanh
from gradlab.nn.vjp import vjp

__all__ = ["Activation", "ActivationPullback", "Learned", "Mixture", "activation", "activations", "derivative"]


_aten = torch.ops.aten


def linear(x: Tensor) -> Tensor:
    return x


def sine(x: Tensor, w0: float) -> Tensor:
    return torch.sin(w0 * x)


def relu_squared(x: Tensor) -> Tensor:
    return torch.relu(x).square()


def gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def squareplus(x: Tensor, b: float) -> Tensor:
    """Below 0 as (b/2)/(sqrt(x^2+b)-x), where x+sqrt(x^2+b) would cancel."""
    root = torch.sqrt(x.square() + b)
    return torch.where(x > 0, (x + root) / 2, b / 2 / (root + x.abs()))


@dataclass(frozen=True, slots=True)
class Learned:
    """An activation with one learned scalar: `function(x, parameter)`, started at the component's param `start`."""

    function: Callable[[Tensor, Tensor], Tensor]


def _prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x > 0, x, slope * x)


prelu = Learned(_prelu)


ActivationPullback = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""Maps the gradient of an activation's output to those of its input and of its learned scalar, if it has one."""

_Rule = Callable[[Tensor, Tensor, Tensor], Tensor]

_IN_PLACE: dict[Callable[..., Tensor], tuple[Callable[[Tensor], Tensor], _Rule]] = {
    linear: (lambda x: x, lambda dy, y, out: dy if out is dy else out.copy_(dy)),
    torch.sigmoid: (torch.sigmoid_, lambda dy, y, out: _aten.sigmoid_backward.grad_input(dy, y, grad_input=out)),
    torch.tanh: (lambda x: tanh(x, x), lambda dy, y, out: _aten.tanh_backward.grad_input(dy, y, grad_input=out)),
    torch.relu: (torch.relu_, lambda dy, y, out: _aten.threshold_backward.grad_input(dy, y, 0, grad_input=out)),
}
"""Of activations whose slope follows from their value: x to y, written over x, and (gradient of y, y, where to write)
to the gradient of x."""


class Activation:
    """An activation bound to its parameters."""

    def __init__(self, function: Callable[..., Tensor] | Learned, params: dict[str, Any]) -> None:
        self.start: float | None = params["start"] if isinstance(function, Learned) else None
        """Start of the learned scalar; None where nothing is learned."""
        self._function: Callable[..., Tensor] = function.function if isinstance(function, Learned) else function
        self._params = {} if isinstance(function, Learned) else params
        self.in_place = self._function in _IN_PLACE
        """Whether `with_pullback` needs no other memory than it is given."""

    def __call__(self, x_RNO: Tensor, learned_R: Tensor | None) -> Tensor:
        """Return the activation of `x_RNO`; `learned_R` of shape `[R, 1]` is given if `start` is not None."""
        if self._function is torch.tanh and not x_RNO.requires_grad:
            return tanh(x_RNO, torch.empty_like(x_RNO))
        if learned_R is None:
            return self._function(x_RNO, **self._params)
        y: Tensor = self._function(x_RNO, learned_R.unsqueeze(2))
        return y

    def with_pullback(self, x: Tensor, learned_R: Tensor | None) -> tuple[Tensor, ActivationPullback]:
        """Return the activation of `x` without a graph, and what maps its gradient to those of `x` and the scalar.

        Both may write over what they are given: `x`, and the gradient.
        """
        if self.in_place:
            act, rule = _IN_PLACE[self._function]
            y = act(x)
            return y, lambda dy: (rule(dy, y, dy), None)
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            scalar = None if learned_R is None else learned_R.detach().requires_grad_()
            output = self(leaf, scalar)

        def pull(dy: Tensor) -> tuple[Tensor, Tensor | None]:
            dx, *scalar_gradients = vjp([output], [leaf] if scalar is None else [leaf, scalar], [dy])
            return dx, scalar_gradients[0] if scalar_gradients else None

        return output.detach(), pull

    def slope_magnitude(self, x: Tensor, y: Tensor, out: Tensor) -> Tensor:
        """Write |dy/dx| to `out`, element by element, and return it; `x` and `y` are input and output, in one graph.

        Where the slope follows from the value it is what autograd's own rule makes of a gradient of ones, to the bit;
        elsewhere the graph that made `y` is asked, and kept.
        """
        if not self.in_place:
            return torch.abs(derivative(y, x), out=out)
        y = y.detach()
        return _IN_PLACE[self._function][1](y.new_ones(()).expand_as(y), y, out)

    def steepest(self) -> Tensor:
        """Return the largest |slope| over [-20, 20], with a learned scalar at its start: `[1]`, float64, CPU."""
        start = None if self.start is None else torch.full((1, 1), self.start, dtype=torch.float64)
        with torch.enable_grad():
            x = torch.linspace(-20, 20, 4001, dtype=torch.float64).view(1, 1, -1).requires_grad_()
            return derivative(self(x, start), x).abs().max().view(1)


class Mixture:
    """The activations of a bank that has several: each acts on its own run of replicas.

    Everything else of a step is then shared: at width 32, three activations of three seeds in one bank take 0.7 to
    0.9 of the time of three banks.
    """

    start: float | None = None

    def __init__(self, named: Sequence[Named]) -> None:
        """`named` has one activation a replica. Raises ValueError for one that learns: its replicas have more
        parameters than the others."""
        runs = [(activation(name), sum(1 for _ in group)) for name, group in groupby(named)]
        self._parts = [part for part, _ in runs]
        self._sizes = [size for _, size in runs]
        if any(part.start is not None for part in self._parts):
            raise ValueError("an activation with a learned parameter cannot share a bank with others")
        self.in_place = all(part.in_place for part in self._parts)
        """Whether `with_pullback` needs no other memory than it is given."""

    def __call__(self, x_RNO: Tensor, learned_R: Tensor | None) -> Tensor:
        """Return each replica's activation of its `x_RNO`; nothing is learned, so `learned_R` is None."""
        pieces = torch.split(x_RNO, self._sizes)
        return torch.cat([part(piece, None) for part, piece in zip(self._parts, pieces, strict=True)])

    def with_pullback(self, x: Tensor, learned_R: Tensor | None) -> tuple[Tensor, ActivationPullback]:
        """Return each replica's activation of `x` without a graph, and what maps its gradient to that of `x`.

        Both may write over what they are given.
        """
        whole = self.in_place
        pieces = [
            # a graph that keeps its input does not suffer that a neighbour in the same memory is written over
            part.with_pullback(piece if whole or part.in_place else piece.clone(), None)
            for part, piece in zip(self._parts, torch.split(x, self._sizes), strict=True)
        ]
        pulls = [pull for _, pull in pieces]
        if whole:

            def pull_in_place(dy: Tensor) -> tuple[Tensor, Tensor | None]:
                for pull_part, part in zip(pulls, torch.split(dy, self._sizes), strict=True):
                    pull_part(part)
                return dy, None

            return x, pull_in_place

        def pull(dy: Tensor) -> tuple[Tensor, Tensor | None]:
            parts = zip(pulls, torch.split(dy, self._sizes), strict=True)
            return torch.cat([pull_part(part)[0] for pull_part, part in parts]), None

        return torch.cat([y for y, _ in pieces]), pull

    def slope_magnitude(self, x: Tensor, y: Tensor, out: Tensor) -> Tensor:
        """Write |dy/dx| to `out`, element by element, and return it; `x` and `y` are input and output, in one graph."""
        if not self.in_place:
            return torch.abs(derivative(y, x), out=out)
        pieces = (torch.split(tensor, self._sizes) for tensor in (x, y, out))
        for part, *piece in zip(self._parts, *pieces, strict=True):
            part.slope_magnitude(*piece)
        return out

    def steepest(self) -> Tensor:
        """Return the largest |slope| of each replica's activation over [-20, 20], `[R]`, float64 on the CPU."""
        return torch.cat([part.steepest().expand(size) for part, size in zip(self._parts, self._sizes, strict=True)])


def activations(named: Sequence[Named]) -> Activation | Mixture:
    """Return what applies to each replica of a bank the activation that stands for it in `named`.

    Raises:
        ValueError: they differ, and one of them learns a parameter.
    """
    return activation(named[0]) if len(set(named)) == 1 else Mixture(named)


def derivative(y: Tensor, x: Tensor) -> Tensor:
    """Return dy/dx element by element for an elementwise map, from the graph that made `y`; the graph is kept."""
    return vjp([y], [x], [torch.ones_like(y)], retain_graph=True)[0]


def activation(named: Named) -> Activation:
    """Return the activation that a spec names."""
    return Activation(ACTIVATIONS[named.name].load(), named.resolve(ACTIVATIONS))
