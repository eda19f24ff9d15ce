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
from gradlab.cli.completion import join_bash_words
from gradlab.cli.hints import usage_message, with_parameters
from gradlab.cli.run import INTERRUPTED
from gradlab.errors import GradlabError, OptionError, SpecError, UserCodeError
from gradlab.terminal.console import drop_output, err

__all__ = ["invoke"]

BUG = 70
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)

_SIZE = re.compile("0*[1-9][0-9]{0,4}", re.ASCII)

_ClickException: Any = typer.BadParameter.__mro__[2]
"""Base of the parser's own errors; typer brings click under different names in different versions."""


def invoke(arguments: Sequence[str]) -> int:
    """Run ``gradlab`` with `arguments` and return the exit code. Raises nothing but SystemExit.

    0 fine; 1 some cells failed, or code of the user did, as of a model; 2 usage or spec error; 3 a condition held;
    70 a bug in gradlab; 130 after Ctrl-C.
    """
    _mend_streams()
    if "_GRADLAB_COMPLETE" in os.environ:
        join_bash_words()
    arguments = list(arguments) or ["--help"]
    verbose = "--verbose" in arguments or "-v" in arguments
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone, like head after its ten lines: nothing to say, nobody to say it to
        drop_output()
        return 0
    except KeyboardInterrupt:
        err(INTERRUPTED)
        return 130
    except SpecError as error:
        err(str(error))
        return error.exit_code
    except UserCodeError as error:
        if verbose and error.__cause__ is not None:
            err("".join(traceback.format_exception(error.__cause__)))
        err(str(error))
        return error.exit_code
    except GradlabError as error:
        err(f"gradlab: {error.on_command_line() if isinstance(error, OptionError) else error}")
        return error.exit_code
    except OSError as error:
        if error.filename is not None or error.errno not in _NO_ROOM:
            return _bug(error, verbose)
        drop_output()
        err(f"gradlab: cannot write the output: {error.strerror}\n  make room where it goes, then run it again")
        return 2
    except Exception as error:  # the boundary: nobody should have to read a traceback
        return _bug(error, verbose)
    return code


def _mend_streams() -> None:
    """See to it that there are streams, that they take every text, and that sizes in the environment are numbers.

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
    for name in ("COLUMNS", "LINES", "OMP_NUM_THREADS"):
        if not _SIZE.fullmatch(os.environ.get(name, "")):
            os.environ.pop(name, None)


def _dispatch(arguments: Sequence[str]) -> int:
    try:
        # typer only parses: what is to be done it gives back, and that is done outside of typer's own error handling
        action = app(args=with_parameters(arguments), prog_name="gradlab", standalone_mode=False)
    except _ClickException as error:
        err(f"gradlab: {usage_message(arguments, error, COMMANDS)}")
        return 2
    return int(action()) if callable(action) else int(action or 0)


def _bug(error: Exception, verbose: bool) -> int:
    text = "".join(traceback.format_exception(error))
    location = "what --verbose prints"
    with suppress(OSError, ValueError):  # there may be no place for temporary files
        with tempfile.NamedTemporaryFile(
            "w", prefix="gradlab-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
        location = file.name
    if verbose:
        err(text)
    err(
        f"gradlab: this is a bug in gradlab: {type(error).__name__}: {error}\n"
        f"  what is finished is kept; please report it with {location}"
    )
    return BUG
