"""What a model brings where a spec is silent, and which settings do not fit each other by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from gradlab.cell import SETTINGS
from gradlab.components import OPTIMIZERS, TASKS, Named, Task
from gradlab.families import FAMILIES, Family
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
    return located.exclude.drops(known)


def settle(fixed: _Fixed, axes: list[LocatedAxis]) -> list[LocatedAxis]:
    """Give each model the defaults of its family for settings that nothing is said of.

    They go to `fixed`, or into columns beside an axis of models that differ in them; the axes are returned. The length
    of its sequences is the task's where nothing else is said; with several tasks `grid` fills it in.
    """
    axis = column("model", axes)
    families = [_family(given) for given in values("model", fixed, axes)]
    for key in dict.fromkeys(key for family in families for key in family.defaults):
        if key in fixed or column(key, axes):
            continue
        own = [LocatedValue(family.defaults.get(key, SETTINGS[key].default), NOWHERE) for family in families]
        if len({given.value for given in own}) == 1:
            fixed[key] = own[0]
            continue
        assert axis is not None
        wider = LocatedAxis((*axis.keys, key), tuple((*row, value) for row, value in zip(axis.rows, own, strict=True)))
        axes = [wider if other is axis else other for other in axes]
        axis = wider
    task = fixed.get("task")
    open_length = "seq_len" not in fixed and column("seq_len", axes) is None
    if all(map(_takes_lengths, families)) and task is not None and open_length:
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


def _family(given: LocatedValue) -> Family:
    return FAMILIES[given.value.name]


def _takes_lengths(family: Family) -> bool:
    return "seq_len" not in family.ignores


def _listed(names: list[str], last: str = "or") -> str:
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


_NOUNS = {"features": "samples", "indices": "samples", "sequences": "sequences", "tokens": "sequences"}


def _kinds(family: Family) -> str:
    return _listed(list(dict.fromkeys(_NOUNS[kind] for kind in family.inputs)))


def _tasks_of(family: Family) -> list[str]:
    return [name for name, task in TASKS.items() if task.inputs in family.inputs]


def _models_of(task: Task) -> list[str]:
    return [name for name, family in FAMILIES.items() if task.inputs in family.inputs]


def _fits(model: Named, task: Named) -> bool:
    return TASKS[task.name].inputs in FAMILIES[model.name].inputs


def _explain_samples(model: Named, task: Named) -> tuple[str, str]:
    family = FAMILIES[model.name]
    tasks = _tasks_of(family)
    hint = f"choose from {_listed(tasks)}"
    if task.name == "digits" and "sequential_digits" in tasks:
        others = [name for name in tasks if name != "sequential_digits"]
        hint = f"the digits as sequences are sequential_digits; others: {_listed(others)}"
    return f"{model.name} needs a task of {_kinds(family)}, {task.name} is none", hint


def _explain_sequences(model: Named, task: Named) -> tuple[str, str]:
    names = _models_of(TASKS[task.name])
    example = "lstm" if "lstm" in names else names[0]
    hint = f"choose a model of sequences, as in model: {example}; there are {_listed(names, 'and')}"
    return f"{task.name} is a task of sequences, {model.name} takes none", hint


def _only(key: str) -> _Conflict:
    def broken(model: Named, value: Named) -> bool:
        return value.name not in FAMILIES[model.name].allows.get(key, (value.name,))

    def explain(model: Named, value: Named) -> tuple[str, str]:
        can = _listed(list(FAMILIES[model.name].allows[key]))
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


def _explain_weight_decay(optimizer: Named, weight_decay: float) -> tuple[str, str]:
    able = [name for name, known in OPTIMIZERS.items() if known.weight_decay and known.origin is None]
    return (
        f"{optimizer.name} has no weight_decay, found {weight_decay:g}",
        f"those that have one are {_listed(able, 'and')}",
    )


def _conflicts() -> Iterator[_Conflict]:
    """Yield all kinds of conflicts; components of the user are among the registered ones by now."""
    yield from _ALWAYS
    yield from map(_only, dict.fromkeys(key for family in FAMILIES.values() for key in family.allows))


_ALWAYS = (
    _Conflict("model", "task", lambda m, t: not _fits(m, t) and not TASKS[t.name].of_sequences, _explain_samples),
    _Conflict("model", "task", lambda m, t: not _fits(m, t) and TASKS[t.name].of_sequences, _explain_sequences),
    _Conflict("task", "seq_len", _lengths_broken, _explain_length),
    _Conflict(
        "optimizer", "weight_decay", lambda o, w: w > 0 and not OPTIMIZERS[o.name].weight_decay, _explain_weight_decay
    ),
)


def check(
    fixed: _Fixed, axes: list[LocatedAxis], exclude: list[LocatedExclude], invalid: set[str], problems: Problems
) -> None:
    """Add conflicting settings to `problems`: one problem for each kind, with every combination to exclude."""
    for conflict in _conflicts():
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
    """Return a warning where a spec has a `seq_len` and no model of sequences; empty otherwise."""
    models: dict[str, None] = {}
    given = False
    for subgrid in subgrids:
        fixed = dict(subgrid.fixed)
        axis = next((axis for axis in subgrid.axes if "model" in axis.keys), None)
        own = [row[axis.keys.index("model")] for row in axis.rows] if axis else [fixed.get("model", _DEFAULT_MODEL)]
        models |= dict.fromkeys(model.name for model in own)
        given = given or "seq_len" in fixed or "seq_len" in subgrid.varied
    if not given or any(_takes_lengths(FAMILIES[name]) for name in models):
        return ""
    able = _listed([name for name, family in FAMILIES.items() if _takes_lengths(family)], "and")
    return f"seq_len means nothing to {_listed(list(models))}; models of sequences are {able}"


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
