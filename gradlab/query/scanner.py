"""The tokens of a query: one cursor over its text, which reads every character a bounded number of times."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from gradlab.errors import shorten
from gradlab.query.ranges import END
from gradlab.query.values import NUMBER

__all__ = ["DEEPEST", "LONGEST", "STATEMENT", "Operand", "QueryError", "Scanner", "Token", "needs_quotes"]

LONGEST = 20_000
"""Characters of a query."""
DEEPEST = 50
"""Parentheses, brackets and `not` inside of each other."""
KEYWORDS = ("and", "or", "not", "in")
STATEMENT = "as in survival[activation=relu, depth=32] > 1e-3"

_SPACE = re.compile(r"\s*")
_SIGN = re.compile(r"<=|>=|==|!=|=|<|>")
_WORD = re.compile(r"""[^\s"'()\[\]{},=<>!;]+""")
_NUMBER = re.compile(rf"{NUMBER}|[-+]?inf(?![A-Za-z0-9_.])")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_SPACED_RANGE = re.compile(rf"{END}\s*\.\.\s*{END}(?:\s*[:*]\s*{END})?")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


class QueryError(Exception):
    """A text that cannot be read: what is wrong `at` which offset of it, and in `hint` what would be right."""

    def __init__(self, message: str, at: int, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.at, self.hint = message, at, hint


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text. `kind` is word, number, sign, quoted, end, or the mark that it is."""

    kind: str
    text: str
    at: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"'{shorten(self.text)}'"

    @property
    def keyword(self) -> str:
        """One of `KEYWORDS`, however it is spelled; otherwise empty."""
        lower = self.text.lower()
        return lower if self.kind == "word" and lower in KEYWORDS else ""


@dataclass(frozen=True, slots=True)
class Operand:
    """A value as it was written: `text` is without its quotation marks. A list has its values in `items`."""

    text: str
    at: int
    quoted: bool = False
    items: tuple[Operand, ...] | None = None


def needs_quotes(text: str) -> bool:
    """Whether a value has to stand in quotation marks to be read as this text."""
    return not _WORD.fullmatch(text) or text.lower() in KEYWORDS


class Scanner:
    """Reads tokens one after the other. `token` is the next one; `step` goes on.

    In `arithmetic` numbers, names and the marks ``* / %`` are tokens of their own; elsewhere a word is everything
    up to a space, a sign or a bracket, as in ``1/sqrt`` or ``2..64*2``.
    """

    def __init__(self, text: str, *, start: int = 0, arithmetic: bool = False) -> None:
        self.text = text
        self.arithmetic = arithmetic
        self._hint = STATEMENT if arithmetic else "a text with signs in it needs quotation marks"
        if len(text) > LONGEST:
            raise QueryError(f"this text has {len(text):,} characters, at most {LONGEST:,} can be read", 0)
        self.token = self._read(start)

    def fail(self, message: str, hint: str = "") -> NoReturn:
        """Raise QueryError at the next token."""
        raise QueryError(message, self.token.at, hint)

    def step(self) -> Token:
        """Return the next token and go on."""
        token = self.token
        self.move(token.at + len(token.text))
        return token

    def move(self, at: int) -> None:
        """Go on at an offset."""
        self.token = self._read(at)

    def take(self, *kinds: str) -> Token | None:
        """Return the next token and go on, if it is of one of these kinds; otherwise None."""
        return self.step() if self.token.kind in kinds else None

    def take_word(self, *words: str) -> Token | None:
        """Return the next token and go on, if it is one of these words; otherwise None."""
        return self.step() if self.token.kind == "word" and self.token.text.lower() in words else None

    def ahead(self) -> Token:
        """Return the token after the next one."""
        return self._read(self.token.at + len(self.token.text))

    def operand(self, place: str) -> Operand:
        """Return the value that stands next, and go on; `place` says where it stands, for messages."""
        token = self.token
        if token.kind == "quoted":
            self.step()
            mark = token.text[0]
            return Operand(token.text[1:-1].replace(mark * 2, mark), token.at, quoted=True)
        if token.kind in ("[", "{"):
            return self._finish(token.at, self._closed(token.at))
        spaced = _SPACED_RANGE.match(self.text, token.at)
        if spaced and not _WORD.match(self.text, spaced.end()):
            return self._finish(token.at, spaced.end())
        if token.kind != "word" or token.keyword:
            self.fail(f"expected a value {place}, found {token}")
        end = token.at + len(token.text)
        if _NAME.fullmatch(token.text):  # a component may have a space before its parameters
            end = opening if (opening := self._space(end)) < len(self.text) and self.text[opening] == "(" else end
        while end < len(self.text) and self.text[end] == "(":
            end = self._closed(end)
            word = _WORD.match(self.text, end)
            end = word.end() if word else end
        return self._finish(token.at, end)

    def items(self, place: str) -> Operand:
        """Return the list whose opening bracket stands next, and go on."""
        opening = self.token
        self.step()
        items = [self.operand(place)]
        while self.take(","):
            items.append(self.operand("after the comma"))
        if self.token.kind == "end":
            raise QueryError("this list is never closed", opening.at)
        if self.token.kind != "]":
            self.fail(f"expected a comma or ], found {self.token}")
        end = self.step().at + 1
        return Operand(self.text[opening.at : end], opening.at, items=tuple(items))

    def _finish(self, start: int, end: int) -> Operand:
        self.move(end)
        return Operand(self.text[start:end], start)

    def _closed(self, start: int) -> int:
        """Return the offset after the bracket that closes the one at `start`."""
        waiting = [_BRACKETS[self.text[start]]]
        at = start + 1
        while waiting and at < len(self.text):
            sign = self.text[at]
            if sign in "'\"":
                at = self._quoted(at) - 1
            elif sign in _BRACKETS:
                waiting.append(_BRACKETS[sign])
            elif sign in _BRACKETS.values() and sign != waiting.pop():
                raise QueryError("this bracket closes none that is open", at)
            if len(waiting) > DEEPEST:
                raise QueryError(f"more than {DEEPEST} brackets are inside of each other", at)
            at += 1
        if waiting:
            kind = {"(": "parenthesis", "[": "bracket", "{": "brace"}[self.text[start]]
            raise QueryError(f"this {kind} is never closed", start)
        return at

    def _quoted(self, start: int) -> int:
        """Return the offset after the quotation mark that ends the text beginning at `start`; a double one is part."""
        mark, at = self.text[start], start
        while True:
            at = self.text.find(mark, at + 1)
            if at < 0:
                raise QueryError("this quotation mark is never closed", start)
            if self.text[at + 1 : at + 2] != mark:
                return at + 1
            at += 1

    def _space(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def _read(self, at: int) -> Token:
        at = self._space(at)
        if at == len(self.text):
            return Token("end", "", at)
        if sign := _SIGN.match(self.text, at):
            return Token("sign", sign[0], at)
        first = self.text[at]
        if first in "'\"":
            return Token("quoted", self.text[at : self._quoted(at)], at)
        if first in "()[]{}," or (self.arithmetic and first in "*/%"):
            return Token(first, first, at)
        if not self.arithmetic:
            if word := _WORD.match(self.text, at):
                return Token("word", word[0], at)
        elif number := _NUMBER.match(self.text, at):
            after = _WORD.match(self.text, number.end())
            if after and (after[0][0].isalnum() or after[0][0] in "._"):
                raise QueryError(f"'{shorten(number[0] + after[0])}' is no number", at, "as in 3, 0.25 or 1e-3")
            return Token("number", number[0], at)
        elif name := _NAME.match(self.text, at):
            return Token("word", name[0], at)
        raise QueryError(f"{shorten(first)!r} means nothing here", at, self._hint)
