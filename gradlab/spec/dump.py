"""A `Spec` back to YAML that loads to the same cells, with every fixed setting written out."""

from __future__ import annotations

from typing import Any

import yaml

from gradlab.cell import REGISTRIES, SETTINGS
from gradlab.components import Named
from gradlab.query import Condition, Expectation, Pattern, conjuncts
from gradlab.spec.expectations import speaks_of_cells
from gradlab.spec.fields import holds_list
from gradlab.spec.model import Axis, Exclude, Spec, Subgrid

__all__ = ["dump"]


def dump(spec: Spec, *, defaults: bool = True) -> str:
    """Return the resolved spec as YAML; without `defaults` only the settings that were given, and `lr`.

    Loading it gives the same cells in the same order. Paths in it are absolute. Expectations about cells that an
    override has taken away are left out.
    """
    document: dict[str, Any] = {"name": spec.name}
    if spec.description:
        document["description"] = spec.description
    subgrids = spec.subgrids
    fixed = [dict(subgrid.fixed) for subgrid in subgrids]
    varied = frozenset().union(*(subgrid.varied for subgrid in subgrids))
    fixed_keys = {key for settings in fixed for key in settings}
    keys = [key for key in SETTINGS if key != "seed" and (key in fixed_keys or (defaults and key not in varied))]
    common = {key for key in keys if key not in varied and len({_value(settings, key) for settings in fixed}) == 1}
    for key in keys:
        if key in common and _value(fixed[0], key) is not None:  # a seq_len that is left to the task
            _put(document, key, _plain(key, _value(fixed[0], key)))
    seeds = {subgrid.axes[-1] for subgrid in subgrids}
    if len(seeds) == 1:
        document["seeds"] = _seeds(subgrids[0].axes[-1])
    sections = [_section(subgrid, common, own_seeds=len(seeds) > 1) for subgrid in subgrids]
    document |= sections[0] if len(sections) == 1 else {"grids": sections}
    if expect := [_expectation(expected) for expected in spec.expect if speaks_of_cells(expected, subgrids)]:
        document["expect"] = expect
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _expectation(expected: Expectation) -> str | dict[str, str]:
    return {"that": expected.text, "because": expected.because} if expected.because else expected.text


def _value(fixed: dict[str, Any], key: str) -> Any:
    return fixed.get(key, SETTINGS[key].default)


def _section(subgrid: Subgrid, common: set[str], *, own_seeds: bool) -> dict[str, Any]:
    section: dict[str, Any] = {}
    for key, value in subgrid.fixed:
        if key not in common:
            _put(section, key, _plain(key, value))
    axes = list(map(_columns, subgrid.axes[:-1]))
    if grid := {key: values for columns in axes if len(columns) == 1 for key, values in columns.items()}:
        section["grid"] = grid
    if zipped := [columns for columns in axes if len(columns) > 1]:
        section["zip"] = zipped[0] if len(zipped) == 1 else zipped
    if subgrid.exclude:
        section["exclude"] = [_exclude(exclude) for exclude in subgrid.exclude]
    if own_seeds:
        section["seeds"] = _seeds(subgrid.axes[-1])
    return section


def _columns(axis: Axis) -> dict[str, list[Any]]:
    """Return the lists of an axis; optimizers that bring their learning rate take it along."""
    columns = {key: [_plain(key, value) for value in axis.column(key)] for key in axis.keys}
    if "optimizer" in columns and "lr" in columns:
        rates = columns.pop("lr")
        columns["optimizer"] = list(map(_with_lr, columns["optimizer"], rates))
    return columns


def _with_lr(optimizer: Any, lr: float) -> dict[str, Any]:
    long_form = {"name": optimizer} if isinstance(optimizer, str) else optimizer
    return {"name": long_form["name"], "lr": lr, **long_form}


def _exclude(exclude: Exclude) -> str | dict[str, Any]:
    """Return the text of an exclude or, where it was a mapping, the values of each of its settings."""
    if exclude.text:
        return exclude.text
    conditions = [part for part in conjuncts(exclude.expression) if isinstance(part, Condition)]
    values = {part.name: [_constant(part.name, constant) for constant in part.constants] for part in conditions}
    single = {key: len(listed) == 1 and not isinstance(listed[0], list) for key, listed in values.items()}
    return {key: listed[0] if single[key] else listed for key, listed in values.items()}


def _constant(key: str, constant: Any) -> Any:
    if isinstance(constant, Pattern):
        if constant.parameters is None:
            return constant.name
        return _plain(key, Named(constant.name, constant.parameters), explicit=True)
    steps = str(constant).split()
    return list(map(int, steps)) if holds_list(key) and all(step.isdigit() for step in steps) else constant


def _plain(key: str, value: Any, *, explicit: bool = False) -> Any:
    """Return a canonical value as YAML has it; `explicit` spells a component's default parameters out."""
    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, Named):
        return value
    params = value.resolve(REGISTRIES[key]) if explicit else dict(value.params)
    if key == "optimizer":
        params.pop("lr", None)
    return {"name": value.name, **params} if params else value.name


def _put(section: dict[str, Any], key: str, value: Any) -> None:
    group, _, member = key.rpartition(".")
    (section.setdefault(group, {}) if group else section)[member] = value


def _seeds(axis: Axis) -> int | list[int]:
    seeds = axis.column("seed")
    return len(seeds) if seeds == list(range(len(seeds))) else seeds


class _Dumper(yaml.SafeDumper):
    """Lists of plain values on one line, repeated values without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        flat = not any(isinstance(item, dict | list) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=flat)
