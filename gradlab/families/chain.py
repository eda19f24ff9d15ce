"""Walking along the chain of a network: forward through its links, and back from the loss to the first.

Training, evaluation and the probe walk the same way; they differ in what they do at a link. Training goes back by hand
where a family has its links so (`Network.by_hand`), and by autograd over the whole chain elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from gradlab.families.network import ByHand, Context, Model, Network, State
from gradlab.nn.parameters import Params
from gradlab.nn.vjp import vjp

__all__ = ["Gradients", "Objective", "back", "by_link", "forward", "outputs"]

Cotangent = TypeVar("Cotangent")


def forward(
    network: Network, params: Params, inputs: Tensor, ctx: Context,
    step: Callable[[int, State], tuple[State, Tensor]] | None = None,
) -> tuple[State, Tensor]:  # fmt: skip
    """Walk from the inputs to the last link.

    `step` maps (i, x_i) to x_{i+1} and what link i hands to the readout; None: `network.block`.

    Returns:
        x_0, and what the readout sees: of the last link, or of all, stacked as `[R, L, N, ...]`, where the network is
        read at each (`Network.read_at_links`).
    """
    entered = state = network.enter(params, inputs, ctx)
    tops: list[Tensor] = []
    for i in range(network.length):
        if network.cut(i):
            state = tuple(part.detach() for part in state)
        state, top = network.block(i, params, state, inputs, ctx) if step is None else step(i, state)
        tops = [*tops, top] if network.read_at_links else [top]
    return entered, torch.stack(tops, 1) if network.read_at_links else tops[0]


def outputs(network: Model, params: Params, inputs: Tensor, ctx: Context) -> Tensor:
    """Return the outputs `[R, N, C]`, or `[R, N, T, C]`, for inputs `[R, N, I]`, of sequences `[R, N, T, I]`."""
    whole = network.whole(params, inputs, ctx)
    if whole is not None:
        return whole
    assert isinstance(network, Network)
    return network.leave(params, forward(network, params, inputs, ctx)[1])


def by_link(network: Network, direct: Tensor) -> list[Tensor | None]:
    """Return the gradient at what the readout sees as that of each link; None where it is zero for all replicas."""
    if not network.read_at_links:
        return [*[None] * (network.length - 1), direct]
    return [part if bool((part != 0).any()) else None for part in direct.unbind(1)]


def back(
    network: Network, direct: Sequence[Tensor | None],
    visit: Callable[[int, Cotangent | None, Tensor | None], Cotangent],
) -> Cotangent | None:  # fmt: skip
    """Walk from the last link to the first and return the gradient at x_0.

    `direct` is the gradient that comes down from the readout at each link; `visit` maps (i, gradient at x_{i+1} from
    the links above, the one from the readout) to the gradient at x_i. None stands for zero.
    """
    coming: Cotangent | None = None
    for i in range(network.length - 1, -1, -1):
        at_inputs = visit(i, coming, direct[i])
        coming = None if network.cut(i) else at_inputs
    return coming


Objective = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Maps the outputs to the loss of each replica, `[R]`, and to the gradient at the outputs of what is minimised."""


class Gradients:
    """The gradients of a network's parameters on batches, by hand where the network has its links so.

    `leaves` are the parameters in slot order, the tensors that `params` names, whose values may change in place;
    `grads` is where their gradients are written.
    """

    def __init__(self, network: Model, params: Params, leaves: Sequence[Tensor], grads: Params) -> None:
        self._network, self._params, self._leaves, self._grads = network, params, leaves, grads
        self._in_order = [grads[slot.layer][slot.name] for slot in network.layout.slots]
        self._batch = -1
        self._by_hand: ByHand | None = None

    def __call__(self, inputs: Tensor, ctx: Context, objective: Objective) -> Tensor:
        """Write the gradients on a batch `[R, N, I]`, of sequences `[R, N, T, I]`; return the loss of each replica."""
        if inputs.shape[1] != self._batch:
            self._batch = inputs.shape[1]
            self._by_hand = self._network.by_hand(self._params, self._grads, self._batch)
        if self._by_hand is not None:
            assert isinstance(self._network, Network)
            return self._walked(self._network, self._by_hand, inputs, ctx, objective)
        with torch.enable_grad():
            output = outputs(self._network, self._params, inputs, ctx)
        loss_R, grad = objective(output.detach())
        torch._foreach_copy_(
            self._in_order, vjp([output], self._leaves, [grad], allow_unused=True, materialize_grads=True)
        )
        return loss_R

    @torch.no_grad()
    def _walked(self, network: Network, chain: ByHand, inputs: Tensor, ctx: Context, objective: Objective) -> Tensor:
        links = chain.links
        _, top = forward(network, self._params, inputs, ctx, lambda i, x: links[i].forward(x, ctx))
        loss_R, grad = objective(chain.readout.forward(top))
        direct = by_link(network, chain.readout.back(grad))
        back(network, direct, lambda i, coming, above: links[i].back(coming, above))
        return loss_R
