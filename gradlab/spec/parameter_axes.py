"""Parameters of components under dotted keys, ``optimizer.eps: [1e-8, 1e-4]``, merged into the components."""

from __future__ import annotations

from itertools import product
from math import prod
from pathlib import Path

from gradlab.cell import REGISTRIES, parameter_of
from gradlab.components.synonyms import parameter_hint
from gradlab.query.ranges import LONGEST
from gradlab.spec.components import with_parameters
from gradlab.spec.located import NOWHERE, LocatedGrid, LocatedValue
from gradlab.spec.model import Axis
from gradlab.spec.node import Entry, Mark, Problems

__all__ = ["merge_parameters"]


def merge_parameters(grid: LocatedGrid, invalid: set[str], base: Path, problems: Problems) -> None:
    """Put every parameter under a dotted key into its component, in place; the same cells as with whole components.

    The axes of a component and of its parameters become one axis, at the place of the first of them, of all their
    combinations. A component that has no such parameter, or lacks one that it needs, is added to `problems`, and its
    setting to `invalid`.
    """
    keys = [*grid.fixed, *(key for axis in grid.axes for key in axis.keys)]
    dotted: dict[str, list[str]] = {}
    for key in keys:
        if (named := parameter_of(key)) is not None:
            dotted.setdefault(named[0], []).append(key)
    for owner, parameters in dotted.items():
        _merge(grid, owner, parameters, invalid, base, problems)
    for owner in REGISTRIES.keys() - dotted.keys() - invalid:
        components = grid.values(owner) if grid.gives(owner) else ()
        for component in components:  # a parameter may be given in another sub-grid
            if with_parameters(owner, component.value, component.mark, (), base, problems) is None:
                invalid.add(owner)


def _merge(
    grid: LocatedGrid, owner: str, parameters: list[str], invalid: set[str], base: Path, problems: Problems
) -> None:
    fixed = {key: grid.fixed.pop(key) for key in parameters if key in grid.fixed}
    marks = {key: (fixed[key] if key in fixed else grid.values(key)[0]).mark for key in parameters}
    if owner in invalid or not _known(grid, owner, marks, problems):
        _drop(grid, owner, parameters, invalid)
        return
    involved = [axis for axis in grid.axes if set(axis.keys) & {owner, *parameters}]
    if not involved:
        (default,) = grid.values(owner)
        grid.fixed[owner] = _component(owner, default, fixed, invalid, base, problems)
        return
    if (size := prod(len(axis.rows) for axis in involved)) > LONGEST:
        message = f"{owner} and its parameters have {size:,} combinations, at most {LONGEST:,} are possible"
        problems.add(next(iter(marks.values())), message, "take fewer values")
        _drop(grid, owner, parameters, invalid)
        return
    other_keys = dict.fromkeys(key for axis in involved for key in axis.keys if key != owner and key not in parameters)
    rows = []
    for combination in product(*(axis.rows for axis in involved)):
        row = {key: value for axis, values in zip(involved, combination, strict=True)
               for key, value in zip(axis.keys, values, strict=True)}  # fmt: skip
        component = row[owner] if owner in row else grid.values(owner)[0]
        row_parameters = {key: row[key] for key in parameters if key in row}
        merged = _component(owner, component, fixed | row_parameters, invalid, base, problems)
        rows.append((merged, *(row[key] for key in other_keys)))
    place = grid.axes.index(involved[0])
    grid.axes = [axis for axis in grid.axes if axis not in involved]
    grid.axes.insert(place, Axis((owner, *other_keys), tuple(rows)))
    grid.fixed.pop(owner, None)


def _known(grid: LocatedGrid, owner: str, marks: dict[str, Mark], problems: Problems) -> bool:
    """Whether each component of the setting `owner` has each parameter; what it has not goes to `problems`."""
    names = dict.fromkeys(component.value.name for component in grid.values(owner))
    unknown = [
        (key, name) for key in marks for name in names if key.rpartition(".")[2] not in REGISTRIES[owner][name].params
    ]
    for key, name in unknown:
        parameter, known = key.rpartition(".")[2], REGISTRIES[owner][name].params
        hint = parameter_hint(parameter, known)
        if any(parameter in REGISTRIES[owner][other].params for other in names):
            hint += f"; where one of them has no {parameter}, list whole components: {owner}: [{name}, {{name: …}}]"
        problems.add(marks[key], f"{name} has no parameter {parameter!r}", hint)
    return not unknown


def _drop(grid: LocatedGrid, owner: str, parameters: list[str], invalid: set[str]) -> None:
    invalid.add(owner)
    grid.axes = [axis for axis in grid.axes if not set(axis.keys) & set(parameters)]


def _component(
    owner: str,
    component: LocatedValue,
    values: dict[str, LocatedValue],
    invalid: set[str],
    base: Path,
    problems: Problems,
) -> LocatedValue:
    """Return a component with the `values` of parameters under dotted keys; as it was, after adding to `problems`."""
    entries = [Entry(key.rpartition(".")[2], value.mark, value.value) for key, value in values.items()]
    mark = component.mark if component.mark is not NOWHERE else next(iter(values.values())).mark
    merged = with_parameters(owner, component.value, mark, entries, base, problems)
    if merged is None:
        invalid.add(owner)
        return component
    return LocatedValue(merged, mark, component.lr)
