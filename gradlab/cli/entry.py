"""The one place where an exception becomes a message and an exit code."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from gradlab.cli.app import COMMANDS, app
from gradlab.cli.hints import usage_hint, with_parameters
from gradlab.cli.run import INTERRUPTED
from gradlab.errors import GradlabError, OptionError, SpecError

__all__ = ["invoke"]

BUG = 70
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)

_WIDTH = re.compile("[1-9][0-9]{0,4}")

_ClickException: Any = typer.BadParameter.__mro__[2]
"""Base of the parser's own errors; typer brings click under different names in different versions."""


def invoke(arguments: Sequence[str]) -> int:
    """Run ``gradlab`` with `arguments` and return the exit code. Raises nothing but SystemExit.

    0 fine; 1 some cells failed; 2 usage or spec error; 70 a bug in gradlab; 130 after Ctrl-C.
    """
    _mend_streams()
    verbose = "--verbose" in arguments or "-v" in arguments
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone, like head after its ten lines: nothing to say, nobody to say it to
        _drop_output()
        return 0
    except KeyboardInterrupt:
        _say(INTERRUPTED)
        return 130
    except SpecError as error:
        _say(str(error))
        return error.exit_code
    except GradlabError as error:
        _say(f"gradlab: {error.on_command_line() if isinstance(error, OptionError) else error}")
        return error.exit_code
    except OSError as error:
        if error.filename is not None or error.errno not in _NO_ROOM:
            return _bug(error, verbose)
        _drop_output()
        _say(f"gradlab: cannot write the output: {error.strerror}\n  make room where it goes, then run it again")
        return 2
    except Exception as error:  # the boundary: nobody should have to read a traceback
        return _bug(error, verbose)
    return code


def _mend_streams() -> None:
    """See to it that there are streams, that they take every text, and that their width is a number.

    A stream that was closed (``gradlab run spec.yaml >&-``) leads nowhere: its number would otherwise be that of the
    first file that is opened.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with suppress(OSError):
                while os.open(os.devnull, os.O_RDWR) < number:
                    pass
            nowhere = Path(os.devnull).open("r" if name == "stdin" else "w", encoding="utf-8")  # noqa: SIM115 - to the end
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a label the terminal cannot show must not end a run
            stream.reconfigure(errors="replace")
    if not _WIDTH.fullmatch(os.environ.get("COLUMNS", "")):
        os.environ.pop("COLUMNS", None)


def _drop_output() -> None:
    """Let what is still to be written to stdout go nowhere: the interpreter would fail over it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(arguments: Sequence[str]) -> int:
    try:
        # typer only parses: what is to be done it gives back, and that is done outside of typer's own error handling
        action = app(args=with_parameters(arguments), prog_name="gradlab", standalone_mode=False)
    except _ClickException as error:
        command = next((word for word in arguments if not word.startswith("-")), "")
        help_of = f"gradlab {command} --help" if command in COMMANDS else "gradlab --help"
        message = error.format_message().rstrip(".")
        hint = usage_hint(arguments, error) or f"see {help_of}"
        _say(f"gradlab: {message[:1].lower()}{message[1:]}\n  {hint}")
        return 2
    return int(action()) if callable(action) else int(action or 0)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _bug(error: Exception, verbose: bool) -> int:
    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile("w", prefix="gradlab-", suffix=".log", delete=False, encoding="utf-8") as file:
        file.write(text)
    if verbose:
        _say(text)
    _say(
        f"gradlab: this is a bug in gradlab: {type(error).__name__}: {error}\n"
        f"  what is finished is kept; please report it with {Path(file.name)}"
    )
    return BUG
