"""A made-up run whose survival is known, and one statement judged by it."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from gradlab import grid, spec
from gradlab.analysis.expectations import Judgement, judge
from gradlab.cell import Cell, cell_id
from gradlab.query import COLUMNS
from gradlab.results.tables import Tables

HEAD = """name: x
seeds: 2
optimizer: sgd
grid:
  depth: [2, 8, 32]
  activation: [sigmoid, relu, {leaky_relu: 0.2}]
  norm: [none, batch]
exclude: [{activation: sigmoid, norm: batch}]
expect:
"""

FACTORS = {"sigmoid": 0.25, "relu": 0.9, "leaky_relu": 1.0}


def log10_survival(cell: Cell) -> float:
    """What the tables below say of a configuration: factor^(depth - 1), times 3 with batch norm."""
    return (cell.depth - 1) * math.log10(FACTORS[cell.activation.name]) + (cell.norm.name == "batch") * math.log10(3)


def results(cells: tuple[Cell, ...], lost: tuple[str, ...] = (), **changes: Any) -> Tables:
    """Tables of a run that lost some cells; `changes` are columns of the summary, as functions of a configuration."""
    kept = [cell for cell in cells if cell_id(cell) not in lost]
    frame = pd.DataFrame(
        {
            "cell": [cell_id(cell) for cell in cells],
            "status": ["failed" if cell_id(cell) in lost else "ok" for cell in cells],
            "loss_first": [2.0 + cell.seed for cell in cells],
            "clip_rate": [0.25 if cell.seed else 0.75 for cell in cells],
        }
    )
    configurations = list(dict.fromkeys(cell.configuration() for cell in kept))
    summary = pd.DataFrame({"log10_survival": [log10_survival(one) for one in configurations]})
    summary["survival"] = 10 ** summary["log10_survival"]
    summary["decay"] = [FACTORS[one.activation.name] for one in configurations]
    summary["theory_decay"] = [FACTORS[one.activation.name] * 1.01 for one in configurations]
    summary["theory_note"] = ""
    of_layers = {"dead_units", "dead_units_final", "saturated", "saturated_final"}
    for name in {*COLUMNS} - {"loss_first", "clip_rate"} - of_layers - set(summary):
        summary[name] = 0.5
    for name, function in changes.items():
        summary[name] = [function(one) for one in configurations]
    return Tables(frame, pd.DataFrame(), pd.DataFrame(), summary)


def judged(statement: str, head: str = HEAD, overrides: tuple[str, ...] = (), **wishes: Any) -> Judgement:
    found = spec.loads(f"{head}  - {statement}\n", overrides=overrides)
    cells = grid.expand(found).cells
    lost = tuple(cell_id(cell) for cell in cells if wishes.get("lose", lambda _: False)(cell))
    changes = {name: one for name, one in wishes.items() if name != "lose"}
    (only,) = judge(found.expect, cells, [cell_id(cell) for cell in cells], results(cells, lost, **changes))
    return only
