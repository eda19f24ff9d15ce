"""`gradlab sweep`: every setting of a spec is a flag."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradlab.cell import SETTINGS
from gradlab.cli.completion import values_of

if TYPE_CHECKING:
    from gradlab.spec import Spec

__all__ = ["flags_of", "save_spec", "with_setting_flags"]

PANEL = "Settings: a value, a list (a,b) or a range (2..64, 1e-3..1e-1*10)"


def flags_of(key: str) -> tuple[str, ...]:
    """Return the flags of a setting: ``--steps`` and, as a spec has it, ``--train.steps``."""
    short = SETTINGS[key].attribute.replace("_", "-") if key in SETTINGS else key
    return tuple(dict.fromkeys((f"--{short}", f"--{key}")))


def with_setting_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one flag for each setting; it receives the given ones as ``settings``, {key: text}."""
    helps = {key: field.help for key, field in SETTINGS.items() if key != "seed"}
    helps["seeds"] = "how many seeds, or a list or range of them"
    names = {key.replace(".", "_"): key for key in helps}

    def wrapped(**arguments: Any) -> Any:
        given = {key: arguments.pop(name) for name, key in names.items()}
        return command(settings={key: text for key, text in given.items() if text is not None}, **arguments)

    own = [one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != "settings"]
    flags = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    *flags_of(key),
                    metavar="VALUES",
                    help=helps[key],
                    rich_help_panel=PANEL,
                    autocompletion=values_of(key),
                ),
            ],
        )
        for name, key in names.items()
    ]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    wrapped.__signature__ = inspect.Signature([*parameters, *flags])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {one.name: one.annotation for one in [*parameters, *flags]}
    wrapped.__doc__ = command.__doc__
    wrapped.__name__ = command.__name__
    return wrapped


def save_spec(path: Path, found: Spec) -> int:
    """Write a spec for the user, but never over a file that is there."""
    from gradlab.errors import UsageError
    from gradlab.spec import dump

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(dump(found, defaults=False))
    except FileExistsError:
        raise UsageError(f"--save {path}: there is such a file already", "choose another name, or delete it") from None
    except OSError as error:
        raise UsageError(f"--save {path}: {error.strerror or error}") from error
    print(f"saved as {path}; run it with: gradlab run {path}")
    return 0
