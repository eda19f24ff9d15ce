"""Optimisers, clipping and the loss curve in float64 against the CPU: they differ by the order of their sums alone."""

from __future__ import annotations

from gpu_sections import Context, Results
from gpu_sections.compared import differences
from gpu_sections.device import cells
from gradlab.components import CLIPS, OPTIMIZERS, Named

__all__ = ["measure"]


def measure(context: Context, results: Results) -> None:
    """Train a few steps with every optimiser and every clipping; enough of them for the late losses."""
    size = {"depth": 2, "width": 8, "steps": 8, "batch_size": 16} if context.tiny else {"depth": 6, "steps": 24}
    base = size | {"precision": Named("float64"), "lr": 0.002}
    for name in OPTIMIZERS:
        results[f"optimizer {name}"] = differences(context, cells(2, **base | {"optimizer": Named(name)}))
    for name, clip in CLIPS.items():
        limit = (("max", 0.05),) if "max" in clip.params else ()
        results[f"clip {name}"] = differences(context, cells(2, **base | {"clip": Named(name, limit)}))
