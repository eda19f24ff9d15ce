"""Sections to sub-grids: inheritance, the learning rate of every optimizer, and settings that exclude each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from gradlab.cell import SETTINGS
from gradlab.spec.compatibility import NOWHERE, check, drops, settle, values
from gradlab.spec.model import Axis, Subgrid, default_lr
from gradlab.spec.node import Mark, Problems
from gradlab.spec.sections import LocatedAxis, LocatedExclude, LocatedValue, Section

__all__ = ["subgrids"]


@dataclass(frozen=True, slots=True)
class _Rule:
    """Two settings of which `left` must not exceed `right`. A list counts by its largest number."""

    left: str
    right: str
    message: str
    """With {left} and {right} for the two values."""
    strict: bool = False

    def broken(self, left: Any, right: Any) -> bool:
        if left == "log":
            return False
        largest = max(left) if isinstance(left, tuple) else left
        return bool(largest > right or (self.strict and largest == right))


_RULES = (
    _Rule("train.warmup", "train.steps", "a warm-up of {left} steps does not fit into {right} steps of training"),
    _Rule("probe.at", "train.steps", "probe.at asks for step {left}, but training ends at step {right}"),
    _Rule(
        "thresholds.vanish", "thresholds.explode",
        "thresholds.vanish must be below thresholds.explode, found {left:g} and {right:g}", strict=True,
    ),
)  # fmt: skip


def subgrids(
    top: Section, nested: list[Section], invalid: set[str], problems: Problems
) -> tuple[tuple[Subgrid, ...], list[LocatedExclude]]:
    """Return the sub-grids of a spec, and the excludes that match nothing in any of them.

    `nested` are the items of `grids`: each inherits what `top` fixes, varies and excludes. An `include` adds one
    configuration to what is fixed around it, of which it may replace settings; excludes do not apply to it.
    A section with includes (or sub-grids) and no axis has no further cells. Settings in `invalid` are not compared.
    """
    result: list[Subgrid] = []
    matched: set[Mark] = set()
    for fixed, axes, seeds, exclude in _products(top, nested):
        axes = settle(fixed, _settle_lr(fixed, axes, problems))
        axes = sorted(axes, key=_is_zipped)  # zipped settings vary faster than grid axes
        _check_rules(fixed, axes, exclude, invalid, problems)
        check(fixed, axes, exclude, invalid, problems)
        plain = tuple((key, given.value) for key, given in fixed.items())
        final = tuple(Axis(axis.keys, tuple(tuple(given.value for given in row) for row in axis.rows)) for axis in axes)
        subgrid = Subgrid(plain, (*final, Axis(("seed",), tuple((seed,) for seed in seeds))))
        effective = [located for located in exclude if subgrid.has(located.exclude.expression)]
        matched.update(located.mark for located in effective)
        result.append(Subgrid(plain, subgrid.axes, tuple(located.exclude for located in effective)))
    excludes = (located for section in (top, *nested) for located in section.exclude)
    return tuple(result), [located for located in excludes if located.mark not in matched]


_Product = tuple[dict[str, LocatedValue], list[LocatedAxis], tuple[int, ...], list[LocatedExclude]]


def _products(top: Section, nested: list[Section]) -> Iterator[_Product]:
    seeds = top.seeds or (0,)
    if not nested and (top.axes or not top.include):
        yield dict(top.fixed), list(top.axes), seeds, top.exclude
    for section in nested:
        fixed = top.fixed | section.fixed
        if top.axes or section.axes or not section.include:
            yield dict(fixed), [*top.axes, *section.axes], section.seeds or seeds, [*top.exclude, *section.exclude]
        for entry in section.include:
            yield fixed | entry, [], section.seeds or seeds, []
    for entry in top.include:
        yield top.fixed | entry, [], seeds, []


def _is_zipped(axis: LocatedAxis) -> bool:
    """Whether an axis is of several settings, an optimizer and its learning rate counting as one."""
    return len(axis.keys) - ("optimizer" in axis.keys and "lr" in axis.keys) > 1


def _settle_lr(fixed: dict[str, LocatedValue], axes: list[LocatedAxis], problems: Problems) -> list[LocatedAxis]:
    """Give every optimizer its learning rate: in `fixed`, or as a further column of the axis it is varied in."""
    lr_axis = next((axis for axis in axes if "lr" in axis.keys), None)
    axis = next((axis for axis in axes if "optimizer" in axis.keys), None)
    default = LocatedValue(SETTINGS["optimizer"].default, NOWHERE)
    optimizers = [row[axis.keys.index("optimizer")] for row in axis.rows] if axis else [fixed.get("optimizer", default)]
    if lr_axis or "lr" in fixed:
        position = lr_axis.rows[0][lr_axis.keys.index("lr")].mark if lr_axis else fixed["lr"].mark
        for optimizer in optimizers:
            if optimizer.lr is not None:
                message = f"the learning rate is given in two places: by this optimizer and at {position}"
                problems.add(optimizer.mark, message, "leave out one of the two")
        return axes
    rates = [
        LocatedValue(default_lr(optimizer.value) if optimizer.lr is None else optimizer.lr, optimizer.mark)
        for optimizer in optimizers
    ]
    if axis is None:
        fixed["lr"] = rates[0]
        return axes
    paired = LocatedAxis((*axis.keys, "lr"), tuple((*row, rate) for row, rate in zip(axis.rows, rates, strict=True)))
    return [paired if other is axis else other for other in axes]


def _check_rules(
    fixed: dict[str, LocatedValue],
    axes: list[LocatedAxis],
    exclude: list[LocatedExclude],
    invalid: set[str],
    problems: Problems,
) -> None:
    for rule in _RULES:
        if {rule.left, rule.right} & invalid:
            continue
        for left, right in _pairs(rule, fixed, axes):
            pair = {rule.left: left.value, rule.right: right.value}
            if rule.broken(left.value, right.value) and not any(drops(located, fixed, pair) for located in exclude):
                position = right.mark if left.mark is NOWHERE else left.mark
                worst = max(left.value) if isinstance(left.value, tuple) else left.value
                elsewhere = f"{rule.right} is given at {right.mark}" if right.mark is not NOWHERE else (
                    f"{right.value} is the default of {rule.right}"
                )  # fmt: skip
                hint = f"{left.value} is the default of {rule.left}" if left.mark is NOWHERE else elsewhere
                problems.add(position, rule.message.format(left=worst, right=right.value), hint)
                break


def _pairs(
    rule: _Rule, fixed: dict[str, LocatedValue], axes: list[LocatedAxis]
) -> Iterator[tuple[LocatedValue, LocatedValue]]:
    """Yield the pairs of values of the two settings that occur together; nothing if even the worst pair is valid."""
    zipped = next((axis for axis in axes if rule.left in axis.keys and rule.right in axis.keys), None)
    if zipped:
        at = zipped.keys.index(rule.left), zipped.keys.index(rule.right)
        yield from ((row[at[0]], row[at[1]]) for row in zipped.rows)
        return
    lefts, rights = values(rule.left, fixed, axes), values(rule.right, fixed, axes)
    worst_right = min(rights, key=lambda given: given.value)
    if any(rule.broken(left.value, worst_right.value) for left in lefts):
        yield from product(lefts, rights)
