"""The page of every flag of every command, made of the command line itself."""

from __future__ import annotations

import inspect
from typing import Any

import typer

from gradlab.cli.app import app
from gradlab.cli.help import VALUE_EXAMPLES, VALUES
from sitepages.markdown import code, table

__all__ = ["command_group", "page"]

_INTRODUCTION = """\
# All flags

What `gradlab COMMAND --help` prints, of every command. [Commands](commands.md) says what they are for.

"""
_SETTINGS = "Settings: "


def page() -> str:
    """Return the text of the page."""
    group = command_group()
    context = group.make_context("gradlab", [], resilient_parsing=True)
    parts = [_section(f"gradlab {name}", command, context) for name, command in group.commands.items()]
    return _INTRODUCTION + "\n".join(parts)


def command_group() -> Any:
    """Return the command ``gradlab``, with its commands in `commands`."""
    return typer.main.get_command(app)


def _section(name: str, command: Any, parent: Any) -> str:
    context = type(parent)(command, info_name=name, parent=parent, resilient_parsing=True)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts = [f"## {name}\n", f"{code(usage)}\n", f"{inspect.cleandoc(command.help or '')}\n"]
    settings = False
    for title, rows in command.sections(context):
        if title.startswith(_SETTINGS):
            settings = True
        elif not title.startswith(VALUES):
            parts += [f"**{title}**\n", table(["", ""], [[code(flag), text] for flag, text in rows])]
    if settings:
        examples = "; ".join(f"{code(text)}: {meaning}" for text, meaning in VALUE_EXAMPLES.items())
        parts += [
            "**Settings**\n",
            f"Every setting is a flag: [Settings](settings.md) has them. `--parameter KEY=VALUES`, or `--optimizer.eps "
            f"1e-8,1e-4`, sets a parameter of a component. {examples}.\n",
        ]
    return "\n".join(parts)
