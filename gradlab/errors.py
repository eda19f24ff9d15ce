"""Everything gradlab raises on purpose. The command line turns each into one message and an exit code."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = [
    "HANDING_ON",
    "DataError",
    "GradlabError",
    "OptionError",
    "PluginError",
    "Problem",
    "SpecError",
    "StoreError",
    "UsageError",
    "UserCodeError",
    "pointer",
    "printable",
    "printable_lines",
    "shorten",
]

HANDING_ON = frozenset({"__torch_function__", "recorded"})
"""Functions of gradlab that calls of operations and modules go through: what is raised there is the caller's."""
SHOWN = 160
"""Characters of a long line that a message shows, around the place it points at."""
QUOTED = 60
"""Characters of a text that a message quotes inside of a sentence."""


def shorten(text: str, limit: int = QUOTED) -> str:
    """Return text fit for one line of a message: cut when long, without characters that a terminal would obey."""
    clean = printable(text[:limit])
    return clean if len(text) <= limit else clean[:-1] + "…"


def pointer(text: str, column: int) -> list[str]:
    """Return the line `text`, cut around `column` (from 1) where it is long, and below it a sign at that column."""
    start = max(0, column - 1 - SHOWN // 2) if len(text) > SHOWN else 0
    return [f"    {printable(text[start : start + SHOWN])}", "    " + " " * (column - 1 - start) + "^"]


def printable(text: str) -> str:
    """Return text with a question mark for each character that a terminal, an editor or a browser would obey.

    Those are line ends and all other control characters, marks of the writing direction and others without a shape of
    their own, and halves of surrogate pairs, as in a file name that is no UTF-8. Every kind of space stays.
    """
    if text.isprintable():
        return text
    return "".join(character if _is_shown(character) else "?" for character in text)


def printable_lines(text: str) -> str:
    """Return the lines of a text, each as `printable` has it; a tab is a space."""
    return "\n".join(printable(line.replace("\t", " ").removesuffix("\r")) for line in text.split("\n"))


def _is_shown(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


class GradlabError(Exception):
    """A failure with a message for a person: what is wrong, and in `hint` what to do next.

    Both are one line each, whatever text of a file or of a library is in them; `lines` stand below the message.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "", *, lines: Sequence[str] = ()) -> None:
        message = "\n".join([_one_line(message), *map(printable, lines)])
        super().__init__(message)
        self.message = message
        self.hint = _one_line(hint)

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def reword(self, change: Callable[[str], str]) -> None:
        """Change message and hint, as for the notation of a caller."""
        self.message, self.hint = change(self.message), change(self.hint)
        self.args = (self.message,)


def _one_line(text: str) -> str:
    return printable(" ".join(text.splitlines()))


class UsageError(GradlabError):
    """A command line or a call that cannot be carried out."""


class OptionError(UsageError):
    """A value that an option of a command cannot have. Python knows the option by its name, a shell by its flag."""

    def __init__(self, option: str, value: object, problem: str, hint: str = "") -> None:
        try:
            text = f"{value:g}" if isinstance(value, float) else str(value) or "''"
        except ValueError:  # Python writes no whole number of more than 4,300 digits
            text = "…"
        self.option, self.value, self._rest = option, value, f"{text}: {problem}"
        super().__init__(f"{option} {self._rest}", hint)

    def on_command_line(self) -> str:
        """Return the message with the flag in the place of the name."""
        message = _one_line(f"--{self.option.replace('_', '-')} {self._rest}")
        return f"{message}\n  {self.hint}" if self.hint else message


class DataError(GradlabError):
    """A user's data file that cannot be read as the spec says."""


class PluginError(GradlabError):
    """A component of the user, or a file of them, that cannot be used."""


class UserCodeError(GradlabError):
    """An exception of code that a command was asked to run: type and text, and in `lines` the place in that code."""

    exit_code = 1


class StoreError(GradlabError):
    """A run directory that cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a spec. `line` and `column` count from 1; 0 where there is no place to point at."""

    message: str
    source: str = ""
    line: int = 0
    column: int = 0
    text: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}:{self.column}: " if self.line else f"{self.source}: " if self.source else ""
        lines = [printable_lines(place + self.message)]
        if self.text:
            lines += pointer(self.text, self.column)
        if self.hint:
            lines.append(f"    {printable_lines(self.hint)}")
        return "\n".join(lines)


class SpecError(GradlabError):
    """All problems of a spec at once; `problems` is never empty."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        first, *following = "\n".join(str(problem) for problem in problems).split("\n")
        super().__init__(first, lines=following)
        self.problems = problems
