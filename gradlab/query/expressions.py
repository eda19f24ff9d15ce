"""The tree of a query over rows, and what it says of a row: it holds, it does not, or that is unknown.

What a condition says of an empty field is unknown, and stays so through `not` (the three-valued logic of Kleene):
nothing is chosen, and no check passes, because there was nothing to compare.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import PurePath
from typing import Any, TypeAlias

from gradlab.cell import parameter_of, parameter_value
from gradlab.components import Named, Value
from gradlab.query.ranges import Range
from gradlab.query.scanner import needs_quotes
from gradlab.query.values import read_component

__all__ = [
    "And",
    "Condition",
    "Constant",
    "Expression",
    "Not",
    "Or",
    "Pattern",
    "conjuncts",
    "evaluate",
    "evaluate_columns",
    "expression_json",
    "names",
    "value_of",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pattern:
    """A component: with these `parameters`, those at their default left out, or in every form where they are None."""

    name: str
    parameters: tuple[tuple[str, Value], ...] | None = None

    def __str__(self) -> str:
        return str(Named(self.name, self.parameters or ()))


Constant: TypeAlias = float | int | bool | str | Pattern | Range
"""What a column is compared with."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of the column `name` with `constants`: with any of them for ``=``, with none for ``!=``, and with
    the single one for ``<``, ``<=``, ``>`` and ``>=``."""

    name: str
    sign: str
    constants: tuple[Constant, ...]
    _plain: frozenset[float | str] = field(init=False, repr=False, compare=False)
    """The numbers and, in lower case, the texts among the constants: there may be thousands."""
    _others: tuple[Pattern | Range, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patterned = tuple(constant for constant in self.constants if isinstance(constant, Pattern | Range))
        plain = (constant for constant in self.constants if not isinstance(constant, Pattern | Range))
        object.__setattr__(self, "_plain", frozenset(map(_folded, plain)))
        object.__setattr__(self, "_others", patterned)

    def __str__(self) -> str:
        texts = list(map(_written, self.constants))
        if len(texts) == 1:
            return f"{self.name}{self.sign}{texts[0]}"
        return f"{self.name}{' not' * (self.sign == '!=')} in [{', '.join(texts)}]"

    def holds(self, value: Any) -> bool | None:
        """Whether it holds for a value of the column; None where that is empty."""
        if value is None or value == "" or value != value:
            return None
        if self.sign in ("=", "!="):
            if isinstance(value, tuple):
                value = " ".join(map(str, value))
            among = _folded(value) in self._plain or any(_fits(other, value) for other in self._others)
            return among == (self.sign == "=")
        return isinstance(value, int | float) and _ORDER[self.sign](value, self.constants[0])


@dataclass(frozen=True, slots=True)
class And:
    """Holds where every part does; without parts everywhere."""

    parts: tuple[Expression, ...] = ()

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """Holds where any part does."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


@dataclass(frozen=True, slots=True)
class Not:
    """Holds where `part` does not."""

    part: Expression

    def __str__(self) -> str:
        return f"not {self.part}" if isinstance(self.part, Condition) else f"not ({self.part})"


Expression: TypeAlias = Condition | And | Or | Not

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def evaluate(expression: Expression, row: Mapping[str, Any]) -> bool | None:
    """Whether `expression` holds for a row, which maps columns to values; None where that is unknown.

    Values are numbers, texts, components (`Named`, or as a table prints them) or tuples; what is not there, None, the
    empty text or NaN, is unknown.
    """
    match expression:
        case Condition():
            return expression.holds(value_of(expression.name, row))
        case Not():
            inner = evaluate(expression.part, row)
            return None if inner is None else not inner
        case And():
            truths = {evaluate(part, row) for part in expression.parts}
            return False if False in truths else None if None in truths else True
        case Or():
            truths = {evaluate(part, row) for part in expression.parts}
            return True if True in truths else None if None in truths else False


def evaluate_columns(expression: Expression, columns: Mapping[str, Sequence[Any]], rows: int) -> list[bool | None]:
    """Return what `evaluate` says of each row of a table of so many rows; equal rows are evaluated once."""
    keys = names(expression)
    known: dict[tuple[Any, ...], bool | None] = {}
    truths = []
    for values in zip(*(columns[key] for key in keys), strict=True) if keys else [()] * rows:
        if values not in known:
            known[values] = evaluate(expression, dict(zip(keys, values, strict=True)))
        truths.append(known[values])
    return truths


def names(expression: Expression) -> tuple[str, ...]:
    """Return the columns that an expression speaks of, each once, in order; for a parameter of a component, under its
    dotted key, the column of the component."""
    return tuple(dict.fromkeys(_column(condition.name) for condition in _conditions(expression)))


def conjuncts(expression: Expression) -> tuple[Expression, ...]:
    """Return the expressions all of which must hold: the parts of an `And`, or the expression itself."""
    return expression.parts if isinstance(expression, And) else (expression,)


def expression_json(expression: Expression) -> dict[str, Any]:
    """Return an expression as plain values, for another language to evaluate."""
    match expression:
        case Condition():
            constants = [_constant_json(constant) for constant in expression.constants]
            return {"column": expression.name, "sign": expression.sign, "constants": constants}
        case Not():
            return {"not": expression_json(expression.part)}
        case And():
            return {"and": [expression_json(part) for part in expression.parts]}
        case Or():
            return {"or": [expression_json(part) for part in expression.parts]}


def _constant_json(constant: Constant) -> Any:
    match constant:
        case Pattern():
            parameters = None if constant.parameters is None else dict(constant.parameters)
            return {"component": constant.name, "parameters": parameters}
        case Range():
            by = "factor" if constant.factor else "step"
            return {"first": float(constant.first), "last": float(constant.last), by: float(constant.by)}
        case float() if not isfinite(constant):
            return {"number": "inf" if constant > 0 else "-inf"}
    return constant


def _conditions(expression: Expression) -> Iterable[Condition]:
    match expression:
        case Condition():
            yield expression
        case Not():
            yield from _conditions(expression.part)
        case And() | Or():
            for part in expression.parts:
                yield from _conditions(part)


def _column(name: str) -> str:
    parameter = parameter_of(name)
    return name if parameter is None else parameter[0]


def value_of(name: str, row: Mapping[str, Any]) -> Any:
    """Return the value of a column, or of a parameter of the component in one; None where there is none."""
    column = _column(name)
    value = row.get(column)
    if column == name or value is None or value != value:
        return value
    component = value if isinstance(value, Named) else Named(*_component_of(str(value)))
    return parameter_value(name, component)


def _component_of(text: str) -> tuple[str, tuple[tuple[str, Value], ...]]:
    name, parameters = read_component(text)
    return name, tuple((key, value) for key, value in parameters if value is not None)


def _written(constant: Constant) -> str:
    text = str(constant).lower() if isinstance(constant, bool) else str(constant)
    return f"'{text.replace(chr(39), chr(39) * 2)}'" if isinstance(constant, str) and needs_quotes(text) else text


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _fits(constant: Pattern | Range, value: Any) -> bool:
    """Whether `value` is a number of a range, or a component of this form; of a file a table prints its name alone."""
    if isinstance(constant, Range):
        return isinstance(value, int | float) and value in constant
    if isinstance(value, Named):
        return value.name == constant.name and constant.parameters in (None, value.params)
    name, parameters = read_component(str(value))
    if name.lower() != constant.name.lower() or constant.parameters is None:
        return name.lower() == constant.name.lower()
    expected = {key: PurePath(str(part)).name if key == "path" else part for key, part in constant.parameters}
    return expected == dict(parameters)
