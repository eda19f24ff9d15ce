"""Sections to sub-grids: inheritance, the learning rate of every optimizer, and what a model or task brings itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gradlab.cell import SETTINGS, parameter_of
from gradlab.components import TASKS
from gradlab.families import FAMILIES
from gradlab.spec.compatibility import check
from gradlab.spec.located import LocatedExclude, LocatedGrid, LocatedValue
from gradlab.spec.model import Axis, Subgrid, default_lr
from gradlab.spec.node import Mark, Problems
from gradlab.spec.parameter_axes import merge_parameters
from gradlab.spec.sections import Section

__all__ = ["subgrids"]


def subgrids(
    top: Section, nested: list[Section], invalid: set[str], base: Path, problems: Problems
) -> tuple[tuple[Subgrid, ...], list[LocatedExclude]]:
    """Return the sub-grids of a spec, and the excludes that match nothing in any of them.

    `nested` are the items of `grids`: each inherits what `top` fixes, varies and excludes. An `include` adds one
    configuration to what is fixed around it, of which it may replace settings; excludes do not apply to it.
    A section with includes (or sub-grids) and no axis has no further cells. Settings in `invalid` are not compared.
    Paths are relative to `base`.
    """
    result: list[Subgrid] = []
    matched: set[Mark] = set()
    for grid in _located(top, nested):
        _put_lr(grid, problems)
        _put_family_defaults(grid)
        merge_parameters(grid, invalid, base, problems)
        grid.axes.sort(key=_is_zipped)  # zipped settings vary faster than grid axes
        check(grid, invalid, problems)
        fixed = tuple((key, located.value) for key, located in grid.fixed.items())
        axes = [
            Axis(axis.keys, tuple(tuple(located.value for located in row) for row in axis.rows)) for axis in grid.axes
        ]
        subgrid = Subgrid(fixed, (*axes, Axis(("seed",), tuple((seed,) for seed in grid.seeds))))
        effective = [located for located in grid.exclude if subgrid.has(located.exclude.expression)]
        matched.update(located.mark for located in effective)
        result.append(Subgrid(fixed, subgrid.axes, tuple(located.exclude for located in effective)))
    excludes = (located for section in (top, *nested) for located in section.exclude)
    return tuple(result), [located for located in excludes if located.mark not in matched]


def _located(top: Section, nested: list[Section]) -> Iterator[LocatedGrid]:
    seeds = top.seeds or (0,)
    if not nested and (top.axes or not top.include):
        yield LocatedGrid(dict(top.fixed), list(top.axes), seeds, top.exclude)
    for section in nested:
        fixed, own_seeds = top.fixed | section.fixed, section.seeds or seeds
        if top.axes or section.axes or not section.include:
            yield LocatedGrid(dict(fixed), [*top.axes, *section.axes], own_seeds, [*top.exclude, *section.exclude])
        for settings in section.include:
            yield LocatedGrid(_replaced(fixed, settings), [], own_seeds)
    for settings in top.include:
        yield LocatedGrid(_replaced(top.fixed, settings), [], seeds)


def _replaced(fixed: dict[str, LocatedValue], settings: dict[str, LocatedValue]) -> dict[str, LocatedValue]:
    """Return `fixed` with settings replaced: a component with all of its parameters."""
    remaining = {key: located for key, located in fixed.items() if (parameter_of(key) or (key,))[0] not in settings}
    return remaining | settings


def _is_zipped(axis: Axis) -> bool:
    """Whether an axis is of several settings, an optimizer and its learning rate counting as one."""
    return len(axis.keys) - ("optimizer" in axis.keys and "lr" in axis.keys) > 1


def _put_lr(grid: LocatedGrid, problems: Problems) -> None:
    """Give every optimizer its learning rate."""
    optimizers = grid.values("optimizer")
    if grid.gives("lr"):
        for optimizer in optimizers:
            if optimizer.lr is not None:
                position = grid.values("lr")[0].mark
                message = f"the learning rate is given in two places: by this optimizer and at {position}"
                problems.add(optimizer.mark, message, "leave out one of the two")
        return
    rates = [default_lr(optimizer.value) if optimizer.lr is None else optimizer.lr for optimizer in optimizers]
    located = [LocatedValue(rate, optimizer.mark) for rate, optimizer in zip(rates, optimizers, strict=True)]
    grid.put_beside("optimizer", "lr", located)


def _put_family_defaults(grid: LocatedGrid) -> None:
    """Give each model the defaults of its family for settings that nothing is said of.

    The length of its sequences is the task's where nothing else is said; with several tasks `gradlab.grid` fills it in.
    """
    families = [FAMILIES[model.value.name] for model in grid.values("model")]
    for key in dict.fromkeys(key for family in families for key in family.defaults):
        if grid.gives(key):
            continue
        defaults = [LocatedValue(family.defaults.get(key, SETTINGS[key].default)) for family in families]
        if len({default.value for default in defaults}) == 1:
            grid.fixed[key] = defaults[0]
        else:
            grid.put_beside("model", key, defaults)
    task = grid.fixed.get("task")
    if task and not grid.gives("seq_len") and all("seq_len" not in family.ignores for family in families):
        lengths = TASKS[task.value.name].lengths
        if lengths is not None:
            grid.fixed["seq_len"] = LocatedValue(lengths.default)
