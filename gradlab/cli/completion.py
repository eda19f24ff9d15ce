"""What a shell offers after Tab: names, settings, values, cells; files are its own. Loads neither torch nor pandas.

``gradlab --install-completion`` sets it up for bash, zsh, fish and PowerShell.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from gradlab.api import catalogue
from gradlab.api.experiments import PREFIX, experiments
from gradlab.cell import REGISTRIES, SETTINGS, Named

__all__ = [
    "cells",
    "choices",
    "experiment_names",
    "explained",
    "join_bash_words",
    "kinds",
    "overrides",
    "overrides_or_files",
    "parameters",
    "values_of",
]

Offers = list[tuple[str, str]]
"""What can stand there, each with a line of help."""

_SHELL_LINES = 200
"""Cells that are offered at most."""


def choices(*names: str) -> Callable[[str], Offers]:
    """Return what offers some words, several with commas between them."""
    return lambda incomplete: _after_comma(incomplete, [(name, "") for name in names])


def values_of(key: str) -> Callable[[str], Offers]:
    """Return what offers the values of a setting that are words, several with commas between them."""
    return lambda incomplete: _after_comma(incomplete, _values(key))


def overrides(incomplete: str) -> Offers:
    """Offer ``key=`` and ``key=value`` for the option -s."""
    key, equals, value = incomplete.partition("=")
    if equals:
        return [(f"{key}={text}", help) for text, help in _after_comma(value, _values(key))]
    matching = [name for name in _keys() if name.startswith(key)]
    offers = [(f"{name}=", SETTINGS[name].help if name in SETTINGS else "") for name in matching]
    if len(matching) == 1:  # a second offer with the same beginning keeps the shell from adding a blank after the =
        offers += overrides(f"{matching[0]}=") or [(f"{matching[0]}={_default(matching[0])}", "the default")]
    return offers


def parameters(incomplete: str) -> Offers:
    """Offer the parameters of components, ``optimizer.eps=``."""
    names = dict.fromkeys(
        f"{key}.{name}="
        for key, registry in REGISTRIES.items()
        for component in registry.values()
        for name in component.params
    )
    return [(name, "") for name in names if name.startswith(incomplete)]


def overrides_or_files(incomplete: str) -> Offers:
    """Offer the experiments behind ``@``, and otherwise nothing, so that the shell offers files; except behind
    ``-s key=``, which bash takes apart at the ``=``.
    """
    words = os.environ.get("COMP_WORDS", "").split("\n")
    at = int(os.environ.get("COMP_CWORD") or 0)
    before = words[:at]
    if len(before) >= 3 and before[-1] == "=" and before[-3] in ("-s", "--set"):
        return _after_comma(incomplete, _values(before[-2]))
    return [(PREFIX + name, "") for name in experiments() if (PREFIX + name).startswith(incomplete or "\0")]


def join_bash_words() -> None:
    """Join ``@`` and the name behind it in what bash asks: it takes them apart, though it replaces both of them."""
    words = os.environ.get("COMP_WORDS", "").split("\n")
    at = int(os.environ.get("COMP_CWORD") or 0)
    if 0 < at < len(words) and words[at - 1] == PREFIX:
        os.environ["COMP_WORDS"] = "\n".join([*words[: at - 1], PREFIX + words[at], *words[at + 1 :]])
        os.environ["COMP_CWORD"] = str(at - 1)


def experiment_names(incomplete: str) -> Offers:
    """Offer the names of the experiments."""
    return [(name, "") for name in experiments() if name.startswith(incomplete)]


def kinds(incomplete: str) -> Offers:
    """Offer the kinds of `gradlab list`."""
    return [(kind, "") for kind in catalogue.kinds() if kind.startswith(incomplete)]


def explained(incomplete: str) -> Offers:
    """Offer the names of `gradlab explain`; those with blanks are no single word of a shell."""
    from gradlab.api.explain import explained_names

    return [(name, "") for name in explained_names() if name.startswith(incomplete) and " " not in name]


def cells(incomplete: str) -> Offers:
    """Offer the ids of cells of the runs in ``results/``."""
    return list(islice(_cells(incomplete), _SHELL_LINES))


def _cells(incomplete: str) -> Iterator[tuple[str, str]]:
    for table in sorted(Path("results").glob("*/cells.csv")):
        try:
            with table.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    if (row.get("cell") or "").startswith(incomplete or "\0"):
                        settings = (row.get(key) or "" for key in ("depth", "activation", "init", "seed"))
                        yield str(row["cell"]), f"{table.parent.name}: {' '.join(settings)}"
        except (OSError, ValueError, csv.Error):  # a table that cannot be read offers nothing
            continue


def _after_comma(incomplete: str, offers: Offers) -> Offers:
    before, comma, last = incomplete.rpartition(",")
    listed = set(before.split(","))
    return [(before + comma + name, help) for name, help in offers if name.startswith(last) and name not in listed]


def _keys() -> list[str]:
    return ["seeds" if key == "seed" else key for key in SETTINGS]


def _values(key: str) -> Offers:
    if key in REGISTRIES:
        return [(name, component.summary) for name, component in REGISTRIES[key].items()]
    if key not in SETTINGS:
        return []
    return [(word, "") for word in SETTINGS[key].param.choices]


def _default(key: str) -> str:
    default = SETTINGS[key].default if key in SETTINGS else 5
    return str(default) if isinstance(default, Named) else "none" if default is None else str(default)
