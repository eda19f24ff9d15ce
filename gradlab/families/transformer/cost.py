"""What a transformer costs, from its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from gradlab.components import TASKS
from gradlab.families.base import Cost, Sizes
from gradlab.families.transformer.options import OPTIONS

__all__ = ["COST", "length"]

_SIDES = (8, 8)
"""Pixels of images whose shape is not known before they are read."""
_ENDS = 16
"""Inputs and outputs together."""


@dataclass(frozen=True, slots=True)
class _Shape:
    tokens: int
    heads: int
    """0 without attention."""
    ff: int
    hidden: int
    """Matrices of the width to the hidden units, over the width: `ff`, twice with a gate."""


def _shape(cell: Sizes) -> _Shape:
    options = {name: param.default for name, param in OPTIONS.items()} | dict(cell.model.params)
    ff, attends = int(options["ff"]), options["attention"] != "none"
    hidden = 2 * ff if options["gate"] else ff
    return _Shape(_tokens(cell, int(options["patch"])), int(options["heads"]) if attends else 0, ff, hidden)


def _tokens(cell: Sizes, patch: int) -> int:
    if cell.seq_len is not None:
        return cell.seq_len
    shape = TASKS[cell.task.name].shape_of(cell.task) if cell.task.name in TASKS else ()
    return prod(max(1, side // patch) for side in shape[1:] or _SIDES)


def length(cell: Sizes) -> int:
    """Return the blocks."""
    return cell.depth


def _matrices(shape: _Shape) -> int:
    """Return the elements of the matrices of a block, over those of one of width x width."""
    return 4 * (shape.heads > 0) + shape.hidden + shape.ff


def _parameters(cell: Sizes) -> int:
    shape = _shape(cell)
    return cell.width * (cell.depth * _matrices(shape) * (cell.width + 1) + shape.tokens + _ENDS)


def _units(cell: Sizes) -> int:
    shape = _shape(cell)
    attention = 4 * cell.width + shape.heads * shape.tokens if shape.heads else 0
    return cell.depth * shape.tokens * (attention + shape.hidden * cell.width)


def _products(cell: Sizes) -> int:
    shape = _shape(cell)
    mixed = 2 * shape.tokens * cell.width * (shape.heads > 0)
    return cell.depth * shape.tokens * (_matrices(shape) * cell.width**2 + mixed)


def _maps(cell: Sizes) -> int:
    shape = _shape(cell)
    return cell.depth * ((shape.heads > 0) + (shape.ff > 0))


def _bank(cell: Sizes) -> Mapping[str, float]:
    sequence = {} if cell.seq_len is None else {"time_bank": 1, "sequence_per_cell": cell.seq_len}
    return {"bank": 1, **sequence}


COST = Cost(_parameters, _units, _products, _maps, "token_block", _bank)
