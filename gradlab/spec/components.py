"""A component as a spec may write it, to a `Named`.

All of these are the same: ``{name: leaky_relu, negative_slope: 0.2}``, ``{leaky_relu: 0.2}`` (the first
parameter), ``{leaky_relu: {negative_slope: 0.2}}`` and ``leaky_relu(negative_slope=0.2)``, which is how a
table prints it. A parameter at its default is left out of the `Named`, the others stand in registry order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path

from gradlab.registry import ALIASES, REGISTRIES, Component, Named, Param, Value, nearest
from gradlab.spec.node import Entry, Items, Mark, Node, Problems, Scalar, Table, shorten, show

__all__ = ["Parsed", "choices", "parse"]

_PRINTED = re.compile(r"\s*(?P<name>[^\s()]+)\s*\((?P<params>.*)\)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A component, and what its canonical form does not show."""

    named: Named
    lr: float | None = None
    """The learning rate an optimizer was given; it is a setting of its own, not part of `named`."""
    bare: bool = True
    """Whether the name stood alone, without parameters."""


@dataclass(slots=True)
class _Reading:
    """One component being read: which setting it is for, and where trouble goes."""

    key: str
    base: Path
    problems: Problems
    registry: dict[str, Component] = field(init=False)

    def __post_init__(self) -> None:
        self.registry = REGISTRIES[self.key]


def parse(key: str, node: Node, base: Path, problems: Problems, *, pattern: bool = False) -> Parsed | None:
    """Return the component that `node` names for the setting `key`, or None after adding to `problems`.

    Paths are relative to `base`. In a `pattern` (of an exclude) a bare name needs no required parameters.
    """
    reading = _Reading(key, base, problems)
    if isinstance(node, Table):
        return _from_table(reading, node)
    if isinstance(node, Items):
        problems.add(node.mark, f"{key} must be a name or a mapping, found a list")
        return None
    if isinstance(node.value, str) and (printed := _PRINTED.fullmatch(node.value)):
        params = _printed(reading, node.mark, printed["params"])
        return None if params is None else _build(reading, node.mark, printed["name"], params)
    if isinstance(node.value, str) and ("(" in node.value) != (")" in node.value):
        problems.add(
            node.mark, f"{show(node)} is half of a component", 'put the whole of it in quotes: "name(a=1, b=2)"'
        )
        return None
    if node.value is not None and not isinstance(node.value, str):
        problems.add(node.mark, f"{key} must be a name, found {show(node)}", choices(key, node.text))
        return None
    if node.empty:
        problems.add(node.mark, f"{key} has no value", choices(key, ""))
        return None
    return _build(reading, node.mark, "none" if node.value is None else str(node.value), (), pattern=pattern)


def choices(key: str, name: str) -> str:
    """Return the hint for an unknown `name` of the setting `key`: the nearest one, or all."""
    known = REGISTRIES[key]
    close = nearest(name, [*known, *ALIASES.get(key, {})])
    return f"did you mean '{close}'?" if close else "choose from " + ", ".join(known)


def _printed(reading: _Reading, mark: Mark, text: str) -> tuple[Entry, ...] | None:
    entries = []
    for part in filter(str.strip, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            hint = "parameters are written name=value, as in leaky_relu(negative_slope=0.2)"
            reading.problems.add(mark, f"cannot read '{shorten(part.strip())}' as a parameter", hint)
            return None
        entries.append(Entry(name.strip(), mark, Scalar.plain(mark, value.strip())))
    return tuple(entries)


def _from_table(reading: _Reading, node: Table) -> Parsed | None:
    key = reading.key
    if name := node.get("name"):
        if not isinstance(name.value, Scalar) or not (name.value.value is None or isinstance(name.value.value, str)):
            reading.problems.add(name.value.mark, f"the name of {key} must be a name, found {show(name.value)}")
            return None
        if name.value.empty:
            reading.problems.add(name.mark, f"the name of {key} has no value", choices(key, ""))
            return None
        text = "none" if name.value.value is None else str(name.value.value)
        params = tuple(entry for entry in node.entries if entry.key != "name")
        return _build(reading, name.value.mark, text, params)
    if len(node.entries) != 1:
        reading.problems.add(node.mark, f"{key} is a mapping without a name", "write {name: NAME, PARAMETER: VALUE}")
        return None
    return _shorthand(reading, node.entries[0])


def _shorthand(reading: _Reading, entry: Entry) -> Parsed | None:
    found = _find(reading, entry.mark, entry.key)
    if found is None:
        return None
    if isinstance(entry.value, Table):
        return _build(reading, entry.mark, found, entry.value.entries)
    params = list(reading.registry[found].params)
    if found in params:
        hint = f"write {{name: {found}, {params[0]}: …}} or {{name: {found}, {found}: …}}"
        reading.problems.add(entry.mark, f"{{{found}: …}} may mean its {params[0]} or its {found}", hint)
        return None
    if not params:
        if isinstance(entry.value, Scalar) and entry.value.value is None:
            return Parsed(Named(found))
        reading.problems.add(entry.value.mark, f"{found} has no parameters, found {show(entry.value)}")
        return None
    return _build(reading, entry.mark, found, (Entry(params[0], entry.mark, entry.value),))


def _find(reading: _Reading, mark: Mark, name: str) -> str | None:
    if name in reading.registry:
        return name
    if alias := ALIASES.get(reading.key, {}).get(name):
        return alias
    message = f"{reading.key} cannot be none" if name == "none" else f"unknown {reading.key} {shorten(name)!r}"
    reading.problems.add(mark, message, choices(reading.key, name))
    return None


def _build(
    reading: _Reading, mark: Mark, written: str, entries: tuple[Entry, ...], *, pattern: bool = False
) -> Parsed | None:
    name = _find(reading, mark, written)
    if name is None:
        return None
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
