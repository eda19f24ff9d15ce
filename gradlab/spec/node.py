"""A document as read: text with a place for every key and every value, before anything is checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from gradlab.errors import Problem, SpecError, shorten
from gradlab.spelling import KEYS, Spelling

__all__ = [
    "Entry",
    "MappingNode",
    "Mark",
    "Node",
    "Problems",
    "ScalarNode",
    "SequenceNode",
    "from_python",
    "is_none",
    "items_of",
    "show",
]

MOST_PROBLEMS = 50

_INT = re.compile(r"[-+]?\d+(_\d+)*")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.\d+|\d+(_\d+)*(\.\d*)?)([eE][-+]?\d+)?")
_NOT_FINITE = re.compile(r"[-+]?\.?(inf|infinity|nan)", re.IGNORECASE)
_LONGEST_NUMBER = 60
_NONE = frozenset({"", "~", "null", "Null", "NULL", "none", "None", "NONE"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(frozen=True, slots=True)
class Mark:
    """A place: `line` and `column` count from 1, 0 where the source has no lines (an override)."""

    source: str
    line: int = 0
    column: int = 0
    text: str = ""
    spelling: Spelling = KEYS
    """How settings are written there."""

    def __str__(self) -> str:
        return f"line {self.line}" if self.line else self.source

    @property
    def where(self) -> str:
        """The source and, if there is one, the line."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One value. `text` is what was written; `value` is what it means: quoted text is always text."""

    mark: Mark
    text: str
    value: bool | int | float | str | None
    quoted: bool = False

    @classmethod
    def plain(cls, mark: Mark, text: str) -> ScalarNode:
        """Resolve unquoted text by the core schema of YAML 1.2, with `1_000` and `none` besides.

        `1e-3` and `.5` are numbers; `on`, `off`, `yes` and `no` are text.
        """
        return cls(mark, text, _resolve(text))

    @property
    def empty(self) -> bool:
        """Whether nothing at all was written."""
        return self.text == "" and not self.quoted


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping and its value."""

    key: str
    mark: Mark
    value: Node


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping; the keys are text and differ."""

    mark: Mark
    entries: tuple[Entry, ...] = ()

    def get(self, key: str) -> Entry | None:
        """Return the entry of `key`, or None."""
        return next((entry for entry in self.entries if entry.key == key), None)


Node: TypeAlias = ScalarNode | SequenceNode | MappingNode


def items_of(node: Node) -> tuple[Node, ...]:
    """Return the items of a list, or the one value."""
    return node.items if isinstance(node, SequenceNode) else (node,)


def is_none(node: Node) -> bool:
    """Whether nothing is written, or a none without quotes."""
    return isinstance(node, ScalarNode) and node.value is None


class Problems:
    """Collects everything wrong with a spec; more than `MOST_PROBLEMS` are counted, not listed."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}

    def __len__(self) -> int:
        return len(self._problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._problems)

    @property
    def crowded(self) -> bool:
        """Whether there are so many that nobody reads the hints of further ones: to find one takes long."""
        return len(self._problems) > 20 * MOST_PROBLEMS

    def add(self, mark: Mark, message: str, hint: str = "") -> None:
        """Note that at `mark` something is wrong."""
        spelling = mark.spelling
        reworded = spelling.message(message, mark.source)
        self.extend([Problem(reworded, mark.source, mark.line, mark.column, mark.text, spelling.text(hint))])

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add problems found elsewhere; the same problem counts once."""
        self._problems.update(dict.fromkeys(problems))

    def check(self) -> None:
        """Raise SpecError with all problems found, by line, if there are any."""
        if self._problems:
            ordered = sorted(self._problems, key=lambda problem: (not problem.line, problem.line, problem.column))
            unlisted = len(ordered) - MOST_PROBLEMS
            if unlisted > 0:
                remainder = Problem(f"and {unlisted:,} more problem{'s' * (unlisted > 1)}", ordered[0].source)
                ordered = [*ordered[:MOST_PROBLEMS], remainder]
            raise SpecError(tuple(ordered))


def _resolve(text: str) -> bool | int | float | str | None:
    if text in _NONE:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if len(text) <= _LONGEST_NUMBER:
        if _INT.fullmatch(text):
            return int(text)
        if _OTHER_BASE.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


def from_python(value: Any, mark: Mark) -> Node:
    """Return a value of `plain` as a document whose every place is `mark`.

    Text is read as it would be in a spec: ``"2..64"`` is a range and ``"none"`` is none.
    """
    if isinstance(value, dict):
        return MappingNode(mark, tuple(Entry(key, mark, from_python(item, mark)) for key, item in value.items()))
    if isinstance(value, str):
        return ScalarNode.plain(mark, value)
    if isinstance(value, list):
        return SequenceNode(mark, tuple(from_python(item, mark) for item in value))
    return ScalarNode(mark, "none" if value is None else str(value), value)


def show(node: Node) -> str:
    """Return a node as a message shows it."""
    if isinstance(node, SequenceNode):
        return "a list"
    if isinstance(node, MappingNode):
        return "a mapping"
    if node.empty:
        return "nothing"
    text = shorten(node.text)
    if not isinstance(node.value, str):
        return text
    if not text:
        return "an empty text"
    return f"the text {text!r}" if node.quoted else repr(text)
