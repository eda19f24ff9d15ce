"""`-s key=value`: a setting of a document replaced from outside.

One value fixes the setting, several (a list, a range, commas) make it an axis. It replaces the setting wherever the
document gives it, under `grid`, `zip`, `include` and `grids` too; the result is checked afterwards as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gradlab.cell import REGISTRIES, SETTINGS
from gradlab.components import ALIASES
from gradlab.errors import shorten
from gradlab.spec import fields
from gradlab.spec.components import WrittenComponent, written
from gradlab.spec.keys import GROUPS, NAMED, flat, hint_for
from gradlab.spec.node import Entry, MappingNode, Mark, Node, Problems, ScalarNode, SequenceNode, items_of
from gradlab.spec.reader import compose_value

__all__ = ["apply", "parse_value", "put"]

_TEXTS = ("name", "description")


def apply(mapping: MappingNode, changes: Sequence[str], problems: Problems) -> MappingNode:
    """Return the document with every ``key=value`` of `changes` put into it, the last one of a key winning."""
    mapping = _flat(mapping) if changes else mapping
    for change in changes:
        key, equals, text = (part.strip() for part in change.partition("="))
        mark = Mark(f"-s {shorten(change)}")
        if not equals:
            problems.add(mark, "a setting is overridden by key=value", "as in -s depth=2..16 or -s train.steps=50")
        elif key in _TEXTS:
            mapping = _set(mapping, Entry(key, mark, ScalarNode(mark, text, text, quoted=True)))
        elif (node := parse_value(text, mark, problems)) is not None:
            mapping = _change(mapping, key, node, mark, problems)
    return mapping


def parse_value(text: str, mark: Mark, problems: Problems) -> Node | None:
    """Return the value that an option's text means: YAML, or a list where commas stand outside of brackets.

    None, and a problem added, if it is not YAML.
    """
    parts = [compose_value(part.strip(), mark, problems) for part in _split(text)]
    nodes = tuple(part for part in parts if part is not None)
    if len(nodes) < len(parts):
        return None
    return nodes[0] if len(nodes) == 1 else SequenceNode(mark, nodes)


def _split(text: str) -> list[str]:
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += (character in "([{") - (character in ")]}")
        if character == "," and depth <= 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _change(mapping: MappingNode, key: str, node: Node, mark: Mark, problems: Problems) -> MappingNode:
    if key in GROUPS and isinstance(node, MappingNode):
        for entry in node.entries:
            mapping = _change(mapping, f"{key}.{entry.key}", entry.value, mark, problems)
        return mapping
    owner, _, parameter = key.rpartition(".")
    if key == "optimizer.lr":
        return put(mapping, "lr", node, mark)
    if owner in REGISTRIES and key not in SETTINGS:
        changed = _parameter(mapping, owner, parameter, node, mark, problems)
        return mapping if changed is None else put(mapping, owner, changed, mark)
    if key == "seeds" or key in NAMED:
        return put(mapping, key, node, mark)
    problems.add(mark, f"unknown setting {key!r}", hint_for(key, ("name", "description", "seeds")))
    return mapping


def _parameter(
    mapping: MappingNode, key: str, parameter: str, node: Node, mark: Mark, problems: Problems
) -> Node | None:
    """Return the component `key` with one parameter set (`task.noise=0`), or the one of that name (`clip.norm=1`)."""
    present = mapping.get(key) or Entry(key, mark, ScalarNode.plain(mark, str(SETTINGS[key].default)))
    varies = any(inner.get(key) for _, inner in _walk(mapping) if inner is not mapping)
    component = None if varies else written(key, present.value, Problems())
    has_parameter = component is not None and parameter in REGISTRIES[key][component.name].params
    if not has_parameter and (parameter in REGISTRIES[key] or parameter in ALIASES.get(key, {})):
        named = tuple(MappingNode(mark, (Entry(parameter, mark, value),)) for value in items_of(node))
        return SequenceNode(mark, named) if isinstance(node, SequenceNode) else named[0]
    if component is None:
        hint = f"write the whole of it, as in -s '{key}={{name: …, {parameter}: …}}'"
        problems.add(mark, f"{parameter} cannot be set: {key} has no one value in this spec", hint)
        return None
    return _set(_long_form(component), Entry(parameter, mark, node))


def _long_form(component: WrittenComponent) -> MappingNode:
    """Return a component in its long form, ``{name: …, …}``."""
    mark, name = component.mark, component.name
    return MappingNode(mark, (Entry("name", mark, ScalarNode(mark, name, name)), *component.params))


def put(mapping: MappingNode, key: str, node: Node, mark: Mark) -> MappingNode:
    """Return the document with a setting replaced: `node` fixes it or, holding several values, makes it an axis."""
    mapping = _flat(mapping)
    new = Entry(key, mark, node)
    if key == "lr":
        mapping = _transformed(mapping, lambda _, inner: _without_optimizer_lr(inner))
    if key == "optimizer" and _without_lr(node) != node:
        mapping = _transformed(mapping, lambda _, inner: _without(inner, "lr"))
    if key == "seeds":
        mapping = _transformed(mapping, lambda place, inner: inner if place == "include" else _without(inner, key))
        return _set(mapping, new)
    several = not fields.holds_list(key) and (isinstance(node, SequenceNode) or fields.is_range(key, node))
    old, grid = mapping.get(key), mapping.get("grid")

    def change(place: str, inner: MappingNode) -> MappingNode:
        given = inner.get(key)
        if several and place == "include":  # a single configuration keeps the value it had
            return inner if given or old is None else _set(inner, old)
        if several and given and (place == "zip" or (grid is not None and inner is grid.value)):
            return _set(inner, new)
        return _without(inner, key)

    mapping = _transformed(mapping, change)
    if not several:
        return _set(mapping, new)
    if any(place in ("grid", "zip") and inner.get(key) for place, inner in _walk(mapping)):
        return mapping
    grid = mapping.get("grid")
    inner = grid.value if grid and isinstance(grid.value, MappingNode) else MappingNode(mark)
    return _set(mapping, Entry("grid", grid.mark if grid else mark, _set(inner, new)))


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
        kept = (new for old, new in changed if place != "include" or new == old or new != MappingNode(old.mark))
        return replace(node, items=tuple(kept))
    return _transformed(node, change, place) if isinstance(node, MappingNode) else node


def _walk(mapping: MappingNode) -> list[tuple[str, MappingNode]]:
    """Return every mapping of settings of the document and the key it stands under."""
    visited: list[tuple[str, MappingNode]] = []

    def note(place: str, inner: MappingNode) -> MappingNode:
        visited.append((place, inner))
        return inner

    _transformed(mapping, note)
    return visited


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


def _without_optimizer_lr(mapping: MappingNode) -> MappingNode:
    entry = mapping.get("optimizer")
    return mapping if entry is None else _set(mapping, replace(entry, value=_without_lr(entry.value)))


def _without_lr(node: Node) -> Node:
    """Return an optimizer, or a list of them, without its learning rate."""
    if isinstance(node, SequenceNode):
        return replace(node, items=tuple(map(_without_lr, node.items)))
    component = written("optimizer", node, Problems())
    if component is None or all(entry.key != "lr" for entry in component.params):
        return node
    return _without(_long_form(component), "lr")
