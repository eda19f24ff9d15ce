"""The parameters of a component against the registry: kinds, bounds, defaults; a spelled component to a `Named`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path

from gradlab.components import REGISTRIES, Component, Named, Param, Value, nearest
from gradlab.spec.forms import Form, spell
from gradlab.spec.node import Entry, Node, Problems, Scalar, shorten, show

__all__ = ["Parsed", "parse"]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A component, and what its canonical form does not show."""

    named: Named
    """Parameters at their default left out, the others in registry order."""
    lr: float | None = None
    """The learning rate an optimizer was given; it is a setting of its own, not part of `named`."""
    bare: bool = True
    """Whether the name stood alone, without parameters."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One component being read: which setting it is for, and where trouble goes."""

    key: str
    base: Path
    problems: Problems

    @property
    def registry(self) -> Mapping[str, Component]:
        return REGISTRIES[self.key]


def parse(key: str, node: Node, base: Path, problems: Problems, *, pattern: bool = False) -> Parsed | None:
    """Return the component that `node` names for the setting `key`, or None after adding to `problems`.

    Paths are relative to `base`. In a `pattern` (of an exclude) a bare name needs no required parameters.
    """
    form = spell(key, node, problems)
    return None if form is None else _build(_Reading(key, base, problems), form, pattern=pattern)


def _build(reading: _Reading, form: Form, *, pattern: bool) -> Parsed | None:
    name, mark, entries = form.name, form.mark, form.params
    known = reading.registry[name].params
    values: dict[str, Value] = {}
    sound = True
    for entry in entries:
        value = _param(reading, name, entry)
        if value is None:
            sound = False
        elif entry.key in values:
            reading.problems.add(entry.mark, f"{entry.key} of {name} is given twice")
            sound = False
        else:
            values[entry.key] = value
    given = {entry.key for entry in entries}
    missing = [key for key, param in known.items() if param.required and key not in given]
    if missing and not (pattern and not entries):
        example = ", ".join([f"name: {name}", *(f"{key}: …" for key in missing)])
        what = " and ".join(missing) if len(missing) < 3 else ", ".join(missing[:-1]) + f" and {missing[-1]}"
        reading.problems.add(mark, f"{name} needs its {what}", f"write {{{example}}}")
        sound = False
    if not sound:
        return None
    lr = values.pop("lr", None) if reading.key == "optimizer" else None
    kept = tuple((key, values[key]) for key in known if key in values and values[key] != known[key].default)
    return Parsed(Named(name, kept), None if lr is None else float(lr), bare=not entries)


def _unknown(reading: _Reading, name: str, entry: Entry) -> None:
    known = reading.registry[name].params
    close = nearest(entry.key, known)
    hint = f"did you mean '{close}'?" if close else f"it has {', '.join(known)}" if known else "it has none"
    reading.problems.add(entry.mark, f"{name} has no parameter {shorten(entry.key)!r}", hint)


def _param(reading: _Reading, name: str, entry: Entry) -> Value | None:
    param = reading.registry[name].params.get(entry.key)
    if param is None:
        _unknown(reading, name, entry)
        return None
    node = entry.value
    what = f"{entry.key} of {name}"
    if param.kind is str:
        return _text(reading, what, param, node, path=reading.key == "task" and entry.key == "path")
    if param.kind is bool:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        reading.problems.add(node.mark, f"{what} must be true or false, found {show(node)}")
        return None
    value = node.value if isinstance(node, Scalar) and not isinstance(node.value, bool) else None
    if isinstance(value, float) and not isfinite(value):
        reading.problems.add(node.mark, f"{what} must be finite, found {show(node)}")
        return None
    if param.kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int if param.kind is int else int | float) or not _within(param, value):
        hint = "" if isinstance(node, Scalar) else "for an axis, list whole components: [{name: …}, {name: …}]"
        reading.problems.add(node.mark, f"{what} must be {_expected(param)}, found {show(node)}", hint)
        return None
    return value if param.kind is int else float(value) + 0.0  # -0.0 becomes 0.0


def _text(reading: _Reading, what: str, param: Param, node: Node, *, path: bool) -> str | None:
    if not isinstance(node, Scalar) or not node.text:
        reading.problems.add(node.mark, f"{what} must be text, found {show(node)}")
        return None
    if param.choices and node.text not in param.choices:
        close = nearest(node.text, param.choices)
        hint = f"did you mean '{close}'?" if close else ""
        reading.problems.add(node.mark, f"{what} must be {' or '.join(param.choices)}, found {show(node)}", hint)
        return None
    if not path:
        return node.text
    base = reading.base if node.mark.line else Path()  # what does not come from a file is relative to where we are
    file = (base / Path(node.text).expanduser()).resolve()
    if not file.is_file():
        found = "is not a regular file" if file.exists() else "does not exist"
        reading.problems.add(
            node.mark, f"the data file {shorten(node.text)} {found}", f"looked for {shorten(str(file), 200)}"
        )
        return None
    return str(file)


def _within(param: Param, value: float) -> bool:
    return (param.low < value if param.above else param.low <= value) and value <= param.high


def _expected(param: Param) -> str:
    bounds = []
    if param.low > -inf:
        bounds.append(f"above {param.low:g}" if param.above else f"of at least {param.low:g}")
    if param.high < inf:
        bounds.append(f"at most {param.high}")
    return " ".join(["a whole number" if param.kind is int else "a number", " and ".join(bounds)]).strip()
