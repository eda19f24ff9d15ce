"""`-s key=value`: a setting put into a document from outside, wherever the document has it now.

One value fixes the setting, several (a list, a range, commas) make it an axis. It replaces what the document
says of that setting, under `grid`, `zip`, `include` and `grids` too; everything is checked afterwards, together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gradlab.cell import SETTINGS
from gradlab.components import ALIASES, REGISTRIES
from gradlab.errors import SpecError
from gradlab.spec import fields, reader
from gradlab.spec.forms import Form, spell
from gradlab.spec.keys import GROUPS, NAMED, hint_for
from gradlab.spec.node import Entry, Items, Mark, Node, Problems, Scalar, Table, shorten

__all__ = ["apply", "parse_value", "put"]

_TEXTS = ("name", "description")


def apply(table: Table, changes: Sequence[str], problems: Problems) -> Table:
    """Return the document with every ``key=value`` of `changes` put into it, the last one of a key winning."""
    for change in changes:
        key, equals, text = (part.strip() for part in change.partition("="))
        mark = Mark(f"-s {shorten(change)}")
        if not equals:
            problems.add(mark, "a setting is overridden by key=value", "as in -s depth=2..16 or -s train.steps=50")
        elif key in _TEXTS:
            table = _set(table, Entry(key, mark, Scalar(mark, text, text, quoted=True)))
        elif (node := parse_value(text, mark, problems)) is not None:
            table = _change(table, key, node, mark, problems)
    return table


def parse_value(text: str, mark: Mark, problems: Problems) -> Node | None:
    """Return what an option's text means: YAML, and with commas outside of brackets a list; None if it is no YAML."""
    try:
        parts = [_part(part.strip(), mark) for part in _split(text)]
    except SpecError as error:
        problems.extend(error.problems)
        return None
    return parts[0] if len(parts) == 1 else Items(mark, tuple(parts))


def _part(text: str, mark: Mark) -> Node:
    return reader.compose_value(text, mark) if text[:1] in ("{", "[", "'", '"') else Scalar.plain(mark, text)


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


def _change(table: Table, key: str, node: Node, mark: Mark, problems: Problems) -> Table:
    if key in GROUPS and isinstance(node, Table):
        for entry in node.entries:
            table = _change(table, f"{key}.{entry.key}", entry.value, mark, problems)
        return table
    owner, _, parameter = key.rpartition(".")
    if key == "optimizer.lr":
        return put(table, "lr", node, mark)
    if owner in REGISTRIES and key not in SETTINGS:
        changed = _parameter(table, owner, parameter, node, mark, problems)
        return table if changed is None else put(table, owner, changed, mark)
    if key == "seeds" or key in NAMED:
        return put(table, key, node, mark)
    problems.add(mark, f"unknown setting {key!r}", hint_for(key, ("name", "description", "seeds")))
    return table


def _parameter(table: Table, key: str, parameter: str, node: Node, mark: Mark, problems: Problems) -> Node | None:
    """Return the component `key` with one parameter set, or the one named so: `task.noise=0`, `clip.norm=1`."""
    now = _find(table, key) or Scalar.plain(mark, str(SETTINGS[key].default))
    form = None if _varies(table, key) else spell(key, now, Problems())
    has_it = form is not None and parameter in REGISTRIES[key][form.name].params
    if not has_it and (parameter in REGISTRIES[key] or parameter in ALIASES.get(key, {})):
        values = node.items if isinstance(node, Items) else (node,)
        named = tuple(Table(mark, (Entry(parameter, mark, value),)) for value in values)
        return Items(mark, named) if isinstance(node, Items) else named[0]
    if form is None:
        hint = f"write the whole of it, as in -s '{key}={{name: …, {parameter}: …}}'"
        problems.add(mark, f"{parameter} cannot be set: {key} has no one value in this spec", hint)
        return None
    return _set(_full(form), Entry(parameter, mark, node))


def _full(form: Form) -> Table:
    """Return a component in its long form, ``{name: …, …}``."""
    return Table(form.mark, (Entry("name", form.mark, Scalar(form.mark, form.name, form.name)), *form.params))


def put(table: Table, key: str, node: Node, mark: Mark) -> Table:
    """Return the document with a setting replaced: `node` fixes it or, holding several values, makes it an axis."""
    if key == "lr":
        table = _blocks(table, lambda _, inner: _without_optimizer_lr(inner))
    if key == "optimizer" and any(_brings_lr(one) for one in (node.items if isinstance(node, Items) else (node,))):
        table = _blocks(table, lambda _, inner: _without(inner, "lr"))
    new = Entry(key, mark, node)
    if key == "seeds":
        return _set(_blocks(table, lambda place, inner: inner if place == "include" else _without(inner, key)), new)
    several = not fields.holds_list(key) and (isinstance(node, Items) or fields.is_range(key, node))
    before = _find(table, key)

    def change(place: str, inner: Table) -> Table:
        has = _find(inner, key) is not None
        if place == "include" and several:  # a single configuration keeps the value it had
            return inner if has or before is None else _set(inner, Entry(key, mark, before))
        if has and ((place == "zip" and several) or (place == "grid" and several and inner is top_grid)):
            return _replace(inner, new)
        return _without(inner, key)

    grid = table.get("grid")
    top_grid = grid.value if grid else None
    in_zip = any(place == "zip" and _find(inner, key) for place, inner in _walk(table))
    table = _drop_empty(_blocks(table, change))
    if not several:
        return _set(table, new)
    grid = table.get("grid")
    inner = grid.value if grid and isinstance(grid.value, Table) else Table(mark)
    if in_zip or _find(inner, key):
        return table
    return _set(table, Entry("grid", grid.mark if grid else mark, _set(inner, new)))


_Change = Callable[[str, Table], Table]


def _blocks(table: Table, change: _Change, place: str = "block") -> Table:
    """Return the document with `change` made to every mapping that holds settings, told which kind it is."""
    entries = []
    for entry in change(place, table).entries:
        if entry.key in ("grid", "zip", "include", "grids"):
            entry = replace(entry, value=_inside(entry.key, entry.value, change))
        entries.append(entry)
    return Table(table.mark, tuple(entries))


def _inside(place: str, node: Node, change: _Change) -> Node:
    if isinstance(node, Items):
        return Items(node.mark, tuple(_inside(place, item, change) for item in node.items))
    if isinstance(node, Table):
        return _blocks(node, change) if place == "grids" else change(place, node)
    return node


def _walk(table: Table) -> list[tuple[str, Table]]:
    found: list[tuple[str, Table]] = []

    def note(place: str, inner: Table) -> Table:
        found.append((place, inner))
        return inner

    _blocks(table, note)
    return found


def _drop_empty(table: Table) -> Table:
    """Return the document without the included configurations that have lost all they said."""
    entry = table.get("include")
    if entry is None or not isinstance(entry.value, Items):
        return table
    left = tuple(item for item in entry.value.items if not isinstance(item, Table) or item.entries)
    return _replace(table, replace(entry, value=Items(entry.value.mark, left)))


def _keys(entry: Entry) -> list[tuple[str, Node]]:
    if entry.key in GROUPS and isinstance(entry.value, Table):
        return [(f"{entry.key}.{one.key}", one.value) for one in entry.value.entries]
    return [(entry.key, entry.value)]


def _find(table: Table, key: str) -> Node | None:
    return next((node for entry in table.entries for full, node in _keys(entry) if full == key), None)


def _varies(table: Table, key: str) -> bool:
    return any(_find(inner, key) is not None for _, inner in _walk(table) if inner is not table)


def _without(table: Table, key: str) -> Table:
    group, _, member = key.rpartition(".")
    entries = []
    for entry in table.entries:
        if group and entry.key == group and isinstance(entry.value, Table):
            inner = tuple(one for one in entry.value.entries if one.key != member)
            if inner:
                entries.append(replace(entry, value=Table(entry.value.mark, inner)))
        elif entry.key != key:
            entries.append(entry)
    return Table(table.mark, tuple(entries))


def _replace(table: Table, new: Entry) -> Table:
    """Put `new` where its key stands, which may be inside of a group."""
    if table.get(new.key) is None:
        return _set(_without(table, new.key), new)
    return Table(table.mark, tuple(new if entry.key == new.key else entry for entry in table.entries))


def _set(table: Table, new: Entry) -> Table:
    return _replace(table, new) if table.get(new.key) else Table(table.mark, (*table.entries, new))


def _brings_lr(node: Node) -> bool:
    form = spell("optimizer", node, Problems())
    return form is not None and any(entry.key == "lr" for entry in form.params)


def _without_optimizer_lr(table: Table) -> Table:
    entry = table.get("optimizer")
    if entry is None:
        return table
    node = entry.value
    stripped: Node = Items(node.mark, tuple(map(_strip_lr, node.items))) if isinstance(node, Items) else _strip_lr(node)
    return _replace(table, replace(entry, value=stripped))


def _strip_lr(node: Node) -> Node:
    form = spell("optimizer", node, Problems())
    return node if form is None or not _brings_lr(node) else _without(_full(form), "lr")
