"""Models of a training in several processes: what of them a single process cannot measure."""

from __future__ import annotations

import sys

import torch
from torch import nn

from gradlab.errors import UsageError

__all__ = ["AVERAGED", "check_whole", "in_several_processes"]

AVERAGED = (
    "of several processes: gradients at the blocks are those of the first one's part of the batch, gradients of "
    "parameters the mean over all, as the optimizer gets them"
)


def check_whole(model: nn.Module) -> None:
    """Raise UsageError for a model whose parameters are spread over processes.

    Each forward of it is one of all processes together: a probe in one of them would wait for the others for ever.
    """
    module = sys.modules.get("torch.distributed.fsdp")  # not imported for this: a model of it has done so
    wrapper = getattr(module, "FullyShardedDataParallel", ())
    wrapped = next((name or "the model" for name, part in model.named_modules() if isinstance(part, wrapper)), "")
    spread = next(
        (f"parameter {name}" for name, tensor in model.named_parameters() if hasattr(tensor, "placements")), ""
    )
    if wrapped or spread:
        raise UsageError(
            f"{wrapped or spread} is sharded over processes (FSDP or tensor parallelism), and no process has all of it",
            "measure the model in one process, before it is sharded; DistributedDataParallel is measured as it is",
        )


def in_several_processes() -> bool:
    """Return whether this process is one of a group that trains together."""
    distributed = torch.distributed
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
