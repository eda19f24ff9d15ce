"""The probe: one bank and one batch in, the gradient along the chain of every replica out, in float64.

It copies the flat buffer up, walks forward and back along the links by plain autograd inside each, and touches neither
the training state nor its random streams. Gradients of a thousand sigmoid blocks fall below what even float64 can hold
(1e-631 at width 64), so the gradient is rescaled by a power of two at every link, which is exact, and the exponents are
added back to the logarithms: an exact zero in a profile is a dead network, not underflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor

from gradlab.families.network import Model, Network, State
from gradlab.nn.buffers import Buffers
from gradlab.nn.parameters import Params
from gradlab.probing.gradient import log, norm
from gradlab.probing.own_profile import OwnProfile
from gradlab.probing.profile import SATURATED, Loss, Numbers, ProbeContext, Profile, activation_numbers, by_link
from gradlab.probing.walk import Walk

__all__ = ["Loss", "Profile", "probe", "probe_profile", "weight_norms"]


def weight_norms(network: Model, flat_RP: Tensor, since_RP: Tensor | None = None) -> Tensor:
    """Return the Frobenius norm of each link's matrices, `[R, L]`, float64; where links share them, of all together.

    With `since_RP`, earlier parameters, the norm of what they have changed by.
    """
    slots = network.layout.profiled()
    matrices = [slot.view(flat_RP).double() for slot in slots]
    if since_RP is not None:
        pairs = zip(matrices, slots, strict=True)
        matrices = [matrix - slot.view(since_RP).double() for matrix, slot in pairs]
    if network.shared:
        return norm(matrices).unsqueeze(1).repeat(1, network.length)
    of_block: dict[object, list[Tensor]] = {}
    for matrix, slot in zip(matrices, slots, strict=True):
        of_block.setdefault(slot.parameter.block, []).append(matrix)
    missing_R = torch.full((len(flat_RP),), torch.nan, dtype=torch.float64, device=flat_RP.device)
    return torch.stack([norm(of_block[i]) if i in of_block else missing_R for i in range(network.length)], 1)


def probe(
    network: Model,
    flat_RP: Tensor,
    x: Tensor,
    target: Tensor,
    loss: Loss,
    masks: Sequence[Tensor] = (),
    smallest_R: Tensor | None = None,
    probe_loss: Loss | None = None,
    buffers: Buffers | None = None,
    running: Sequence[Tensor] = (),
) -> Profile:
    """Measure the gradient of the mean loss along the links of every replica.

    Args:
        flat_RP: the parameters, in any precision; read, never written.
        x, target: the probe batch, float64, or int64 where inputs are indices.
        loss: maps outputs and targets to one loss a replica, `[R]`.
        masks: dropout masks of the probe's own stream; batch norm uses the statistics of the probe batch.
        smallest_R: the smallest magnitude of a gradient element that training keeps; None does not count underflow.
        probe_loss: what the profile differentiates where that is not `loss`: of a sequence with a loss at every
            step, that of the last one. `loss_R` and the gradient's norm over all parameters are still those of `loss`.
        buffers: memory that the next probe may write over; nothing of the profile lies in it.
        running: see `Model.running`; read by a model that measures itself, never written.
    """
    if isinstance(network, OwnProfile):
        profile = network.profile(flat_RP, x, target, loss, running, smallest_R, everything=True)
        return _profile(profile | {"weight_norm_RL": weight_norms(network, flat_RP)})
    assert isinstance(network, Network)
    buffers = Buffers() if buffers is None else buffers
    double = torch.empty(0, dtype=torch.float64, device=flat_RP.device)
    flat_RP = buffers.get("parameters", flat_RP.shape, double).copy_(flat_RP.detach())
    params, leaves = network.layout.leaves(flat_RP)
    flat_below = (SATURATED * network.steepest()).to(flat_RP.device)

    def measured(state: State, ctx: ProbeContext) -> Numbers:
        return activation_numbers(network, state, ctx, flat_below)

    with torch.enable_grad():
        walk = Walk(network, params, leaves, x, ProbeContext("probe", masks=masks, buffers=buffers), measured)
        top = walk.top.requires_grad_()
        output = network.leave(params, top)
        loss_R = loss(output, target)
        slots = zip(network.layout.slots, leaves, strict=True)
        readout = [leaf for slot, leaf in slots if slot.parameter.block == "leave"]
        direct, *of_readout = torch.autograd.grad(loss_R.sum(), [top, *readout], retain_graph=True)
        numbers, logs_KR = walk.back(direct, smallest_R)
        logs_KR = torch.cat([logs_KR, log(torch.stack([norm([grad]) for grad in of_readout]))])
        if probe_loss is not None:
            (watched,) = torch.autograd.grad(probe_loss(output, target).sum(), top)
            numbers, _ = walk.back(watched, smallest_R)
    radius_R, norm_R = _spectrum(network, params)
    measured_numbers = by_link(numbers) | {
        "loss_R": loss_R.detach(),
        "log_grad_norm_total_R": torch.logsumexp(2 * logs_KR, 0) / 2,
        "weight_norm_RL": weight_norms(network, flat_RP),
        "spectral_radius_R": radius_R,
        "recurrent_norm_R": norm_R,
    }
    return _profile(measured_numbers)


def probe_profile(
    network: Model,
    flat_RP: Tensor,
    x: Tensor,
    target: Tensor,
    loss: Loss,
    masks: Sequence[Tensor] = (),
    probe_loss: Loss | None = None,
    running: Sequence[Tensor] = (),
) -> Profile:
    """Measure the loss and the norms of its gradient at the states along the links, to the bit those of `probe`.

    No gradient of a parameter is formed and no activation looked at: every other field of the profile is NaN. The
    arguments are those of `probe`.
    """
    if isinstance(network, OwnProfile):
        return _profile(network.profile(flat_RP, x, target, loss, running, None, everything=False))
    assert isinstance(network, Network)
    params = network.layout.views(flat_RP.detach().double())
    with torch.enable_grad():
        walk = Walk(network, params, (), x, ProbeContext("probe", masks=masks), lambda state, ctx: {})
        top = walk.top.requires_grad_()
        output = network.leave(params, top)
        loss_R = loss(output, target)
        watched = loss_R if probe_loss is None else probe_loss(output, target)
        (direct,) = torch.autograd.grad(watched.sum(), top)
        numbers, _ = walk.back(direct, None)
    return _profile(by_link(numbers) | {"loss_R": loss_R.detach()})


def _profile(numbers: Numbers) -> Profile:
    """Return a profile with NaN where nothing was measured, or the network has nothing of the kind."""
    by_size = {"R": numbers["loss_R"], "RL": numbers["log_grad_norm_RL"]}
    missing = {
        field.name: torch.full_like(by_size[field.name.rpartition("_")[2]].detach(), torch.nan)
        for field in fields(Profile)
        if field.name not in numbers
    }
    return Profile(**(missing | numbers))


def _spectrum(network: Network, params: Params) -> tuple[Tensor, Tensor]:
    """Return the spectral radius and the largest singular value of the network's recurrent matrix; NaN without."""
    first = next(iter(params[-1].values()))
    matrix = network.recurrent_matrix(params)
    if matrix is None:
        missing_R = torch.full((len(first),), torch.nan, dtype=torch.float64, device=first.device)
        return missing_R, missing_R
    matrix = matrix.detach().cpu()
    finite_R = matrix.isfinite().flatten(1).all(1)
    matrix = torch.where(finite_R.view(-1, 1, 1), matrix, 0.0)
    radius_R, norm_R = torch.linalg.eigvals(matrix).abs().amax(1), torch.linalg.matrix_norm(matrix, 2)
    spectrum = [torch.where(finite_R, value_R, torch.nan).to(first.device) for value_R in (radius_R, norm_R)]
    return spectrum[0], spectrum[1]
