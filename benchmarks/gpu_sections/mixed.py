"""Mixed precision: the time of a step against float32, and whether what it trains stays finite."""

from __future__ import annotations

import torch

from gpu_sections import Context, Results
from gpu_sections.device import cells, free, step_seconds
from gradlab.components import Named
from gradlab.training.loop import Trainer

__all__ = ["measure"]


def measure(context: Context, results: Results) -> None:
    """Train banks of two widths in each format; float16 with its loss scale waits for the device at each step."""
    sizes = ((8, 2),) if context.tiny else ((64, 512), (512, 64))
    for width, replicas in sizes:
        full = 0.0
        for precision in ("float32", "bfloat16", "float16"):
            free(context)
            members = cells(replicas, 16, width=width, depth=2 if context.tiny else 16, precision=Named(precision))
            trainer = Trainer(members, torch.device(context.device))
            step = step_seconds(context, trainer, 3 if context.tiny else 30)
            full = full or step
            results[f"width {width}, R {replicas}, {precision}"] = {
                "ms_per_step": step * 1e3,
                "times_float32": full / step,
                "finite": bool(trainer.flat_RP.isfinite().all()),
                "loss_scale": float(trainer.loss_scale.scale_R.min()),
            }
            del trainer
