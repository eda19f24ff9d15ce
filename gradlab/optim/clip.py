"""Gradient clipping and penalties, for each replica by itself: a norm over the bank would couple its cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gradlab.components import CLIPS, Named
from gradlab.nn.parameters import Layout
from gradlab.optim.updates import runs

__all__ = ["Clipping", "Clips", "Penalty", "clip_agc", "clip_each", "clip_norm", "clip_value"]


def clip_norm(grad_RP: Tensor, flat_RP: Tensor, layout: Layout, *, max: float) -> None:
    """Scale a gradient of norm above `max` down to it (Pascanu 2013, arXiv 1211.5063), as
    ``torch.nn.utils.clip_grad_norm_`` does, its 1e-6 in the denominator included."""
    norm_R1 = torch.linalg.vector_norm(grad_RP, dim=1, keepdim=True)
    grad_RP.mul_((max / (norm_R1 + 1e-6)).clamp(max=1.0))


def clip_each(grad_RP: Tensor, flat_RP: Tensor, layout: Layout, *, max: float) -> None:
    """Scale each parameter's gradient of norm above `max` down to it, whatever the others are, as Keras' ``clipnorm``
    (``tf.clip_by_norm``) does: a gradient at or below `max` keeps every bit."""
    for slot in layout.slots:
        grad_RN = grad_RP[:, slot.columns]
        norm_R1 = torch.linalg.vector_norm(grad_RN, dim=1, keepdim=True)
        grad_RN.mul_(max / norm_R1.clamp(min=max))


def clip_value(grad_RP: Tensor, flat_RP: Tensor, layout: Layout, *, max: float) -> None:
    """Cut every element to [-max, max], as ``torch.nn.utils.clip_grad_value_`` does."""
    grad_RP.clamp_(-max, max)


def clip_agc(grad_RP: Tensor, flat_RP: Tensor, layout: Layout, *, factor: float, eps: float) -> None:
    """Scale the gradient of each unit down to `factor` times the norm of its weights, at least `eps`
    (adaptive gradient clipping, Brock 2021, arXiv 2102.06171).

    A unit is a row of a weight matrix, of a convolution all weights of an output channel; a vector of biases or scales
    is one unit. The readout is left alone, as the paper advises.
    """
    for slot in layout.slots:
        if slot.parameter.block == "leave":
            continue
        grad, weight = slot.view(grad_RP), slot.view(flat_RP)
        if grad.ndim > 3:
            grad, weight = grad.flatten(2), weight.flatten(2)
        bound = torch.linalg.vector_norm(weight, dim=-1, keepdim=True).clamp_(min=eps) * factor
        norm = torch.linalg.vector_norm(grad, dim=-1, keepdim=True)
        grad.mul_(torch.where(norm > bound, bound / norm.clamp(min=1e-6), 1.0))


@dataclass(frozen=True, slots=True)
class Clipping:
    """What one step of clipping did: the gradient's norm before and after, `[R]`."""

    before_R: Tensor
    after_R: Tensor

    @property
    def coef_R(self) -> Tensor:
        """After over before; 1 where nothing was clipped and for a zero gradient."""
        return torch.where(self.before_R == self.after_R, 1.0, self.after_R / self.before_R)


class Clips:
    """The clipping of a bank: runs of replicas with one clip are cut together, those with none are untouched."""

    def __init__(self, clips: Sequence[Named], layout: Layout) -> None:
        self._layout = layout
        self._runs: list[tuple[int, int, Callable[..., None]]] = [
            (start, stop, partial(CLIPS[named.name].load(), **named.resolve(CLIPS)))
            for start, stop, named in runs(clips)
            if named.name != "none"
        ]

    def __bool__(self) -> bool:
        return bool(self._runs)

    def __call__(self, grad_RP: Tensor, flat_RP: Tensor) -> Clipping:
        """Clip `grad_RP` in place and return the norms before and after."""
        before_R = torch.linalg.vector_norm(grad_RP, dim=1)
        if not self._runs:
            return Clipping(before_R, before_R)
        for start, stop, clip in self._runs:
            clip(grad_RP[start:stop], flat_RP[start:stop], self._layout)
        return Clipping(before_R, torch.linalg.vector_norm(grad_RP, dim=1))


class Penalty:
    """The gradient of l1*sum|w| + l2*sum(w^2) over the weight matrices, added where autograd would add it."""

    def __init__(self, l1: Sequence[float], l2: Sequence[float], layout: Layout, like_RP: Tensor) -> None:
        mask_P = layout.penalised(like_RP.device).to(like_RP.dtype)
        self._l1_RP = like_RP.new_tensor(l1).unsqueeze(1) * mask_P if any(l1) else None
        self._2l2_RP = 2 * like_RP.new_tensor(l2).unsqueeze(1) * mask_P if any(l2) else None

    def add(self, grad_RP: Tensor, flat_RP: Tensor) -> None:
        """Add the penalty's gradient to `grad_RP`."""
        if self._l1_RP is not None:
            grad_RP.addcmul_(flat_RP.sign(), self._l1_RP)
        if self._2l2_RP is not None:
            grad_RP.addcmul_(flat_RP, self._2l2_RP)
