"""Statements against the tables of a run: held, did not hold, or not judged and why.

All arithmetic is decimal: a survival of 10^-627, which no double holds, is compared like any other. What is empty is
unknown and stays so: a statement holds only when every configuration it speaks of is there and satisfies it, and has
failed as soon as one does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from gradlab.cell import SETTINGS, Cell
from gradlab.query.model import GEOMETRIC, Choice, Expectation, Side, Statement, Term
from gradlab.query.pairs import partners
from gradlab.query.points import Point, points

if TYPE_CHECKING:
    from gradlab.results.tables import Tables

__all__ = ["Judgement", "judge"]

NO_CELL = "no such cell"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of one expectation. Its numbers are those of the comparison nearest to failing, or failing most."""

    text: str
    because: str
    outcome: Literal["held", "did not hold", "not judged"]
    reason: str
    """Why it was not judged; otherwise empty."""
    measured: Decimal | None
    """Left side, its factor included; None where nothing was compared."""
    against: Decimal | None
    """Right side."""
    where: str
    """The configuration that these numbers are of, by the settings in which the compared ones differ."""
    compared: int
    """Comparisons made: configurations, or pairs of them."""
    failed: int
    """Of them."""


@dataclass(frozen=True, slots=True)
class _Value:
    """A number of one configuration or of several (`at` is None); `why` it is unknown."""

    number: Decimal | None
    at: Point | None
    why: str = ""


def judge(
    expectations: Sequence[Expectation], cells: Sequence[Cell], ids: Sequence[str], tables: Tables
) -> tuple[Judgement, ...]:
    """Return the judgement on each expectation. `cells`, with their `ids`, are those of the spec; `tables` are what
    a run of it has left so far."""
    if not expectations:
        return ()
    columns = {term.column for expectation in expectations for term in expectation.statement.terms}
    found = points(cells, ids, tables, columns)
    return tuple(_judge(expectation, found) for expectation in expectations)


def _judge(expectation: Expectation, every: Sequence[Point]) -> Judgement:
    def unknown(reason: str) -> Judgement:
        return Judgement(expectation.text, expectation.because, "not judged", reason, None, None, "", 0, 0)

    statement = expectation.statement
    if not all(_chosen(term, every) for term in statement.terms):
        return unknown(NO_CELL)
    rows = _rows(statement, every)
    if not rows:
        return unknown(
            "no two configurations differ only in the settings in brackets: name more of them, or use min, max"
        )
    known = [(left, right) for left, right in rows if left.number is not None and right.number is not None]
    judged = [(_margin(statement, left.number, right.number), left, right) for left, right in known]
    wrong = [row for row in judged if not _holds(statement, row[1].number, row[2].number)]
    reasons = [value.why for row in rows for value in row if value.number is None]
    if not judged:
        return unknown(reasons[0])
    _, left, right = min(wrong or judged, key=lambda row: round(float(row[0]), 12))  # of equal ones the first
    outcome: Literal["held", "did not hold", "not judged"] = (
        "did not hold" if wrong else "not judged" if reasons else "held"
    )
    at = left.at or right.at
    return Judgement(
        expectation.text,
        expectation.because,
        outcome,
        reasons[0] if outcome == "not judged" else "",
        left.number,
        right.number,
        _where(at, [one for row in rows if (one := row[0].at or row[1].at)]) if at else "",
        len(judged),
        len(wrong),
    )


def _rows(statement: Statement, every: Sequence[Point]) -> list[tuple[_Value, _Value]]:
    """Return the pairs of values to compare."""
    left, right = statement.left, statement.right
    if _single(left) and _single(right):
        return [(_number(left, every), _number(right, every))]
    if _single(right):
        const = _number(right, every)
        return [(_value(left, point), const) for point in _chosen(left.term, every)]
    if _single(left):
        const = _number(left, every)
        return [(const, _value(right, point)) for point in _chosen(right.term, every)]
    assert left.term is not None
    assert right.term is not None
    if left.term.choices is None or right.term.choices is None:  # a side without brackets follows the other
        leader = right.term if left.term.choices is None else left.term
        return [(_value(left, point), _value(right, point)) for point in _chosen(leader, every)]
    pairs = partners(
        _chosen(left.term, every), _chosen(right.term, every), _keys(left.term.choices), _keys(right.term.choices)
    )
    return [(_value(left, one), _value(right, other)) for one, other in pairs]


def _keys(choices: Sequence[Choice]) -> set[str]:
    return {choice.key for choice in choices}


def _single(side: Side) -> bool:
    return side.term is None or bool(side.term.over)


def _chosen(term: Term | None, every: Sequence[Point]) -> list[Point]:
    choices = () if term is None else term.choices or ()
    return [
        point
        for point in every
        if all(choice.holds(getattr(point.configuration, SETTINGS[choice.key].attribute)) for choice in choices)
    ]


def _value(side: Side, point: Point) -> _Value:
    assert side.term is not None
    number, why = point.value(side.term.column)
    return _Value(None if number is None else _times(side.factor, number), point, why)


def _times(factor: Decimal, number: Decimal) -> Decimal:
    return Decimal(0) if not factor else factor * number


def _number(side: Side, every: Sequence[Point]) -> _Value:
    """Return the one number of a side: it is written there, or comes of all chosen configurations."""
    if side.term is None:
        return _Value(side.factor, None)
    numbers = []
    for point in _chosen(side.term, every):
        number, why = point.value(side.term.column)
        if number is None:
            return _Value(None, None, why)
        numbers.append(number)
    if side.term.over == "min":
        number = min(numbers)
    elif side.term.over == "max":
        number = max(numbers)
    elif side.term.column in GEOMETRIC and all(number >= 0 for number in numbers):
        zero = not all(numbers)
        number = Decimal(0) if zero else (sum((one.ln() for one in numbers), Decimal(0)) / len(numbers)).exp()
    else:
        number = sum(numbers, Decimal(0)) / len(numbers)
    return _Value(_times(side.factor, number), None)


def _holds(statement: Statement, left: Decimal | None, right: Decimal | None) -> bool:
    assert left is not None
    assert right is not None
    match statement.sign:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right
        case "!=":
            return left != right
        case "==":
            return left == right
    if left.is_infinite() or right.is_infinite():
        return left == right
    return abs(left - right) <= statement.tolerance * (abs(right) if statement.relative else 1)


def _margin(statement: Statement, left: Decimal | None, right: Decimal | None) -> Decimal:
    """Return how far a comparison is from failing, as a logarithm where both sides are above 0; less is nearer."""
    assert left is not None
    assert right is not None
    if left.is_infinite() or right.is_infinite():
        gap = Decimal(0) if left == right else left if left.is_infinite() else -right
    elif statement.relative:
        gap = (left - right) / right if right else left - right
    elif left > 0 and right > 0 and statement.sign != "within":
        gap = left.ln() - right.ln()
    else:
        gap = left - right
    match statement.sign:
        case "<" | "<=":
            return -gap
        case ">" | ">=":
            return gap
        case "!=":
            return abs(gap)
    return -abs(gap)


def _where(point: Point, among: Sequence[Point]) -> str:
    """Return a configuration by the settings in which it differs from others of those compared."""
    parts = []
    for key, setting in SETTINGS.items():
        if key != "seed" and len({getattr(one.configuration, setting.attribute) for one in among}) > 1:
            value = getattr(point.configuration, setting.attribute)
            shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
            parts.append(f"{key}={shown}")
    return ", ".join(parts)
