"""Settings that exclude each other: two numbers in the wrong order, two names that do not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gradlab.cell import REGISTRIES
from gradlab.components import TASKS, Named
from gradlab.families import FAMILIES
from gradlab.spec.conflicts import CONFLICTS, Conflict, Pair, of_models, of_options, only, too_few
from gradlab.spec.located import NOWHERE, LocatedGrid
from gradlab.spec.node import Mark, Problems

__all__ = ["check"]


def check(grid: LocatedGrid, invalid: set[str], problems: Problems) -> None:
    """Add conflicting settings to `problems`, one problem for each kind; settings in `invalid` are not compared."""
    allowed = dict.fromkeys(key for family in FAMILIES.values() for key in family.allows)  # those of the user too
    limited = dict.fromkeys(key for family in FAMILIES.values() for key in family.conflicts)
    families = (*map(only, allowed), *map(of_models, REGISTRIES), *map(of_options, limited))
    _narrowing_isometries(grid, invalid, problems)
    for conflict in (*CONFLICTS, *families, *too_few()):
        pairs = iter(()) if {conflict.left, conflict.right} & invalid else conflict.pairs(grid)
        if (first := next(pairs, None)) is None:
            continue
        left, right = first
        message, hint = conflict.explain(left.value, right.value)
        if conflict.ordered:
            mark = right.mark if left.mark is NOWHERE else left.mark
            hint = (
                f"{left.value} is the default of {conflict.left}" if left.mark is NOWHERE
                else f"{right.value} is the default of {conflict.right}" if right.mark is NOWHERE
                else f"{conflict.right} is given at {right.mark}"
            )  # fmt: skip
        else:
            mark = max(left.mark, right.mark, key=_order)
            broken = [first, *pairs]
            valid = len(broken) < sum(1 for _ in grid.pairs(conflict.left, conflict.right))
            apart = conflict.left != conflict.right
            if valid and apart and mark.spelling.document:  # other combinations are valid
                excluded = f"leave it out: exclude: [{', '.join(_excludes(conflict, broken))}]"
                hint = f"{hint}\n    or {excluded}" if hint else excluded
        problems.add(mark, message, hint)


def _order(mark: Mark) -> tuple[bool, bool, int, int]:
    """Return what sorts positions from the top down: overrides come after the document, defaults before it."""
    return mark is not NOWHERE, mark.line == 0, mark.line, mark.column


def _excludes(conflict: Conflict, pairs: Iterable[Pair]) -> Iterator[str]:
    """Yield the items of an exclude that drop every one of `pairs`."""
    rights: dict[str, dict[str, None]] = {}
    for left, right in pairs:
        rights.setdefault(_bare(left.value), {})[_bare(right.value)] = None
    lefts: dict[tuple[str, ...], list[str]] = {}
    for name, names in rights.items():
        lefts.setdefault(tuple(names), []).append(name)
    for right_names, left_names in lefts.items():
        yield f"{{{conflict.left}: {_yaml(left_names)}, {conflict.right}: {_yaml(right_names)}}}"


def _bare(value: Any) -> str:
    return value.name if isinstance(value, Named) else str(value)


def _yaml(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _narrowing_isometries(grid: LocatedGrid, invalid: set[str], problems: Problems) -> None:
    """Add a problem where an init that keeps every length meets a convolution to fewer channels than images have."""
    if {"task", "width", "init"} & invalid:
        return
    for init in (located for located in grid.values("init") if located.value.name == "delta_orthogonal"):
        for task, width in grid.pairs("task", "width"):
            channels = next(iter(TASKS[task.value.name].shape_of(task.value)), 0)
            settings = {"init": init.value, "task": task.value, "width": width.value}
            if channels > width.value and not grid.drops(settings):
                message = f"init: delta_orthogonal needs at least as many outputs as inputs: {channels} channels of"
                problems.add(
                    max(init.mark, width.mark, key=_order),
                    f"{message} {task.value.name} go to a width of {width.value}",
                    f"take a width of at least {channels}, or init: orthogonal",
                )
                return
