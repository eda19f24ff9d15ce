"""The `expect:` block: statements about the results, checked against the grid before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradlab.cell import plain_value
from gradlab.components import nearest
from gradlab.errors import shorten
from gradlab.query import (
    And,
    Condition,
    Expectation,
    Expression,
    Quantity,
    WrittenCondition,
    parse_statement,
)  # fmt: skip
from gradlab.spec.conditions import bind, parsed, position
from gradlab.spec.keys import text
from gradlab.spec.model import Subgrid
from gradlab.spec.node import Entry, MappingNode, Mark, Node, Problems, ScalarNode, is_none, items_of, show

__all__ = ["expectations", "speaks_of_cells"]

_MANY = 12
"""Values of a setting that a hint lists."""


def expectations(
    entry: Entry | None, subgrids: Sequence[Subgrid], base: Path, problems: Problems, *, strict: bool
) -> tuple[Expectation, ...]:
    """Return the expectations of a spec whose cells are those of `subgrids`; what is wrong goes to `problems`.

    When `strict`, a statement about cells that the grid does not have is a problem. It is none when an override has
    taken those cells away: the statement is then not judged.
    """
    if entry is None or is_none(entry.value):
        return ()
    reading = _ExpectationReader(subgrids if strict and not len(problems) else None, base, problems)
    return tuple(filter(None, map(reading.expectation, items_of(entry.value))))


def speaks_of_cells(expectation: Expectation, subgrids: Sequence[Subgrid]) -> bool:
    """Whether every part of a statement chooses at least one cell."""
    sides = expectation.statement.quantities
    return all(_exists(And() if side.selection is None else side.selection, subgrids) for side in sides)


class _ExpectationReader:
    def __init__(self, subgrids: Sequence[Subgrid] | None, base: Path, problems: Problems) -> None:
        self._subgrids, self._base, self._problems = subgrids, base, problems

    def expectation(self, node: Node) -> Expectation | None:
        because = ""
        if isinstance(node, MappingNode):
            because = self._because(node)
            statement_entry = node.get("that")
            if statement_entry is None:
                self._problems.add(node.mark, "an expectation needs its statement", "write that: and the statement")
                return None
            node = statement_entry.value
        if not isinstance(node, ScalarNode) or not node.text.strip() or not isinstance(node.value, str):
            hint = 'as in survival[activation=relu, depth=32] > 1e-3, or {that: "…", because: "…"}'
            self._problems.add(node.mark, f"an expectation must be a statement, found {show(node)}", hint)
            return None
        statement = parsed(parse_statement, node, lambda condition: self._condition(condition, node), self._problems)
        if statement is None:
            return None
        for quantity in statement.quantities:
            self._check_together(node, quantity)
        return Expectation(" ".join(node.text.split()), statement, because)

    def _because(self, node: MappingNode) -> str:
        for entry in node.entries:
            if entry.key not in ("that", "because"):
                close = nearest(entry.key, ("that", "because"))
                hint = f"did you mean '{close}'?" if close else "an expectation has that and because"
                self._problems.add(entry.mark, f"unknown key {shorten(entry.key)!r} in expect", hint)
        return text(node, "because", self._problems)

    def _condition(self, comparison: WrittenCondition, node: ScalarNode) -> Condition:
        if comparison.name in ("seed", "seeds"):
            mark = position(node, comparison.at)
            self._problems.add(mark, "a statement is about configurations, over all their seeds", "leave the seed out")
            return Condition(comparison.name, comparison.sign, ())
        condition, marks = bind(comparison, node, self._base, self._problems)
        if self._subgrids is not None and condition.constants:
            occurring = [value for subgrid in self._subgrids for value in subgrid.values(condition.name)]
            self._check_values(condition, marks, occurring)
        return condition

    def _check_values(self, condition: Condition, marks: Sequence[Mark], occurring: Sequence[Any]) -> None:
        """Note the first value that no cell has."""
        known = frozenset(occurring)
        for constant, mark in zip(condition.constants, marks, strict=True):
            sign = "=" if condition.sign == "!=" else condition.sign
            single = Condition(condition.name, sign, (constant,))
            if (sign == "=" and constant in known) or any(single.holds(value) is not False for value in known):
                continue
            texts = list(dict.fromkeys(str(plain_value(value)) for value in occurring))
            close = nearest(str(constant), texts)
            listed = ", ".join(texts[:_MANY]) + (f" and {len(texts) - _MANY} more" if len(texts) > _MANY else "")
            numbers = all(isinstance(value, int | float) for value in known)
            hint = f"did you mean '{close}'?" if close and not numbers else f"{condition.name} has {listed}"
            self._problems.add(mark, f"no cell of the grid has {shorten(str(single))}", hint)
            return

    def _check_together(self, node: ScalarNode, quantity: Quantity) -> None:
        if self._subgrids is None or quantity.selection is None or _exists(quantity.selection, self._subgrids):
            return
        at = node.text.strip().find(f"{quantity.column}[")
        message = f"no cell of the grid is chosen by the brackets of {quantity.column}"
        self._problems.add(position(node, max(at, 0)), message, "each of these values is there, but not together")


def _exists(selection: Expression, subgrids: Sequence[Subgrid]) -> bool:
    return any(subgrid.has(selection, unknown=True) for subgrid in subgrids)
