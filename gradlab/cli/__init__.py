"""The command line: flags, printing, exit codes and one error boundary; all else is imported when it is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from gradlab.cli.distributions import conflict

__all__ = ["invoke", "main"]

_WITHOUT_WORKERS = frozenset({"--help", "-h", "--dry-run", "--executor", "--save"})
"""Options of a run that needs no worker processes of this machine."""


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    message = conflict()
    if message and sys.stderr is not None:
        with suppress(OSError):
            print(message, file=sys.stderr)  # noqa: T201 - the rest of gradlab may not be ours
    try:
        if will_probably_train(sys.argv[1:]):
            from gradlab.execution.processes import starting

            with suppress(OSError):  # the executor tries again and reports it
                starting.begin()
        from gradlab.cli import entry
    except ImportError:
        if message:  # files of the other project lie in the place of ours
            sys.exit(2)
        raise
    sys.exit(entry.invoke(sys.argv[1:]))


def invoke(arguments: Sequence[str]) -> int:
    """Run ``gradlab`` with `arguments` and return the exit code; see `gradlab.cli.entry.invoke`."""
    from gradlab.cli import entry

    return entry.invoke(arguments)


def will_probably_train(arguments: Sequence[str]) -> bool:
    """Return whether worker processes are worth starting before the arguments are parsed: a guess, and only that.

    Not where a standard stream is closed: its number would be that of a file of the server.
    """
    streams = None not in (sys.stdin, sys.stdout, sys.stderr)
    command = bool(arguments) and arguments[0] in ("run", "sweep") and _WITHOUT_WORKERS.isdisjoint(arguments)
    return command and streams and "GRADLAB_WORK" not in os.environ
