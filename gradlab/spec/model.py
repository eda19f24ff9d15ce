"""What a spec comes to: canonical values only, no places, no text left to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from gradlab.cell import SETTINGS
from gradlab.components import OPTIMIZERS, Named
from gradlab.query import Expectation

__all__ = ["Axis", "Condition", "Exclude", "Spec", "Subgrid", "default_lr"]


@dataclass(frozen=True, slots=True)
class Axis:
    """Settings varied together: `rows` hold one value for each of `keys`. A grid axis has a single key."""

    keys: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of an exclude: it holds for any of `values`, and for any form of the components in `names`."""

    key: str
    values: tuple[Any, ...]
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        listed = [
            *self.names,
            *(" ".join(map(str, value)) if isinstance(value, tuple) else value for value in self.values),
        ]
        return f"{self.key}={'|'.join(map(str, listed))}"

    def holds(self, value: Any) -> bool:
        """Whether `value` of the setting is meant."""
        return value in self.values or (isinstance(value, Named) and value.name in self.names)


@dataclass(frozen=True, slots=True)
class Exclude:
    """Drops the cells for which every condition holds."""

    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.conditions))

    def rows(self, axis: Axis) -> frozenset[int]:
        """Return the rows of an axis that do not speak against dropping."""
        mine = [(axis.keys.index(one.key), one) for one in self.conditions if one.key in axis.keys]
        return frozenset(i for i, row in enumerate(axis.rows) if all(one.holds(row[at]) for at, one in mine))

    def allows(self, fixed: Mapping[str, Any], varied: frozenset[str]) -> bool:
        """Whether what is fixed speaks against dropping anything; keys of neither are at their default."""
        return all(
            one.holds(fixed.get(one.key, SETTINGS[one.key].default)) for one in self.conditions if one.key not in varied
        )


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
