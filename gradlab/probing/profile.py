"""What a probe gives back, and the numbers of one link's activations and gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradlab.families.network import ActivationMap, Context, Network, State
from gradlab.probing import samples, tokens
from gradlab.probing.gradient import LN2, bound, count, log, norm

__all__ = [
    "SATURATED", "Loss", "Numbers", "ProbeContext", "Profile", "activation_numbers", "by_link", "gradient_norms",
    "gradient_shares",
]  # fmt: skip

Loss = Callable[[Tensor, Tensor], Tensor]

Numbers = dict[str, Tensor]
"""Numbers of one link, each `[R]` or `[R, ...]`; of the gradient norms, those that `by_link` takes logarithms of."""

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
    token_cosine_RL: Tensor
    """Mean cosine between two tokens of one sequence, of states of tokens; NaN elsewhere."""
    attn_entropy_RL: Tensor
    """Mean entropy of the attention over what a query sees, over the logarithm of how many tokens that are; NaN
    without attention."""
    common_RL: Tensor
    """Share of the squared gradient that is the same for all tokens of a sequence; NaN where there are none."""
    grad_cosine_RL: Tensor
    """Likeness of the gradients of different samples, as a share of that at the last link; NaN where a state has
    several tensors."""
    spectral_radius_R: Tensor
    """Of the recurrent matrix of the top layer, in gated cells of its block for the candidate (of a minimal cell,
    its only one): the largest modulus of an eigenvalue. NaN elsewhere."""
    recurrent_norm_R: Tensor
    """Its largest singular value."""


@dataclass(slots=True)
class ProbeContext(Context):
    """A context that keeps what the activations and gates of a link were applied to."""

    activations: list[tuple[ActivationMap, Tensor, Tensor]] = field(default_factory=list)
    """Each activation with its input and output, in one graph."""
    gates: list[Tensor] = field(default_factory=list)
    entropies: list[Tensor] = field(default_factory=list)
    """Of each attention, `[R]`."""

    def activate(self, function: ActivationMap, x: Tensor, learned: Tensor | None) -> Tensor:
        y = function(x, learned)
        self.activations.append((function, x, y))
        return y

    def gate(self, x: Tensor) -> Tensor:
        y = x.sigmoid()
        self.gates.append(y.detach())
        return y

    def attend(self, scores: Tensor, later: Tensor | None = None) -> Tensor:
        weights = Context.attend(self, scores, later)  # a dataclass with slots is another class than `super` means
        self.entropies.append(tokens.attention_entropy(weights.detach(), later))
        return weights

    def clear(self) -> None:
        """Forget what was kept."""
        self.activations.clear()
        self.gates.clear()
        self.entropies.clear()

    def scratch(self, like: Tensor) -> Tensor:
        """Return memory of the shape of `like`, the same for all tensors of that size: it stays in the core's cache."""
        size = like[0].numel()
        return self.buffers.get(("probe", size), (len(like), size), like).view(like.shape)


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """Return the parts as `[R, D, ...]`."""
    return torch.stack(list(parts), 1) if len(parts) > 1 else parts[0].unsqueeze(1)


def activation_numbers(network: Network, state: State, ctx: ProbeContext, flat_below: Tensor) -> Numbers:
    """Return the numbers of the activations of one link.

    `flat_below`, `[R]` or `[1]`: the slope below which a unit is saturated.
    """
    per_layer = network.per_layer
    hidden = _stacked([part.detach() for part in state[::per_layer]]).flatten(1)
    mean_R = hidden.mean(1)
    # two plain passes are several times faster than torch.std_mean, and as exact
    centred = torch.sub(hidden, mean_R.unsqueeze(1), out=ctx.scratch(hidden))
    std_R = torch.linalg.vector_norm(centred, dim=1) / math.sqrt(hidden.shape[1])
    steepest, flat, pairs = [], [], 0
    for function, x, y in ctx.activations:
        slopes = function.slope_magnitude(x, y, ctx.scratch(y))
        steepest.append(slopes.amax(1))
        if not ctx.gates:
            flat.append(count(slopes.lt_(flat_below.view(-1, 1, 1))))
            pairs += slopes[0].numel()
    for gate in ctx.gates:
        slopes = torch.sub(gate.new_ones(()), gate, out=ctx.scratch(gate)).mul_(gate)
        flat.append(count(slopes.lt_(SATURATED / 4)))
        pairs += slopes[0].numel()
    numbers = {"act_mean": mean_R, "act_std": std_R}
    if flat:
        numbers["saturated"] = sum(flat[1:], flat[0]) / pairs
    if steepest:
        numbers["steepest"] = steepest[0] if len(steepest) == 1 else torch.cat(steepest, 1)
    if network.tokens:
        numbers["token_cosine"] = tokens.cosine(state[0].detach())
    if ctx.entropies:
        numbers["attn_entropy"] = torch.stack(ctx.entropies).mean(0)
    return numbers


def gradient_norms(parts: Sequence[Tensor], exponent_R: Tensor, per_layer: int) -> Numbers:
    """Return the norms of the gradient at the state of one link, `parts` times 2^exponent, and that exponent."""
    hidden, memory = list(parts[::per_layer]), list(parts[1::per_layer]) if per_layer > 1 else []
    layers = [norm([part]) for part in hidden] if len(hidden) > 1 else []
    return {
        "exponent": exponent_R,
        "log_grad_norm": norm([_stacked(hidden)]),
        "log_grad_norm_by_layer": torch.stack(layers, 1) if layers else exponent_R.new_empty(len(exponent_R), 0),
        "log_cell_grad_norm": norm(memory) if memory else torch.full_like(exponent_R, torch.nan),
    }


def gradient_shares(
    parts: Sequence[Tensor], exponent_R: Tensor, per_layer: int, smallest_R: Tensor | None, ctx: ProbeContext
) -> Numbers:
    """Return the shares of elements of the same gradient that are zero and that underflow, `[R]` each."""
    joint = _stacked(parts[::per_layer]).flatten(1)
    size, scratch = joint.shape[1], ctx.scratch(joint)
    zeros_R = count(torch.eq(joint, 0, out=scratch))
    if smallest_R is None:
        return {"zero_grad": zeros_R / size, "underflow": torch.full_like(exponent_R, torch.nan)}
    # the bound moves, not the gradient: infinite or zero, it is right as well, and above zero it counts the zeros too
    below = torch.abs(joint, out=scratch).lt_(bound(smallest_R, exponent_R).unsqueeze(1))
    return {"zero_grad": zeros_R / size, "underflow": (count(below) - zeros_R).clamp_(min=0) / size}


def _dead(steepest: Sequence[Tensor | None], missing_R: Tensor) -> Tensor:
    """Return the share of units whose largest slope is 0, `[R, L]`, of `[R, U]` for each link; None: it has none."""
    parts = [part for part in steepest if part is not None]
    if len(parts) == len(steepest) and len({part.shape for part in parts}) == 1:
        steepest_RLU = torch.stack(parts, 1)
        return (steepest_RLU == 0).count_nonzero(2).double() / steepest_RLU.shape[2]
    shares = [missing_R if part is None else (part == 0).count_nonzero(1) / part.shape[1] for part in steepest]
    return torch.stack([share.to(missing_R) for share in shares], 1)


def by_link(links: Sequence[Numbers]) -> Numbers:
    """Return the fields of a `Profile` that have a value for each link, `[R, L]` or `[R, L, D]`, by name.

    Where a link has nothing of the kind, as a block without an activation, the value is NaN.
    """
    missing_R = torch.full_like(links[0]["exponent"], torch.nan)
    steepest = [link.pop("steepest", None) for link in links]
    cosines = [link.pop("pair_cosines") for link in links if "pair_cosines" in link]
    names = dict.fromkeys(name for link in links for name in link)
    numbers = {name: torch.stack([link.get(name, missing_R) for link in links], 1) for name in names}
    exponent_RL = numbers.pop("exponent")
    if any(part is not None for part in steepest):
        numbers["dead"] = _dead(steepest, missing_R)
    if len(cosines) == len(links):
        numbers["grad_cosine"] = samples.kept_share(cosines)
    for name in [name for name in numbers if name.startswith("log_")]:
        exponent = exponent_RL if numbers[name].ndim == 2 else exponent_RL.unsqueeze(2)
        numbers[name] = log(numbers[name]) + exponent * LN2
    return {f"{name}_RL{'D' * (value.ndim - 2)}": value for name, value in numbers.items()}
