"""Output on a terminal, into a pipe or a file: the one place that prints, and that makes printable what is printed.

Text of files and libraries (names, devices, errors) may hold what a terminal obeys; nothing prints around this.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from gradlab.errors import printable, printable_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from gradlab.report.glyphs import Glyphs

__all__ = [
    "best_effort",
    "console",
    "drop_output",
    "err",
    "hint",
    "on_terminal",
    "out",
    "print_json",
    "print_report",
    "warn",
]


WIDEST = 120
"""Columns of a report in a pipe or a file, unless COLUMNS says otherwise."""


def out(text: str = "") -> None:
    """Print lines on stdout. Raises OSError where they cannot be written."""
    print(printable_lines(text))


def err(text: str) -> None:
    """Print lines on stderr; where they cannot be written, nobody is told."""
    with suppress(OSError, ValueError):
        print(printable_lines(text), file=sys.stderr, flush=True)


def on_terminal() -> bool:
    """Return whether a person reads: stdout and stderr are both terminals."""
    with suppress(OSError, ValueError, AttributeError):
        return sys.stdout.isatty() and sys.stderr.isatty()
    return False


def hint(text: str) -> None:
    """Print one dim line on stderr, behind what stands on stdout; where it cannot be written, nobody is told."""
    from rich.text import Text

    with suppress(OSError, ValueError):
        sys.stdout.flush()
        console(stderr=True).print(Text(printable(text), "dim"), soft_wrap=True)


def warn(*lines: str) -> None:
    """Print a warning on stderr; further lines say what to do about it."""
    err("\n  ".join(map(printable, (f"warning: {lines[0]}", *lines[1:]))))


def console(*, stderr: bool = False) -> Console:
    """Return a console on one of the streams; rich sees to NO_COLOR, FORCE_COLOR and TERM."""
    from rich.console import Console

    file: Any = _BestEffort(sys.stderr) if stderr else sys.stdout
    return Console(file=file, highlight=False, markup=False, emoji=False, force_jupyter=False)


class _BestEffort:
    """A text stream to which writing never fails: a run must not end because nobody reads how it goes."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def print_report(lines: Callable[[Glyphs, int | None], Iterable[Text]]) -> None:
    """Print what `lines` makes for the signs that stdout can carry and for its width.

    The width is that of the terminal or COLUMNS, in a pipe or file without either `WIDEST`. Raises OSError where it
    cannot be written.
    """
    from gradlab.report.glyphs import glyphs_for, shown
    from gradlab.report.terminal.colours import with_colours

    target = console()
    known = target.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    # rich takes every dumb terminal for one of 80 columns
    columns = shutil.get_terminal_size().columns if target.is_dumb_terminal else target.width
    with target.capture() as capture:  # rich would leave the process where the reader of a pipe has gone
        for line in lines(glyphs_for(target.encoding), columns if known else WIDEST):
            if not target.is_terminal:
                line.rstrip()
            target.print(with_colours(shown(line), target.color_system), soft_wrap=True)
    sys.stdout.write(capture.get())


def print_json(document: Any) -> None:
    """Print one document on stdout, in ASCII."""
    from gradlab.report.json_values import json_value

    print(json.dumps(json_value(document), indent=2, allow_nan=False))


@contextmanager
def best_effort() -> Iterator[None]:
    """As a context: what is printed on stdout may not arrive, as where the reader has gone or the disk is full.

    The work goes on, and what is printed later goes nowhere; of anything but a reader that has gone stderr is told.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        drop_output()
        if not isinstance(error, BrokenPipeError):
            warn(f"the output cannot be written: {error.strerror or error}", "the results are on the disk all the same")


def drop_output() -> None:
    """Let what is still to be written to stdout go nowhere: the interpreter would fail over it once more at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
