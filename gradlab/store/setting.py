"""A full setting as text and back, so that a part says by itself what was run."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import lru_cache
from typing import Any

from gradlab.cell import MILLION, REGISTRIES, Cell, Named, Setting
from gradlab.errors import StoreError
from gradlab.store.documents import parse

__all__ = ["UnknownSetting", "decode", "encode"]


def encode(cell: Cell) -> str:
    """Return a cell as JSON text from which `decode` makes an equal cell; a component is a list [name, params]."""
    values = {f.name: _plain(getattr(cell, f.name)) for f in dataclasses.fields(Cell)}
    if values["profile_length"] is None:
        del values["profile_length"]
    return json.dumps(values, separators=(",", ":"))


class UnknownSetting(StoreError):
    """A stored cell with a setting, or a value of one, that this version does not know."""

    def __init__(self, subject: str) -> None:
        super().__init__(
            f"a stored cell has {subject}, which this version of gradlab does not know",
            "it was written by a newer version: update gradlab, or run into another directory with --out",
        )


def decode(text: str) -> Cell:
    """Return the cell behind `encode`'s text. A field that is missing, because it is newer, has its default.

    Raises UnknownSetting for what a spec could not say in this version. Components of plugins need not be there.
    """
    end = _SEED.search(text)
    try:
        if end is None:
            return _decoded(text)
        # seeds vary fastest: what they share is read once
        shared = _decoded(f"{text[: end.start()]}{text[end.end() :]}")
        return dataclasses.replace(shared, seed=_value("seed", int(end[1]), custom=False))
    except (ValueError, TypeError, AttributeError) as error:
        raise UnknownSetting("a setting of another form") from error


@lru_cache(maxsize=1024)
def _decoded(text: str) -> Cell:
    """Return the cell behind a text. Raises UnknownSetting, and ValueError and the like for a text of another form."""
    values: dict[str, Any] = parse(text)
    if unknown := sorted(values.keys() - _FIELDS.keys()):
        raise UnknownSetting(f"the setting {unknown[0]!r}")
    custom = bool(values.get("plugin_digest"))
    cell = Cell(**{name: _value(name, value, custom) for name, value in values.items()})
    if not 1 <= cell.blocks <= MILLION:
        raise UnknownSetting(f"a profile of length {cell.blocks}")
    return cell


def _value(name: str, value: Any, custom: bool) -> Any:
    default, setting = _FIELDS[name]
    if name == "profile_length":
        return int(value)
    if setting is None:
        return str(value)
    if setting.registry is not None:
        component, params = value
        return _component(setting.key, component, tuple(params.items()), custom)
    if value == default or (isinstance(value, list) and tuple(value) == default):
        return default
    try:
        return setting.param.check(value)
    except ValueError as error:
        raise UnknownSetting(f"{setting.key} {value!r}") from error


@lru_cache(maxsize=65536)
def _component(key: str, name: str, params: tuple[tuple[str, Any], ...], custom: bool) -> Named:
    component = REGISTRIES[key].get(name)
    if component is None and not custom:
        raise UnknownSetting(f"the {key} {name!r}")
    if component is not None and not custom:
        for parameter, value in params:
            try:
                component.params[parameter].check(value)
            except (KeyError, ValueError) as error:
                raise UnknownSetting(f"the {key} {name} with {parameter}={value!r}") from error
    return Named(name, params)


def _plain(value: Any) -> Any:
    return [value.name, dict(value.params)] if isinstance(value, Named) else value


_SEED = re.compile(
    r',"seed":(0|[1-9][0-9]{0,19})'
    r'(?=,"data_digest":"[0-9a-f]*","plugin_digest":"[0-9a-f]*"(?:,"profile_length":[0-9]{1,9})?\}\Z)',
    re.ASCII,
)
"""The seed as `encode` writes it, near the end of a text: at its top level if the text is JSON at all."""

_FIELDS: dict[str, tuple[Any, Setting | None]] = {
    field.name: (field.default, field.metadata.get("setting")) for field in dataclasses.fields(Cell)
}
