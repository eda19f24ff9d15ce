"""Help of the commands: options in panels by use, each with one name, and no description cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["OUTPUT", "VALUES", "VALUE_EXAMPLES", "HelpedCommand", "HelpedGroup"]

OUTPUT = "Output"
"""Panel of options that name no other."""
_GENERAL = "General"
_ORDER = (
    "Model, batch and loss", "Cells to compute", "What is compared", "Measurement", "Training", "Computation", OUTPUT,
)  # fmt: skip
"""The order of panels behind those of the settings; `_GENERAL` is the last."""
_NAMES = 26
"""Characters from which a name stands in a line of its own."""
VALUES = "VALUES"
"""Placeholder of the values of a setting."""
VALUE_EXAMPLES = {
    "--depth 8": "one value",
    "--activation relu,tanh": "a list; relu tanh too",
    "--depth 2..5": "a range of whole numbers: 2, 3, 4, 5",
    "--dropout 0..0.4:0.2": "with a step: 0, 0.2, 0.4",
    "--width 16..64*2": "with a factor: 16, 32, 64",
    "--lr 1e-3..1e-1*10": "0.001, 0.01, 0.1",
    "--optimizer '{name: adam, eps: 1e-4}'": "a component with a parameter; --optimizer.eps 1e-4 too",
}
"""Values of settings, each with what it means; lists and ranges make a grid."""

_COMMANDS_HEADED = {
    "Specs and runs": ("run", "sweep", "plan", "theory", "init", "list", "schema"),
    "Models of your own": ("probe", "width"),
    "Results": ("compare", "report", "plot", "show", "watch", "tensorboard"),
}
_OTHERS = "Help"


class HelpedCommand(TyperCommand):
    """A command whose help has its arguments, what VALUES are where it has settings, and its options in panels."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what stands behind the name of the command in the line of its usage."""
        arguments = [_argument_name(param) for param in self.get_params(ctx) if param.param_type_name == "argument"]
        return ["[OPTIONS]", *arguments]

    def sections(self, ctx: Any) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return the sections of the help: a title, and names with their descriptions."""
        params = [param for param in self.get_params(ctx) if not getattr(param, "hidden", False)]
        arguments = [(_argument_name(param), _description(param)) for param in params if not _is_option(param)]
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in filter(_is_option, params):
            panel = getattr(param, "rich_help_panel", None) or _GENERAL
            panels.setdefault(panel, []).append((_option_name(param), _description(param)))
        settings = any(param.metavar == VALUES for param in params if _is_option(param))
        other_panels = [name for name in panels if name not in (*_ORDER, _GENERAL)]
        sections = [
            ("Arguments", arguments),
            (f"{VALUES} of a setting", [*VALUE_EXAMPLES.items()] if settings else []),
            *((name, panels.get(name, [])) for name in (*other_panels, *_ORDER, _GENERAL)),
        ]
        return [(title, rows) for title, rows in sections if rows]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of the help."""
        _write(formatter, self.sections(ctx))


class HelpedGroup(TyperGroup):
    """The command ``gradlab``, whose help has the first sentence of each command, whole."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands by use, then the options."""
        unlisted = dict(self.commands)
        sections = [
            (title, [(name, _first_sentence(unlisted.pop(name))) for name in names if name in unlisted])
            for title, names in _COMMANDS_HEADED.items()
        ]
        sections.append((_OTHERS, [(name, _first_sentence(command)) for name, command in unlisted.items()]))
        options = [(_option_name(param), _description(param)) for param in self.get_params(ctx)]
        _write(formatter, [*sections, ("Options", options)])


def _write(formatter: Any, sections: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
    """Write the sections that are not empty, their descriptions in one column."""
    fitting = [len(name) for _, rows in sections for name, _ in rows if len(name) <= _NAMES]
    column = max(fitting, default=0)
    for title, rows in sections:
        if rows:
            with formatter.section(title):
                formatter.write_dl([(name.ljust(column), text) for name, text in rows], col_max=column)


def _is_option(param: Any) -> bool:
    return bool(param.param_type_name == "option")


def _argument_name(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _option_name(param: Any) -> str:
    """Return the flags of an option, short before long, and its placeholder."""
    flags = ", ".join(sorted(param.opts, key=len))
    if param.secondary_opts:
        flags += f" / {', '.join(param.secondary_opts)}"
    return flags if param.is_flag or param.metavar is None else f"{flags} {param.metavar}"


def _description(param: Any) -> str:
    default = param.default
    has_default = not getattr(param, "is_flag", False) and isinstance(default, str | int | float) and default != ""
    return f"{param.help or ''}  [default: {_plain(default)}]" if has_default else param.help or ""


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _first_sentence(command: Any) -> str:
    paragraph = " ".join((command.help or "").split("\n\n")[0].split())
    return paragraph.partition(": gradlab ")[0].removesuffix(".") + "."
