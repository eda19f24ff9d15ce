"""A bank too large for the memory: it is halved until it fits, and its numbers are those of smaller banks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import torch

from gpu_sections import Context, Results
from gpu_sections.runs import Messages
from gradlab import spec
from gradlab.api.options import PlanOptions
from gradlab.api.plan import prepare
from gradlab.api.run import RunResult, execute
from gradlab.execution.base import BankResult, Job
from gradlab.execution.inline import InlineExecutor
from gradlab.execution.worker import devices, train

__all__ = ["devices", "measure", "scarce"]

TEXT = "name: {name}\nwidth: {width}\ndepth: 8\nactivation: tanh\nseeds: {seeds}\ntrain: {{steps: 10}}\n"
FITS = 3
"""Cells of a bank for which `scarce` has memory."""


def scarce(job: Job) -> BankResult:
    """Train a bank as on a device without memory for more than `FITS` cells, where there is no such device."""
    if len(job.cells) > FITS:
        raise MemoryError("out of memory")
    return train(job)


def measure(context: Context, results: Results) -> None:
    """On a GPU the memory that this process may take is cut down to about a third of what the bank needs."""
    text = (
        TEXT.format(name="large", width=8, seeds=8) if context.tiny else TEXT.format(name="large", width=256, seeds=96)
    )
    with tempfile.TemporaryDirectory() as folder:
        work = "gradlab.execution.worker:train" if context.on_gpu else "gpu_sections.memory:scarce"
        free_run, _ = _run(context, text, Path(folder) / "free", "gradlab.execution.worker:train")
        if context.on_gpu:
            needed = torch.cuda.max_memory_allocated(context.device)
            total = torch.cuda.get_device_properties(context.device).total_memory
            results["needed_mib"], results["allowed_mib"] = needed / 2**20, needed / 3 / 2**20
            torch.cuda.empty_cache()
            torch.cuda.set_per_process_memory_fraction(needed / 3 / total, context.device)
        scarce_run, said = _run(context, text, Path(folder) / "scarce", work)
        results["banks_without_limit"] = free_run.tables.cells["bank"].nunique()
        results["banks"] = scarce_run.tables.cells["bank"].nunique()
        results["halved"] = sum("out of memory" in message for message in said)
        results["cells"], results["computed"] = scarce_run.cells, scarce_run.computed
        left, right = (_numbers(run) for run in (free_run, scarce_run))
        results["largest_difference_log10_survival"] = float((left - right).abs().max())


def _run(context: Context, text: str, out: Path, work: str) -> tuple[RunResult, list[str]]:
    listener = Messages()
    plan = prepare(spec.loads(text), PlanOptions(out=out, device=context.device))
    return execute(
        plan, InlineExecutor(work, context.device), listener, command=[], device=context.device
    ), listener.said


def _numbers(run: RunResult) -> pd.Series:  # type: ignore[type-arg]
    return run.tables.cells.set_index("cell")["log10_survival"].sort_index()
