"""`-s key=value`: a setting of a document replaced from outside.

One value fixes the setting, several (a list, a range, commas) make it an axis. It replaces the setting wherever the
document gives it, under `grid`, `zip`, `include` and `grids` too; the result is checked afterwards as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gradlab.cell import REGISTRIES, SETTINGS
from gradlab.components import ALIASES
from gradlab.errors import SpecError
from gradlab.spec import fields, reader
from gradlab.spec.components import WrittenComponent, written
from gradlab.spec.keys import GROUPS, NAMED, hint_for
from gradlab.spec.node import Entry, MappingNode, Mark, Node, Problems, ScalarNode, SequenceNode, shorten

__all__ = ["apply", "parse_value", "put"]

_TEXTS = ("name", "description")


def apply(mapping: MappingNode, changes: Sequence[str], problems: Problems) -> MappingNode:
    """Return the document with every ``key=value`` of `changes` put into it, the last one of a key winning."""
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
    try:
        parts = [_part(part.strip(), mark) for part in _split(text)]
    except SpecError as error:
        problems.extend(error.problems)
        return None
    return parts[0] if len(parts) == 1 else SequenceNode(mark, tuple(parts))


def _part(text: str, mark: Mark) -> Node:
    return reader.compose_value(text, mark) if text[:1] in ("{", "[", "'", '"') else ScalarNode.plain(mark, text)


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
    present = _find(mapping, key) or ScalarNode.plain(mark, str(SETTINGS[key].default))
    component = None if _varies(mapping, key) else written(key, present, Problems())
    has_parameter = component is not None and parameter in REGISTRIES[key][component.name].params
    if not has_parameter and (parameter in REGISTRIES[key] or parameter in ALIASES.get(key, {})):
        values = node.items if isinstance(node, SequenceNode) else (node,)
        named = tuple(MappingNode(mark, (Entry(parameter, mark, value),)) for value in values)
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
    if key == "lr":
        mapping = _transformed(mapping, lambda _, inner: _without_optimizer_lr(inner))
    if key == "optimizer" and any(
        _has_lr(item) for item in (node.items if isinstance(node, SequenceNode) else (node,))
    ):
        mapping = _transformed(mapping, lambda _, inner: _without(inner, "lr"))
    new = Entry(key, mark, node)
    if key == "seeds":
        return _set(
            _transformed(mapping, lambda place, inner: inner if place == "include" else _without(inner, key)), new
        )
    several = not fields.holds_list(key) and (isinstance(node, SequenceNode) or fields.is_range(key, node))
    old = _find(mapping, key)

    def change(place: str, inner: MappingNode) -> MappingNode:
        given = _find(inner, key) is not None
        if place == "include" and several:  # a single configuration keeps the value it had
            return inner if given or old is None else _set(inner, Entry(key, mark, old))
        if given and ((place == "zip" and several) or (place == "grid" and several and inner is top_grid)):
            return _replace(inner, new)
        return _without(inner, key)

    grid = mapping.get("grid")
    top_grid = grid.value if grid else None
    in_zip = any(place == "zip" and _find(inner, key) for place, inner in _walk(mapping))
    mapping = _drop_empty(_transformed(mapping, change))
    if not several:
        return _set(mapping, new)
    grid = mapping.get("grid")
    inner = grid.value if grid and isinstance(grid.value, MappingNode) else MappingNode(mark)
    if in_zip or _find(inner, key):
        return mapping
    return _set(mapping, Entry("grid", grid.mark if grid else mark, _set(inner, new)))


_Change = Callable[[str, MappingNode], MappingNode]


def _transformed(mapping: MappingNode, change: _Change, place: str = "section") -> MappingNode:
    """Return the document with `change` applied to every mapping of settings and the key it stands under."""
    entries = []
    for entry in change(place, mapping).entries:
        if entry.key in ("grid", "zip", "include", "grids"):
            entry = replace(entry, value=_inside(entry.key, entry.value, change))
        entries.append(entry)
    return MappingNode(mapping.mark, tuple(entries))


def _inside(place: str, node: Node, change: _Change) -> Node:
    if isinstance(node, SequenceNode):
        return SequenceNode(node.mark, tuple(_inside(place, item, change) for item in node.items))
    if isinstance(node, MappingNode):
        return _transformed(node, change) if place == "grids" else change(place, node)
    return node


def _walk(mapping: MappingNode) -> list[tuple[str, MappingNode]]:
    visited: list[tuple[str, MappingNode]] = []

    def note(place: str, inner: MappingNode) -> MappingNode:
        visited.append((place, inner))
        return inner

    _transformed(mapping, note)
    return visited


def _drop_empty(mapping: MappingNode) -> MappingNode:
    """Return the document without the included configurations that have become empty."""
    entry = mapping.get("include")
    if entry is None or not isinstance(entry.value, SequenceNode):
        return mapping
    left = tuple(item for item in entry.value.items if not isinstance(item, MappingNode) or item.entries)
    return _replace(mapping, replace(entry, value=SequenceNode(entry.value.mark, left)))


def _keys(entry: Entry) -> list[tuple[str, Node]]:
    if entry.key in GROUPS and isinstance(entry.value, MappingNode):
        return [(f"{entry.key}.{member.key}", member.value) for member in entry.value.entries]
    return [(entry.key, entry.value)]


def _find(mapping: MappingNode, key: str) -> Node | None:
    return next((node for entry in mapping.entries for full, node in _keys(entry) if full == key), None)


def _varies(mapping: MappingNode, key: str) -> bool:
    return any(_find(inner, key) is not None for _, inner in _walk(mapping) if inner is not mapping)


def _without(mapping: MappingNode, key: str) -> MappingNode:
    group, _, member = key.rpartition(".")
    entries = []
    for entry in mapping.entries:
        if group and entry.key == group and isinstance(entry.value, MappingNode):
            inner = tuple(other for other in entry.value.entries if other.key != member)
            if inner:
                entries.append(replace(entry, value=MappingNode(entry.value.mark, inner)))
        elif entry.key != key:
            entries.append(entry)
    return MappingNode(mapping.mark, tuple(entries))


def _replace(mapping: MappingNode, new: Entry) -> MappingNode:
    """Put `new` where its key stands, which may be inside of a group."""
    if mapping.get(new.key) is None:
        return _set(_without(mapping, new.key), new)
    return MappingNode(mapping.mark, tuple(new if entry.key == new.key else entry for entry in mapping.entries))


def _set(mapping: MappingNode, new: Entry) -> MappingNode:
    return _replace(mapping, new) if mapping.get(new.key) else MappingNode(mapping.mark, (*mapping.entries, new))


def _has_lr(node: Node) -> bool:
    component = written("optimizer", node, Problems())
    return component is not None and any(entry.key == "lr" for entry in component.params)


def _without_optimizer_lr(mapping: MappingNode) -> MappingNode:
    entry = mapping.get("optimizer")
    if entry is None:
        return mapping
    node = entry.value
    stripped: Node = (
        SequenceNode(node.mark, tuple(map(_strip_lr, node.items)))
        if isinstance(node, SequenceNode)
        else _strip_lr(node)
    )
    return _replace(mapping, replace(entry, value=stripped))


def _strip_lr(node: Node) -> Node:
    component = written("optimizer", node, Problems())
    return node if component is None or not _has_lr(node) else _without(_long_form(component), "lr")
