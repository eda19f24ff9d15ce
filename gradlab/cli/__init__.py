"""The command line: flags, printing, exit codes and one error boundary; all else is imported when it is needed."""

from gradlab.cli.entry import invoke, main

__all__ = ["invoke", "main"]
