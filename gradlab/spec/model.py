"""What a spec comes to: canonical values only, no places, no text left to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Any

from gradlab.cell import SETTINGS, parameter_of, parameter_value
from gradlab.components import OPTIMIZERS, Named
from gradlab.query import Expectation, Expression, conjuncts, evaluate, names

__all__ = ["Axis", "Exclude", "Spec", "Subgrid", "default_lr"]


MOST_TRIED = 1_000_000
"""Cells that are looked at to find one for which an expression holds."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Settings varied together: `rows` hold one value for each of `keys`. A grid axis has a single key."""

    keys: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def column(self, key: str) -> list[Any]:
        """Return the values of one of the settings, row by row."""
        place = self.keys.index(key)
        return [row[place] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Exclude:
    """Drops the cells for which `expression`, over settings, holds."""

    expression: Expression
    text: str = ""
    """As it was written; empty of a mapping."""

    def __str__(self) -> str:
        return str(self.expression)


@dataclass(frozen=True, slots=True)
class Subgrid:
    """A product of axes over fixed settings; settings in neither are at their default. `lr` is always given."""

    fixed: tuple[tuple[str, Any], ...]
    axes: tuple[Axis, ...]
    """The last one is the seeds."""
    exclude: tuple[Exclude, ...] = ()

    @property
    def size(self) -> int:
        """Number of cells, excluded ones counted."""
        return prod(len(axis.rows) for axis in self.axes)

    @property
    def varied(self) -> frozenset[str]:
        """The keys of all axes."""
        return frozenset(key for axis in self.axes for key in axis.keys)

    def values(self, key: str) -> list[Any]:
        """Return every value of a setting; of a parameter under a dotted key, those of the components that have it."""
        if (parameter := parameter_of(key)) is not None:
            values = [parameter_value(key, component) for component in self.values(parameter[0])]
            return [value for value in values if value is not None]
        for axis in self.axes:
            if key in axis.keys:
                return axis.column(key)
        return [dict(self.fixed).get(key, SETTINGS[key].default)]

    def cells(self) -> Iterator[tuple[int, ...]]:
        """Yield the cells that no exclude drops as rows of the axes, the first axis slowest."""
        excludes = [_Truth(self, exclude.expression) for exclude in self.exclude]
        for rows in product(*(range(len(axis.rows)) for axis in self.axes)):
            if not any(exclude(rows) for exclude in excludes):
                yield rows

    def has(self, selection: Expression, *, unknown: bool = False) -> bool:
        """Whether there is a cell for which `selection` holds or, when `unknown`, may hold: only the grid knows the
        `seq_len` that is left to a task. Taken for granted after a look at `MOST_TRIED` cells.
        """
        parts = [_Truth(self, part) for part in conjuncts(selection)]
        excludes = [_Truth(self, exclude.expression) for exclude in self.exclude]
        involved = {place for truth in (*parts, *excludes) for place in truth.axes}
        rows = [list(range(len(axis.rows))) if place in involved else [0] for place, axis in enumerate(self.axes)]
        if not all(part.axes or part.may((), unknown) for part in parts):
            return False
        for part in parts:  # what speaks of one axis leaves fewer of its rows to try
            if len(part.axes) == 1:
                (place,) = part.axes
                rows[place] = [row for row in rows[place] if part.may([row] * len(self.axes), unknown)]
        tried = islice(product(*rows), MOST_TRIED)
        accepted = (at for at in tried if all(part.may(at, unknown) for part in parts))
        return prod(map(len, rows)) > MOST_TRIED or any(not any(exclude(at) for exclude in excludes) for at in accepted)


class _Truth:
    """What an expression says of the cells of a sub-grid, each combination of the rows of its `axes` judged once."""

    def __init__(self, subgrid: Subgrid, expression: Expression) -> None:
        keys = names(expression)
        self._expression = expression
        self._fixed = {key: subgrid.values(key)[0] for key in keys if key not in subgrid.varied}
        self._columns = [
            (key, place, axis.column(key))
            for place, axis in enumerate(subgrid.axes)
            for key in axis.keys
            if key in keys
        ]
        self.axes = tuple(sorted({place for _, place, _ in self._columns}))
        self._known: dict[tuple[int, ...], bool | None] = {}

    def __call__(self, rows: Sequence[int]) -> bool | None:
        at = tuple(rows[place] for place in self.axes)
        if at not in self._known:
            varied = {key: column[rows[place]] for key, place, column in self._columns}
            self._known[at] = evaluate(self._expression, self._fixed | varied)
        return self._known[at]

    def may(self, rows: Sequence[int], unknown: bool) -> bool:
        truth = self(rows)
        return unknown if truth is None else truth


@dataclass(frozen=True, slots=True)
class Spec:
    """A checked spec: sub-grids whose cells, joined in order, are the grid."""

    name: str
    description: str
    source: str
    """Where it came from: the path of its file."""
    subgrids: tuple[Subgrid, ...]
    warnings: tuple[str, ...] = ()
    """What is legal but hardly meant, one sentence each."""
    expect: tuple[Expectation, ...] = ()
    """Statements about the results. Not part of any cell."""

    @property
    def size(self) -> int:
        """Number of cells before exclusion and folding."""
        return sum(subgrid.size for subgrid in self.subgrids)


def default_lr(optimizer: Named) -> float:
    """Return the learning rate of an optimizer that was given none."""
    return float(OPTIMIZERS[optimizer.name].params["lr"].default)
