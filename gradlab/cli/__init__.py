"""The command line: flags, printing, exit codes and one error boundary; all else is imported when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

from gradlab.cli.distributions import conflict

__all__ = ["invoke", "main"]


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    message = conflict()
    if message and sys.stderr is not None:
        with suppress(OSError):
            print(message, file=sys.stderr)  # noqa: T201 - the rest of gradlab may not be ours
    try:
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
