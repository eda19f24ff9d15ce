"""Labels of components: the name of the registry, with the parameters that are needed to tell two apart."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from gradlab.analysis.compare.design import setting_text
from gradlab.cell import SETTINGS

__all__ = ["name_of", "short_labels"]

_BARE = ("model", "task", "activation", "init", "optimizer")
"""Settings whose values are named without the setting."""

_LONG = 20
"""Characters from which a component is named without the parameters that tell it from no other."""


def short_labels(texts: Iterable[str]) -> dict[str, str]:
    """Return a label for each of the values of one setting, as a table has them; different values have different ones.

    ``leaky_relu(negative_slope=0.123)`` is `leaky_relu` where there is no other.
    """
    values = list(dict.fromkeys(texts))
    parsed = {text: _parsed(text) for text in values}
    labels = {text: _label(text, parsed) for text in values}
    return labels if len(set(labels.values())) == len(values) else {text: text for text in values}


def name_of(pairs: Iterable[tuple[str, str]]) -> str:
    """Return settings with their labels as one name, as in ``relu lr 0.1 norm layer``.

    What is off, and words that are a default, are left out, but for the components that name a network.
    """
    every = list(pairs)
    unusual = [(key, label) for key, label in every if key in _BARE or not _usual(key, label)]
    return " ".join(
        label if key in _BARE else f"{key.removeprefix('train.').replace('.', ' ')} {label}"
        for key, label in unusual or every
    )


def _usual(key: str, label: str) -> bool:
    """Whether a setting is off, or a word that is its default; a number says something unless it is no shift or factor
    at all."""
    if label == "none" or key not in SETTINGS:
        return label == "none"
    default = SETTINGS[key].default
    return label == setting_text(default) and (default in (0, 1) or not isinstance(default, int | float))


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    """Return name and parameters of a component; of what is none, the text without any."""
    name, bracket, arguments = text.partition("(")
    if not (bracket and arguments.endswith(")") and name.isidentifier()):
        return text, {}
    parts: list[str] = []
    for part in arguments[:-1].split(","):
        key, equals, _ = part.partition("=")
        if equals and key.strip().isidentifier():
            parts.append(part.strip())
        elif parts:  # a comma inside a value
            parts[-1] += f",{part}"
    return name, dict(part.split("=", 1) for part in parts)


def _label(text: str, parsed: dict[str, tuple[str, dict[str, str]]]) -> str:
    name, parameters = parsed[text]
    if len(text) <= _LONG or not parameters:
        return text
    namesakes = [arguments for component, arguments in parsed.values() if component == name]
    telling = {
        key: value for key, value in parameters.items() if any(arguments.get(key) != value for arguments in namesakes)
    }
    described = ",".join(f"{key}={PurePath(value).name if key == 'path' else value}" for key, value in telling.items())
    return f"{name}({described})" if described else name
