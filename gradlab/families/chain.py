"""Walking along the chain of a network: forward through its links, and back from the loss to the first.

Training, evaluation and the probe walk the same way; they differ in what they do at a link. Training goes back by hand
where a family has its links so (`Network.link`), and by autograd over the whole chain elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from gradlab.families.network import Context, Network, Pullback, State
from gradlab.nn.parameters import Params

__all__ = ["back", "by_link", "forward", "gradients", "outputs"]

Cotangent = TypeVar("Cotangent")


def forward(
    network: Network, params: Params, inputs: Tensor, ctx: Context,
    step: Callable[[int, State], tuple[State, Tensor]] | None = None,
) -> tuple[State, Tensor]:  # fmt: skip
    """Walk from the inputs to the last link.

    `step` maps (i, x_i) to x_{i+1} and what link i hands to the readout; None: `network.block`.

    Returns:
        x_0, and what the readout sees: of the last link, or of all, stacked as `[R, L, N, ...]`, where the task has a
        target for each.
    """
    entered = state = network.enter(params, inputs, ctx)
    tops: list[Tensor] = []
    for i in range(network.length):
        if network.cut(i):
            state = tuple(part.detach() for part in state)
        state, top = network.block(i, params, state, inputs, ctx) if step is None else step(i, state)
        tops = [*tops, top] if network.arch.per_step else [top]
    return entered, torch.stack(tops, 1) if network.arch.per_step else tops[0]


def outputs(network: Network, params: Params, inputs: Tensor, ctx: Context) -> Tensor:
    """Return the outputs `[R, N, C]`, or `[R, N, T, C]`, for inputs `[R, N, I]`, of sequences `[R, N, T, I]`."""
    whole = network.whole(params, inputs, ctx)
    return network.leave(params, forward(network, params, inputs, ctx)[1]) if whole is None else whole


def by_link(network: Network, direct: Tensor) -> list[Tensor | None]:
    """Return the gradient at what the readout sees as that of each link; None where it is zero for all replicas."""
    if not network.arch.per_step:
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
        left = visit(i, coming, direct[i])
        coming = None if network.cut(i) else left
    return coming


def gradients(
    network: Network,
    params: Params,
    leaves: Sequence[Tensor],
    inputs: Tensor,
    ctx: Context,
    objective: Callable[[Tensor], tuple[Tensor, Tensor]],
) -> tuple[Tensor, list[Tensor]]:
    """Return the loss of each replica, `[R]`, and the gradient of the sum of objectives at `leaves`, in their order.

    `leaves` are the parameters in slot order, the tensors that `params` names; `objective` maps the outputs to the
    losses and to the number to be differentiated.
    """
    if not network.by_hand:
        loss_R, total = objective(outputs(network, params, inputs, ctx))
        return loss_R.detach(), list(torch.autograd.grad(total, leaves))
    pulls: list[Pullback] = []

    def step(i: int, x: State) -> tuple[State, Tensor]:
        after, top, pull = network.link(i, params, x, inputs, ctx)
        pulls.append(pull)
        return after, top

    with torch.no_grad():
        _, top = forward(network, params, inputs, ctx, step)
    top.requires_grad_()
    loss_R, total = objective(network.leave(params, top))
    last = params[-1]
    direct, *of_readout = torch.autograd.grad(total, [top, *last.values()])
    by_layer: list[dict[str, Tensor]] = [{} for _ in params]
    by_layer[-1] = dict(zip(last, of_readout, strict=True))

    def visit(i: int, coming: State | None, above: Tensor | None) -> State:
        left, by_layer[i] = pulls[i](coming, above)
        return left

    with torch.no_grad():
        back(network, by_link(network, direct), visit)
    return loss_R.detach(), [by_layer[slot.layer][slot.name] for slot in network.layout.slots]
