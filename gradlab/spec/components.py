"""A component as a spec writes it, in any notation, to the `Named` that it means.

These are the same: ``{name: leaky_relu, negative_slope: 0.2}``, ``{leaky_relu: 0.2}`` (the first parameter),
``{leaky_relu: {negative_slope: 0.2}}`` and ``leaky_relu(negative_slope=0.2)``, which is how a table prints it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gradlab.cell import REGISTRIES
from gradlab.components import ALIASES, Named, Value, nearest
from gradlab.errors import shorten
from gradlab.query.values import split_component
from gradlab.spec import parameters
from gradlab.spec.node import Entry, MappingNode, Mark, Node, Problems, ScalarNode, SequenceNode, is_none, show

__all__ = ["ParsedComponent", "WrittenComponent", "parse", "written"]


@dataclass(frozen=True, slots=True)
class ParsedComponent:
    """A component, and what its canonical form does not show."""

    named: Named
    """Parameters at their default left out, the others in registry order."""
    lr: float | None = None
    """The learning rate an optimizer was given; it is a setting of its own, not part of `named`."""
    bare: bool = True
    """Whether the name stood alone, without parameters."""


def parse(key: str, node: Node, base: Path, problems: Problems, *, pattern: bool = False) -> ParsedComponent | None:
    """Return the component that `node` names for the setting `key`, or None after adding to `problems`.

    Paths are relative to `base`. In a `pattern` (of an exclude) a bare name needs no required parameters.
    """
    component = written(key, node, problems)
    if component is None:
        return None
    name, entries = component.name, component.params
    known = REGISTRIES[key][name].params
    values: dict[str, Value] = {}
    valid = True
    for entry in entries:
        value = _param(key, name, entry, base, problems)
        if value is not None and entry.key in values:
            problems.add(entry.mark, f"{entry.key} of {name} is given twice")
            value = None
        if value is None:
            valid = False
        else:
            values[entry.key] = value
    given = {entry.key for entry in entries}
    missing = [key for key, param in known.items() if param.required and key not in given]
    if missing and not (pattern and not entries):
        example = ", ".join([f"name: {name}", *(f"{key}: …" for key in missing)])
        what = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
        problems.add(component.mark, f"{name} needs its {what}", f"write {{{example}}}")
        valid = False
    if not valid:
        return None
    lr = values.pop("lr", None) if key == "optimizer" else None
    kept = tuple((key, values[key]) for key in known if key in values and values[key] != known[key].default)
    return ParsedComponent(Named(name, kept), None if lr is None else float(lr), bare=not entries)


def _param(key: str, name: str, entry: Entry, base: Path, problems: Problems) -> Value | None:
    """Return the value of one parameter of the component `name`, or None after adding to `problems`."""
    known, node = REGISTRIES[key][name].params, entry.value
    if entry.key not in known:
        close = nearest(entry.key, known)
        hint = f"did you mean '{close}'?" if close else f"it has {', '.join(known)}" if known else "it has none"
        problems.add(entry.mark, f"{name} has no parameter {shorten(entry.key)!r}", hint)
        return None
    hint = "" if isinstance(node, ScalarNode) else "for an axis, list whole components: [{name: …}, {name: …}]"
    value: Value | None = parameters.read(f"{entry.key} of {name}", known[entry.key], node, problems, hint)
    if not isinstance(value, str) or (key, entry.key) != ("task", "path"):
        return value
    base = base if node.mark.line else Path()  # what does not come from a file is relative to where we are
    file = (base / Path(value).expanduser()).resolve()
    if not file.is_file():
        problem = "is not a regular file" if file.exists() else "does not exist"
        hint = f"looked for {shorten(str(file), 200)}"
        problems.add(node.mark, f"the data file {shorten(value)} {problem}", hint)
        return None
    return str(file)


_PRINTED = re.compile(r"\s*[^\s()]+\s*\(.*\)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class WrittenComponent:
    """A component as written: a registered name, and parameters not yet checked."""

    name: str
    mark: Mark
    """Of the name."""
    params: tuple[Entry, ...] = ()


def written(key: str, node: Node, problems: Problems) -> WrittenComponent | None:
    """Return the component that `node` is for the setting `key`, or None after adding to `problems`."""
    if isinstance(node, MappingNode):
        return _table(key, node, problems)
    if isinstance(node, SequenceNode):
        problems.add(node.mark, f"{key} must be a name or a mapping, found a list")
        return None
    if node.empty:
        problems.add(node.mark, f"{key} has no value", _choices(key, ""))
        return None
    if isinstance(node.value, str) and ("(" in node.value or ")" in node.value):
        return _printed(key, node, problems)
    return _named(key, node, (), problems)


def _choices(key: str, name: str) -> str:
    known = REGISTRIES[key]
    close = nearest(name, [*known, *ALIASES.get(key, {})])
    return f"did you mean '{close}'?" if close else "choose from " + ", ".join(known)


def _named(key: str, node: Node, params: tuple[Entry, ...], problems: Problems) -> WrittenComponent | None:
    """Return the component called what `node` says; `none` is a name like any other."""
    if not isinstance(node, ScalarNode) or node.empty or not (node.value is None or isinstance(node.value, str)):
        text = node.text if isinstance(node, ScalarNode) else ""
        problems.add(node.mark, f"{key} must be a name, found {show(node)}", _choices(key, text))
        return None
    name = "none" if node.value is None else str(node.value)
    registered = name if name in REGISTRIES[key] else ALIASES.get(key, {}).get(name)
    if registered is None:
        message = f"{key} cannot be none" if name == "none" else f"unknown {key} {shorten(name)!r}"
        problems.add(node.mark, message, _choices(key, name))
        return None
    return WrittenComponent(registered, node.mark, params)


def _printed(key: str, node: ScalarNode, problems: Problems) -> WrittenComponent | None:
    text = str(node.value)
    if _PRINTED.fullmatch(text) is None:
        hint = 'put the whole of it in quotes: "name(a=1, b=2)"'
        problems.add(node.mark, f"{show(node)} is half of a component", hint)
        return None
    name, written_params = split_component(text)
    params = []
    for parameter, value in written_params:
        if value is None:
            hint = "parameters are written name=value, as in leaky_relu(negative_slope=0.2)"
            problems.add(node.mark, f"cannot read '{shorten(parameter)}' as a parameter", hint)
            return None
        params.append(Entry(parameter, node.mark, ScalarNode.plain(node.mark, value)))
    return _named(key, ScalarNode.plain(node.mark, name), tuple(params), problems)


def _table(key: str, node: MappingNode, problems: Problems) -> WrittenComponent | None:
    if name := node.get("name"):
        return _named(key, name.value, tuple(entry for entry in node.entries if entry.key != "name"), problems)
    if len(node.entries) != 1:
        problems.add(node.mark, f"{key} is a mapping without a name", "write {name: NAME, PARAMETER: VALUE}")
        return None
    (entry,) = node.entries
    component = _named(key, ScalarNode(entry.mark, entry.key, entry.key), (), problems)
    return None if component is None else _shorthand(key, component, entry, problems)


def _shorthand(key: str, component: WrittenComponent, entry: Entry, problems: Problems) -> WrittenComponent | None:
    """Read ``{NAME: VALUE}``, where the value is that of the first parameter or a mapping of parameters."""
    name = component.name
    if isinstance(entry.value, MappingNode):
        return WrittenComponent(name, component.mark, entry.value.entries)
    params = list(REGISTRIES[key][name].params)
    if name in params:
        hint = f"write {{name: {name}, {params[0]}: …}} or {{name: {name}, {name}: …}}"
        problems.add(entry.mark, f"{{{name}: …}} may mean its {params[0]} or its {name}", hint)
        return None
    if params:
        return WrittenComponent(name, component.mark, (Entry(params[0], entry.mark, entry.value),))
    if is_none(entry.value):
        return component
    problems.add(entry.value.mark, f"{name} has no parameters, found {show(entry.value)}")
    return None
