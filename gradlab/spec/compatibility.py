"""Defaults that depend on the model, and settings that exclude each other by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from gradlab.cell import SETTINGS
from gradlab.components import MODELS, RECURRENT_DEFAULTS, TASKS, Component, Named
from gradlab.spec.model import Subgrid
from gradlab.spec.node import Mark, Problems
from gradlab.spec.sections import LocatedAxis, LocatedExclude, LocatedValue

__all__ = ["NOWHERE", "check", "drops", "idle_seq_len", "settle", "values"]

NOWHERE = Mark("")
"""The position of a default."""

_Fixed = dict[str, LocatedValue]
_DEFAULT_MODEL: Named = SETTINGS["model"].default


def column(key: str, axes: list[LocatedAxis]) -> LocatedAxis | None:
    """Return the axis that varies a setting, if there is one."""
    return next((axis for axis in axes if key in axis.keys), None)


def values(key: str, fixed: _Fixed, axes: list[LocatedAxis]) -> list[LocatedValue]:
    """Return every value that a setting takes, its default if it is not given."""
    axis = column(key, axes)
    if axis is None:
        return [fixed.get(key, LocatedValue(SETTINGS[key].default, NOWHERE))]
    return [row[axis.keys.index(key)] for row in axis.rows]


def drops(located: LocatedExclude, fixed: _Fixed, pair: dict[str, Any]) -> bool:
    """Whether an exclude drops whatever has the values of `pair` beside what is fixed."""
    known = {key: given.value for key, given in fixed.items()} | pair
    conditions = located.exclude.conditions
    return all(condition.key in known and condition.holds(known[condition.key]) for condition in conditions)


def settle(fixed: _Fixed, axes: list[LocatedAxis]) -> list[LocatedAxis]:
    """Give recurrent models the settings of `RECURRENT_DEFAULTS` that nothing is said of.

    They go to `fixed`, or into columns beside an axis of models of both kinds; the axes are returned. The length of
    its sequences is the task's where nothing else is said; with several tasks `grid` fills it in.
    """
    axis = column("model", axes)
    recurrent = [_model(given).recurrent for given in values("model", fixed, axes)]
    for key, default in RECURRENT_DEFAULTS.items():
        if key in fixed or column(key, axes) or not any(recurrent):
            continue
        if all(recurrent):
            fixed[key] = LocatedValue(default, NOWHERE)
            continue
        assert axis is not None
        own = [LocatedValue(default if of_sequences else SETTINGS[key].default, NOWHERE) for of_sequences in recurrent]
        wider = LocatedAxis((*axis.keys, key), tuple((*row, value) for row, value in zip(axis.rows, own, strict=True)))
        axes = [wider if other is axis else other for other in axes]
        axis = wider
    task = fixed.get("task")
    if all(recurrent) and task is not None and "seq_len" not in fixed and column("seq_len", axes) is None:
        lengths = TASKS[task.value.name].lengths
        if lengths is not None:
            fixed["seq_len"] = LocatedValue(lengths.default, NOWHERE)
    return axes


@dataclass(frozen=True, slots=True)
class _Conflict:
    """Two settings, and which of their values exclude each other."""

    left: str
    right: str
    broken: Callable[[Any, Any], bool]
    explain: Callable[[Any, Any], tuple[str, str]]
    """From two such values to the message and the hint."""


def _model(given: LocatedValue) -> Component:
    return MODELS[given.value.name]


def _listed(names: list[str], last: str = "or") -> str:
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _names(known: dict[str, Component], *, recurrent: bool, last: str = "or") -> str:
    return _listed([name for name, component in known.items() if component.recurrent == recurrent], last)


def _explain_flat_task(model: Named, task: Named) -> tuple[str, str]:
    hint = f"choose from {_names(TASKS, recurrent=True)}"
    if task.name == "digits":
        hint = "the digits as sequences are sequential_digits; others: " + _listed(
            [name for name, task in TASKS.items() if task.recurrent and name != "sequential_digits"]
        )
    return f"{model.name} needs a task of sequences, {task.name} is none", hint


def _explain_sequence_task(model: Named, task: Named) -> tuple[str, str]:
    hint = f"choose a recurrent model, as in model: lstm; there are {_names(MODELS, recurrent=True, last='and')}"
    return f"{task.name} is a task of sequences, {model.name} takes none", hint


def _only(key: str) -> _Conflict:
    def broken(model: Named, value: Named) -> bool:
        return value.name not in MODELS[model.name].only.get(key, (value.name,))

    def explain(model: Named, value: Named) -> tuple[str, str]:
        can = _listed(list(MODELS[model.name].only[key]))
        return f"{model.name} cannot have {key} {value.name}", f"{model.name} can have {can}"

    return _Conflict("model", key, broken, explain)


def _explain_length(task: Named, seq_len: int) -> tuple[str, str]:
    lengths = TASKS[task.name].lengths
    assert lengths is not None
    if lengths.only:
        near = min(lengths.only, key=lambda length: abs(length - seq_len))
        hint = f"it has {_listed(list(map(str, lengths.only)))} steps; the nearest is {near}"
        return f"{task.name} cannot have {seq_len} time steps", hint
    return f"{task.name} takes at least {lengths.low} time steps, found seq_len {seq_len}", ""


def _lengths_broken(task: Named, seq_len: int | None) -> bool:
    lengths = TASKS[task.name].lengths
    return lengths is not None and seq_len is not None and not lengths.allow(seq_len)


_CONFLICTS = (
    _Conflict(
        "model", "task", lambda m, t: MODELS[m.name].recurrent and not TASKS[t.name].recurrent, _explain_flat_task
    ),
    _Conflict(
        "model", "task", lambda m, t: TASKS[t.name].recurrent and not MODELS[m.name].recurrent, _explain_sequence_task
    ),
    *map(_only, dict.fromkeys(key for model in MODELS.values() for key in model.only)),
    _Conflict("task", "seq_len", _lengths_broken, _explain_length),
)


def check(
    fixed: _Fixed, axes: list[LocatedAxis], exclude: list[LocatedExclude], invalid: set[str], problems: Problems
) -> None:
    """Add conflicting settings to `problems`: one problem for each kind, with every combination to exclude."""
    for conflict in _CONFLICTS:
        if {conflict.left, conflict.right} & invalid:
            continue
        pairs = list(_pairs(conflict, fixed, axes))
        broken = [
            (left, right)
            for left, right in pairs
            if conflict.broken(left.value, right.value)
            and not any(
                drops(located, fixed, {conflict.left: left.value, conflict.right: right.value}) for located in exclude
            )
        ]
        if not broken:
            continue
        left, right = broken[0]
        message, hint = conflict.explain(left.value, right.value)
        if len(broken) < len(pairs):  # other combinations are valid
            excluded = f"exclude: [{', '.join(_excludes(conflict, broken))}]"
            hint = f"{hint}\n    or leave it out: {excluded}" if hint else f"leave it out: {excluded}"
        problems.add(_later(left.mark, right.mark), message, hint)


def _later(left: Mark, right: Mark) -> Mark:
    """Return the position further down; overrides come after the document, defaults before it."""
    return max(left, right, key=lambda mark: (mark is not NOWHERE, mark.line == 0, mark.line, mark.column))


def idle_seq_len(subgrids: Iterable[Subgrid]) -> str:
    """Return a warning where a spec has a `seq_len` and no recurrent model; empty otherwise."""
    models: dict[str, None] = {}
    given = False
    for subgrid in subgrids:
        fixed = dict(subgrid.fixed)
        axis = next((axis for axis in subgrid.axes if "model" in axis.keys), None)
        own = [row[axis.keys.index("model")] for row in axis.rows] if axis else [fixed.get("model", _DEFAULT_MODEL)]
        models |= dict.fromkeys(model.name for model in own)
        given = given or "seq_len" in fixed or "seq_len" in subgrid.varied
    if not given or any(MODELS[name].recurrent for name in models):
        return ""
    able = _names(MODELS, recurrent=True, last="and")
    return f"seq_len means nothing to {_listed(list(models))}; recurrent models are {able}"


def _pairs(conflict: _Conflict, fixed: _Fixed, axes: list[LocatedAxis]) -> Iterator[tuple[LocatedValue, LocatedValue]]:
    axis = column(conflict.left, axes)
    if axis is not None and conflict.right in axis.keys:
        at = axis.keys.index(conflict.left), axis.keys.index(conflict.right)
        yield from ((row[at[0]], row[at[1]]) for row in axis.rows)
    else:
        yield from product(values(conflict.left, fixed, axes), values(conflict.right, fixed, axes))


def _excludes(conflict: _Conflict, pairs: list[tuple[LocatedValue, LocatedValue]]) -> Iterator[str]:
    """Yield the items of an exclude that drop every one of `pairs`."""
    rights: dict[str, list[str]] = {}
    for left, right in pairs:
        listed = rights.setdefault(_bare(left.value), [])
        if _bare(right.value) not in listed:
            listed.append(_bare(right.value))
    lefts: dict[tuple[str, ...], list[str]] = {}
    for name, listed in rights.items():
        lefts.setdefault(tuple(listed), []).append(name)
    for right_names, left_names in lefts.items():
        yield f"{{{conflict.left}: {_yaml(left_names)}, {conflict.right}: {_yaml(list(right_names))}}}"


def _bare(value: Any) -> str:
    return value.name if isinstance(value, Named) else str(value)


def _yaml(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
