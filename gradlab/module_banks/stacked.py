"""R replicas of one module: all at once by `torch.vmap` over stacked tensors, or one after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

__all__ = ["Tensors", "one_by_one", "random_state", "stacked"]

Tensors = dict[str, Tensor]
"""By name: of one replica, or with the leading axis R."""


def one_by_one(module: nn.Module, params: Tensors, state: Tensors, x: Tensor, streams: Tensor | None) -> Tensor:
    """Return the outputs `[R, N, ...]` of replicas with `params` and `state` (buffers, frozen parameters), `[R, ...]`.

    What the module does to its state is written to `state`. `streams`: the state of torch's random stream of each
    replica, `[R, B]` bytes, which is written too; None: the module draws nothing.
    """
    outputs = []
    device = x.device if x.device.type == "cuda" else None
    before = random_state(device) if streams is not None else None
    try:
        for r in range(len(x)):
            buffers = {name: tensor[r] for name, tensor in state.items()}
            tensors = {name: tensor[r] for name, tensor in params.items()} | buffers
            if streams is not None:
                _set_random_state(streams[r], device)
            outputs.append(functional_call(module, tensors, (x[r],)))
            if streams is not None:
                streams[r] = random_state(device)
            _keep({name: tensor[r] for name, tensor in state.items()}, tensors)
    finally:
        if before is not None:
            _set_random_state(before, device)
    return torch.stack(outputs)


def stacked(module: nn.Module, params: Tensors, state: Tensors, x: Tensor) -> Tensor:
    """Return what `one_by_one` does, as one batched computation.

    Raises whatever torch raises for a module that cannot be batched, or that draws random numbers: those of a replica
    would depend on the others.
    """

    def single(params: Tensors, state: Tensors, x: Tensor) -> tuple[Tensor, Tensors]:
        tensors = params | state
        output = functional_call(module, tensors, (x,))
        return output, {name: tensors[name] for name in state}

    with _unfused_attention():
        output, after = vmap(single, randomness="error")(params, state, x)
    _keep(state, after)
    return output


@contextmanager
def _unfused_attention() -> Iterator[None]:
    """As a context: attention as products and a softmax, as torch has no batched form of its fused kernels."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@torch.no_grad()
def _keep(state: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> None:
    """Write what a forward pass has put in the place of a tensor; what it changed in place is there already."""
    for name, tensor in state.items():
        if after[name] is not tensor and after[name].data_ptr() != tensor.data_ptr():
            tensor.copy_(after[name])


def random_state(device: torch.device | None) -> Tensor:
    """Return the state of torch's random streams, bytes: of the CPU, and of a CUDA device."""
    state = torch.get_rng_state()
    return state if device is None or device.type == "cpu" else torch.cat([state, torch.cuda.get_rng_state(device)])


def _set_random_state(state: Tensor, device: torch.device | None) -> None:
    size = torch.get_rng_state().numel()
    torch.set_rng_state(state[:size].clone())
    if device is not None:
        torch.cuda.set_rng_state(state[size:].clone(), device)
