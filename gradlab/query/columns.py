"""What the columns of a table hold, and with what each can be compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from math import isinf
from typing import Any, Literal

from gradlab.cell import REGISTRIES, SETTINGS, Setting, parameter_of, parameters_of
from gradlab.components import ALIASES, Value, nearest
from gradlab.components.synonyms import foreign_key, foreign_keys, names_nothing, registered
from gradlab.errors import shorten
from gradlab.query import ranges
from gradlab.query.expressions import Condition, Constant, Pattern
from gradlab.query.scanner import Operand, QueryError
from gradlab.query.values import read_component, read_number

__all__ = [
    "NUMBER", "TEXT", "TRUTH", "ColumnType", "Columns", "WrittenCondition", "columns_json", "like", "setting_columns",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class WrittenCondition:
    """A condition as it was written: a name and its place, a sign (``=``, ``!=``, ``<``, …) and values."""

    name: str
    at: int
    sign: str
    operand: Operand

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The items of a list, or the one value."""
        return (self.operand,) if self.operand.items is None else self.operand.items

    @property
    def lists(self) -> tuple[Operand, ...]:
        """The values, for a column of lists: numbers alone in brackets are one value, ``[0, 10]``."""
        numbers = all(ranges.is_range(item.text) or read_number(item.text) is not None for item in self.operands)
        return (self.operand,) if numbers else self.operands


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What a column holds: numbers, truth (true or false), texts, a mixture of numbers and texts, lists, components."""

    kind: Literal["number", "truth", "text", "mixture", "list", "component"]
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other spellings of its texts."""
    defaults: Mapping[str, Mapping[str, Value | None]] = field(default_factory=dict)
    """Of components: the default of each parameter, by the name of the component."""


NUMBER, TRUTH, TEXT = ColumnType("number"), ColumnType("truth"), ColumnType("text")


class Columns:
    """The columns that a query may speak of; `noun` is what a message calls one."""

    def __init__(self, columns: Mapping[str, ColumnType], noun: str = "column") -> None:
        self._columns, self._noun = columns, noun

    def bind(self, comparison: WrittenCondition) -> Condition:
        """Return the condition behind a comparison as it is written.

        Raises QueryError for a name that there is not, or a value that its column cannot be compared with.
        """
        comparison = replace(comparison, name="lr") if comparison.name == "optimizer.lr" else comparison
        name, sign = comparison.name, comparison.sign
        column = self._columns.get(name) or self._parameter(name)
        if column is None:
            message = f"there is no {self._noun} '{shorten(name)}'"
            raise QueryError(message, comparison.at, like(name, self._columns, f"there are {', '.join(self._columns)}"))
        ordered = sign not in ("=", "!=")
        operands = comparison.lists if column.kind == "list" else comparison.operands
        constants = tuple(self._constant(column, comparison, operand) for operand in operands)
        if ordered and not (len(constants) == 1 and type(constants[0]) in (int, float)):
            value_text = shorten(comparison.operand.text)
            message = f"{name} is text: it can be =, != or in a list, but not {sign} {value_text}"
            if column.kind in ("number", "truth"):
                message = f"{name} can be {sign} one number, but not {sign} {value_text}"
            raise QueryError(message, comparison.operand.at)
        return Condition(name, sign, constants)

    def _parameter(self, name: str) -> ColumnType | None:
        """Return what the parameter of a component under a dotted key holds, where there is a column of components."""
        parameter = parameter_of(name)
        if parameter is None or self._columns.get(parameter[0], TEXT).kind != "component":
            return None
        return _kind(name)

    def _constant(self, column: ColumnType, comparison: WrittenCondition, operand: Operand) -> Constant:
        text, name = operand.text, comparison.name
        if column.kind == "component":
            return _pattern(column, name, operand)
        if column.kind == "text":
            return column.aliases.get(text, text)
        if column.kind == "list":  # as a table prints it
            return " ".join(text.strip("[]").replace(",", " ").split())
        if ranges.is_range(text) and not operand.quoted:
            try:
                return ranges.parse(text)
            except ranges.RangeError as error:
                raise QueryError(str(error), operand.at, error.hint) from None
        if column.kind == "truth" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if name in SETTINGS and SETTINGS[name].param.off and names_nothing(text) and not operand.quoted:
            return 0
        number = read_number(text)
        if number is not None and isinf(number) and "inf" not in text.lower():
            raise QueryError(f"{shorten(text)} is beyond what a number can hold", operand.at, "the largest is 1.8e308")
        if number is not None:
            return number
        if column.kind == "mixture":
            return text
        kind = "true or false" if column.kind == "truth" else "a number"
        hint = "two columns are compared in a statement under expect:" if text in self._columns else ""
        raise QueryError(f"{name} is {kind}, and '{shorten(text)}' is not", operand.at, hint)


def like(name: str, known: Collection[str], otherwise: str = "") -> str:
    """Return a hint for somebody who wrote an unknown name: the known one that is most like it, or `otherwise`."""
    foreign = foreign_key(name)
    if foreign is not None and foreign.target in known:
        return foreign.hint
    longer = next((other for other in known if other.endswith((f".{name}", f"_{name}"))), None)
    close = longer or nearest(name, known)
    return f"did you mean '{close}'?" if close else otherwise


def setting_columns() -> dict[str, ColumnType]:
    """Return a column for each setting, `seed` included."""
    return {key: _setting(setting) for key, setting in SETTINGS.items()}


def columns_json(columns: Mapping[str, ColumnType]) -> dict[str, Any]:
    """Return columns as plain values, with what another language needs to bind a condition as `Columns` does: of
    components the kind of each parameter, of settings whether a word for nothing means 0, and the hints to other
    tools' names for a column, by the folded name.
    """
    foreign: dict[str, dict[str, str]] = {}
    for name, key in foreign_keys().items():
        foreign.setdefault(key.target, {})[name] = key.hint
    settings = {name: {"foreign": foreign.get(name, {}), "off": name in SETTINGS and bool(SETTINGS[name].param.off)}
            for name in columns}  # fmt: skip
    return {name: asdict(column) | settings[name] | _parameters(name, column) for name, column in columns.items()}


def _parameters(name: str, column: ColumnType) -> dict[str, Any]:
    if column.kind != "component":
        return {}
    names = dict.fromkeys(parameter for defaults in column.defaults.values() for parameter in defaults)
    kinds = {parameter: _kind(f"{name}.{parameter}") for parameter in names if f"{name}.{parameter}" not in SETTINGS}
    return {"parameters": {parameter: kind.kind for parameter, kind in kinds.items()}}


def _kind(key: str) -> ColumnType:
    """Return what the parameter of a component under a dotted key holds."""
    kinds = {param.kind for param in parameters_of(key)}
    return TRUTH if kinds == {bool} else TEXT if kinds == {str} else NUMBER


def _setting(setting: Setting) -> ColumnType:
    if setting.is_component:
        defaults = {
            name: {key: parameter.default for key, parameter in component.params.items()}
            for name, component in REGISTRIES[setting.key].items()
        }
        return ColumnType("component", ALIASES.get(setting.key, {}), defaults)
    return ColumnType("list") if setting.param.many else ColumnType("mixture") if setting.param.choices else NUMBER


def _pattern(column: ColumnType, key: str, operand: Operand) -> Pattern:
    """Return the component that a value means; one that nobody has registered is taken as it stands."""
    if operand.text.startswith("{"):
        hint = f"write it as a table prints it, as in {key}=leaky_relu(negative_slope=0.2)"
        raise QueryError("a component in braces is for the mappings of a spec", operand.at, hint)
    name, parameters = read_component(operand.text)
    name = registered(key, name, column.defaults) or name
    if "(" not in operand.text or not parameters:
        return Pattern(name)
    known = column.defaults.get(name)
    values: dict[str, Value] = {}
    for parameter, value in parameters:
        if value is None:
            message = f"'{shorten(parameter)}' gives {shorten(name)} no parameter"
            raise QueryError(message, operand.at, "as in leaky_relu(negative_slope=0.2); conditions follow after and")
        if known is not None and parameter not in known:
            otherwise = f"it has {', '.join(known)}" if known else "it has none"
            message = f"{name} has no parameter '{shorten(parameter)}'"
            raise QueryError(message, operand.at, like(parameter, known, otherwise))
        if known is None or known[parameter] != value:
            values[parameter] = value
    order = values if known is None else [parameter for parameter in known if parameter in values]
    return Pattern(name, tuple((parameter, values[parameter]) for parameter in order))
