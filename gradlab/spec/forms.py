"""The ways to write a component, all of which come to a name and its parameters.

These are the same: ``{name: leaky_relu, negative_slope: 0.2}``, ``{leaky_relu: 0.2}`` (the first parameter),
``{leaky_relu: {negative_slope: 0.2}}`` and ``leaky_relu(negative_slope=0.2)``, which is how a table prints it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gradlab.components import ALIASES, REGISTRIES, nearest
from gradlab.spec.node import Entry, Items, Mark, Node, Problems, Scalar, Table, shorten, show

__all__ = ["Form", "spell"]

_PRINTED = re.compile(r"\s*(?P<name>[^\s()]+)\s*\((?P<params>.*)\)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Form:
    """A component as written: a registered name, and parameters that nobody has looked at yet."""

    name: str
    mark: Mark
    """Of the name."""
    params: tuple[Entry, ...] = ()


def spell(key: str, node: Node, problems: Problems) -> Form | None:
    """Return the component that `node` is for the setting `key`, or None after adding to `problems`."""
    if isinstance(node, Table):
        return _table(key, node, problems)
    if isinstance(node, Items):
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


def _named(key: str, node: Node, params: tuple[Entry, ...], problems: Problems) -> Form | None:
    """Return the component called what `node` says; `none` is a name like any other."""
    if not isinstance(node, Scalar) or node.empty or not (node.value is None or isinstance(node.value, str)):
        text = node.text if isinstance(node, Scalar) else ""
        problems.add(node.mark, f"{key} must be a name, found {show(node)}", _choices(key, text))
        return None
    name = "none" if node.value is None else str(node.value)
    found = name if name in REGISTRIES[key] else ALIASES.get(key, {}).get(name)
    if found is None:
        message = f"{key} cannot be none" if name == "none" else f"unknown {key} {shorten(name)!r}"
        problems.add(node.mark, message, _choices(key, name))
        return None
    return Form(found, node.mark, params)


def _printed(key: str, node: Scalar, problems: Problems) -> Form | None:
    printed = _PRINTED.fullmatch(str(node.value))
    if printed is None:
        problems.add(
            node.mark, f"{show(node)} is half of a component", 'put the whole of it in quotes: "name(a=1, b=2)"'
        )
        return None
    params = []
    for part in filter(str.strip, printed["params"].split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            hint = "parameters are written name=value, as in leaky_relu(negative_slope=0.2)"
            problems.add(node.mark, f"cannot read '{shorten(part.strip())}' as a parameter", hint)
            return None
        params.append(Entry(name.strip(), node.mark, Scalar.plain(node.mark, value.strip())))
    return _named(key, Scalar.plain(node.mark, printed["name"]), tuple(params), problems)


def _table(key: str, node: Table, problems: Problems) -> Form | None:
    if name := node.get("name"):
        return _named(key, name.value, tuple(entry for entry in node.entries if entry.key != "name"), problems)
    if len(node.entries) != 1:
        problems.add(node.mark, f"{key} is a mapping without a name", "write {name: NAME, PARAMETER: VALUE}")
        return None
    (entry,) = node.entries
    form = _named(key, Scalar(entry.mark, entry.key, entry.key), (), problems)
    return None if form is None else _shorthand(key, form, entry, problems)


def _shorthand(key: str, form: Form, entry: Entry, problems: Problems) -> Form | None:
    """Return ``{NAME: VALUE}``, the value being for the first parameter or a mapping of parameters."""
    name = form.name
    if isinstance(entry.value, Table):
        return Form(name, form.mark, entry.value.entries)
    params = list(REGISTRIES[key][name].params)
    if name in params:
        hint = f"write {{name: {name}, {params[0]}: …}} or {{name: {name}, {name}: …}}"
        problems.add(entry.mark, f"{{{name}: …}} may mean its {params[0]} or its {name}", hint)
        return None
    if params:
        return Form(name, form.mark, (Entry(params[0], entry.mark, entry.value),))
    if isinstance(entry.value, Scalar) and entry.value.value is None:
        return form
    problems.add(entry.value.mark, f"{name} has no parameters, found {show(entry.value)}")
    return None
