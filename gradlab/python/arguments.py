"""The arguments of the functions of ``import gradlab as gl``: paths, specs and settings, whatever a notebook holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gradlab import spec
from gradlab.api.experiments import spec_path
from gradlab.cell import REGISTRIES, SETTINGS
from gradlab.components import Param
from gradlab.errors import OptionError, UsageError, shorten
from gradlab.spec import Spec
from gradlab.spec.keys import hint_for
from gradlab.spelling import KEYS, Spelling, keywords

__all__ = [
    "Changes", "SpecLike", "by_key", "path_of", "paths_of", "spec_of", "spelling_of", "text_of", "width_of",
    "workers_of",
]  # fmt: skip


_WIDTH = Param(kind=int, low=1)

SpecLike = str | Path | Mapping[str, Any] | Spec
"""The path of a spec or ``"@NAME"`` of an experiment, a mapping of what a spec holds (with its `name`), or a `Spec`."""

Changes = Mapping[str, Any] | Sequence[str]
"""Settings to override, as ``{"depth": [2, 4], "train.steps": 50}`` or ``["depth=2,4"]``."""


def path_of(path: Any, name: str = "") -> Path:
    """Return a path given as text, bytes or a path, as the argument `name`. Raises UsageError for anything else."""
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if not isinstance(path, str | os.PathLike):
        message = f"{shorten(repr(path))} is no path"
        raise UsageError(f"{name}: {message}" if name else message, "write it as text, or as a pathlib.Path")
    return Path(path)


def paths_of(arguments: Iterable[Any]) -> list[Path]:
    """Return the paths of run directories among arguments, each a path, a list of paths, or what `load` returned."""
    paths: list[Path] = []
    for argument in arguments:
        if isinstance(argument, str | bytes | os.PathLike) or not (
            isinstance(argument, Iterable) or hasattr(argument, "paths")
        ):
            paths.append(path_of(argument))
        else:
            paths += map(path_of, getattr(argument, "paths", argument))
    return paths


def spec_of(what: SpecLike, settings: Changes, changes: Mapping[str, Any]) -> Spec:
    """Return the checked spec with the overrides `settings`, and `changes` given as keywords.

    Raises SpecError for what is wrong in it, UsageError for what is none.
    """
    if isinstance(settings, str | bytes) or not isinstance(settings, Mapping | Iterable):
        raise UsageError(f"settings is {settings!r}", "write {'KEY': VALUE} or a list: ['KEY=VALUE']")
    pairs = settings.items() if isinstance(settings, Mapping) else map(_option, map(str, settings))
    overrides: dict[str, object] = {text_of(key): value for key, value in pairs}
    spelling = KEYS
    if keyword_settings := by_key(changes, none=True):
        if twice := sorted(keyword_settings.keys() & overrides.keys()):
            raise UsageError(f"{twice[0]} is given twice", "once in settings, once by its name")
        spelling = keywords({key: key for key in overrides} | _written(changes), document=True)
        overrides = {**overrides, **keyword_settings}
    if isinstance(what, Spec):
        return what if not overrides else spec.loads(spec.dump(what), what.source, overrides, spelling=spelling)
    if isinstance(what, Mapping):
        content = {text_of(key): value for key, value in what.items()}
        name, description = content.pop("name", None), content.pop("description", "")
        if name is None:
            raise UsageError("the spec has no name", "results go to a directory of this name: {'name': 'my_run', …}")
        return spec.from_mapping(
            text_of(name), content, description=text_of(description), overrides=overrides, overrides_spelling=spelling
        )
    if not isinstance(what, str | bytes | os.PathLike):
        raise UsageError(f"{shorten(repr(what))} is no spec", "give the path of one, a mapping with a name, or a Spec")
    return spec.load(spec_path(path_of(what)), overrides=overrides, spelling=spelling)


def _option(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"settings holds {text!r}", "write 'KEY=VALUE'")
    return key.strip(), value.strip()


def text_of(value: object) -> str:
    """Return a name, or a key of a mapping, as text. Raises UsageError for what is none."""
    try:
        value = spec.plain(value)
    except ValueError as error:
        raise UsageError(f"{shorten(str(type(value).__name__))} is no text: {error}") from None
    if isinstance(value, list | dict):
        raise UsageError(f"{shorten(str(value))} is no text")
    return str(value)


def by_key(settings: Mapping[str, Any], *, none: bool = False) -> dict[str, Any]:
    """Return keyword arguments by the keys of their settings: ``train.steps`` for `train_steps` and for `steps`,
    ``optimizer.eps`` for `optimizer_eps`. None is left out, unless `none` is a value.
    """
    key_of = _keys()
    keyed: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in key_of:
            raise UsageError(f"there is no setting {name!r}", _hint(name))
        if value is None and not none:
            continue
        if key_of[name] in keyed:
            raise UsageError(f"{key_of[name]} is given twice", f"the second time as {name}")
        keyed[key_of[name]] = _kept(name, value)
    return keyed


def spelling_of(settings: Mapping[str, Any]) -> Spelling:
    """Return how the settings given as keyword arguments are written, which messages about them follow."""
    return keywords(_written(settings))


def _written(settings: Mapping[str, Any]) -> dict[str, str]:
    key_of = _keys()
    return {key_of[name]: name for name in settings if name in key_of}


def _keys() -> dict[str, str]:
    """Return the key of a spec by each name that a keyword argument can have."""
    key_of = {"seeds": "seeds"}
    for owner, registry in REGISTRIES.items():
        for parameter in dict.fromkeys(name for component in registry.values() for name in component.params):
            key = "lr" if (owner, parameter) == ("optimizer", "lr") else f"{owner}.{parameter}"
            key_of |= {f"{owner}.{parameter}": key, f"{owner}_{parameter}".replace(".", "_"): key}
    for key, setting in SETTINGS.items():
        if key != "seed":
            key_of |= {key: key, key.replace(".", "_"): key, setting.attribute: key}
    return key_of


def _kept(name: str, value: Any) -> Any:
    """Return a value that can be read as often as one likes. Raises UsageError for what means nothing in a spec."""
    if isinstance(value, os.PathLike):
        return value
    try:
        return spec.plain(value)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


def _hint(name: str) -> str:
    hint = hint_for(name)
    return "see gradlab list" if hint.startswith("the settings are") else hint.replace("'", "")


def workers_of(workers: Any, executor: str = "local") -> dict[str, Any]:
    """Return the options `workers` and `executor`; no workers at all are the executor ``inline``."""
    with suppress(ValueError):  # what means nothing is refused with the other options
        workers = spec.plain(workers)
    none = isinstance(workers, int | float) and not workers
    return {"workers": "auto" if workers is None or none else workers, "executor": "inline" if none else executor}


def width_of(width: Any) -> int | None:
    """Return the columns of a report. Raises OptionError for what is no whole number of at least 1."""
    try:
        return None if width is None else int(_WIDTH.check(spec.plain(width)))
    except ValueError:
        raise OptionError("width", width, f"must be {_WIDTH.expected()}") from None
