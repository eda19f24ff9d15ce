"""The probe of a recurrent network: the gradient of the last step's loss at the state of every step before it.

The states are computed once without a graph and kept; then, from the last step down, the graph of one step at a time
is made again from them and gone through backward. So there is memory for the states alone, the gradient is rescaled
by a power of two after every step, and what each step adds to the gradient of the parameters is seen by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradlab.families.recurrent.cells import Seen, State
from gradlab.families.recurrent.network import Recurrent
from gradlab.nn.activations import derivative
from gradlab.nn.layout import Params
from gradlab.probing.profile import LN2, SATURATED, Loss, Profile, exponent_of, log, norm, scaled, share, underflow

__all__ = ["profile", "weight_norms"]

NOTHING = -1e9
"""Stands for the exponent of an exact zero in comparisons: far below every other, and still a number."""


@dataclass(slots=True)
class _Gradient:
    """Tensors `[R, ...]` whose true values are these times 2^exponent, one exponent a replica."""

    parts: list[Tensor]
    exponent_R: Tensor

    @classmethod
    def of(cls, parts: Sequence[Tensor], exponent_R: Tensor) -> _Gradient:
        """Return the gradient with its largest element near 1."""
        shift_R = exponent_of(parts)
        return cls([scaled(part, -shift_R) for part in parts], exponent_R + shift_R)

    def plus(self, parts: Sequence[Tensor], exponent_R: Tensor) -> _Gradient:
        """Return the sum with `parts` times 2^exponent, to the accuracy of float64 whatever the two exponents."""
        other = _Gradient(list(parts), exponent_R)
        mine_R, theirs_R = self._rank(), other._rank()
        common_R = torch.maximum(mine_R, theirs_R)
        common_R = torch.where(common_R == NOTHING, 0.0, common_R)
        mine_R, theirs_R = mine_R - common_R, theirs_R - common_R
        pairs = zip(self.parts, other.parts, strict=True)
        return _Gradient([scaled(one, mine_R) + scaled(two, theirs_R) for one, two in pairs], common_R)

    def _rank(self) -> Tensor:
        nothing_R = torch.stack([(part == 0).flatten(1).all(1) for part in self.parts]).all(0)
        return torch.where(nothing_R, NOTHING, self.exponent_R)


@dataclass(slots=True)
class _Columns:
    """The numbers of each step, by name; the last step comes first."""

    rows: list[dict[str, Tensor]] = field(default_factory=list)

    def stacked(self, name: str) -> Tensor:
        """Return one column as `[R, T]`, the first step first."""
        return torch.stack([row[name] for row in reversed(self.rows)], 1)


class _Backward:
    """One pass back through the steps, on states that are there already."""

    def __init__(
        self, model: Recurrent, params: Params, leaves: list[Tensor], x_RNTI: Tensor, states: list[list[State]],
        masks_LRNO: Tensor | None, smallest_R: Tensor | None,
    ) -> None:  # fmt: skip
        self._model, self._params, self._x, self._states = model, params, x_RNTI, states
        self._masks, self._smallest_R = masks_LRNO, smallest_R
        slots = list(zip(model.layout.slots, leaves, strict=True))
        self._leaves = [leaf for slot, leaf in slots if slot.layer < model.arch.depth]
        self._recurrent = [
            i
            for i, (slot, _) in enumerate(slots)
            if slot.name == "weight" and slot.layer < model.arch.depth
        ]  # fmt: skip
        self._flat_below = SATURATED * float(model.cell.activation.steepest())

    def run(self, above: Sequence[Tensor | None], columns: _Columns | None) -> _Gradient:
        """Return the gradient of the parameters below the readout; fill `columns`, where given, with the profile.

        `above` is the gradient that comes down at each step from the readout; None for none.
        """
        first = self._states[0]
        zero = [torch.zeros_like(part) for state in first for part in state]
        none_R = torch.zeros(len(zero[0]), dtype=zero[0].dtype, device=zero[0].device)
        total = _Gradient([torch.cat([torch.zeros_like(leaf).flatten(1) for leaf in self._leaves], 1)], none_R)
        coming = _Gradient(zero, none_R)
        steps = len(above)
        cut = self._model.cuts(steps)
        for t in range(steps - 1, -1, -1):
            coming, added = self._step(t, coming, above[t], columns)
            total = total.plus(*added)
            coming = _Gradient(zero, none_R) if t in cut else _Gradient.of(coming.parts, coming.exponent_R)
        return total

    def _step(
        self, t: int, coming: _Gradient, above: Tensor | None, columns: _Columns | None
    ) -> tuple[_Gradient, tuple[list[Tensor], Tensor]]:
        """Return the gradient at the state before step t, and what the step adds to that of the parameters, in one
        row a replica, with its exponent."""
        with torch.enable_grad():
            before = [tuple(part.detach().requires_grad_() for part in state) for state in self._states[t]]
            after, seen, top = self._model.step(self._params, self._x[:, :, t], before, self._masks)
        outputs = [part for state in after for part in state]
        exponent_R, down = coming.exponent_R, list(coming.parts)
        inputs = [*outputs, *(part for state in before for part in state), *self._leaves]
        if above is not None:
            from_above = _Gradient.of([*map(torch.zeros_like, down), above], torch.zeros_like(exponent_R))
            joined = from_above.plus([*down, torch.zeros_like(above)], exponent_R)
            outputs, down, exponent_R = [*outputs, top], joined.parts, joined.exponent_R
        shown = None if columns is None else self._activations(after, seen)
        found = torch.autograd.grad(outputs, inputs, down, allow_unused=True, materialize_grads=True)
        states = len(coming.parts)
        at, left, added = found[:states], found[states : 2 * states], found[2 * states :]
        if columns is not None and shown is not None:
            columns.rows.append(
                shown
                | self._gradients(at, exponent_R)
                | {"log_weight_grad_norm": log(norm([added[i] for i in self._recurrent])) + exponent_R * LN2}
            )
        row = torch.cat([one.flatten(1) for one in added], 1)
        return _Gradient(list(left), exponent_R), ([row], exponent_R)

    def _gradients(self, at: Sequence[Tensor], exponent_R: Tensor) -> dict[str, Tensor]:
        """Return the numbers of the gradient at one state; `at` are the parts of all layers' states in turn."""
        per_layer = self._model.cell.states
        hidden = torch.stack([part.detach() for part in at[::per_layer]], 1)
        cells = [norm([part for i, part in enumerate(at) if i % per_layer])] if per_layer > 1 else []
        return {
            "log_grad_norm": log(norm([hidden])) + exponent_R * LN2,
            "log_cell_grad_norm": log(cells[0]) + exponent_R * LN2 if cells else torch.full_like(exponent_R, torch.nan),
            "zero_grad": share(hidden == 0),
            "underflow": underflow(hidden, exponent_R, self._smallest_R),
        }

    def _activations(self, after: list[State], seen: list[Seen]) -> dict[str, Tensor]:
        """Return the numbers of the states of all layers after one step."""
        h_RLNH = torch.stack([state[0].detach() for state in after], 1)
        mean_R = h_RLNH.mean((1, 2, 3))
        std_R = norm([h_RLNH - mean_R.view(-1, 1, 1, 1)]) / math.sqrt(h_RLNH[0].numel())
        slopes = torch.stack([self._slope(layer, shown) for layer, shown in enumerate(seen)], 1)
        gates = [shown.gates.detach() for shown in seen if shown.gates is not None]
        flat = torch.stack(gates, 1) if gates else None
        return {
            "act_mean": mean_R,
            "act_std": std_R,
            "saturated": share(slopes < self._flat_below if flat is None else flat * (1 - flat) < SATURATED / 4),
            "dead": share(slopes.amax(2) == 0),
        }

    def _slope(self, layer: int, seen: Seen) -> Tensor:
        if seen.after is not None:
            return derivative(seen.after, seen.before).abs()
        learned = self._params[layer].get("slope")
        with torch.enable_grad():
            x = seen.before.detach().requires_grad_()
            y = self._model.cell.activation(x, None if learned is None else learned.detach())
            return derivative(y, x).abs()


def weight_norms(model: Recurrent, flat_RP: Tensor) -> Tensor:
    """Return the Frobenius norm of the recurrent matrices of all layers together, once for each step, `[R, T]`."""
    steps = model.arch.seq_len
    if steps is None:
        raise ValueError("a recurrent model without seq_len has no profile")
    matrices = [slot.view(flat_RP).double() for slot in model.layout.weights()[:-1]]
    return norm(matrices).unsqueeze(1).repeat(1, steps)


def _spectrum(model: Recurrent, params: Params) -> tuple[Tensor, Tensor]:
    """Return the spectral radius and the largest singular value of the top layer's recurrent block."""
    blocks = params[model.arch.depth - 1]["weight"].detach().cpu().chunk(len(model.cell.blocks), 1)
    matrix = blocks[model.cell.candidate]
    finite_R = matrix.isfinite().flatten(1).all(1)
    matrix = torch.where(finite_R.view(-1, 1, 1), matrix, 0.0)
    radius_R, norm_R = torch.linalg.eigvals(matrix).abs().amax(1), torch.linalg.matrix_norm(matrix, 2)
    where = params[0]["weight"].device
    return tuple(torch.where(finite_R, one, torch.nan).to(where) for one in (radius_R, norm_R))  # type: ignore[return-value]


@torch.no_grad()
def _forward(
    model: Recurrent, params: Params, x_RNTI: Tensor, masks_LRNO: Tensor | None
) -> tuple[list[list[State]], Tensor]:
    """Return the states before each step and after the last, and what the top layer hands up: `[R, N, H]` of the last
    step or `[R, T, N, H]` of all."""
    states = [model.start(x_RNTI.shape[0], x_RNTI.shape[1], params[0]["weight"])]
    tops = []
    for t in range(x_RNTI.shape[2]):
        after, _, top = model.step(params, x_RNTI[:, :, t], states[-1], masks_LRNO)
        states.append(after)
        tops.append(top)
    return states, torch.stack(tops, 1) if model.arch.per_step else tops[-1]


def profile(
    model: Recurrent, flat_RP: Tensor, x_RNTI: Tensor, target: Tensor, loss: Loss, masks_LRNO: Tensor | None,
    smallest_R: Tensor | None, probe_loss: Loss | None,
) -> Profile:  # fmt: skip
    """Return what `gradlab.probing.probe` promises."""
    params, leaves = model.layout.leaves(flat_RP.detach().double())
    states, top = _forward(model, params, x_RNTI, masks_LRNO)
    readout = list(params[-1].values())
    with torch.enable_grad():
        top.requires_grad_()
        output = model.readout(params, top)
        loss_R = loss(output, target)
        direct, *of_readout = torch.autograd.grad(loss_R.sum(), [top, *readout], retain_graph=True)
        watched = direct if probe_loss is None else torch.autograd.grad(probe_loss(output, target).sum(), top)[0]
    backward = _Backward(model, params, leaves, x_RNTI, states, masks_LRNO, smallest_R)
    columns = _Columns()
    steps = x_RNTI.shape[2]
    total = backward.run(_by_step(watched, steps, model.arch.per_step), columns)
    if probe_loss is not None:
        total = backward.run(_by_step(direct, steps, model.arch.per_step), None)
    sums = [log(norm(total.parts)) + total.exponent_R * LN2, log(norm(of_readout))]
    radius_R, norm_R = _spectrum(model, params)
    return Profile(
        loss_R=loss_R.detach(),
        log_grad_norm_total_R=torch.logsumexp(2 * torch.stack(sums), 0) / 2,
        weight_norm_RL=weight_norms(model, flat_RP),
        spectral_radius_R=radius_R,
        recurrent_norm_R=norm_R,
        **{f"{name}_RL": columns.stacked(name) for name in columns.rows[0]},
    )


def _by_step(direct: Tensor, steps: int, per_step: bool) -> list[Tensor | None]:
    """Return the gradient that comes down from the readout at each step, None where it is zero for all replicas."""
    if not per_step:
        return [*[None] * (steps - 1), direct]
    return [part if bool((part != 0).any()) else None for part in direct.unbind(1)]
