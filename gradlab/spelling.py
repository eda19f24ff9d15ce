"""How the settings of a spec are written where a value comes from: keys of YAML, flags, or keywords of Python.

Every check of a spec words its message in keys of YAML; a problem is reworded for the place that it points at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from gradlab.cell import REGISTRIES, SETTINGS

__all__ = ["FLAGS", "KEYS", "OVERRIDES", "Spelling", "keywords"]


@dataclass(frozen=True, slots=True)
class Spelling:
    """The names of settings in one notation, and what stands between a name and its value."""

    joint: str = ": "
    prefix: str = ""
    document: bool = True
    """Whether what a spec holds beside settings, such as `exclude`, can be written there."""
    names: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Of the keys that are written otherwise."""

    def name(self, key: str) -> str:
        """Return a key as it is written there."""
        return f"{self.prefix}{self.names.get(key, key)}"

    def message(self, text: str, label: str) -> str:
        """Return a message about the value behind `label` (``--steps -1``), without the name that stands there."""
        reworded = self.text(text)
        subject = label.partition(" ")[0]
        for start in (subject, subject.removeprefix(self.prefix)):
            if start and reworded.startswith(f"{start} "):
                return reworded.removeprefix(f"{start} ")
        return reworded

    def text(self, text: str) -> str:
        """Return a message or a hint with the names of settings as they are written there.

        What stands in quotes is left alone, as are keys that are common nouns too, unless a value follows: ``width``.
        """
        return text if self == KEYS else _names().sub(self._reworded, text)

    def _reworded(self, match: re.Match[str]) -> str:
        key, colon = match["key"], match["colon"]
        if key is None or (not colon and not re.search(r"[._]", key)):
            return match[0]
        return self.name(key) + (self.joint if colon else "")


@cache
def _names() -> re.Pattern[str]:
    """Return what matches a text in quotes, or the key of a setting or of a parameter with a colon behind it or not."""
    keys = [*SETTINGS, "seeds", *(f"{owner}.{name}" for owner in REGISTRIES for name in _parameters(owner))]
    either = "|".join(map(re.escape, sorted(keys, key=lambda key: -len(key))))
    return re.compile(rf"'[^']*'|(?<![\w.{{-])(?P<key>{either})(?:(?P<colon>: )(?=\S)|(?![\w.:]\w))")


def _parameters(owner: str) -> dict[str, None]:
    return dict.fromkeys(name for component in REGISTRIES[owner].values() for name in component.params)


KEYS = Spelling()
"""Keys of YAML."""
OVERRIDES = Spelling(joint="=")
"""Keys behind the option -s."""
_ATTRIBUTES = {key: setting.attribute for key, setting in SETTINGS.items()}
FLAGS = Spelling(" ", "--", False, {key: name.replace("_", "-") for key, name in _ATTRIBUTES.items()})
"""Flags of ``gradlab sweep`` and ``theory``: ``--batch-size`` for ``train.batch_size``."""


def keywords(names: Mapping[str, str] | None = None, *, document: bool = False) -> Spelling:
    """Return keyword arguments of Python; `names` are those that a caller used, by key."""
    parameters = {f"{owner}.{name}": f"{owner}_{name}" for owner in REGISTRIES for name in _parameters(owner)}
    return Spelling("=", "", document, {**parameters, **_ATTRIBUTES, **(names or {})})
