"""Whether the replicas of a module can be computed at once, tried on two of them before training."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradlab.module_banks.stacked import Tensors, one_by_one, stacked
from gradlab.modules.copies.isolation import without_checkpointing

__all__ = ["Stacking", "stacking"]


@dataclass(frozen=True, slots=True)
class Stacking:
    """How a bank computes its outputs."""

    draws: bool
    """Whether the module draws random numbers in training. Those of a replica must not depend on its bank-mates: each
    then has a stream of its own, and comes after another."""
    in_training: bool
    """Whether replicas are batched by `torch.vmap` in training."""
    in_evaluation: bool

    def __call__(self, module: nn.Module, params: Tensors, state: Tensors, x: Tensor, streams: Tensor | None) -> Tensor:
        """Return the outputs `[R, N, ...]`; see `one_by_one`."""
        with without_checkpointing(lambda: None):  # it would compute again when the module has its own tensors back
            if self.in_training if module.training else self.in_evaluation:
                return stacked(module, params, state, x)
            return one_by_one(module, params, state, x, streams)


def stacking(module: nn.Module, params: Tensors, state: Tensors, x: Tensor, streams: Tensor) -> Stacking:
    """Try a module on two replicas in float64: `params`, `state` and `x` with a leading axis of 2.

    Outputs, gradients and state of the batched computation must be those of one replica after another to 1e-9, which is
    the rounding of sums in another order.
    """
    begun = streams.clone()
    looped, batched = Stacking(True, False, False), Stacking(False, True, True)
    module.train()
    expected = _results(lambda p, s: looped(module, p, s, x, streams), params, state)
    draws = not torch.equal(begun, streams)
    in_training = not draws and _agrees(lambda p, s: batched(module, p, s, x, None), params, state, expected)
    module.eval()
    expected = _results(lambda p, s: looped(module, p, s, x, begun), params, state)
    in_evaluation = _agrees(lambda p, s: batched(module, p, s, x, None), params, state, expected)
    return Stacking(draws, in_training, in_evaluation)


def _results(compute: Callable[[Tensors, Tensors], Tensor], params: Tensors, state: Tensors) -> list[Tensor]:
    """Return outputs, gradients of their sum of squares, and the state afterwards."""
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in params.items()}
    after = {name: tensor.clone() for name, tensor in state.items()}
    output = compute(leaves, after)
    grads = torch.autograd.grad(output.square().sum(), list(leaves.values()), allow_unused=True, materialize_grads=True)
    return [output.detach(), *grads, *(tensor.detach() for tensor in after.values())]


def _agrees(
    compute: Callable[[Tensors, Tensors], Tensor], params: Tensors, state: Tensors, expected: list[Tensor]
) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # torch warns where it batches by a slow way
            for actual, reference in zip(_results(compute, params, state), expected, strict=True):
                torch.testing.assert_close(
                    actual, reference, rtol=1e-9, atol=1e-9 * max(1.0, float(reference.abs().max()))
                )
    except Exception:  # whatever torch raises for what it cannot batch
        return False
    return True
