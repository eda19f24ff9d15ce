"""What a spec can name: the settings, and the components of each kind, as rows of plain values."""

from __future__ import annotations

from typing import Any

from gradlab.cell import REGISTRIES, SETTINGS, Named
from gradlab.components import ALIASES, nearest
from gradlab.errors import UsageError

__all__ = ["components", "kinds", "schema", "settings"]

Row = dict[str, Any]
EXPERIMENTS = "experiments"
"""The kind of what is no component: the specs that come with gradlab."""


def settings() -> list[Row]:
    """Return every setting of a spec, in the order of the columns of the tables: `name`, `summary`, `default`."""
    rows = []
    for key, setting in SETTINGS.items():
        default = str(setting.default) if isinstance(setting.default, Named) else setting.default
        if default is None:
            default = f"the {'task' if key == 'seq_len' else 'optimizer'}'s own"
        rows.append({"name": "seeds" if key == "seed" else key, "summary": setting.help, "default": default})
    return rows


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a spec, for editors, as plain values; see `gradlab.spec.json_schema`."""
    from gradlab.spec.json_schema import json_schema

    return json_schema()


def kinds() -> dict[str, str]:
    """Return what can be listed: the kinds of components, ``activations`` and the like, each with the setting whose
    values they are; and ``experiments``, which are specs.
    """
    return {f"{key.rpartition('.')[2]}s": key for key in REGISTRIES} | {EXPERIMENTS: EXPERIMENTS}


def components(kind: str) -> tuple[str, list[Row]]:
    """Return the components of a kind or of a setting, ``activations`` or ``norm``, behind the setting they are for.

    A row has `name`, `summary`, `params` (with their defaults, None where one must be given) and `aliases`; that of an
    experiment has `name`, with the sign that stands before it, and `summary`.
    Raises UsageError for another kind.
    """
    key_of_kind = kinds()
    normalised = kind.lower().replace("-", "_").replace("optimiser", "optimizer").rpartition(".")[2]
    key = key_of_kind.get(normalised) or key_of_kind.get(f"{normalised}s")
    if key is None:
        close = nearest(f"{normalised}s", key_of_kind)
        raise UsageError(
            f"there is no list of {kind!r}" + (f"; did you mean {close}?" if close else ""),
            f"choose from {', '.join(key_of_kind)}",
        )
    if key == EXPERIMENTS:
        return key, _experiments()
    aliases = ALIASES.get(key, {})
    return key, [
        {
            "name": name,
            "summary": component.summary,
            "params": {param: None if p.required else p.default for param, p in component.params.items()},
            "aliases": [alias for alias, target in aliases.items() if target == name],
        }
        for name, component in REGISTRIES[key].items()
    ]


def _experiments() -> list[Row]:
    from gradlab import spec  # loads YAML
    from gradlab.api.experiments import PREFIX, experiments

    return [{"name": PREFIX + name, "summary": spec.load(path).description} for name, path in experiments().items()]
