"""What a probe gives back, and the numbers of one link's activations and gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradlab.families.network import ActivationMap, Context, State
from gradlab.nn.activations import derivative
from gradlab.probing.gradient import LN2, Gradient, log, norm, share, underflow

__all__ = ["SATURATED", "Loss", "ProbeContext", "Profile", "activation_numbers", "gradient_norms", "gradient_shares"]

Loss = Callable[[Tensor, Tensor], Tensor]

SATURATED = 1 / 20
"""A unit counts as saturated where its slope is below this share of the activation's largest."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a probe saw; float64, natural logarithms, -inf for exactly zero, NaN for not finite.

    L are the links of the network: blocks, or time steps. Where a state has several tensors (the layers of a stacked
    recurrent network) its gradient is the total one, along every path to the loss: what ``torch.autograd.grad`` gives.
    """

    loss_R: Tensor
    log_grad_norm_total_R: Tensor
    """Of the gradient of the loss over all parameters."""
    log_grad_norm_RL: Tensor
    log_grad_norm_by_layer_RLD: Tensor
    """Of each of the D stacked layers by itself; D is 0 where there is one."""
    log_weight_grad_norm_RL: Tensor
    """Of the block's matrix; where links share it, of what link l adds to its gradient. Time step 1 adds none."""
    weight_norm_RL: Tensor
    """Of the block's matrix; where links share them, of the matrices of all layers, the same number for every link."""
    act_mean_RL: Tensor
    act_std_RL: Tensor
    saturated_RL: Tensor
    """Share of (sample, unit) pairs with a flat activation; in gated cells, of flat sigmoids over all gates."""
    dead_RL: Tensor
    """Share of units whose activation (in gated cells, the candidate's) is flat to the last bit for every sample."""
    zero_grad_RL: Tensor
    underflow_RL: Tensor
    """Share of gradient elements that are not zero, yet below `smallest_R`: lost in the precision of training. NaN
    where that was not asked for."""
    log_cell_grad_norm_RL: Tensor
    """Of an LSTM's cell state; NaN elsewhere."""
    spectral_radius_R: Tensor
    """Of the recurrent matrix of the top layer, in gated cells of its block for the candidate (of a minimal cell,
    its only one): the largest modulus of an eigenvalue. NaN elsewhere."""
    recurrent_norm_R: Tensor
    """Its largest singular value."""


@dataclass(slots=True)
class ProbeContext(Context):
    """A context that keeps what the activations and gates of a link were applied to."""

    activations: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """Input and output of each activation, in one graph."""
    gates: list[Tensor] = field(default_factory=list)

    def activate(self, function: ActivationMap, x: Tensor, learned: Tensor | None) -> Tensor:
        y = function(x, learned)
        self.activations.append((x, y))
        return y

    def gate(self, x: Tensor) -> Tensor:
        y = x.sigmoid()
        self.gates.append(y.detach())
        return y

    def clear(self) -> None:
        """Forget what was kept."""
        self.activations.clear()
        self.gates.clear()


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """Return the parts as `[R, D, ...]`."""
    return torch.stack(list(parts), 1) if len(parts) > 1 else parts[0].unsqueeze(1)


def activation_numbers(state: State, per_layer: int, ctx: ProbeContext, flat_below: Tensor) -> dict[str, Tensor]:
    """Return the numbers of the activations of one link, each `[R]`.

    `flat_below`, `[R]` or `[1]`: the slope below which a unit is saturated.
    """
    hidden = _stacked([part.detach() for part in state[::per_layer]]).flatten(1)
    mean_R = hidden.mean(1)
    # two plain passes are several times faster than torch.std_mean, and as exact
    std_R = torch.linalg.vector_norm(hidden - mean_R.unsqueeze(1), dim=1) / math.sqrt(hidden.shape[1])
    slopes = _stacked([derivative(y, x).abs() for x, y in ctx.activations])
    if ctx.gates:
        gates = _stacked(ctx.gates)
        saturated = gates * (1 - gates) < SATURATED / 4
    else:
        saturated = slopes < flat_below.view(-1, *[1] * (slopes.ndim - 1))
    return {"act_mean": mean_R, "act_std": std_R, "saturated": share(saturated), "dead": share(slopes.amax(2) == 0)}


def gradient_norms(parts: Sequence[Tensor], exponent_R: Tensor, per_layer: int) -> dict[str, Tensor]:
    """Return the norms of the gradient at the state of one link, `parts` times 2^exponent; each `[R]` or `[R, D]`."""
    hidden, memory = list(parts[::per_layer]), list(parts[1::per_layer]) if per_layer > 1 else []
    layers = [log(norm([part])) + exponent_R * LN2 for part in hidden] if len(hidden) > 1 else []
    missing_R = torch.full_like(exponent_R, torch.nan)
    return {
        "log_grad_norm": log(norm([_stacked(hidden)])) + exponent_R * LN2,
        "log_grad_norm_by_layer": torch.stack(layers, 1) if layers else exponent_R.new_empty(len(exponent_R), 0),
        "log_cell_grad_norm": Gradient(tuple(memory), exponent_R).log_norm() if memory else missing_R,
    }


def gradient_shares(
    parts: Sequence[Tensor], exponent_R: Tensor, per_layer: int, smallest_R: Tensor | None
) -> dict[str, Tensor]:
    """Return the shares of elements of the same gradient that are zero and that underflow, `[R]` each."""
    joint = _stacked(parts[::per_layer])
    return {"zero_grad": share(joint == 0), "underflow": underflow(joint, exponent_R, smallest_R)}
