"""What every peer records, in plain torch: at each probe what gradlab has in its tables, under the same names.

Activations and gradients are float64 tensors `[L, ..., N, W]`: L blocks, N probe samples, W units; dimensions between
them, as those of an ensemble, stay. Numbers of blocks come out as `[..., L]`. `record="profile"`: the gradient norms of
the blocks, the loss and the held-out metric alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Numbers", "Pass", "clipping", "displacement", "joint_norm", "numbers", "update_ratio"]

Numbers = dict[str, Tensor]
SATURATED = 1 / 20
UNDERFLOW = torch.finfo(torch.float32).smallest_normal
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def _gelu(x: Tensor, y: Tensor) -> Tensor:
    return (1 + torch.erf(x / math.sqrt(2))) / 2 + x * torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)


SLOPES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], float]] = {
    "sigmoid": (lambda x, y: y * (1 - y), 0.25),
    "tanh": (lambda x, y: 1 - y * y, 1.0),
    "relu": (lambda x, y: (x > 0).double(), 1.0),
    "gelu": (_gelu, float(_gelu(torch.tensor(math.sqrt(2)).double(), torch.empty(0)))),
    "selu": (lambda x, y: SELU_SCALE * torch.where(x > 0, 1, SELU_ALPHA * x.exp()), SELU_SCALE * SELU_ALPHA),
}
"""The derivative of each activation by its input x and output y, and the largest value of it."""


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass over the probe batch, in float64."""

    loss: Tensor
    output_grads: Tensor
    """Of the outputs of the blocks, `[L, ..., N, W]`."""
    inputs: Tensor | None = None
    """Of the activations; this and what follows where everything is recorded."""
    outputs: Tensor | None = None
    weights: Sequence[Tensor] = ()
    """Of the blocks, `[..., O, I]` each."""
    weight_grads: Sequence[Tensor] = ()
    other_grads: Sequence[Tensor] = ()
    """Of biases and readout, `[..., *]` each."""


def numbers(own: Pass, activation: str) -> Numbers:
    """Return the numbers of a probe: of blocks `[..., L]`, of the network `[...]`."""
    profile = {"loss": own.loss, "grad_norm": _of_blocks(_norm(own.output_grads))}
    if own.inputs is None or own.outputs is None:
        return profile
    slope, steepest = SLOPES[activation]
    slopes = slope(own.inputs, own.outputs).abs()
    grads = own.output_grads
    every = [*own.weight_grads, *own.other_grads]
    mean = own.outputs.mean((-2, -1), keepdim=True)
    blocks = {
        "act_mean": mean[..., 0, 0],
        "act_std": _norm(own.outputs - mean) / math.sqrt(own.outputs.shape[-2:].numel()),
        "saturated": _share(slopes < SATURATED * steepest),
        "dead": (slopes.amax(-2) == 0).double().mean(-1),
        "zero_grad": _share(grads == 0),
        "underflow": _share((grads != 0) & (grads.abs() < UNDERFLOW)),
        "weight_norm": torch.stack([_norm(weight) for weight in own.weights]),
        "weight_grad_norm": torch.stack([_norm(grad) for grad in own.weight_grads]),
    }
    named = {name: _of_blocks(value) for name, value in blocks.items()}
    return profile | named | {"grad_norm_total": joint_norm(every, own.loss.ndim)}


def update_ratio(before: Sequence[Tensor], after: Sequence[Tensor]) -> Tensor:
    """Return the norm of the change of each weight over its norm before, `[..., L]`."""
    ratios = [_norm(new.double() - old.double()) / _norm(old.double()) for old, new in zip(before, after, strict=True)]
    return torch.stack(ratios, -1)


displacement = update_ratio
"""The same, with the weights at the start as those before."""


def clipping(before: Tensor, largest: float) -> Numbers:
    """Return the norms of training gradients before and after they were clipped, for norms before of any shape."""
    return {"clip_norm_before": before, "clip_norm_after": before * (largest / (before + 1e-6)).clamp(max=1)}


def joint_norm(tensors: Sequence[Tensor], kept: int) -> Tensor:
    """Return the norm over tensors together, without their first `kept` dimensions."""
    norms = [torch.linalg.vector_norm(tensor, dim=tuple(range(kept, tensor.ndim))) for tensor in tensors]
    return torch.linalg.vector_norm(torch.stack(norms, -1), dim=-1)


def _norm(tensor: Tensor) -> Tensor:
    return torch.linalg.vector_norm(tensor, dim=(-2, -1))


def _share(mask: Tensor) -> Tensor:
    return mask.double().mean((-2, -1))


def _of_blocks(values: Tensor) -> Tensor:
    return values.movedim(0, -1)
