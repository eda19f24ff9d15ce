"""The `expect:` block: statements about the results, checked against the grid before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from gradlab.cell import SETTINGS
from gradlab.components import nearest
from gradlab.errors import SpecError
from gradlab.query import Choice, Expectation, StatementError, Term, Written, parse
from gradlab.spec import components, fields, reader
from gradlab.spec.keys import hint_for
from gradlab.spec.model import Subgrid
from gradlab.spec.node import Entry, MappingNode, Mark, Node, Problems, ScalarNode, SequenceNode, shorten, show

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
    if entry is None or (isinstance(entry.value, ScalarNode) and entry.value.value is None and not entry.value.quoted):
        return ()
    listed = entry.value.items if isinstance(entry.value, SequenceNode) else (entry.value,)
    reading = _Reading(subgrids if strict and not len(problems) else None, base, problems)
    return tuple(found for node in listed if (found := reading.expectation(node)) is not None)


def speaks_of_cells(expectation: Expectation, subgrids: Sequence[Subgrid]) -> bool:
    """Whether every part of a statement chooses at least one cell."""
    return all(_exists(term.choices or (), subgrids) for term in expectation.statement.terms)


class _Reading:
    def __init__(self, subgrids: Sequence[Subgrid] | None, base: Path, problems: Problems) -> None:
        self._subgrids, self._base, self._problems = subgrids, base, problems

    def expectation(self, node: Node) -> Expectation | None:
        because = ""
        if isinstance(node, MappingNode):
            because = self._because(node)
            that = node.get("that")
            if that is None:
                self._problems.add(node.mark, "an expectation needs its statement", "write that: and the statement")
                return None
            node = that.value
        if not isinstance(node, ScalarNode) or not node.text.strip() or not isinstance(node.value, str):
            hint = 'as in survival[activation=relu, depth=32] > 1e-3, or {that: "…", because: "…"}'
            self._problems.add(node.mark, f"an expectation must be a statement, found {show(node)}", hint)
            return None
        return self._statement(node, because)

    def _because(self, node: MappingNode) -> str:
        for entry in node.entries:
            if entry.key not in ("that", "because"):
                close = nearest(entry.key, ("that", "because"))
                hint = f"did you mean '{close}'?" if close else "an expectation has that and because"
                self._problems.add(entry.mark, f"unknown key {shorten(entry.key)!r} in expect", hint)
        entry_of = node.get("because")
        if entry_of is None:
            return ""
        if not isinstance(entry_of.value, ScalarNode):
            self._problems.add(entry_of.value.mark, f"because must be text, found {show(entry_of.value)}")
            return ""
        return entry_of.value.text.strip()

    def _statement(self, node: ScalarNode, because: str) -> Expectation | None:
        text = node.text.strip()
        before = len(self._problems)

        def choose(written: Written) -> Choice | None:
            return self._choice(node, text, written)

        try:
            statement = parse(text, choose)
        except StatementError as error:
            self._problems.add(_place(node, text, error.at), error.message, error.hint)
            return None
        if len(self._problems) > before:
            return None
        for term in statement.terms:
            self._check_together(node, text, term)
        return Expectation(" ".join(text.split()), statement, because)

    def _choice(self, node: ScalarNode, text: str, written: Written) -> Choice | None:
        key, mark = written.key, _place(node, text, written.at)
        if key in ("seed", "seeds"):
            self._problems.add(mark, "a statement is about configurations, over all their seeds", "leave the seed out")
            return None
        if key not in SETTINGS:
            self._problems.add(mark, f"unknown setting {shorten(key)!r}", hint_for(key))
            return None
        values: list[Any] = []
        names: list[str] = []
        for value, at in written.values:
            self._value(written, value, _place(node, text, at), values, names)
        if written.sign not in ("=", "!=") and values + names:
            odd = next((one for one in (*values, *names) if not isinstance(one, int | float)), None)
            if odd is not None or len(values) > 1:
                what = "a list" if odd is None else str(odd)
                self._problems.add(mark, f"{key} {written.sign} {what} means nothing", f"use {key}= or {key}!=")
                return None
        return Choice(key, written.sign, tuple(values), tuple(names))

    def _value(self, written: Written, text: str, mark: Mark, values: list[Any], names: list[str]) -> None:
        """Add what one value means to `values` or `names`; a range means any of its numbers."""
        key = written.key
        try:
            node = reader.compose_value(text, mark) if text[:1] in "{['\"" else ScalarNode.plain(mark, text)
        except SpecError as error:
            self._problems.extend(error.problems)
            return
        nodes = fields.spread(key, node, self._problems) if isinstance(node, ScalarNode) else [node]
        for one in nodes:
            value = fields.parse(key, one, self._base, self._problems, pattern=True)
            if isinstance(value, components.ParsedComponent):
                names += [value.named.name] if value.bare else []
                values += [] if value.bare else [value.named]
                meant = Choice(key, "=", (), (value.named.name,)) if value.bare else Choice(key, "=", (value.named,))
                self._check_there(meant, one, mark)
            elif value is not None:
                values.append(value)
                sign = written.sign if isinstance(value, int | float) else "="
                self._check_there(Choice(key, "=" if sign == "!=" else sign, (value,)), one, mark)

    def _check_there(self, choice: Choice, node: Node, mark: Mark) -> None:
        """Note a value that no cell has."""
        if self._subgrids is None:
            return
        there = [value for subgrid in self._subgrids for value in _values(subgrid, choice.key)]
        if any(_may_hold(choice, value) for value in there):
            return
        text = node.text if isinstance(node, ScalarNode) else _shown(choice.values[0])
        known = list(dict.fromkeys(map(_shown, there)))
        close = nearest(text, known)
        listed = ", ".join(known[:_MANY]) + (f" and {len(known) - _MANY} more" if len(known) > _MANY else "")
        words = any(not isinstance(value, int | float) for value in there)
        hint = f"did you mean '{close}'?" if close and words else f"{choice.key} has {listed}"
        self._problems.add(mark, f"no cell of the grid has {choice.key}{choice.sign}{shorten(text)}", hint)

    def _check_together(self, node: ScalarNode, text: str, term: Term) -> None:
        if self._subgrids is None or term.choices is None or _exists(term.choices, self._subgrids):
            return
        at = text.find(f"{term.column}[")
        message = f"no cell of the grid is chosen by the brackets of {term.column}"
        self._problems.add(_place(node, text, max(at, 0)), message, "each of these values is there, but not together")


def _place(node: ScalarNode, text: str, at: int) -> Mark:
    """Return the place of an offset in the text of a scalar; its beginning where the lines do not tell."""
    mark = node.mark
    if not mark.line:
        return mark
    begin = mark.column - 1 + node.quoted
    written = mark.text[begin:]
    begin += len(written) - len(written.lstrip())
    return replace(mark, column=begin + 1 + at) if mark.text[begin:].startswith(text) else mark


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _values(subgrid: Subgrid, key: str) -> list[Any]:
    """Return every value that a setting has in a sub-grid."""
    for axis in subgrid.axes:
        if key in axis.keys:
            return [row[axis.keys.index(key)] for row in axis.rows]
    return [dict(subgrid.fixed).get(key, SETTINGS[key].default)]


def _may_hold(choice: Choice, value: Any) -> bool:
    """Whether a choice can mean a value; what is None, a task's own `seq_len`, only `grid` knows."""
    return value is None or choice.holds(value)


def _exists(choices: Sequence[Choice], subgrids: Sequence[Subgrid]) -> bool:
    return any(True for subgrid in subgrids for _ in _cells(choices, subgrid))


def _cells(choices: Sequence[Choice], subgrid: Subgrid) -> Iterator[tuple[int, ...]]:
    """Yield the chosen cells of a sub-grid that no exclude drops, as the rows of its axes."""
    fixed = dict(subgrid.fixed)
    rest = [choice for choice in choices if choice.key not in subgrid.varied]
    if not all(_may_hold(choice, fixed.get(choice.key, SETTINGS[choice.key].default)) for choice in rest):
        return
    chosen = [
        [
            index
            for index, row in enumerate(axis.rows)
            if all(_may_hold(choice, row[axis.keys.index(choice.key)]) for choice in choices if choice.key in axis.keys)
        ]
        for axis in subgrid.axes[:-1]
    ]
    dropped = [
        [exclude.rows(axis) for axis in subgrid.axes]
        for exclude in subgrid.exclude
        if exclude.allows(fixed, subgrid.varied)
    ]
    seeds = range(len(subgrid.axes[-1].rows))
    for rows in product(*chosen, seeds):
        if not any(all(row in out for row, out in zip(rows, every, strict=True)) for every in dropped):
            yield rows
