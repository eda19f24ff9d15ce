"""Conditions on settings in a spec: their values are read as everywhere in it, and located in the document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from gradlab.cell import SETTINGS, parameter_of, parameters_of, plain_value
from gradlab.query import Condition, Expression, Pattern, QueryError, WrittenCondition, parse, ranges
from gradlab.query.expressions import Constant
from gradlab.spec import components, fields, parameters
from gradlab.spec.keys import unknown_setting
from gradlab.spec.node import Entry, Mark, Node, Problems, ScalarNode, items_of
from gradlab.spec.reader import compose_value

__all__ = ["bind", "condition_of", "expression_of", "parsed", "position"]

_Bind = Callable[[WrittenCondition], Condition]
_Tree = TypeVar("_Tree")


def expression_of(node: ScalarNode, base: Path, problems: Problems) -> Expression | None:
    """Return the expression over settings that a text is, or None after adding to `problems`."""
    return parsed(parse, node, lambda condition: bind(condition, node, base, problems)[0], problems)


def parsed(parser: Callable[[str, _Bind], _Tree], node: ScalarNode, bind: _Bind, problems: Problems) -> _Tree | None:
    """Return what a parser of queries makes of a text, or None after adding to `problems`, here or in `bind`."""
    before = len(problems)
    try:
        tree = parser(node.text.strip(), bind)
    except QueryError as error:
        problems.add(position(node, error.at), error.message, error.hint)
        return None
    return tree if len(problems) == before else None


def bind(
    condition: WrittenCondition, text: ScalarNode, base: Path, problems: Problems
) -> tuple[Condition, tuple[Mark, ...]]:
    """Return the condition that a comparison in a text is, and the position of each of its constants.

    What is wrong is added to `problems`.
    """
    key, sign, mark = condition.name, condition.sign, position(text, condition.at)
    key = "lr" if key == "optimizer.lr" else key
    if key not in SETTINGS and parameter_of(key) is None:
        problems.add(mark, *unknown_setting(key))
        return Condition(key, sign, ()), ()
    operands = condition.lists if fields.holds_list(key) else condition.operands
    constants: list[Constant] = []
    marks: list[Mark] = []
    for operand in operands:
        at, value_text = position(text, operand.at), operand.text
        node = (
            ScalarNode(at, value_text, value_text, quoted=True)
            if operand.quoted
            else compose_value(value_text, at, problems)
        )
        constant = None if node is None else _constant(key, node, base, problems)
        if node is None or constant is None:  # the first wrong value speaks for a list
            return Condition(key, sign, ()), ()
        constants.append(constant)
        marks.append(node.mark)
    if sign not in ("=", "!=") and constants and not (len(constants) == 1 and isinstance(constants[0], int | float)):
        odd = next((str(constant) for constant in constants if not isinstance(constant, int | float)), "a list")
        problems.add(mark, f"{key} {sign} {odd} means nothing", f"use {key}= or {key}!=")
        return Condition(key, sign, ()), ()
    return Condition(key, sign, tuple(constants)), tuple(marks)


def condition_of(entry: Entry, base: Path, problems: Problems) -> Condition:
    """Return the condition that a key with its values is: that the setting has any of them."""
    if not items_of(entry.value):
        problems.add(entry.value.mark, f"{entry.key} has no values")
        return Condition(entry.key, "=", ())
    nodes = (entry.value,) if fields.holds_list(entry.key) else items_of(entry.value)
    if not fields.holds_list(entry.key) and not any(fields.is_range(entry.key, node) for node in nodes):
        nodes = tuple(value for node in nodes for value in fields.spread(entry.key, node, problems))
    place = ("an exclude", "write lr: as a key of its own")
    constants = [_constant(entry.key, node, base, problems, *place) for node in nodes]
    return Condition(entry.key, "=", tuple(constant for constant in constants if constant is not None))


def position(node: ScalarNode, at: int) -> Mark:
    """Return the position of an offset in the stripped text of a scalar; its beginning where the lines do not tell."""
    mark, text = node.mark, node.text.strip()
    if not mark.line:
        return mark
    begin = mark.column - 1 + node.quoted
    line = mark.text[begin:]
    begin += len(line) - len(line.lstrip())
    return replace(mark, column=begin + 1 + at) if mark.text[begin:].startswith(text) else mark


def _constant(
    key: str,
    node: Node,
    base: Path,
    problems: Problems,
    noun: str = "a condition",
    lr_hint: str = "write it as a condition of its own, as in lr=0.1",
) -> Constant | None:
    """Return the constant that a value is, or None after adding to `problems`; `noun` is what it stands in."""
    if isinstance(node, ScalarNode) and fields.is_range(key, node) and not fields.holds_list(key):
        numbers = fields.spread(key, node, problems)
        ends = [_constant(key, number, base, problems) for number in numbers[:1] + numbers[-1:]]
        return ranges.parse(node.text) if ends and None not in ends else None
    if key not in SETTINGS:
        return _parameter(key, node, problems)
    value = fields.parse(key, node, base, problems, pattern=True)
    if isinstance(value, components.ParsedComponent):
        if value.lr is not None:
            problems.add(node.mark, f"{noun} has its lr beside the optimizer", lr_hint)
        return Pattern(value.named.name, None if value.bare else value.named.params)
    return None if value is None else plain_value(value)


def _parameter(key: str, node: Node, problems: Problems) -> Constant | None:
    """Return the constant that a parameter of a component is compared with: one that some component can have."""
    for param in (params := parameters_of(key)):
        value: Constant | None = parameters.read(key, param, node, Problems())
        if value is not None:
            return value
    parameters.read(key, params[0], node, problems)
    return None
