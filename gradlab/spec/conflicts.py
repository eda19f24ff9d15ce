"""The pairs of settings whose values can exclude each other, with the message and the hint of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gradlab.cell import REGISTRIES
from gradlab.components import OPTIMIZERS, TASKS, Named
from gradlab.families import FAMILIES
from gradlab.families.base import Refusal
from gradlab.spec.located import LocatedGrid, LocatedValue

__all__ = ["CONFLICTS", "Conflict", "Pair", "listed", "of_models", "of_options", "only", "too_few"]

Pair = tuple[LocatedValue, LocatedValue]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two settings, and which of their values exclude each other."""

    left: str
    right: str
    broken: Callable[[Any, Any], bool]
    explain: Callable[[Any, Any], tuple[str, str]]
    """From two such values to the message and the hint."""
    ordered: bool = False
    """Whether they are numbers of which the left one must not be too large."""

    def pairs(self, grid: LocatedGrid) -> Iterator[Pair]:
        """Yield the values that exclude each other and occur together."""
        if self.ordered:  # long axes: most often their two worst values tell
            left = max(grid.values(self.left), key=lambda located: _largest(located.value))
            right = min(grid.values(self.right), key=lambda located: located.value)
            if not self.broken(left.value, right.value):
                return
        for left, right in grid.pairs(self.left, self.right):
            pair = {self.left: left.value, self.right: right.value}
            if self.broken(left.value, right.value) and not grid.drops(pair):
                yield left, right


def listed(names: Iterable[str], last: str = "or") -> str:
    *first, final = names
    return f" {last} ".join(filter(None, [", ".join(first), final]))


_NOUNS = {
    "features": "samples", "indices": "samples", "sequences": "sequences", "tokens": "sequences", "images": "images",
}  # fmt: skip


def _fits(model: Named, task: Named) -> bool:
    return not set(TASKS[task.name].kinds).isdisjoint(FAMILIES[model.name].inputs)


def _explain_samples(model: Named, task: Named) -> tuple[str, str]:
    inputs = FAMILIES[model.name].inputs
    tasks = [name for name in TASKS if _fits(model, Named(name))]
    hint = f"choose from {listed(tasks)}"
    if task.name == "digits" and "sequential_digits" in tasks:
        tasks.remove("sequential_digits")
        hint = f"the digits as sequences are sequential_digits; others: {listed(tasks)}"
    kinds = listed(dict.fromkeys(_NOUNS[kind] for kind in inputs))
    return f"{model.name} needs a task of {kinds}, {task.name} is none", hint


def _explain_sequences(model: Named, task: Named) -> tuple[str, str]:
    names = [name for name in FAMILIES if _fits(Named(name), task)]
    example = "lstm" if "lstm" in names else names[0]
    hint = f"choose a model of sequences, as in model: {example}; there are {listed(names, 'and')}"
    return f"{task.name} is a task of sequences, {model.name} takes none", hint


def _lengths_broken(task: Named, seq_len: int | None) -> bool:
    lengths = TASKS[task.name].lengths
    return lengths is not None and seq_len is not None and not lengths.allow(seq_len)


def _explain_length(task: Named, seq_len: int) -> tuple[str, str]:
    lengths = TASKS[task.name].lengths
    assert lengths is not None
    if lengths.only:
        near = min(lengths.only, key=lambda length: abs(length - seq_len))
        hint = f"it has {listed(map(str, lengths.only))} steps; the nearest is {near}"
        return f"{task.name} cannot have {seq_len} time steps", hint
    return f"{task.name} takes at least {lengths.low} time steps, found seq_len {seq_len}", ""


def _of_classes(task: Named) -> bool:
    kind = TASKS[task.name].targets or dict(task.params).get("kind")
    return kind in ("classes", "classification")


def _explain_indices(task: Named, value: float) -> tuple[str, str]:
    return f"the inputs of {task.name} are indices, which have no scale: found {value:g}", "leave inputs out"


def _explain_classes(task: Named, value: float) -> tuple[str, str]:
    return f"the targets of {task.name} are classes, which have no scale: found {value:g}", "leave targets out"


def _explain_weight_decay(optimizer: Named, weight_decay: float) -> tuple[str, str]:
    able = [name for name, known in OPTIMIZERS.items() if known.weight_decay and known.origin is None]
    hint = f"those that have one are {listed(able, 'and')}"
    return f"{optimizer.name} has no weight_decay, found {weight_decay:g}", hint


def _explain_groups(norm: Named, width: int) -> tuple[str, str]:
    divisors = [n for n in range(1, min(width, 1000) // 2 + 1) if width % n == 0]
    message = f"norm: {norm} needs a width of which each group has the same number of units, at least 2: found {width}"
    return message, f"groups can be {listed(map(str, divisors))}" if divisors else ""


def _splits_badly(norm: Named, width: int) -> bool:
    groups = dict(norm.params).get("groups", 1)
    return norm.name == "group" and isinstance(groups, int) and bool(width % groups or width < 2 * groups)


def only(key: str) -> Conflict:
    """Return the conflict of a model with the components of a setting that it cannot have."""

    def broken(model: Named, value: Named) -> bool:
        return value.name not in FAMILIES[model.name].allows.get(key, (value.name,))

    def explain(model: Named, value: Named) -> tuple[str, str]:
        hint = f"{model.name} can have {listed(FAMILIES[model.name].allows[key])}"
        return f"{model.name} cannot have {key} {value.name}", hint

    return Conflict("model", key, broken, explain)


def of_options(key: str) -> Conflict:
    """Return the conflict of a model with the values of a setting that its options exclude."""

    def refusal(model: Named, value: Any) -> Refusal | None:
        options = model.resolve(FAMILIES)
        refuses = FAMILIES[model.name].conflicts.get(key)
        return None if refuses is None else refuses(options, options if key == "model" else value)

    def explain(model: Named, value: Any) -> Refusal:
        refused = refusal(model, value)
        assert refused is not None
        return refused

    return Conflict("model", key, lambda model, value: refusal(model, value) is not None, explain)


def _shape_refused(model: Named, task: Named) -> Refusal | None:
    known = TASKS[task.name]
    shape = known.shape_of(task)
    return FAMILIES[model.name].refuses_shape(model, known, shape) if shape else None


def _explain_shape(model: Named, task: Named) -> tuple[str, str]:
    message, hint = _shape_refused(model, task) or ("", "")
    return f"{message}, task {task.name}", hint


def of_models(key: str) -> Conflict:
    """Return the conflict of a model with the components of a setting that other models alone have."""

    def broken(model: Named, value: Named) -> bool:
        models = REGISTRIES[key][value.name].models
        return bool(models) and model.name not in models

    def explain(model: Named, value: Named) -> tuple[str, str]:
        names = FAMILIES[model.name].allows.get(key, tuple(REGISTRIES[key]))
        able = [name for name in names if not broken(model, Named(name))]
        return f"{model.name} cannot have {key} {value.name}", f"{model.name} can have {listed(able)}"

    return Conflict("model", key, broken, explain)


def too_few() -> Iterator[Conflict]:
    """Yield the conflicts of components with numbers so small that their output is constant."""
    bounded = {
        (key, other) for key, known in REGISTRIES.items() for component in known.values() for other in component.least
    }
    for key, other in sorted(bounded):

        def broken(named: Named, value: int, key: str = key, other: str = other) -> bool:
            return bool(value < REGISTRIES[key][named.name].least.get(other, value))

        def explain(named: Named, value: int, key: str = key, other: str = other) -> tuple[str, str]:
            message = f"{key}: {named.name} with {other}: {value} gives the same output whatever comes in"
            return message, f"it takes a {other} of at least {REGISTRIES[key][named.name].least[other]}"

        yield Conflict(key, other, broken, explain)


def _largest(value: Any) -> Any:
    """Return what a value counts in an order: a list its largest number, the steps ``log`` nothing."""
    return max(value) if isinstance(value, tuple) else 0 if value == "log" else value


def _ordered(left: str, right: str, message: str, *, strict: bool = False) -> Conflict:
    """Return the conflict of two numbers of which the left one must not exceed the right one or, `strict`, equal it."""

    def broken(low: Any, high: Any) -> bool:
        return bool(_largest(low) > high or (strict and _largest(low) == high))

    return Conflict(left, right, broken, lambda low, high: (message.format(_largest(low), high), ""), ordered=True)


CONFLICTS = (
    _ordered("train.warmup", "train.steps", "a warm-up of {} steps does not fit into {} steps of training"),
    _ordered("probe.at", "train.steps", "probe.at asks for step {}, but training ends at step {}"),
    _ordered(
        "thresholds.vanish", "thresholds.explode",
        "thresholds.vanish must be below thresholds.explode, found {:g} and {:g}", strict=True,
    ),
    Conflict("model", "task", lambda m, t: not _fits(m, t) and not TASKS[t.name].of_sequences, _explain_samples),
    Conflict("model", "task", lambda m, t: not _fits(m, t) and TASKS[t.name].of_sequences, _explain_sequences),
    Conflict("model", "task", lambda m, t: _shape_refused(m, t) is not None, _explain_shape),
    Conflict("norm", "width", _splits_badly, _explain_groups),
    Conflict("task", "seq_len", _lengths_broken, _explain_length),
    Conflict("task", "inputs.scale", lambda t, v: v != 1 and TASKS[t.name].of_indices, _explain_indices),
    Conflict("task", "inputs.shift", lambda t, v: v != 0 and TASKS[t.name].of_indices, _explain_indices),
    Conflict("task", "targets.scale", lambda t, v: v != 1 and _of_classes(t), _explain_classes),
    Conflict(
        "optimizer", "weight_decay", lambda o, w: w > 0 and not OPTIMIZERS[o.name].weight_decay, _explain_weight_decay
    ),
)  # fmt: skip
