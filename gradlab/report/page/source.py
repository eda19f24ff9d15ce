"""What the page reads of a run: some columns of its tables, and the judgements on its spec."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from gradlab.analysis.expectations import Judgement, judge_run
from gradlab.columns import Table
from gradlab.report.page.quantities import COLUMNS as QUANTITIES
from gradlab.results.run import Run
from gradlab.results.tables import Tables

__all__ = ["TABLES", "Source", "read_source"]

TABLES: tuple[Table, ...] = ("summary", "cells", "steps", "layers", "stacked")
"""The tables that a run may have, the shortest first; only stacked networks have the last."""

_STEPS = ("cell", "step", "loss", "metric", "grad_norm_total", "log10_survival")
_LAYERS = (
    "cell", "step", "layer", "log10_grad_norm", "theory_log10_grad_norm", "log10_cell_grad_norm", *QUANTITIES,
)  # fmt: skip
_STACKED = ("cell", "step", "layer", "stacked_layer", "log10_grad_norm")


@dataclass(frozen=True)
class Source:
    """One run, and the `name` that tells it from the others of the page. `tables` has the cells, the steps and the
    summary; of the layers see `profiles`."""

    run: Run
    name: str
    tables: Tables
    judgements: tuple[Judgement, ...]

    def profiles(self, cells: Collection[str], steps: Collection[int]) -> pd.DataFrame:
        """Return the gradient norms of some cells at some steps: `cell, step, layer, log10_grad_norm`, theory's too."""
        return self.run.profiles(cells, steps, _LAYERS)

    def stacked(self, cells: Collection[str]) -> pd.DataFrame | None:
        """Return the gradient norms of single stacked layers of some cells before training; None where none has any."""
        return self.run.profiles(cells, {0}, _STACKED, "stacked") if "stacked" in self.run.table_names else None


def read_source(run: Run, name: str) -> Source:
    """Return what the page shows of a run. Raises StoreError when it cannot be read."""
    frames = {table: run.table(table) for table in ("cells", "summary")}
    tables = Tables(**frames, layers=pd.DataFrame(columns=list(_LAYERS)), steps=run.table("steps", _STEPS))
    return Source(run, name, tables, judge_run(run, tables))
