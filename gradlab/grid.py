"""A spec to its cells: the product of the axes, what is excluded dropped, equal settings folded into one cell."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.cell import REGISTRIES, SETTINGS, Cell, probe_steps
from gradlab.components import TASKS, Named, Value
from gradlab.errors import Problem, SpecError
from gradlab.families import FAMILIES

if TYPE_CHECKING:
    from gradlab.spec import Spec, Subgrid

__all__ = ["LIMIT", "Expansion", "expand"]

LIMIT = 100_000
"""Cells a grid may have unless someone asks for more."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """The cells of a spec, in order: sub-grids as written, the first axis slowest, seeds fastest; no cell twice."""

    cells: tuple[Cell, ...]
    axes: tuple[str, ...]
    """The settings, without the seed, that take more than one value over the cells; in the order of the spec."""
    duplicates: int
    """Cells dropped because another has the same setting."""
    excluded: int
    """Cells dropped by `exclude`."""


def expand(spec: Spec, limit: int = LIMIT) -> Expansion:
    """Return the cells of `spec`.

    Raises:
        SpecError: there are more than `limit` cells before exclusion (found out without making one), exclusion
            leaves none, or a task's data file has gone.
    """
    if spec.size > limit:
        message = f"the grid has {spec.size:,} cells, the limit is {limit:,}"
        raise _refused(spec, message, "take fewer values or seeds, or a higher --limit")
    distinct: dict[Cell, Cell] = {}
    digests: dict[str, str] = {}
    count = 0
    for subgrid in spec.subgrids:
        for cell in _cells(spec, subgrid, digests):
            count += 1
            distinct.setdefault(_same(cell), cell)
    if not count:
        raise _refused(spec, f"exclude leaves none of the {spec.size:,} cells")
    cells = tuple(distinct.values())
    return Expansion(cells, _axes(spec, cells), duplicates=count - len(cells), excluded=spec.size - count)


def _refused(spec: Spec, message: str, hint: str = "") -> SpecError:
    return SpecError((Problem(message, spec.source, hint=hint),))


def _cells(spec: Spec, subgrid: Subgrid, digests: dict[str, str]) -> Iterator[Cell]:
    base = {SETTINGS[key].attribute: value for key, value in subgrid.fixed}
    settings = []
    for axis in subgrid.axes:
        attributes = [SETTINGS[key].attribute for key in axis.keys]
        settings.append([dict(zip(attributes, row, strict=True)) for row in axis.rows])
    custom = _custom_components()
    *varied, seeds = settings  # the seed varies fastest, and nothing depends on it
    values: dict[str, Any] = {}
    before: list[int] | None = None
    for *at, index in subgrid.cells():
        if at == before:
            yield Cell(**values | seeds[index])
            continue
        before = at
        values = dict(base)
        for rows, i in zip(varied, at, strict=True):
            values.update(rows[i])
        _fold(values)
        path = dict(values["task"].params).get("path") if "task" in values else None
        if path is not None:
            if path not in digests:
                digests[path] = _digest(spec, path)
            values["data_digest"] = digests[path]
        if custom:
            values["plugin_digest"] = _plugin_digest(values, custom)
            declared = FAMILIES[values.get("model", _DEFAULTS["model"]).name].declared_length
            if declared is not None:
                values["profile_length"] = declared(Cell(**values))
        yield Cell(**values | seeds[index])


def _digest(spec: Spec, path: Value) -> str:
    try:
        with Path(str(path)).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _refused(spec, f"the data file {path} cannot be read: {error.strerror}") from None


def _custom_components() -> dict[str, dict[str, str]]:
    """Return the components of the user: by attribute of a cell and by name, the digest of their source."""
    digests = {
        SETTINGS[key].attribute: {name: known.origin.digest for name, known in registry.items() if known.origin}
        for key, registry in REGISTRIES.items()
    }
    return {attribute: known for attribute, known in digests.items() if known}


def _plugin_digest(values: dict[str, Any], custom: dict[str, dict[str, str]]) -> str:
    """Return the digest of the sources behind a cell's components: of one itself, of several over them all."""
    used_digests = {known.get(values[attribute].name) for attribute, known in custom.items() if attribute in values}
    digests = sorted(digest for digest in used_digests if digest)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest() if len(digests) > 1 else "".join(digests)


_DEFAULTS: dict[str, Any] = {field.attribute: field.default for field in SETTINGS.values()}


def _fold(values: dict[str, Any]) -> None:
    """Bring settings that mean the same to the same form, in place."""
    for setting in SETTINGS.values():
        for other, names in setting.idle_beside.items():
            if values.get(other, _DEFAULTS[other]).name in names:
                values.pop(setting.attribute, None)
    _fold_model(values)
    _fill_lengths(values)
    at = values.get("probe_at", "log")
    if at != "log":  # every list has step 0 and the last one, said or not
        steps = values.get("steps", _DEFAULTS["steps"])
        full = probe_steps(steps, at)
        values["probe_at"] = "log" if full == probe_steps(steps, "log") else full


def _fill_lengths(values: dict[str, Any]) -> None:
    """Give the parameters that stand for the length of the network the length of this one, where they have no value."""
    for setting in SETTINGS.values():
        named = values.get(setting.attribute)
        if not setting.is_component or named is None:
            continue
        known, params = REGISTRIES[setting.key][named.name].params, dict(named.params)
        if missing := [name for name, param in known.items() if param.length and name not in params]:
            along = SETTINGS[FAMILIES[values.get("model", _DEFAULTS["model"]).name].axis.along].attribute
            params |= dict.fromkeys(missing, values.get(along, _DEFAULTS[along]))
            changed = tuple(
                (name, params[name]) for name in known if params.get(name, known[name].default) != known[name].default
            )
            values[setting.attribute] = Named(named.name, changed)


def _fold_model(values: dict[str, Any]) -> None:
    """Fold what the model or the task makes meaningless, and give sequences the length that the task has by itself."""
    model, task = (values.get(name, _DEFAULTS[name]) for name in ("model", "task"))
    family = FAMILIES[model.name]
    if model.params:
        residual = values.get("residual", _DEFAULTS["residual"]).name
        idle = set(family.idle(model.resolve(FAMILIES), TASKS[task.name], residual))
        values["model"] = Named(model.name, tuple((key, value) for key, value in model.params if key not in idle))
    for name in family.ignores:
        values.pop(name, None)
        if name in family.defaults:
            values[name] = family.defaults[name]
    if values.get("residual", _DEFAULTS["residual"]).name in family.unnormed:
        values.pop("norm", None)
    if not TASKS[task.name].of_sequences:
        values.pop("seq_len", None)
    elif "seq_len" not in family.ignores and values.get("seq_len") is None:
        lengths = TASKS[task.name].lengths
        values["seq_len"] = lengths.default if lengths else None


def _same(cell: Cell) -> Cell:
    """Return what stands for all cells with the same id: of a data file the content counts, not the place."""
    if not cell.data_digest:
        return cell
    params = tuple((key, cell.data_digest if key == "path" else value) for key, value in cell.task.params)
    return replace(cell, task=Named(cell.task.name, params))


def _axes(spec: Spec, cells: tuple[Cell, ...]) -> tuple[str, ...]:
    keys = [key for subgrid in spec.subgrids for axis in subgrid.axes for key in axis.keys]
    keys += [key for subgrid in spec.subgrids for key, _ in subgrid.fixed]
    return tuple(
        key
        for key in dict.fromkeys(keys)
        if key != "seed" and len({getattr(cell, SETTINGS[key].attribute) for cell in cells}) > 1
    )
