"""The numbers of one watched step, as plain records."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradlab.modules.profile import BlockNumbers, Head, ModuleProfile
from gradlab.modules.watching.chain import WatchedBlock, WatchedChain
from gradlab.modules.watching.hooks import ForwardRead, TensorRead
from gradlab.modules.watching.norms import Number, norms

__all__ = ["Attempt", "StepNumbers", "WatchedStep", "norms_by_name", "on_the_host", "overflow_place", "profile_of"]


@dataclass(frozen=True, slots=True)
class WatchedStep:
    """What one measured step of a training loop gave."""

    step: int
    """Updates made before it."""
    profile: ModuleProfile
    update_ratios: tuple[float, ...]
    """‖Δw‖/‖w‖ of the matrices and kernels of each block."""
    micro_batches: int
    """Forward passes with a backward."""
    loss: float
    clip_norm_before: float
    """Norm of the gradient of all parameters at the end of the last backward."""
    clip_norm_after: float
    """The same where the optimizer takes it."""
    loss_scale: float
    """Of the gradient scaler; 1 without one."""
    overflows: int
    """Attempts at this step that the scaler skipped, as gradients overflowed."""
    overflow_at: str
    """Where gradients of the last such attempt were not finite first, see `overflow_place`."""


class _Transfer:
    """Numbers on a device that go to the host together."""

    def __init__(self) -> None:
        self._tensors: dict[int, Tensor] = {}
        self._values: list[float] = []

    def add(self, number: Number) -> int:
        """Return the place of a number."""
        if isinstance(number, Tensor):
            self._tensors[len(self._values)] = number
            self._values.append(math.nan)
        else:
            self._values.append(number)
        return len(self._values) - 1

    def add_all(self, numbers: Mapping[str, Number]) -> dict[str, int]:
        return {name: self.add(number) for name, number in numbers.items()}

    def fetch(self) -> None:
        """Copy them, with one copy for each device and number format."""
        groups: defaultdict[tuple[torch.device, torch.dtype], list[int]] = defaultdict(list)
        for place, tensor in self._tensors.items():
            groups[tensor.device, tensor.dtype].append(place)
        for places in groups.values():
            stacked = torch.stack([self._tensors[place].detach().reshape(()) for place in places]).tolist()
            for place, value in zip(places, stacked, strict=True):
                self._values[place] = value

    def __getitem__(self, place: int) -> float:
        return self._values[place]

    def all(self, places: Mapping[str, int]) -> dict[str, float]:
        return {name: self._values[place] for name, place in places.items()}


@dataclass(slots=True)
class Attempt:
    """What was read of one attempt at a step, on the devices."""

    gradients: dict[str, Number] = field(default_factory=dict)
    """Norms by parameter, at the end of the last backward."""
    scale: Number = 1.0
    """Of the gradient scaler, then."""
    updating: dict[str, Number] = field(default_factory=dict)
    """Norms by parameter, as the optimizer takes the gradients."""
    updating_scale: Number = 1.0
    """What the optimizer divides them by itself."""
    before: dict[str, Tensor] = field(default_factory=dict)
    """Matrices and kernels before the update."""
    skipped: Tensor | None = None
    """Whether the optimizer made no update, as gradients overflowed."""


@dataclass(frozen=True, slots=True)
class StepNumbers:
    """The same on the host."""

    tensors: dict[int, tuple[float, list[float]]]
    """By the identity of a `TensorRead`: norm of the value, norms of the gradients without the scale."""
    weights: dict[str, float]
    gradients: dict[str, float]
    updates: dict[str, float]
    updating: dict[str, float]
    scale: float
    loss: float
    """Sum of the losses that the model returned, each as it was weighted (by accumulation, say); NaN without any."""


@torch.no_grad()
def on_the_host(forwards: Sequence[ForwardRead], attempt: Attempt, weights: Mapping[str, Tensor]) -> StepNumbers:
    """Return the numbers of a step, copied from each device at once. `weights`: those after the update."""
    transfer = _Transfer()
    scales = {id(forward): transfer.add(forward.scale) for forward in forwards}
    tensors = [
        (id(forward), tensor, transfer.add(tensor.value_norm), [*map(transfer.add, tensor.gradient_norms)])
        for forward in forwards
        for tensor in forward.reads.values()
    ]
    before_update = {name: attempt.before.get(name, tensor) for name, tensor in weights.items()}
    weight_norms = transfer.add_all(norms_by_name(before_update))
    changes = {name: tensor for name, tensor in attempt.before.items() if name in weights}
    if changes:  # in place: the copies have done their work
        torch._foreach_sub_([*changes.values()], [weights[name].detach() for name in changes])
    updates = transfer.add_all(norms_by_name(changes))
    gradients, updating = transfer.add_all(attempt.gradients), transfer.add_all(attempt.updating)
    scale, updating_scale = transfer.add(attempt.scale), transfer.add(attempt.updating_scale)
    losses = [
        (transfer.add(forward.loss), transfer.add(forward.loss_weight), scales[id(forward)])
        for forward in forwards
        if forward.loss is not None and forward.loss_weight is not None
    ]
    transfer.fetch()
    tensor_numbers = {
        id(tensor): (transfer[value], [transfer[place] / transfer[scales[forward]] for place in places])
        for forward, tensor, value, places in tensors
    }
    loss = sum(transfer[value] * transfer[weight] / transfer[loss_scale] for value, weight, loss_scale in losses)
    return StepNumbers(
        tensor_numbers, transfer.all(weight_norms), _divided(transfer.all(gradients), transfer[scale]),
        transfer.all(updates), _divided(transfer.all(updating), transfer[updating_scale]), transfer[scale],
        loss if losses else math.nan,
    )  # fmt: skip


def _divided(numbers: Mapping[str, float], divisor: float) -> dict[str, float]:
    return {name: number / divisor for name, number in numbers.items()}


def norms_by_name(tensors: Mapping[str, Tensor]) -> dict[str, Number]:
    """Return the norms of tensors by their names."""
    return dict(zip(tensors, norms([*tensors.values()]), strict=True))


def overflow_place(chain: WatchedChain, forwards: Sequence[ForwardRead], gradients: Mapping[str, Number]) -> str:
    """Return where a gradient was not finite, nearest to the loss: a parameter above the last block, else a block for
    its output or its parameters; the empty text where it was nowhere in the model."""
    wrong = [name for name, norm in gradients.items() if not math.isfinite(float(norm))]
    for name in wrong:
        if name in chain.head:
            return name
    for place in reversed(range(len(chain.blocks))):
        reads = [forward.reads[place] for forward in forwards if place in forward.reads]
        norms = [float(norm) for read in reads for norm in read.gradient_norms]
        if not all(map(math.isfinite, norms)) or not set(wrong).isdisjoint(chain.blocks[place].parameters):
            return chain.blocks[place].name
    return ""


def profile_of(
    chain: WatchedChain,
    parameters: Mapping[str, Tensor],
    forwards: Sequence[ForwardRead],
    numbers: StepNumbers,
    loss: float,
    training: bool,
) -> tuple[ModuleProfile, tuple[float, ...]]:
    """Return the profile of a step, and ‖Δw‖/‖w‖ of its blocks. `loss`: NaN where it is not known.

    The forward passes of a step (micro-batches) are parts of one batch: squares of their norms are added up.
    """
    blocks = []
    for place, block in enumerate(chain.blocks):
        reads = [forward.reads[place] for forward in forwards if place in forward.reads]
        blocks.append(_numbers(block, reads, numbers, parameters))
    weights = tuple(name for name in chain.head if name in numbers.weights)
    head = Head(sum(parameters[name].numel() for name in chain.head), weights, _zero(weights, numbers.weights))
    profile = ModuleProfile(
        blocks=tuple(blocks), objective="the loss of the training loop", loss=0.0 if math.isnan(loss) else loss,
        source="", rule=chain.rule, dtype="", training=training,
        parameters=sum(tensor.numel() for tensor in parameters.values()), head=head, weight_uses=(),
        parameter_grads={name: _log(value) for name, value in numbers.gradients.items()}, uncalled=(), cut_off=(),
        notes=(),
    )  # fmt: skip
    return profile, tuple(_ratio(numbers.updates, numbers.weights, block.weights) for block in blocks)


def _numbers(
    block: WatchedBlock, reads: Sequence[TensorRead], numbers: StepNumbers, parameters: Mapping[str, Tensor]
) -> BlockNumbers:
    gradients = [gradient for read in reads for gradient in numbers.tensors[id(read)][1]]
    values = [numbers.tensors[id(read)][0] for read in reads]
    elements = sum(read.elements for read in reads)
    weights = tuple(name for name in block.parameters if name in numbers.weights)
    shape = reads[0].shape if reads else block.shape
    if len(reads) > 1 and shape:  # of all micro-batches together
        shape = (sum(read.shape[0] for read in reads), *shape[1:])
    tensors = [parameters[name] for name in block.parameters]
    unknown = math.nan  # it takes a second pass, or a copy of the activations
    return BlockNumbers(
        name=block.name, kind=block.kind, call=block.call, shape=shape, dtype="", is_cut=block.is_cut,
        connected=bool(gradients), parameters=sum(tensor.numel() for tensor in tensors),
        frozen=bool(tensors) and not any(tensor.requires_grad for tensor in tensors),
        log_grad_norm=_log(math.hypot(*gradients)) if gradients else -math.inf,
        act_rms=math.hypot(*values) / math.sqrt(elements) if elements else math.nan,
        log_weight_grad_norm=_log(_joint(numbers.gradients, weights)), weight_norm=_joint(numbers.weights, weights),
        weights=weights, zero_weights=_zero(weights, numbers.weights),
        zero_grad=unknown, nonfinite=unknown, common=unknown, act_mean=unknown, token_cosine=unknown,
        attention_entropy=unknown, saturated=unknown, dead=unknown,
    )  # fmt: skip


def _zero(names: Iterable[str], weights: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(name for name in names if weights.get(name) == 0)


def _joint(norms: Mapping[str, float], names: Sequence[str]) -> float:
    if not names or any(name not in norms for name in names):
        return math.nan
    return math.hypot(*(norms[name] for name in names))


def _ratio(updates: Mapping[str, float], weights: Mapping[str, float], names: Sequence[str]) -> float:
    above, below = _joint(updates, names), _joint(weights, names)
    return above / below if below else math.nan


def _log(value: float) -> float:
    if not math.isfinite(value):
        return math.nan
    return math.log(value) if value else -math.inf
