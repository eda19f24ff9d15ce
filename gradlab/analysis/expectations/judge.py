"""Statements against the tables of a run: held, did not hold, or not judged and why.

All arithmetic is decimal: a survival of 10^-627, which no double holds, is compared like any other. What is empty is
unknown and stays so: a statement holds only when every configuration it speaks of is there and satisfies it, and has
failed as soon as one does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from gradlab.analysis.expectations.aggregates import aggregate
from gradlab.analysis.expectations.configurations import Configuration, configurations, layer_columns
from gradlab.analysis.expectations.pairs import partners
from gradlab.cell import Cell
from gradlab.query import And, Expectation, Expression, Quantity, Statement, evaluate, names

if TYPE_CHECKING:
    from gradlab.results.run import Run
    from gradlab.results.tables import Tables

__all__ = ["Judgement", "judge", "judge_run"]

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
    configurations: Expression = And()
    """Holds for the configurations that the statement speaks of."""


@dataclass(frozen=True, slots=True)
class _Value:
    """A number of one configuration or of several (`of` is None); `why` it is unknown."""

    number: Decimal | None
    of: Configuration | None
    why: str = ""


def judge(
    expectations: Sequence[Expectation], cells: Sequence[Cell], ids: Sequence[str], tables: Tables
) -> tuple[Judgement, ...]:
    """Return the judgement on each expectation. `cells`, with their `ids`, are those of the spec; `tables` are what
    a run of it has left so far."""
    if not expectations:
        return ()
    every = configurations(cells, ids, tables, _quantities(expectations))
    return tuple(_judge(expectation, every) for expectation in expectations)


def judge_run(run: Run, tables: Tables) -> tuple[Judgement, ...]:
    """Return the judgements on the spec of a run by `tables` of it; none where it expects nothing or cannot be read.

    Columns of the layers that `tables` lack are read.
    """
    if run.spec is None or not run.spec.expect:
        return ()
    needed = layer_columns(_quantities(run.spec.expect))
    if not needed <= set(tables.layers):
        tables = replace(tables, layers=run.table("layers", ("cell", "step", "layer", *needed)))
    return judge(run.spec.expect, tuple(run.cells.values()), tuple(run.cells), tables)


def _quantities(expectations: Sequence[Expectation]) -> list[Quantity]:
    return [side for expectation in expectations for side in expectation.statement.quantities]


def _judge(expectation: Expectation, every: Sequence[Configuration]) -> Judgement:
    def unknown(reason: str) -> Judgement:
        return Judgement(
            expectation.text, expectation.because, "not judged", reason, None, None, "", 0, 0, statement.configurations
        )

    statement = expectation.statement
    if not all(_chosen(side, every) for side in statement.quantities):
        return unknown(NO_CELL)
    pairs = _pairs(statement, every)
    if not pairs:
        return unknown(
            "no two configurations differ only in the settings in brackets: name more of them, or use min, max"
        )
    complete_pairs = [(left, right) for left, right in pairs if left.number is not None and right.number is not None]
    compared = [(_margin(statement, left.number, right.number), left, right) for left, right in complete_pairs]
    wrong = [row for row in compared if not _holds(statement, row[1].number, row[2].number)]
    reasons = [value.why for pair in pairs for value in pair if value.number is None]
    if not compared:
        return unknown(reasons[0])
    _, left, right = min(wrong or compared, key=lambda row: round(float(row[0]), 12))  # of equal ones the first
    outcome: Literal["held", "did not hold", "not judged"] = (
        "did not hold" if wrong else "not judged" if reasons else "held"
    )
    at = left.of or right.of
    return Judgement(
        expectation.text,
        expectation.because,
        outcome,
        reasons[0] if outcome == "not judged" else "",
        left.number,
        right.number,
        _where(at, [of for pair in pairs if (of := pair[0].of or pair[1].of)]) if at else "",
        len(compared),
        len(wrong),
        statement.configurations,
    )


def _pairs(statement: Statement, every: Sequence[Configuration]) -> list[tuple[_Value, _Value]]:
    """Return the pairs of values to compare."""
    left, right = statement.left, statement.right
    if _single(left) and _single(right):
        return [(_number(left, every), _number(right, every))]
    if _single(right):
        constant = _number(right, every)
        return [(_value(left, configuration), constant) for configuration in _chosen(left, every)]
    if _single(left):
        constant = _number(left, every)
        return [(constant, _value(right, configuration)) for configuration in _chosen(right, every)]
    if left.selection is None or right.selection is None:  # a side without brackets follows the other
        leader = right if left.selection is None else left
        return [(_value(left, configuration), _value(right, configuration)) for configuration in _chosen(leader, every)]
    lefts, rights = _chosen(left, every), _chosen(right, every)
    compared = partners(lefts, rights, set(names(left.selection)), set(names(right.selection)))
    return [(_value(left, of_left), _value(right, of_right)) for of_left, of_right in compared]


def _single(side: Quantity) -> bool:
    return not side.column or bool(side.aggregate)


def _chosen(side: Quantity, every: Sequence[Configuration]) -> list[Configuration]:
    selection = And() if side.selection is None else side.selection
    return [configuration for configuration in every if evaluate(selection, configuration.settings)]


def _value(side: Quantity, configuration: Configuration) -> _Value:
    number, why = configuration.value(side.column, side.block)
    return _Value(None if number is None else _times(side.factor, number), configuration, why)


def _times(factor: Decimal, number: Decimal) -> Decimal:
    return Decimal(0) if not factor else factor * number


def _number(side: Quantity, every: Sequence[Configuration]) -> _Value:
    """Return the one number of a side: it is written there, or comes of all chosen configurations."""
    if not side.column:
        return _Value(side.factor, None)
    number, why = aggregate(side, _chosen(side, every))
    return _Value(None if number is None else _times(side.factor, number), None, why)


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
        case "=":
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


def _where(configuration: Configuration, among: Sequence[Configuration]) -> str:
    """Return a configuration by the settings in which it differs from others of those compared."""
    parts = []
    for key, value in configuration.settings.items():
        if len({other.settings[key] for other in among}) > 1:
            value_text = " ".join(map(str, value)) if isinstance(value, tuple) else value
            parts.append(f"{key}={value_text}")
    return ", ".join(parts)
