"""Parameters of components as factors of their own: of ``adam(eps=0.0001)`` the optimizer, and its eps."""

from __future__ import annotations

import re

import pandas as pd

from gradlab.analysis.compare.mean_table import row_keys
from gradlab.cell import REGISTRIES, parameter_of
from gradlab.components import Named
from gradlab.query import value_of
from gradlab.query.values import read_component

__all__ = ["split_parameters"]

_NAMED = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*(?=\s*=)")


def split_parameters(cells: pd.DataFrame, by: str | None, baseline: str | None) -> pd.DataFrame:
    """Return the cells with a column ``optimizer.eps`` beside ``optimizer``, whose components are then without it.

    For each dotted key that `by` or `baseline` names, and for each parameter that is crossed with its component: there
    are several components, all with the same several values of it. A setting that one of the two names as a whole stays
    whole.
    """
    requested = [*row_keys(by or ""), *_NAMED.findall(baseline or "")]
    keys = [key for key in dict.fromkeys(requested) if parameter_of(key) is not None]
    for owner in REGISTRIES:
        if owner not in requested and cells[owner].nunique() > 3:
            keys += [key for key in _crossed(cells, owner) if key not in keys]
    for key in keys:
        owner, _, name = key.rpartition(".")
        values = {text: value_of(key, {owner: text}) for text in cells[owner].unique()}
        cells = cells.assign(
            **{key: cells[owner].map(values), owner: cells[owner].map({text: _without(text, name) for text in values})}
        )
    return cells


def _crossed(cells: pd.DataFrame, owner: str) -> list[str]:
    """Return the dotted keys of the parameters that are crossed with the components of a setting."""
    components = [read_component(str(text)) for text in cells[owner].unique()]
    names = {name for name, _ in components}
    parameter_names = dict.fromkeys(parameter for _, parameters in components for parameter, _ in parameters)
    crossed = []
    for parameter in parameter_names if len(names) > 1 else ():
        key = f"{owner}.{parameter}"
        values: dict[str, set[object]] = {name: set() for name in names}
        for name, parameters in components:
            explicit = tuple((other, value) for other, value in parameters if value is not None)
            values[name].add(value_of(key, {owner: Named(name, explicit)}) if parameter_of(key) is not None else None)
        first, *others = values.values()
        if len(first) > 1 and None not in first and all(other == first for other in others):
            crossed.append(key)
    return crossed


def _without(text: str, parameter: str) -> str:
    name, parameters = read_component(str(text))
    return str(Named(name, tuple((key, value) for key, value in parameters if key != parameter and value is not None)))
