"""What a spec can name: the settings, and the components of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradlab.cell import REGISTRIES, SETTINGS, Named
from gradlab.components import ALIASES, Component, nearest
from gradlab.errors import UsageError

__all__ = ["ComponentRow", "Kind", "SettingRow", "components", "kinds", "settings"]


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting of a spec."""

    name: str
    summary: str
    default: Any


@dataclass(frozen=True, slots=True)
class ComponentRow:
    """One component; `params` maps each parameter to its default, None where it must be given."""

    name: str
    summary: str
    params: dict[str, Any]
    aliases: list[str]


@dataclass(frozen=True, slots=True)
class Kind:
    """All components of one kind."""

    setting: str
    """The setting whose values they are."""
    components: tuple[ComponentRow, ...]


def settings() -> tuple[SettingRow, ...]:
    """Return every setting of a spec, in the order of the columns of the tables."""
    return tuple(map(_setting, SETTINGS))


def kinds() -> dict[str, str]:
    """Return the kinds of components, ``activations`` and the like, each with the setting whose values they are."""
    return {f"{key.rpartition('.')[2]}s": key for key in REGISTRIES}


def components(kind: str) -> Kind:
    """Return the components of a kind or of a setting: ``activations``, ``norm``. Raises UsageError for another one."""
    key = _key(kind)
    return Kind(key, tuple(_component(key, name, component) for name, component in REGISTRIES[key].items()))


def _key(kind: str) -> str:
    known = kinds()
    wanted = kind.lower().replace("-", "_").replace("optimiser", "optimizer").rpartition(".")[2]
    key = known.get(wanted) or known.get(f"{wanted}s")
    if key is None:
        close = nearest(f"{wanted}s", known)
        raise UsageError(
            f"there is no list of {kind!r}" + (f"; did you mean {close}?" if close else ""),
            f"choose from {', '.join(known)}",
        )
    return key


def _setting(key: str) -> SettingRow:
    setting = SETTINGS[key]
    default = str(setting.default) if isinstance(setting.default, Named) else setting.default
    shown = f"the {'task' if key == 'seq_len' else 'optimizer'}'s own" if default is None else default
    return SettingRow("seeds" if key == "seed" else key, setting.help, shown)


def _component(key: str, name: str, component: Component) -> ComponentRow:
    return ComponentRow(
        name,
        component.summary,
        {param: None if p.required else p.default for param, p in component.params.items()},
        [alias for alias, meant in ALIASES.get(key, {}).items() if meant == name],
    )
