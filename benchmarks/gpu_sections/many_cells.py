"""Ten thousand cells of 16 x 64, as the planner packs them: cells a second and memory."""

from __future__ import annotations

import time

import numpy as np

from gpu_sections import Context, Results
from gpu_sections.device import cells, free, largest_memory, wait
from gradlab.planning.banks import CPU, CUDA, pack
from gradlab.training.loop import train_bank

__all__ = ["measure"]


def measure(context: Context, results: Results) -> None:
    """Train bank after bank until all are done or the time is over."""
    members = cells(30, width=4, depth=2, steps=2, batch_size=8) if context.tiny else cells(10_000, steps=20)
    banks = pack(members, CUDA if context.on_gpu else CPU)
    results["cells"], results["banks"] = len(members), len(banks)
    results["largest_bank"] = max(len(bank.cells) for bank in banks)
    free(context)
    begun = time.perf_counter()
    for done, bank in enumerate(banks, 1):
        records = train_bank(bank.cells, context.device)
        wait(context)
        took = time.perf_counter() - begun
        trained = sum(len(each.cells) for each in banks[:done])
        results["done"], results["seconds"], results["cells_per_s"] = trained, took, trained / took
        results["memory_mib"] = largest_memory(context)
        results["finite"] = bool(all(np.isfinite(record.log_grad_norm).all() for record in records))
        if context.left < took / done:
            break
