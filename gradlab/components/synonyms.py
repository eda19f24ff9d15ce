"""Looking up the words of other tools, behind every message and every name; the tables are `components.foreign_words`.

A name of a component is taken in any spelling that differs in capitals, underscores or the module in front:
``nn.LeakyReLU``, ``kaiming_normal_``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from gradlab.components.component import nearest
from gradlab.components.foreign_words import (
    ALIASES,
    EXPLAINED,
    FILES_ELSEWHERE,
    NAMES_ELSEWHERE,
    NOTHING,
    PARAMETERS_ELSEWHERE,
    SETTINGS_ELSEWHERE,
    ForeignKey,
)

__all__ = ["folded", "foreign_key", "name_hint", "names_nothing", "parameter_explained", "parameter_hint", "registered"]

_MODULE = re.compile(r"^(?:[A-Za-z_][A-Za-z0-9_]*\.)+(?=[A-Za-z])")
_LONGEST_NAME = 100


def folded(name: str) -> str:
    """Return a name without what its spelling adds: capitals, ``_``, ``-``, a module in front, a call behind."""
    return re.sub(r"[_\-\s]|\(\)$", "", _MODULE.sub("", name.strip(), count=1)).lower()


_BY_FOLDED = {folded(word): key for word, key in SETTINGS_ELSEWHERE.items()}


def foreign_key(name: str) -> ForeignKey | None:
    """Return what another tool's name of a setting is here, however it is spelled, or None."""
    return _BY_FOLDED.get(folded(name))


def foreign_keys() -> Mapping[str, ForeignKey]:
    """Return what other tools' names of settings are here, by the folded name."""
    return _BY_FOLDED


def names_nothing(value: object) -> bool:
    """Whether a value of a document means nothing at all: none, or a word such as ``off``."""
    return value is None or value is False or (isinstance(value, str) and value.strip().lower() in NOTHING)


def registered(key: str, name: str, registry: Collection[str]) -> str | None:
    """Return the component of the setting `key` that a name means, out of the names of its registry; else None."""
    aliases: Mapping[str, str] = ALIASES.get(key, {})
    for word in (name, "none") if names_nothing(name) else (name,):
        if word in registry:
            return word
        if word in aliases:
            return aliases[word]
    return _by_folding(registry, aliases).get(folded(name)) if len(name) <= _LONGEST_NAME else None


def _by_folding(registry: Iterable[str], aliases: Mapping[str, str]) -> dict[str, str]:
    return {folded(alias): name for alias, name in aliases.items()} | {folded(name): name for name in registry}


def name_hint(key: str, name: str, registry: Collection[str]) -> str:
    """Return what to say to somebody who wrote a `name` that no component of the setting `key` has."""
    explained = {folded(word): text for word, text in EXPLAINED.get(key, {}).items()}
    if folded(name) in explained:
        return explained[folded(name)]
    elsewhere = {folded(word): names for word, names in NAMES_ELSEWHERE.get(key, {}).items()}
    if (closest := elsewhere.get(folded(name))) is not None:
        return f"write {' or '.join(closest)}" if closest else f"choose from {', '.join(registry)}"
    words = re.split(r"[\s,;|/]+", name.strip())
    if len(words) > 1 and len(name) <= _LONGEST_NAME and all(registered(key, word, registry) for word in words):
        return f"write [{', '.join(words)}]"
    close = nearest(name, [*registry, *ALIASES.get(key, {})])
    return f"did you mean '{close}'?" if close else f"choose from {', '.join(registry)}"


def parameter_explained(name: str, known: Collection[str]) -> str:
    """Return what takes the place of a parameter of other readers of tables; empty for all others."""
    return FILES_ELSEWHERE.get(name.lower(), "") if "separator" in known else ""


def parameter_hint(name: str, known: Collection[str]) -> str:
    """Return what to say to somebody who wrote a parameter that a component with the parameters `known` has not."""
    if explained := parameter_explained(name, known):
        return explained
    counterpart = next((other for other in PARAMETERS_ELSEWHERE.get(name.lower(), ()) if other in known), None)
    close = counterpart or nearest(name, known)
    return f"did you mean '{close}'?" if close else f"it has {', '.join(known)}" if known else "it has none"
