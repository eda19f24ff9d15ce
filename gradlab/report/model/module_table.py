"""The table of a measured model: which blocks and which columns are shown, with the text of each field."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

import numpy as np

from gradlab.report.formatting import count, number_text, power
from gradlab.report.model.marks import Mark, mark, verdict_of
from gradlab.report.model.module_conclusions import outstanding
from gradlab.report.model.module_report import ModuleReport

__all__ = ["MOST", "BlockRow", "BlockTable", "TableColumn", "block_mark", "block_table", "skipped_text"]

MOST = 40
"""Blocks that a terminal shows all of; of more it shows about half as many, with a line for those between."""
_ENDS = 3
_NOTED = 8
"""Blocks with a remark, or where the sign of the survival changes, that a folded table shows at most."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of numbers: its key in `block_rows`, its heading, and what it means."""

    key: str
    title: str
    meaning: str
    text: Callable[[Any], str]
    rank: int
    """Where the line is too short, columns of a high rank are left out first."""
    silent: tuple[Any, ...] = ()
    """Values that say nothing: a column of nothing else is left out."""
    varying: bool = False
    """Whether one value for all blocks says nothing."""


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A block of the table; `skipped` blocks before it are not shown."""

    number: int
    name: str
    mark: Mark
    texts: Mapping[str, str]
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class BlockTable:
    """The blocks from the data to the loss."""

    prefix: str
    """What all names begin with, which the rows leave out."""
    columns: tuple[TableColumn, ...]
    rows: tuple[BlockRow, ...]
    total: int
    constants: tuple[tuple[str, str], ...]
    """What is the same of all blocks: the heading of the column and the value."""


def _log10(value: float) -> str:
    return "" if math.isnan(value) else "zero" if value == -math.inf else f"{value:.2f}"


def _factor(value: float) -> str:
    if math.isnan(value):
        return ""
    return "0" if value == 0 else f"{value:.3f}" if 0.01 <= value < 100 else power(math.log10(value))


def _share(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{100 * value:.0f} %" if value >= 0.01 or value == 0 else f"{100 * value:.1g} %"


def _decimal(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _number(value: float) -> str:
    return "" if math.isnan(value) else number_text(value)


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


COLUMNS = (
    TableColumn("shape", "shape", "of the block's output", _shape, 13, ((),), True),
    TableColumn("kind", "kind", "class of the module", str, 15, ("",), True),
    TableColumn("log10_grad_norm", "log10 |g|", "|g| is the norm of the gradient at the block's output", _log10, 3),
    TableColumn("factor", "factor", "|g| of the block below over that of this one", _factor, 1),
    TableColumn("theory_factor", "theory", "the factor that mean-field theory predicts", _factor, 2),
    TableColumn("log10_survival", "survival", "log10 of |g| over that of the last block", _log10, 0),
    TableColumn("act_rms", "act rms", "root mean square of the output", _number, 6),
    TableColumn("log10_weight_grad_norm", "log10 |dW|", "norm of the weights' gradients", _log10, 7),
    TableColumn("weight_norm", "|W|", "norm of the weights", _number, 14),
    TableColumn("update_ratio", "update/|W|", "norm of the update over that of the weights", _number, 4),
    TableColumn("dead", "dead", "units with a slope of zero for every sample", _share, 4, (0.0,)),
    TableColumn("saturated", "saturated", "elements with a slope below 1/20 of the largest", _share, 5, (0.0,)),
    TableColumn("zero_grad", "zero grad", "elements of the gradient that are zero", _share, 8, (0.0,)),
    TableColumn("nonfinite", "not finite", "elements of the gradient", _share, 4, (0.0,)),
    TableColumn("token_cosine", "token cos", "mean cosine between two tokens of a sequence", _decimal, 9),
    TableColumn("attention_entropy", "entropy", "of the attention, over ln T", _decimal, 10),
    TableColumn("common", "common", "share of the gradient that all tokens have in common", _share, 11),
    TableColumn("dtype", "computes in", "the least precise format inside", str, 12, ("",), True),
    TableColumn("note", "", "", str, 2, ("",)),
)
"""Every column in the order in which they stand."""


def block_table(result: ModuleReport, most: int | None = MOST) -> BlockTable:
    """Return the table of a measured model; of more than `most` blocks the ends, those that matter and some others."""
    rows = [_shown_values(row, result.dtype) for row in result.blocks]
    names = [str(row["name"]) for row in rows]
    prefix = _prefix(names)
    thresholds = result.vanish, result.explode
    marks = [block_mark(row, *thresholds) for row in rows]
    signed = any(mark.sign for mark in marks)
    columns = [
        column for column in COLUMNS if _says_something(column, rows) or (column.key == "log10_survival" and signed)
    ]
    constants = tuple(
        (column.title, column.text(rows[0][column.key]))
        for column in COLUMNS
        if column.varying and column not in columns and rows and rows[0][column.key] not in column.silent
    )
    places = range(len(rows)) if most is None or len(rows) <= most else _shown(result, rows, marks, most)
    block_rows = []
    last = -1
    for place in places:
        texts = {column.key: column.text(rows[place][column.key]) for column in columns}
        block_rows.append(
            BlockRow(place + 1, names[place].removeprefix(prefix), marks[place], texts, skipped=place - last - 1)
        )
        last = place
    return BlockTable(prefix, tuple(columns), tuple(block_rows), len(rows), constants)


def _says_something(column: TableColumn, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [row[column.key] for row in rows if column.key in row]
    telling = [value for value in values if value == value and value is not None and value not in column.silent]
    return bool(telling) and not (column.varying and len(set(values)) == 1)


def _shown_values(row: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """Return the values of a row with its remark, without a format that is that of the measurement."""
    return {**row, "note": _note(row), "dtype": "" if row["dtype"] == dtype else row["dtype"]}


def _note(row: Mapping[str, Any]) -> str:
    notes = [] if row["is_cut"] or not row["connected"] else ["not a cut"]
    if not row["connected"]:
        unreached = math.isnan(row["log10_grad_norm"])  # in a training loop
        silent = "not called" if math.isnan(row["act_rms"]) else "" if row["frozen"] else "no gradient"
        notes = [silent if unreached else "detached"]
    return ", ".join(filter(None, [*notes, "frozen" if row["frozen"] else ""]))


def _prefix(names: Sequence[str]) -> str:
    """Return the parts of dotted names that all begin with; each keeps a part of its own."""
    if len(names) < 2:
        return ""
    levels = zip(*(name.split(".")[:-1] for name in names), strict=False)
    return "".join(f"{level[0]}." for level in takewhile(lambda level: len(set(level)) == 1, levels))


def block_mark(row: Mapping[str, Any], vanish: float, explode: float) -> Mark:
    """Return the mark of the survival at a block; an empty one where there is nothing to compare."""
    log10_survival, log10_norm = float(row["log10_survival"]), float(row["log10_grad_norm"])
    if log10_norm == -math.inf:
        return mark("dead", math.nan, vanish, explode)
    unreached = math.isnan(log10_norm) and not row["connected"]
    if unreached or (math.isnan(log10_survival) and not math.isnan(log10_norm)):  # the last block may have no gradient
        return Mark("", "", None)
    return mark(verdict_of(log10_survival, vanish, explode), log10_survival, vanish, explode)


def _shown(result: ModuleReport, rows: Sequence[Mapping[str, Any]], marks: Sequence[Mark], most: int) -> Sequence[int]:
    total = len(rows)
    places = {*range(min(_ENDS, total)), *range(max(0, total - _ENDS), total)}
    worst = outstanding(result)
    if worst is not None:
        places |= {worst - 1, worst, min(worst + 1, total - 1)}
    pairs = list(pairwise(range(total)))
    changes = [pair for pair in pairs if marks[pair[0]].sign != marks[pair[1]].sign]
    changes += [pair for pair in pairs if rows[pair[0]]["note"] != rows[pair[1]]["note"]]
    for first, second in changes[:_NOTED]:
        places |= {first, second}
    spread = np.linspace(0, total - 1, max(most // 2 - len(places), 2)).round().astype(int).tolist()
    return sorted(places | set(spread))


def skipped_text(skipped: int) -> str:
    """Return what stands in the place of blocks that are not shown."""
    return f"({count(skipped, 'block')})"
