"""The training step of banks against that of a plain loop on the same device, by width and number of replicas."""

from __future__ import annotations

import time

import torch
from torch import nn

from gpu_sections import Context, Results
from gpu_sections.device import cells, free, largest_memory, seconds, step_seconds
from gradlab.training.loop import Trainer

__all__ = ["loop_step_seconds", "measure"]

DEPTH = 16
SEEDS = 16
"""Different draws; more replicas are the same again, so that the CPU does not draw for minutes."""


def measure(context: Context, results: Results) -> None:
    """Double the replicas until the memory or a share of the time is used up."""
    widths = (8, 16) if context.tiny else (32, 128, 512)
    for place, width in enumerate(widths):
        share = context.left / (len(widths) - place)
        end = time.monotonic() + share
        loop = loop_step_seconds(context, width)
        results[f"width {width}, loop"] = {"ms_per_step": loop * 1e3}
        replicas, most = 1, 4 if context.tiny else 2**16
        while replicas <= most and time.monotonic() < end:
            for graph in (True, False) if context.on_gpu else (False,):
                name = f"width {width}, R {replicas}, graph {'on' if graph else 'off'}"
                begun = time.monotonic()
                results[name] = _bank(context, width, replicas, graph, loop)
                if "error" in results[name]:
                    most = 0
            if time.monotonic() + 2.5 * (time.monotonic() - begun) > end:  # the next would take twice as long
                break
            replicas *= 2


def _bank(context: Context, width: int, replicas: int, graph: bool, loop: float) -> dict[str, float | str | None]:
    free(context)
    try:
        members = cells(replicas, SEEDS, width=width, depth=DEPTH if not context.tiny else 2, probe_batch_size=16)
        step = step_seconds(context, Trainer(members, torch.device(context.device), graph=graph), _calls(context))
    except RuntimeError as error:  # torch's own for a GPU without memory is one
        if "out of memory" not in str(error).lower():
            raise
        return {"error": "out of memory"}
    return {
        "ms_per_step": step * 1e3, "us_per_cell": step / replicas * 1e6, "times_loop": loop * replicas / step,
        "memory_mib": largest_memory(context),
    }  # fmt: skip


def _calls(context: Context) -> int:
    return 3 if context.tiny else 30


def loop_step_seconds(context: Context, width: int) -> float:
    """Return the wall time of a step of one network of torch.nn with torch.optim.SGD."""
    device = torch.device(context.device)
    layers: list[nn.Module] = []
    for block in range(2 if context.tiny else DEPTH):
        layers += [nn.Linear(64 if block == 0 else width, width), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(width, 10)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x, y = torch.randn(1024, 64, device=device), torch.randint(0, 10, (1024,), device=device)
    batches = iter(torch.randint(0, 1024, (1000, 64), device=device))

    def step() -> None:
        batch = next(batches)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()

    return seconds(context, step, 5 if context.tiny else 200)
