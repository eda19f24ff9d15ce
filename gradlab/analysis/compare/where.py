"""Conditions such as ``depth>=16 and norm=none``: a small language for ``--where`` and ``--fail-on``, without eval.

Comparisons ``= == != < <= > >=`` and ``in [a, b]``, joined by ``and``, ``or``, ``not`` and parentheses. A name is a
column; a value is a number, a word, or a text in quotation marks, which a component with parameters needs:
``activation="leaky_relu(negative_slope=0.2)"``. What a condition says of an empty field is unknown, and stays so
through ``not`` (the three-valued logic of Kleene): a check must not pass because there was nothing to check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gradlab.components import ALIASES, nearest
from gradlab.errors import UsageError

__all__ = ["Condition", "Truth", "parse"]

Flags = NDArray[np.bool_]
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Truth:
    """What a condition says of each row, [rows]: it holds, or it is unknown because a field is empty."""

    holds: Flags
    unknown: Flags


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int
    """Offset in the condition."""


_TOKEN = re.compile(
    r"\s+|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])|[-+]?inf\b)"
    r"|(?P<word>[A-Za-z_][\w.]*)|(?P<sign><=|>=|==|!=|=|<|>)|(?P<mark>[()\[\],])"
    r"|(?P<quoted>\"[^\"]*\"|'[^']*')"
)
_JOINERS = ("and", "or", "not", "in")
_ORDER: dict[str, Callable[[Any, Any], Flags]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition. `names` are the columns it speaks of, in order."""

    text: str
    flag: str
    """The option it was given to, for messages."""
    names: tuple[str, ...]
    _tree: Callable[[Columns], Truth]

    def evaluate(self, columns: Columns) -> Truth:
        """Return what it says of the rows; `columns` holds one array [rows] for each name.

        Raises UsageError for a comparison that the kind of a column does not allow.
        """
        return self._tree(columns)


def parse(text: str, columns: Sequence[str], flag: str = "--where") -> Condition:
    """Return the condition behind `text`, which may speak of `columns`.

    Raises UsageError that points at the position, for anything else than the language of this module.
    """
    return _Parser(text, columns, flag).condition()


class _Parser:
    def __init__(self, text: str, columns: Sequence[str], flag: str) -> None:
        self._text, self._columns, self._flag = text, columns, flag
        self._names: dict[str, None] = {}
        self._tokens = self._split()
        self._next = 0

    def condition(self) -> Condition:
        tree = self._or()
        if self._token.kind != "end":
            self.fail(self._token, f"expected and, or, or the end, found {self._token.text!r}")
        return Condition(self._text, self._flag, tuple(self._names), tree)

    def fail(self, token: _Token, message: str, hint: str = "") -> NoReturn:
        pointer = f"    {self._text}\n    {' ' * token.at}^"
        raise UsageError(f"{self._flag}, column {token.at + 1}: {message}\n{pointer}", hint)

    def _split(self) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        while at < len(self._text):
            found = _TOKEN.match(self._text, at)
            if found is None:
                token = _Token("", self._text[at], at)
                if token.text in "\"'":
                    self.fail(token, "this quotation mark is never closed")
                self.fail(token, f"{token.text!r} means nothing here", "a text with signs in it needs quotation marks")
            if found.lastgroup is not None:
                tokens.append(_Token(found.lastgroup, found[0], at))
            at = found.end()
        return [*tokens, _Token("end", "the end", len(self._text))]

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *texts: str) -> _Token | None:
        token = self._token
        if token.kind in ("quoted", "end") or token.text.lower() not in texts:
            return None
        self._next += 1
        return token

    def _or(self) -> Callable[[Columns], Truth]:
        parts = [self._and()]
        while self._take("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else lambda columns: _any([part(columns) for part in parts])

    def _and(self) -> Callable[[Columns], Truth]:
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        # a and b is not (not a or not b), for unknown things too
        return parts[0] if len(parts) == 1 else lambda columns: _not(_any([_not(part(columns)) for part in parts]))

    def _not(self) -> Callable[[Columns], Truth]:
        if self._take("not"):
            inner = self._not()
            return lambda columns: _not(inner(columns))
        opening = self._take("(")
        if opening is None:
            return self._comparison()
        tree = self._or()
        if not self._take(")"):
            self.fail(opening, "this parenthesis is never closed")
        return tree

    def _comparison(self) -> Callable[[Columns], Truth]:
        name = self._name()
        negated = self._take("not")
        if self._take("in"):
            values = self._list(name)

            def found(columns: Columns) -> Truth:
                return _any([_compare(self, columns, name, "=", value) for value in values])

            return (lambda columns: _not(found(columns))) if negated else found
        sign = self._take("<", "<=", ">", ">=", "=", "==", "!=")
        if sign is None or negated:
            self.fail(self._token, f"expected a comparison after {name.text}, found {self._token.text!r}",
                       "as in depth>=16, norm=none or activation in [relu, tanh]")  # fmt: skip
        value = self._value(name, f"after {sign.text}")
        if sign.text == "!=":
            return lambda columns: _not(_compare(self, columns, name, "=", value))
        return lambda columns: _compare(self, columns, name, sign.text, value)

    def _name(self) -> _Token:
        token = self._token
        if token.kind != "word" or token.text.lower() in _JOINERS:
            self.fail(token, f"expected the name of a column, found {token.text!r}")
        if token.text not in self._columns:
            close = next((one for one in self._columns if one.endswith(f".{token.text}")), None)
            close = close or nearest(token.text, self._columns)
            hint = f"did you mean {close}?" if close else f"there are {', '.join(self._columns)}"
            self.fail(token, f"there is no column {token.text!r}", hint)
        self._names[token.text] = None
        self._next += 1
        return token

    def _value(self, name: _Token, place: str) -> _Token:
        token = self._token
        if token.kind not in ("number", "word", "quoted") or (token.kind == "word" and token.text.lower() in _JOINERS):
            self.fail(token, f"expected a value {place}, found {token.text!r}")
        self._next += 1
        if self._token.text == "(":
            quoted = f'{name.text}="{token.text}(...)"'
            self.fail(self._token, f"a value with parameters needs quotation marks, as in {quoted}")
        if token.kind == "quoted":
            return _Token("quoted", token.text[1:-1], token.at)
        return token

    def _list(self, name: _Token) -> list[_Token]:
        opening = self._take("[")
        if opening is None:
            self.fail(self._token, f"expected a list after in, found {self._token.text!r}", "as in depth in [16, 32]")
        values = [self._value(name, "in the list")]
        while self._take(","):
            values.append(self._value(name, "after the comma"))
        if not self._take("]"):
            self.fail(opening, "this list is never closed")
        return values


def _any(parts: Sequence[Truth]) -> Truth:
    holds = np.logical_or.reduce([part.holds for part in parts])
    return Truth(holds, np.logical_or.reduce([part.unknown for part in parts]) & ~holds)


def _not(part: Truth) -> Truth:
    return Truth(~part.holds & ~part.unknown, part.unknown)


def _compare(parser: _Parser, columns: Columns, name: _Token, sign: str, value: _Token) -> Truth:
    column = columns[name.text]
    number = float(value.text) if value.kind == "number" else None
    if column.dtype == object or column.dtype.kind in "UT":
        return _compare_texts(parser, column, name, sign, value, number)
    if column.dtype.kind == "b" and value.text.lower() in ("true", "false") and sign in ("=", "=="):
        return Truth(column == (value.text.lower() == "true"), np.zeros(len(column), np.bool_))
    if number is None:
        kind = "true or false" if column.dtype.kind == "b" else "a number"
        parser.fail(value, f"{name.text} is {kind}, and {value.text!r} is not")
    numbers = column.astype(np.float64)
    unknown: Flags = np.isnan(numbers)
    holds: Flags = numbers == number if sign in ("=", "==") else _ORDER[sign](numbers, number)
    return Truth(holds & ~unknown, unknown)


def _compare_texts(
    parser: _Parser, column: NDArray[Any], name: _Token, sign: str, value: _Token, number: float | None
) -> Truth:
    """Compare a column of texts, among which may be numbers (``residual_scale`` is 0.5 or ``learned_zero``)."""
    numbers = np.array([float(one) if isinstance(one, int | float) else np.nan for one in column])
    nothing = np.array([one is None or one == "" or one != one for one in column])
    if sign in ("=", "=="):
        meant = ALIASES.get(name.text, {}).get(value.text, value.text)
        return Truth((column == meant) | (numbers == number) if number is not None else column == meant, nothing)
    if number is None or np.isnan(numbers).all():
        parser.fail(value, f"{name.text} is text: it can be =, != or in a list, but not {sign} {value.text}")
    return Truth(_ORDER[sign](numbers, number), nothing)
