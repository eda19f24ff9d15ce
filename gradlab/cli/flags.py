"""Flags of the commands, made of the fields of their options (`gradlab.api.options`) and of the settings of a spec.

A flag is declared where its value is: as a field of an options class. Flags about what is printed are fields of the
classes here, arguments stand here too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from gradlab.api.options import Options, described, kinds_of, option
from gradlab.cell import SETTINGS
from gradlab.cli import completion
from gradlab.errors import PluginError

__all__ = [
    "Action",
    "Output",
    "Overrides",
    "PlanOutput",
    "Results",
    "RunOutput",
    "Settings",
    "Specs",
    "with_flags",
]

Action = Callable[[], int]
"""What typer gives back for a command line: it does what the command says and returns the exit code."""

Settings = dict[str, str]
"""Kind of the argument of a command that has a flag for every setting: those given, {key: text}."""

Specs = Annotated[
    list[Path],
    typer.Argument(
        metavar="SPEC...", help="YAML files, each one experiment.", autocompletion=completion.overrides_or_files
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "-s",
        "--set",
        metavar="KEY=VALUE",
        help="Override the spec: -s depth=2..16 -s train.steps=50.",
        autocompletion=completion.overrides,
    ),
]
Results = Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Run directories, or one above them.")]


def _load_plugins(context: typer.Context, paths: list[Path] | None) -> list[Path] | None:
    from gradlab import plugins

    for path in paths or ():
        with suppress(*[PluginError] * context.resilient_parsing):  # a shell asks for completions
            plugins.plugin(path)
    return paths


_Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE.py",
        help="Run a Python file with components of your own first: docs/plugins.md.",
        is_eager=True,  # before any other flag is read, so that their values can be named
        callback=_load_plugins,
    ),
]

_SETTING_NAMES = {
    key: f"setting_{key.replace('.', '_')}" for key in (*(key for key in SETTINGS if key != "seed"), "seeds")
}
_PANEL = "Settings: a value, a list (a,b) or a range (2..64, 1e-3..1e-1*10)"


@dataclass(frozen=True)
class Output(Options):
    """What a command prints."""

    json: bool = option(False, "One JSON document on stdout and nothing else.")


@dataclass(frozen=True)
class PlanOutput(Output):
    """What a command about banks prints."""

    verbose: bool = option(False, "Every bank, and tracebacks.", flags=("-v",))


@dataclass(frozen=True)
class RunOutput(PlanOutput):
    """What a run prints, and what its exit code says."""

    quiet: bool = option(False, "Nothing but errors.", flags=("-q",))
    dry_run: bool = option(False, "Only say what would be done, like plan.")
    check: bool = option(False, "Leave with 3 when something the spec expects does not hold.")


def with_flags(command: Callable[..., int]) -> Callable[..., Action]:
    """Return what typer registers for `command`: flags in the place of its options and settings, and ``--plugin``.

    Called with what typer has parsed it returns an `Action`, so that options are made, and their errors raised,
    outside of typer.
    """
    declared = inspect.signature(command, eval_str=True).parameters
    own = [parameter for parameter in declared.values() if not _stands_for_flags(parameter.annotation)]
    groups = {
        name: list(_of_settings() if parameter.annotation == Settings else _of_options(parameter.annotation))
        for name, parameter in sorted(declared.items(), key=lambda item: item[1].annotation == Settings)
        if _stands_for_flags(parameter.annotation)
    }

    def registered(*, plugin: object = None, **arguments: Any) -> Action:  # loaded while it was parsed
        def action() -> int:
            values = dict(arguments)
            for name, flags in groups.items():
                given = {flag.name: values.pop(flag.name) for flag in flags}
                kind = declared[name].annotation
                values[name] = _settings(given) if kind == Settings else _options(kind, given)
            return command(**values)

        return action

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in (*own, *(flag for flags in groups.values() for flag in flags))
    ]
    parameters.append(inspect.Parameter("plugin", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_Plugins))
    registered.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    registered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    registered.__doc__, registered.__name__ = command.__doc__, command.__name__
    return registered


def _stands_for_flags(kind: Any) -> bool:
    return kind == Settings or (isinstance(kind, type) and issubclass(kind, Options))


def _of_options(options: type[Options]) -> Iterator[inspect.Parameter]:
    kinds = kinds_of(options)
    for name, (description, default) in described(options).items():
        shown = typer.Option(
            *description.flags,
            f"--{_parsed_name(name, default).replace('_', '-')}",
            metavar=description.metavar,
            help=description.help,
            autocompletion=completion.choices(*description.values) if description.values else None,
        )
        kind = _parsed_kind(kinds[name], description.separated)
        yield _flag(_parsed_name(name, default), kind, _parsed_default(default, description.separated), shown)


def _of_settings() -> Iterator[inspect.Parameter]:
    for key, name in _SETTING_NAMES.items():
        short = SETTINGS[key].attribute.replace("_", "-") if key in SETTINGS else key
        shown = typer.Option(
            *dict.fromkeys((f"--{short}", f"--{key}")),
            metavar="VALUES",
            help=SETTINGS[key].help if key in SETTINGS else "how many seeds, or a list or range of them",
            rich_help_panel=_PANEL,
            autocompletion=completion.values_of(key),
        )
        yield _flag(name, str | None, None, shown)


def _flag(name: str, kind: Any, default: Any, shown: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, shown])


def _parsed_name(name: str, default: Any) -> str:
    """Return the name of a flag: of what is done unless it is given, ``no_`` and what it is."""
    return f"no_{name}" if default is True else name


def _parsed_kind(kinds: tuple[Any, ...], separated: bool) -> Any:
    """Return the kind that typer parses: texts for lists with commas and for words beside numbers."""
    (first, *others) = kinds
    if get_origin(first) is tuple:
        return str if separated else list[get_args(first)[0]] | None  # type: ignore[misc]
    if any(get_origin(kind) is Literal for kind in kinds):
        return str
    return first | None if type(None) in others else first


def _parsed_default(default: Any, separated: bool) -> Any:
    if default is True:
        return False
    return ",".join(default) if separated else None if default == () else default


def _options(options: type[Options], given: dict[str, Any]) -> Options:
    values, kinds = dict[str, Any](), kinds_of(options)
    for name, (description, default) in described(options).items():
        value = given[_parsed_name(name, default)]
        if default is True:
            value = not value
        elif description.separated:
            value = tuple(text for text in value.split(",") if text)
        elif isinstance(default, tuple):
            value = tuple(value or ())
        elif int in kinds[name] and isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        values[name] = value
    return options(**values)


def _settings(given: dict[str, Any]) -> Settings:
    return {key: given[name] for key, name in _SETTING_NAMES.items() if given[name] is not None}
