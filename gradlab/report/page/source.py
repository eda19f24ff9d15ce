"""A run as the page reads it: some columns of its tables, the spec and the provenance."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.analysis.expectations import Judgement, judge
from gradlab.columns import Table
from gradlab.results.run import Run
from gradlab.results.tables import Tables

__all__ = ["TABLES", "Source", "read_source"]

TABLES: tuple[Table, ...] = ("summary", "cells", "steps", "layers")
"""The tables of a run, the shortest first."""

_STEPS = ("cell", "step", "loss", "metric", "log10_survival")
_LAYERS = ("cell", "step", "layer", "log10_grad_norm", "theory_log10_grad_norm", "log10_cell_grad_norm")


@dataclass(frozen=True)
class Source:
    """One run. `tables` has the cells, the steps and the summary; of the layers see `profiles`."""

    run: Run
    name: str
    tables: Tables
    judged: tuple[Judgement, ...]
    """What came of the spec's expectations."""

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.run.path

    @property
    def description(self) -> str:
        """The description in the spec."""
        return self.run.spec.description if self.run.spec else ""

    @property
    def sessions(self) -> tuple[dict[str, Any], ...]:
        """The entries of ``run.json``."""
        return self.run.sessions

    @property
    def spec(self) -> str:
        """Text of ``spec.yaml``; empty where it is missing."""
        return self.run.spec_text

    def profiles(self, cells: Collection[str], steps: Collection[int]) -> pd.DataFrame:
        """Return the gradient norms of some cells at some steps: `cell, step, layer, log10_grad_norm`, theory's too."""
        return self.run.profiles(cells, steps, _LAYERS)


def read_source(run: Run, name: str) -> Source:
    """Return what the page shows of a run. Raises StoreError when it cannot be read."""
    frames = {table: run.table(table) for table in ("cells", "summary")}
    tables = Tables(**frames, layers=pd.DataFrame(columns=list(_LAYERS)), steps=run.table("steps", _STEPS))
    return Source(run, name, tables, _judged(run, tables))


def _judged(run: Run, tables: Tables) -> tuple[Judgement, ...]:
    if run.spec is None or not run.spec.expect:
        return ()
    cells = run.expected_cells
    # a run with other seeds than its spec has, or a spec that changed since: its expectations are of other cells
    known = set(tables.cells["cell"]) <= cells.keys()
    return judge(run.spec.expect, tuple(cells.values()), tuple(cells), tables) if known else ()
