"""Blocks to sub-grids: who inherits what, which learning rate counts, and what does not fit together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from gradlab.cell import SETTINGS
from gradlab.spec.blocks import Block, Draft, Given, Placed
from gradlab.spec.fitting import NOWHERE, check, drops, settle, values
from gradlab.spec.model import Axis, Subgrid, default_lr
from gradlab.spec.node import Mark, Problems

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
    top: Block, subs: list[Block], bad: set[str], problems: Problems
) -> tuple[tuple[Subgrid, ...], list[Placed]]:
    """Return the sub-grids of a spec, and the excludes that match nothing in any of them.

    `subs` are the items of `grids`: each takes over what `top` fixes, varies and excludes. An `include` adds one
    configuration on top of what is fixed around it, of which it may replace settings; excludes do not touch it.
    A block with includes (or sub-grids) and no axis has no further cells. `bad` settings are not compared.
    """
    found: list[Subgrid] = []
    matched: set[Mark] = set()
    for fixed, axes, seeds, exclude in _products(top, subs):
        axes = settle(fixed, _settle_lr(fixed, axes, problems))
        axes = sorted(axes, key=_together)  # zipped settings vary faster than grid axes
        _check_rules(fixed, axes, exclude, bad, problems)
        check(fixed, axes, exclude, bad, problems)
        plain = tuple((key, given.value) for key, given in fixed.items())
        final = tuple(
            Axis(draft.keys, tuple(tuple(given.value for given in row) for row in draft.rows)) for draft in axes
        )
        subgrid = Subgrid(plain, (*final, Axis(("seed",), tuple((seed,) for seed in seeds))))
        live = [placed for placed in exclude if _matches(placed, subgrid)]
        matched.update(placed.mark for placed in live)
        found.append(Subgrid(plain, subgrid.axes, tuple(placed.exclude for placed in live)))
    every = (placed for block in (top, *subs) for placed in block.exclude)
    return tuple(found), [placed for placed in every if placed.mark not in matched]


def _matches(placed: Placed, subgrid: Subgrid) -> bool:
    exclude = placed.exclude
    return exclude.allows(dict(subgrid.fixed), subgrid.varied) and all(exclude.rows(axis) for axis in subgrid.axes)


_Product = tuple[dict[str, Given], list[Draft], tuple[int, ...], list[Placed]]


def _products(top: Block, subs: list[Block]) -> Iterator[_Product]:
    seeds = top.seeds or (0,)
    if not subs and (top.axes or not top.include):
        yield dict(top.fixed), list(top.axes), seeds, top.exclude
    for sub in subs:
        fixed = top.fixed | sub.fixed
        if top.axes or sub.axes or not sub.include:
            yield dict(fixed), [*top.axes, *sub.axes], sub.seeds or seeds, [*top.exclude, *sub.exclude]
        for entry in sub.include:
            yield fixed | entry, [], sub.seeds or seeds, []
    for entry in top.include:
        yield top.fixed | entry, [], seeds, []


def _together(axis: Draft) -> bool:
    """Whether an axis is of several settings, an optimizer and its learning rate counting as one."""
    return len(axis.keys) - ("optimizer" in axis.keys and "lr" in axis.keys) > 1


def _settle_lr(fixed: dict[str, Given], axes: list[Draft], problems: Problems) -> list[Draft]:
    """Give every optimizer its learning rate: in `fixed`, or as a second column of the axis it stands in."""
    lr_axis = next((axis for axis in axes if "lr" in axis.keys), None)
    axis = next((axis for axis in axes if "optimizer" in axis.keys), None)
    default = Given(SETTINGS["optimizer"].default, NOWHERE)
    optimizers = [row[axis.keys.index("optimizer")] for row in axis.rows] if axis else [fixed.get("optimizer", default)]
    if lr_axis or "lr" in fixed:
        place = lr_axis.rows[0][lr_axis.keys.index("lr")].mark if lr_axis else fixed["lr"].mark
        for optimizer in optimizers:
            if optimizer.lr is not None:
                message = f"the learning rate is given in two places: by this optimizer and at {place}"
                problems.add(optimizer.mark, message, "leave out one of the two")
        return axes
    rates = [Given(default_lr(one.value) if one.lr is None else one.lr, one.mark) for one in optimizers]
    if axis is None:
        fixed["lr"] = rates[0]
        return axes
    paired = Draft((*axis.keys, "lr"), tuple((*row, rate) for row, rate in zip(axis.rows, rates, strict=True)))
    return [paired if one is axis else one for one in axes]


def _check_rules(
    fixed: dict[str, Given], axes: list[Draft], exclude: list[Placed], bad: set[str], problems: Problems
) -> None:
    for rule in _RULES:
        if {rule.left, rule.right} & bad:
            continue
        for left, right in _pairs(rule, fixed, axes):
            pair = {rule.left: left.value, rule.right: right.value}
            if rule.broken(left.value, right.value) and not any(drops(placed, fixed, pair) for placed in exclude):
                place = right.mark if left.mark is NOWHERE else left.mark
                worst = max(left.value) if isinstance(left.value, tuple) else left.value
                elsewhere = f"{rule.right} is given at {right.mark}" if right.mark is not NOWHERE else (
                    f"{right.value} is the default of {rule.right}"
                )  # fmt: skip
                hint = f"{left.value} is the default of {rule.left}" if left.mark is NOWHERE else elsewhere
                problems.add(place, rule.message.format(left=worst, right=right.value), hint)
                break


def _pairs(rule: _Rule, fixed: dict[str, Given], axes: list[Draft]) -> Iterator[tuple[Given, Given]]:
    """Yield the values of the two settings that occur together; only the worst pair where that one is fine."""
    together = next((axis for axis in axes if rule.left in axis.keys and rule.right in axis.keys), None)
    if together:
        at = together.keys.index(rule.left), together.keys.index(rule.right)
        yield from ((row[at[0]], row[at[1]]) for row in together.rows)
        return
    lefts, rights = values(rule.left, fixed, axes), values(rule.right, fixed, axes)
    worst_right = min(rights, key=lambda given: given.value)
    if any(rule.broken(left.value, worst_right.value) for left in lefts):
        yield from product(lefts, rights)
