"""A network walked along link by link in one graph, with the streams after each link."""

from __future__ import annotations

from torch import Tensor

from gradlab.families.network import Context, Network
from gradlab.nn.parameters import Params

__all__ = ["walked"]


def walked(network: Network, params: Params, inputs: Tensor, ctx: Context) -> tuple[Tensor, list[Tensor]]:
    """The outputs, and x_l after each link of a network whose states are one tensor."""
    state, streams = network.enter(params, inputs, ctx), []
    for i in range(network.length):
        state, top = network.block(i, params, state, inputs, ctx)
        streams.append(state[0])
    return network.leave(params, top), streams
