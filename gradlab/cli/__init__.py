"""The command line: arguments, exit codes and one error boundary. Everything else is imported when it is needed."""

from gradlab.cli.boundary import invoke, main

__all__ = ["invoke", "main"]
