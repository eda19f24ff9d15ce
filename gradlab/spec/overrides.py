"""Overrides: a setting of a document replaced from outside, by ``-s key=value`` or from Python.

One value fixes the setting, several (a list, a range, commas) make it an axis. It replaces the setting wherever the
document gives it, under `grid`, `zip`, `include` and `grids` too; the result is checked afterwards as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gradlab.cell import REGISTRIES, SETTINGS, parameter_of
from gradlab.errors import shorten
from gradlab.spec import fields
from gradlab.spec.components import WrittenComponent, written
from gradlab.spec.keys import GROUPS, NAMED, component_entry, flat, unknown_setting
from gradlab.spec.node import Entry, MappingNode, Mark, Node, Problems, ScalarNode, SequenceNode, items_of
from gradlab.spec.option_values import parse_value, python_value
from gradlab.spelling import OVERRIDES, Spelling

__all__ = ["Overrides", "apply", "dotted_parameters", "put"]

Overrides = Sequence[str] | Mapping[str, object]
"""What replaces settings of a document: ``key=value`` texts, or values of Python by key."""

_TEXTS = ("name", "description")


def apply(mapping: MappingNode, changes: Overrides, spelling: Spelling, problems: Problems) -> MappingNode:
    """Return the document with every override put into it, the last one of a key winning.

    `spelling` is that of the keys of a mapping.
    """
    mapping = _flat(mapping) if changes else mapping
    if isinstance(changes, Mapping):
        entries = _python_values(changes, spelling, problems)
    else:
        entries = _option_values(changes, problems)
    for entry in sorted(entries, key=lambda entry: parameter_of(entry.key) is not None):  # after their components
        if entry.key in _TEXTS:
            mapping = _set(mapping, entry)
        else:
            mapping = _change(mapping, entry.key, entry.value, entry.mark, problems)
    return mapping


def _option_values(changes: Sequence[str], problems: Problems) -> Iterator[Entry]:
    for change in changes:
        key, equals, text = (part.strip() for part in change.partition("="))
        mark = Mark(f"-s {shorten(change)}", spelling=OVERRIDES)
        if not equals:
            problems.add(mark, "a setting is overridden by key=value", "as in -s depth=2..16 or -s train.steps=50")
        elif key in _TEXTS:
            yield Entry(key, mark, ScalarNode(mark, text, text, quoted=True))
        elif (node := parse_value(text, mark, problems)) is not None:
            yield Entry(key, mark, node)


def _python_values(changes: Mapping[str, object], spelling: Spelling, problems: Problems) -> Iterator[Entry]:
    for key, value in changes.items():
        if key in _TEXTS and isinstance(value, str):
            mark = Mark(shorten(f"{key} {value}"), spelling=spelling)
            yield Entry(key, mark, ScalarNode(mark, str(value), str(value), quoted=True))
            continue
        mark, node = python_value(key, value, spelling, problems)
        if node is not None:
            yield Entry(key, mark, node)


def _change(mapping: MappingNode, key: str, node: Node, mark: Mark, problems: Problems) -> MappingNode:
    if key in GROUPS and isinstance(node, MappingNode):
        for entry in node.entries:
            mapping = _change(mapping, f"{key}.{entry.key}", entry.value, mark, problems)
        return mapping
    if key == "optimizer.lr":
        return put(mapping, "lr", node, mark)
    if (owned := _component_of(mapping, Entry(key, mark, node))) is not None:
        return put(mapping, owned.key, owned.value, mark)
    if parameter_of(key) is not None:
        return _put_parameter(mapping, Entry(key, mark, node))
    if key == "seeds" or key in NAMED:
        for dotted in dotted_parameters(mapping):  # all of a component is replaced
            if dotted.rpartition(".")[0] == key:
                mapping = _transformed(mapping, _Removal(dotted))
        return put(mapping, key, node, mark)
    problems.add(mark, *unknown_setting(key, ("name", "description", "seeds")))
    return mapping


@dataclass(frozen=True, slots=True)
class _Removal:
    """The change that takes a key out of a mapping."""

    key: str

    def __call__(self, place: str, inner: MappingNode) -> MappingNode:
        return _without(inner, self.key)


def _put_parameter(mapping: MappingNode, entry: Entry) -> MappingNode:
    """Return the document with a parameter under a dotted key, in the place of what components say of it themselves.

    An included configuration with a component of its own gets a single value; of several it keeps the one it had.
    """
    several = _is_several(entry.key, entry.value)
    owner = entry.key.rpartition(".")[0]

    def without(place: str, inner: MappingNode) -> MappingNode:
        return inner if several and place == "include" else _without_parameter(inner, entry.key)

    def included(place: str, inner: MappingNode) -> MappingNode:
        return _set(inner, entry) if place == "include" and inner.get(owner) and not several else inner

    return _transformed(put(_transformed(mapping, without), entry.key, entry.value, entry.mark), included)


def _component_of(mapping: MappingNode, entry: Entry) -> Entry | None:
    """Return ``clip: {norm: 1}`` for ``clip.norm: 1``, unless the component in the document has such a parameter."""
    owner, _, name = entry.key.rpartition(".")
    named = component_entry(entry)
    if named is None or parameter_of(entry.key) is None:
        return named
    present = [inner.get(owner) for _, inner in _walk(mapping)]
    default = ScalarNode.plain(entry.mark, str(SETTINGS[owner].default))
    nodes = [item for present_entry in present if present_entry for item in items_of(present_entry.value)] or [default]
    components = (written(owner, node, Problems()) for node in nodes)
    has_parameter = any(name in REGISTRIES[owner][known.name].params for known in components if known)
    return None if has_parameter else named


def _long_form(component: WrittenComponent) -> MappingNode:
    """Return a component in its long form, ``{name: …, …}``."""
    mark, name = component.mark, component.name
    return MappingNode(mark, (Entry("name", mark, ScalarNode(mark, name, name)), *component.params))


def put(mapping: MappingNode, key: str, node: Node, mark: Mark) -> MappingNode:
    """Return the document with a setting replaced: `node` fixes it or, holding several values, makes it an axis."""
    mapping = _flat(mapping)
    entry = Entry(key, mark, node)
    if key == "lr":
        mapping = _transformed(mapping, lambda _, inner: _without_parameter(inner, "optimizer.lr"))
    if key == "optimizer" and _without_own("optimizer", node, "lr") != node:
        mapping = _transformed(mapping, lambda _, inner: _without(inner, "lr"))
    if key == "seeds":
        mapping = _transformed(mapping, lambda place, inner: inner if place == "include" else _without(inner, key))
        return _set(mapping, entry)
    several = _is_several(key, node)
    old_entry, grid = mapping.get(key), mapping.get("grid")

    def change(place: str, inner: MappingNode) -> MappingNode:
        inner_entry = inner.get(key)
        if several and place == "include":  # a single configuration keeps the value it had
            return inner if inner_entry or old_entry is None else _set(inner, old_entry)
        if several and inner_entry and (place == "zip" or (grid is not None and inner is grid.value)):
            return _set(inner, entry)
        return _without(inner, key)

    mapping = _transformed(mapping, change)
    if not several:
        return _set(mapping, entry)
    if any(place in ("grid", "zip") and inner.get(key) for place, inner in _walk(mapping)):
        return mapping
    grid = mapping.get("grid")
    inner = grid.value if grid and isinstance(grid.value, MappingNode) else MappingNode(mark)
    return _set(mapping, Entry("grid", grid.mark if grid else mark, _set(inner, entry)))


def _is_several(key: str, node: Node) -> bool:
    return not fields.holds_list(key) and (isinstance(node, SequenceNode) or fields.is_several(key, node))


_Change = Callable[[str, MappingNode], MappingNode]
_PLACES = ("grid", "zip", "include", "grids")
"""Keys below which there are settings."""


def _transformed(mapping: MappingNode, change: _Change, place: str = "section") -> MappingNode:
    """Return the document with `change` applied to every mapping of settings and the key it stands under.

    Included configurations that have become empty are left out.
    """
    changed = change(place, mapping)
    if place not in ("section", "grids"):
        return changed
    entries = [
        replace(entry, value=_inside(entry.key, entry.value, change)) if entry.key in _PLACES else entry
        for entry in changed.entries
    ]
    return MappingNode(mapping.mark, tuple(entries))


def _inside(place: str, node: Node, change: _Change) -> Node:
    if isinstance(node, SequenceNode):
        changed = [(item, _inside(place, item, change)) for item in node.items]
        remaining = (
            after
            for before, after in changed
            if place != "include" or after == before or after != MappingNode(before.mark)
        )
        return replace(node, items=tuple(remaining))
    return _transformed(node, change, place) if isinstance(node, MappingNode) else node


def _walk(mapping: MappingNode) -> list[tuple[str, MappingNode]]:
    """Return every mapping of settings of the document and the key it stands under."""
    visited: list[tuple[str, MappingNode]] = []

    def note(place: str, inner: MappingNode) -> MappingNode:
        visited.append((place, inner))
        return inner

    _transformed(mapping, note)
    return visited


def dotted_parameters(mapping: MappingNode) -> tuple[str, ...]:
    """Return the dotted keys of parameters of components, ``optimizer.eps``, that stand anywhere in the document."""
    keys = (entry.key for _, inner in _walk(mapping) for entry in flat(inner))
    return tuple(dict.fromkeys(key for key in keys if parameter_of(key) is not None))


def _flat(mapping: MappingNode) -> MappingNode:
    """Return the document with dotted settings in the place of the groups that hold them."""
    return _transformed(mapping, lambda _, inner: replace(inner, entries=tuple(flat(inner))))


def _without(mapping: MappingNode, key: str) -> MappingNode:
    return replace(mapping, entries=tuple(entry for entry in mapping.entries if entry.key != key))


def _set(mapping: MappingNode, new: Entry) -> MappingNode:
    """Put `new` where its key stands, else at the end."""
    if mapping.get(new.key) is None:
        return replace(mapping, entries=(*mapping.entries, new))
    return replace(mapping, entries=tuple(new if entry.key == new.key else entry for entry in mapping.entries))


def _without_parameter(mapping: MappingNode, key: str) -> MappingNode:
    """Return the mapping with a component, or the list of them, without the parameter of a dotted key."""
    owner, _, name = key.rpartition(".")
    entry = mapping.get(owner)
    return mapping if entry is None else _set(mapping, replace(entry, value=_without_own(owner, entry.value, name)))


def _without_own(owner: str, node: Node, name: str) -> Node:
    if isinstance(node, SequenceNode):
        return replace(node, items=tuple(_without_own(owner, item, name) for item in node.items))
    component = written(owner, node, Problems())
    if component is None or all(entry.key != name for entry in component.params):
        return node
    return _without(_long_form(component), name)
