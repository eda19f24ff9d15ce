"""The option --plugin, which every command has: it runs a file of the user's own components before all else."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from gradlab.errors import PluginError

__all__ = ["with_plugins"]


def _load(context: typer.Context, paths: list[Path] | None) -> list[Path] | None:
    from gradlab import plugins

    for path in paths or ():
        with suppress(*[PluginError] * context.resilient_parsing):  # a shell asks for completions
            plugins.plugin(path)
    return paths


_OPTION = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE.py",
        help="Run a Python file with components of your own first: docs/plugins.md.",
        is_eager=True,
        callback=_load,
    ),
]


def with_plugins(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command with the option; its own code need not know of it."""

    def wrapped(**arguments: Any) -> Any:
        del arguments["plugin"]  # its callback has loaded it
        return command(**arguments)

    option = inspect.Parameter("plugin", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_OPTION)
    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [*(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), option]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
    return wrapped
