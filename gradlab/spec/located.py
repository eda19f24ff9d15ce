"""The values of sections and sub-grids with their positions, which the checks between settings report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from gradlab.cell import SETTINGS
from gradlab.query import evaluate
from gradlab.spec.model import Axis, Exclude
from gradlab.spec.node import Mark, ScalarNode

__all__ = ["NOWHERE", "LocatedExclude", "LocatedGrid", "LocatedValue"]

NOWHERE = Mark("")
"""The position of a default."""


@dataclass(frozen=True, slots=True)
class LocatedValue:
    """A value of a setting and its position; `lr` is the learning rate given as a parameter of an optimizer."""

    value: Any
    mark: Mark = NOWHERE
    lr: float | None = None

    @property
    def identity(self) -> tuple[Any, float | None]:
        """What tells it from other values of its setting; of a node, as a dotted parameter has it, the plain value."""
        return (self.value.value if isinstance(self.value, ScalarNode) else self.value), self.lr


@dataclass(frozen=True, slots=True)
class LocatedExclude:
    """An exclude and its position."""

    exclude: Exclude
    mark: Mark


@dataclass(slots=True)
class LocatedGrid:
    """A sub-grid: what is fixed, varied and excluded in it. The rows of its axes are of `LocatedValue`."""

    fixed: dict[str, LocatedValue]
    axes: list[Axis]
    seeds: tuple[int, ...]
    exclude: Sequence[LocatedExclude] = ()

    def axis(self, key: str) -> Axis | None:
        """Return the axis that varies a setting, if there is one."""
        return next((axis for axis in self.axes if key in axis.keys), None)

    def gives(self, key: str) -> bool:
        """Whether a setting is fixed or varied, not left at its default."""
        return key in self.fixed or self.axis(key) is not None

    def values(self, key: str) -> list[LocatedValue]:
        """Return every value that a setting takes, its default if it is not given."""
        axis = self.axis(key)
        return axis.column(key) if axis else [self.fixed.get(key, LocatedValue(SETTINGS[key].default))]

    def pairs(self, left: str, right: str) -> Iterable[tuple[LocatedValue, LocatedValue]]:
        """Return the values of two settings that occur together."""
        axis = self.axis(left)
        together = axis is not None and right in axis.keys
        return (zip if together else product)(self.values(left), self.values(right))

    def drops(self, settings: dict[str, Any]) -> bool:
        """Whether an exclude drops whatever has these values beside what is fixed."""
        known = {key: located.value for key, located in self.fixed.items()} | settings
        return any(evaluate(located.exclude.expression, known) is True for located in self.exclude)

    def put_beside(self, other: str, key: str, values: Iterable[LocatedValue]) -> None:
        """Give a setting one value for each value of an `other`: a further column of its axis, or fixed as it is."""
        for place, axis in enumerate(self.axes):
            if other in axis.keys:
                rows = zip(axis.rows, values, strict=True)
                self.axes[place] = Axis((*axis.keys, key), tuple((*row, value) for row, value in rows))
                return
        (self.fixed[key],) = values
