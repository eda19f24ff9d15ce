"""Flags of the commands, made of the fields of their options (`gradlab.api.options`) and of the settings of a spec.

A flag is declared where its value is: as a field of an options class. Flags about what is printed are fields of the
classes here, arguments stand here too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from gradlab.api.options import CELLS, Option, Options, option, options_of
from gradlab.cell import SETTINGS, parameter_of
from gradlab.cli import completion
from gradlab.cli.help import OUTPUT, VALUES
from gradlab.cli.next_steps import plugin_files
from gradlab.errors import PluginError, UsageError
from gradlab.spelling import FLAGS

__all__ = [
    "Action",
    "Output",
    "Overrides",
    "PlanOutput",
    "Results",
    "RunOutput",
    "Settings",
    "Specs",
    "setting_flag",
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
        "-s", "--set", metavar="KEY=VALUE", help="Override the spec: -s depth=2..16 -s train.steps=50.",
        autocompletion=completion.overrides, rich_help_panel=CELLS,
    ),
]  # fmt: skip
Results = Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Run directories, or one above them.")]


def _load_plugins(context: typer.Context, paths: list[Path] | None) -> list[Path] | None:
    from gradlab import plugins

    for path in paths or ():
        with suppress(*[PluginError] * context.resilient_parsing):  # a shell asks for completions
            plugins.plugin(path)
    return paths


_Plugins = Annotated[
    list[Path] | None,
    typer.Option(  # read before all other flags, so that their values can be named
        "--plugin", metavar="FILE.py", help="A Python file with components of your own, which is run first.",
        is_eager=True, callback=_load_plugins,
    ),
]  # fmt: skip

_SETTING_NAMES = {key: f"setting_{key.replace('.', '_')}" for key in (*SETTINGS, "seeds") if key != "seed"}
_PARAMETER = "parameter"
_PANELS = (
    ("Settings: data and seeds", ("task", "seq_len", "seeds", "inputs.", "targets.")),
    ("Settings: measurement", ("probe.", "thresholds.")),
    ("Settings: training", ("train.",)),
)
"""Sections of the help for the settings whose keys are these or begin with them."""


@dataclass(frozen=True)
class Output(Options):
    """What a command prints."""

    json: bool = option(False, "One JSON document on stdout and nothing else.")


@dataclass(frozen=True)
class CompareOutput(Output):
    """What a comparison prints."""

    verbose: bool = option(False, "Every table and every remark, and tracebacks.", flags=("-v",))


@dataclass(frozen=True)
class PlanOutput(Output):
    """What a command about banks prints."""

    verbose: bool = option(False, "Every bank, every table, every remark, and tracebacks.", flags=("-v",))


@dataclass(frozen=True)
class RunOutput(PlanOutput):
    """What a run prints, and what its exit code says."""

    quiet: bool = option(False, "Print errors only.", flags=("-q",))
    dry_run: bool = option(False, "Print the plan, as gradlab plan does, and compute nothing.")
    best: str | None = option(
        None, "Report each configuration at its best value of these settings: lr.", metavar="KEY,...", joined=True
    )
    check: bool = option(False, "Exit code 3 where an expectation of the spec does not hold.")


def with_flags(command: Callable[..., int]) -> Callable[..., Action]:
    """Return what typer registers for `command`: flags in the place of its options and settings, and ``--plugin``.

    Called with what typer has parsed it returns an `Action`, so that options are made, and their errors raised,
    outside of typer.
    """
    declared = inspect.signature(command, eval_str=True).parameters
    kinds = {name: parameter.annotation for name, parameter in declared.items()}
    options = {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Options)}
    settings = [name for name, kind in kinds.items() if kind == Settings]

    def registered(*, plugin: Sequence[Path] | None = None, **arguments: Any) -> Action:  # loaded while it was parsed
        def action() -> int:
            plugin_files.set(tuple(map(str, plugin or ())))
            values = {name: arguments[name] for name in declared if name in arguments}
            values |= {name: _options(kind, arguments) for name, kind in options.items()}
            return command(**values, **{name: _settings(arguments) for name in settings})

        return action

    parameters = [
        *(parameter for name, parameter in declared.items() if name not in options and name not in settings),
        *(flag for kind in options.values() for flag in _option_flags(kind)),
        *(flag for _ in settings for flag in _setting_flags()),
        _flag("plugin", None, _Plugins),
    ]
    registered.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    registered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    registered.__doc__, registered.__name__ = command.__doc__, command.__name__
    return registered


def _flag(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _option_flags(options: type[Options]) -> Iterator[inspect.Parameter]:
    for name, described in options_of(options).items():
        param, offers = described.param, described.offers or described.param.choices
        parsed_name = _parsed_name(name, described)
        kind, default = _parsed(described)
        flag = f"--{parsed_name.replace('_', '-')}" + (f"/{described.off}" if described.off else "")
        option = typer.Option(
            *described.flags, flag, help=param.help,
            metavar=described.metavar or _placeholder(name, described), rich_help_panel=described.panel or OUTPUT,
            autocompletion=completion.choices(*offers) if offers else None,
        )  # fmt: skip
        yield _flag(parsed_name, default, Annotated[kind, option])


def _setting_flags() -> Iterator[inspect.Parameter]:
    for key, name in _SETTING_NAMES.items():
        option = typer.Option(
            setting_flag(key), metavar=VALUES, help=_setting_help(key),
            rich_help_panel=_panel_of(key), autocompletion=completion.values_of(key),
        )  # fmt: skip
        yield _flag(name, None, Annotated[str | None, option])
    option = typer.Option(
        "--parameter", metavar="KEY=VALUES", rich_help_panel="Settings: parameters",
        help="A parameter of a component; shorter: --optimizer.eps 1e-8,1e-4.",
        autocompletion=completion.parameters,
    )  # fmt: skip
    yield _flag(_PARAMETER, None, Annotated[list[str] | None, option])


def setting_flag(key: str) -> str:
    """Return the flag of a setting: its last name, with hyphens."""
    return FLAGS.name(key)


def _setting_help(key: str) -> str:
    text = SETTINGS[key].help if key in SETTINGS else "number of seeds, or a list or range of them"
    return (text if text.startswith("torch.") else f"{text[:1].upper()}{text[1:]}") + "."


def _panel_of(key: str) -> str:
    for panel, beginnings in _PANELS:
        if any(key == beginning or (beginning.endswith(".") and key.startswith(beginning)) for beginning in beginnings):
            return panel
    return "Settings: training" if key in SETTINGS and SETTINGS[key].training else "Settings: network"


def _placeholder(name: str, described: Option) -> str | None:
    """Return what stands for the value of an option in its help."""
    kind, choices = described.param.kind, described.param.choices
    if kind in (int, float, Path):
        return {int: "N", float: "NUMBER", Path: "PATH"}[kind]
    return "|".join(choices) if 0 < len(choices) < 4 else None if kind is bool else name.upper()


def _parsed_name(name: str, described: Option) -> str:
    """Return the name of a flag: of what is done unless it is given, ``no_`` and what it is."""
    return f"no_{name}" if described.param.default is True else name


def _parsed(described: Option) -> tuple[Any, Any]:
    """Return kind and default of what typer parses: a text for a list with commas and for numbers, which are read
    where their bounds are known."""
    kind, default = described.param.kind, described.param.default
    if kind is tuple:
        return (str, ",".join(default)) if described.separated else (list[str] | None, None)
    if kind in (int, float):
        return (str | None, None) if default is None else (str, f"{default:g}" if kind is float else str(default))
    if kind is Path:  # as a text: typer would make the working directory of an empty one
        return (str | None, None) if default is None else (str, str(default))
    return (kind | None if default is None else kind), (False if default is True else default)


def _options(options: type[Options], arguments: dict[str, Any]) -> Options:
    values = {}
    for name, described in options_of(options).items():
        value = arguments[_parsed_name(name, described)]
        if described.param.default is True:
            value = not value
        elif described.param.kind is tuple:
            value = tuple(filter(None, value.split(","))) if described.separated else tuple(value or ())
        elif described.param.kind in (int, float) and isinstance(value, str):
            with suppress(ValueError):
                value = described.param.kind(value)
        values[name] = value
    return options(**values)


def _settings(arguments: dict[str, Any]) -> Settings:
    """Return the settings given, those of one value and the parameters of components."""
    settings = {key: arguments[name] for key, name in _SETTING_NAMES.items() if arguments[name] is not None}
    for text in arguments[_PARAMETER] or ():
        key, equals, value = text.partition("=")
        if not equals or parameter_of(key) is None:
            from gradlab.spec.keys import hint_for  # loads YAML

            hint = hint_for(key) if "." in key else "write --optimizer.eps 1e-8,1e-4"
            raise UsageError(f"--{key}: no component has such a parameter", hint)
        settings["lr" if key == "optimizer.lr" else key] = value
    return settings
