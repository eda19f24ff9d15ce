"""The text of a statement to its parts.

statement = side ("<" | "<=" | ">" | ">=" | "==" | "!=") side
          | side "within" NUMBER ["%"] "of" side
side      = NUMBER | [NUMBER "*"] term | term ("*" | "/") NUMBER
term      = COLUMN ["[" choices "]"] | ("mean" | "min" | "max") "(" term ")"
choices   = choice {("," | "and") choice}
choice    = SETTING ("=" | "!=" | "<" | "<=" | ">" | ">=") VALUE | SETTING ["not"] "in" "[" VALUES "]"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from gradlab.cell import SETTINGS
from gradlab.components import nearest
from gradlab.query.model import COLUMNS, Choice, Side, Statement, Term

__all__ = ["StatementError", "Written", "parse"]

_TOKEN = re.compile(
    r"\s+|(?P<number>[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))"
    r"|(?P<word>[A-Za-z_][\w.]*)|(?P<sign><=|>=|==|!=|=|<|>)|(?P<mark>[()\[\]*/%])"
)
_CHOICE = re.compile(
    r"\s*(?P<key>[A-Za-z_][\w.]*)\s*(?P<sign><=|>=|==|!=|=|<|>|\bnot\s+in\b|\bin\b)\s*(?P<value>.*?)\s*"
)
_SIGNS = ("<", "<=", ">", ">=", "==", "=", "!=")
_OVER = ("mean", "min", "max")
_LONGEST_EXPONENT = 5
EXAMPLE = "as in survival[activation=relu, depth=32] > 1e-3"


class StatementError(Exception):
    """A text that is no statement: what is wrong `at` which offset, and in `hint` what to do."""

    def __init__(self, message: str, at: int, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.at, self.hint = message, at, hint


@dataclass(frozen=True, slots=True)
class Written:
    """A condition in brackets as it was written: offsets are those in the statement."""

    key: str
    at: int
    sign: str
    """``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``; of a list ``=`` or ``!=``."""
    values: tuple[tuple[str, int], ...]
    """Each with its offset; several only of a list."""


def parse(text: str, choose: Callable[[Written], Choice | None]) -> Statement:
    """Return the statement behind `text`; `choose` gives a condition its meaning, or None where it has none.

    Raises StatementError for anything else than the language of this module.
    """
    return _Parser(text, choose).statement()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Parser:
    def __init__(self, text: str, choose: Callable[[Written], Choice | None]) -> None:
        self._text, self._choose = text, choose
        self._token = self._read(0)

    def statement(self) -> Statement:
        if self._token.kind == "end":
            self._fail("there is no statement here", EXAMPLE)
        left = self._side()
        sign = self._token
        if sign.kind == "word" and sign.text == "within":
            found = self._within(left)
        else:
            if sign.text not in _SIGNS:
                self._fail(
                    f"expected a comparison, found {self._shown()}", f"{', '.join(_SIGNS[:5])} or within, {EXAMPLE}"
                )
            self._step()
            found = Statement(left, "==" if sign.text == "=" else sign.text, self._side())
        if self._token.text in _SIGNS:
            self._fail("a statement has one comparison", "write two statements")
        if self._token.kind != "end":
            self._fail(f"expected the end, found {self._shown()}")
        if not found.terms:
            raise StatementError("this compares two numbers and says nothing of the results", 0, EXAMPLE)
        return found

    def _within(self, left: Side) -> Statement:
        self._step()
        tolerance = self._number("after within", "as in within 2% of theory_decay")
        relative = self._take("%")
        if not self._take("of"):
            self._fail(f"expected 'of', found {self._shown()}", "as in within 2% of theory_decay")
        if tolerance < 0:
            raise StatementError("a tolerance cannot be negative", self._text.index("within"))
        return Statement(left, "within", self._side(), tolerance / 100 if relative else tolerance, relative)

    def _side(self) -> Side:
        if self._token.kind == "number":
            factor = self._number("", "")
            return Side(factor, self._term()) if self._take("*") else Side(factor)
        term = self._term()
        if self._take("*"):
            return Side(self._number("after *", ""), term)
        if self._take("/"):
            at = self._token.at
            divisor = self._number("after /", "")
            if not divisor:
                raise StatementError("a division by 0", at)
            return Side(1 / divisor, term)
        return Side(Decimal(1), term)

    def _term(self) -> Term:
        name = self._token
        if name.kind != "word" or name.text in ("within", "of"):
            self._fail(f"expected a column or a number, found {self._shown()}", EXAMPLE)
        self._step()
        if name.text in _OVER and self._take("("):
            inner = self._term()
            if inner.over:
                raise StatementError(f"{inner.over} is one number already", name.at)
            if not self._take(")"):
                self._fail(f"expected ), found {self._shown()}")
            return Term(inner.column, inner.choices, name.text)
        if name.text not in COLUMNS:
            close = nearest(name.text, COLUMNS)
            hint = f"did you mean '{close}'?" if close else f"there are {', '.join(COLUMNS)}"
            if name.text in SETTINGS:
                hint = f"settings stand in brackets, as in survival[{name.text}=…]"
            raise StatementError(f"there is no column '{name.text}'", name.at, hint)
        if self._token.text != "[":
            return Term(name.text, None)
        end = _closing(self._text, self._token.at)
        if end is None:
            self._fail("this bracket is never closed")
        choices = tuple(self._choices(self._token.at + 1, end))
        self._token = self._read(end + 1)
        return Term(name.text, choices)

    def _choices(self, start: int, end: int) -> Iterator[Choice]:
        parts = [found for part in _split(self._text, start, end, ",") for found in _split(self._text, *part, "and")]
        if len(parts) == 1 and not self._text[start:end].strip():  # all configurations
            return
        for first, last in parts:
            match = _CHOICE.fullmatch(self._text, first, last)
            at = last - len(self._text[first:last].lstrip())
            if match is None:
                found = self._text[first:last].strip()
                what = f"'{found}' is no condition" if found else "a condition is missing here"
                raise StatementError(what, at, "in brackets stand conditions, as in [activation=relu, depth>=16]")
            choice = self._choose(self._written(match))
            if choice is not None:
                yield choice

    def _written(self, match: re.Match[str]) -> Written:
        sign, value, at = match["sign"], match["value"], match.start("value")
        if sign.endswith("in"):
            if not (value.startswith("[") and value.endswith("]")):
                raise StatementError("expected a list after in", at, "as in depth in [16, 32]")
            listed = [_stripped(self._text, *part) for part in _split(self._text, at + 1, match.end("value") - 1, ",")]
            sign = "!=" if sign.startswith("not") else "="
        else:
            listed = [(value, at)]
        for text, place in listed:
            if not text:
                raise StatementError(f"{match['key']} is compared with nothing", place)
        return Written(match["key"], match.start("key"), "=" if sign == "==" else sign, tuple(listed))

    def _number(self, place: str, hint: str) -> Decimal:
        token = self._token
        if token.kind != "number":
            self._fail(f"expected a number {place}, found {self._shown()}", hint)
        if len(token.text.lower().partition("e")[2].lstrip("+-")) > _LONGEST_EXPONENT:
            self._fail("this number is beyond all measure")
        self._step()
        return Decimal(token.text.replace("_", ""))

    def _take(self, text: str) -> bool:
        if self._token.text != text:
            return False
        self._step()
        return True

    def _step(self) -> None:
        self._token = self._read(self._token.at + len(self._token.text))

    def _read(self, at: int) -> _Token:
        while at < len(self._text):
            found = _TOKEN.match(self._text, at)
            if found is None:
                raise StatementError(f"{self._text[at]!r} means nothing here", at, EXAMPLE)
            if found.lastgroup is not None:
                return _Token(found.lastgroup, found[0], at)
            at = found.end()
        return _Token("end", "", len(self._text))

    def _shown(self) -> str:
        return "the end" if self._token.kind == "end" else f"'{self._token.text}'"

    def _fail(self, message: str, hint: str = "") -> NoReturn:
        raise StatementError(message, self._token.at, hint)


_OPEN, _CLOSE = "([{", ")]}"


def _depths(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield each place outside of quotation marks with how many brackets are open before it."""
    depth, quote = 0, ""
    for at in range(start, end):
        character = text[at]
        if quote or character in "'\"":
            quote = "" if character == quote else quote or character
            continue
        depth -= character in _CLOSE
        yield at, depth
        depth += character in _OPEN


def _closing(text: str, start: int) -> int | None:
    return next((at for at, depth in _depths(text, start, len(text)) if at > start and not depth), None)


def _split(text: str, start: int, end: int, joiner: str) -> list[tuple[int, int]]:
    """Return the parts of text[start:end] between the joiners that stand outside of brackets and quotes."""
    parts = [start]
    for at, depth in _depths(text, start, end):
        word = joiner.isalpha()
        whole = not word or (text[at - 1 : at].isspace() and text[at + len(joiner) : at + len(joiner) + 1].isspace())
        if not depth and text.startswith(joiner, at) and whole:
            parts += [at, at + len(joiner)]
    parts.append(end)
    return list(zip(parts[::2], parts[1::2], strict=True))


def _stripped(text: str, start: int, end: int) -> tuple[str, int]:
    part = text[start:end]
    return part.strip(), start + len(part) - len(part.lstrip())
