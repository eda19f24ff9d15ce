"""Walking back along the chain of a network, link by link, with a gradient that is rescaled at each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradlab.families import chain
from gradlab.families.network import Network, State
from gradlab.nn.parameters import Params
from gradlab.nn.vjp import vjp
from gradlab.probing import samples, tokens
from gradlab.probing.gradient import LN2, Gradient, log, norm
from gradlab.probing.profile import Numbers, ProbeContext, gradient_norms, gradient_shares

__all__ = ["Link", "Walk"]


@dataclass(frozen=True, slots=True)
class Link:
    """The graph of one link by itself."""

    before: State
    """Leaves."""
    after: State
    top: Tensor
    numbers: Numbers
    """Of its activations."""


class Walk:
    """One network on one batch: its states, and the way back through its links.

    Links keep their graphs from the forward pass, or with `Network.recompute` only their states, from which the graph
    is made again: there is then memory for the states alone.
    """

    def __init__(
        self, network: Network, params: Params, leaves: Sequence[Tensor], inputs: Tensor, ctx: ProbeContext,
        measured: Callable[[State, ProbeContext], Numbers],
    ) -> None:  # fmt: skip
        """`leaves` are the parameters in slot order, or none: then the norms of the gradient at the states are all that
        is measured of it. `measured` gives the numbers of a link's activations."""
        self._network, self._params, self._inputs, self._ctx = network, params, inputs, ctx
        self._measured, self._recompute = measured, network.recompute(inputs)
        self._slots = list(zip(network.layout.slots, leaves, strict=True)) if leaves else []
        self._links: list[Link] = []
        self._states: list[State] = []
        with torch.enable_grad():
            self._entered, top = chain.forward(network, params, inputs, ctx, self._kept)
        self.top = top.detach()
        """What the readout sees, without a graph."""

    def _kept(self, i: int, state: State) -> tuple[State, Tensor]:
        if self._recompute:
            self._states.append(state)
            with torch.no_grad():
                after, top = self._network.block(i, self._params, state, self._inputs, self._ctx)
            self._ctx.clear()
            return after, top
        self._links.append(self._link(i, state))
        return self._links[-1].after, self._links[-1].top

    def _link(self, i: int, state: State) -> Link:
        with torch.enable_grad():  # of the first link a gradient goes further down only to what the way in has learned
            # without parameters in it, a link has a graph only if its state asks for one
            before = tuple(
                part.detach().requires_grad_(i > 0 or part.requires_grad or not self._slots) for part in state
            )
            after, top = self._network.block(i, self._params, before, self._inputs, self._ctx)
        numbers = self._measured(after, self._ctx)
        self._ctx.clear()
        return Link(before, after, top, numbers)

    def back(self, direct: Tensor, smallest_R: Tensor | None) -> tuple[list[Numbers], Tensor]:
        """Go from the last link to the first with the gradient at `top`.

        Returns:
            The numbers of each link, the first link first; and the logarithms of the norms, `[K, R]`, that together
            are the gradient of the parameters below the readout.
        """
        network = self._network
        zero_R = torch.zeros(len(direct), dtype=direct.dtype, device=direct.device)
        total: Gradient | None = None
        norms: dict[int, tuple[Tensor, Tensor]] = {}
        numbers: list[Numbers] = []

        def visit(i: int, coming: Gradient | None, above: Tensor | None) -> Gradient:
            nonlocal total
            link = self._link(i, self._states[i]) if self._recompute else self._links[i]
            outputs, down = self._cotangents(link, coming, above, zero_R)
            inputs = [part for part in link.before if part.requires_grad and (i > 0 or self._slots)]
            slots = [(slot, leaf) for slot, leaf in self._slots if self._belongs(slot.parameter.block, i)]
            grads = vjp(
                outputs, [*link.after, *inputs, *(leaf for _, leaf in slots)], down.parts,
                retain_graph=not self._recompute, allow_unused=True, materialize_grads=True,
            )  # fmt: skip
            count = len(link.after)
            at, at_inputs, at_weights = grads[:count], grads[count : count + len(inputs)], grads[count + len(inputs) :]
            numbers.append(link.numbers | gradient_norms(at, down.exponent_R, network.per_layer))
            below = Gradient(at_inputs, down.exponent_R)
            below = below.rescaled() if i and not network.cut(i) else below
            if not self._slots:
                return below
            if network.tokens:
                numbers[-1]["common"] = tokens.common_share(at[0])
            matrices = [grad for (slot, _), grad in zip(slots, at_weights, strict=True) if slot.parameter.profiled]
            if len(at) == 1:
                numbers[-1]["pair_cosines"] = samples.neighbour_cosines(at[0], self._ctx.scratch(at[0]))
            numbers[-1] |= gradient_shares(at, down.exponent_R, network.per_layer, smallest_R, self._ctx)
            numbers[-1]["log_weight_grad_norm"] = norm(matrices)
            if network.shared:
                row = Gradient((torch.cat([grad.flatten(1) for grad in at_weights], 1),), down.exponent_R)
                total = row if total is None else total.plus(row)
            else:
                for (slot, _), grad in zip(slots, at_weights, strict=True):
                    norms[slot.offset] = norm([grad]), down.exponent_R
            return below

        coming = chain.back(network, chain.by_link(network, direct), visit)
        logs = [*self._entering(coming), *([] if total is None else [total.log_norm()])]
        parts = [torch.stack(logs)] if logs else [zero_R.new_empty(0, len(zero_R))]
        if norms:
            norms_KR, exponents_KR = (
                torch.stack(part) for part in zip(*(norms[k] for k in sorted(norms)), strict=True)
            )
            parts.append(log(norms_KR) + exponents_KR * LN2)
        return numbers[::-1], torch.cat(parts)

    def _belongs(self, block: int | str, i: int) -> bool:
        return isinstance(block, int) and (self._network.shared or block == i)

    def _cotangents(
        self, link: Link, coming: Gradient | None, above: Tensor | None, zero_R: Tensor
    ) -> tuple[list[Tensor], Gradient]:
        """Return the outputs of a link, and the gradient that comes to them from the next link and the readout."""
        if above is None:
            if coming is None:
                coming = Gradient(tuple(map(torch.zeros_like, link.after)), zero_R)
            return list(link.after), coming
        direct = Gradient((above,), zero_R).rescaled()
        if coming is None:
            return [link.top], direct
        return [*link.after, link.top], _beside(coming, direct)

    def _entering(self, coming: Gradient | None) -> list[Tensor]:
        """Return the logarithms of the norms of what the way in adds: of tables that indices are looked up in."""
        slots = [leaf for slot, leaf in self._slots if slot.parameter.block == "enter"]
        if not slots or coming is None:
            return []
        grads = vjp(self._entered, slots, coming.parts, retain_graph=True)
        return [log(norm([grad])) + coming.exponent_R * LN2 for grad in grads]


def _beside(coming: Gradient, direct: Gradient) -> Gradient:
    """Return both as one gradient with a common exponent, that of the larger."""
    (above,) = direct.parts
    full_coming = Gradient((*coming.parts, torch.zeros_like(above)), coming.exponent_R)
    full_direct = Gradient((*map(torch.zeros_like, coming.parts), above), direct.exponent_R)
    return full_direct.plus(full_coming)
