"""One section of a document (the whole spec, or an item of `grids`) as typed values with their positions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from gradlab.cell import SETTINGS, plain_value
from gradlab.query import And
from gradlab.query.ranges import LONGEST
from gradlab.spec import components, fields
from gradlab.spec.conditions import condition_of, expression_of
from gradlab.spec.keys import STRUCTURE, mapping, settings
from gradlab.spec.located import LocatedExclude, LocatedValue
from gradlab.spec.model import Axis, Exclude
from gradlab.spec.node import (
    Entry,
    MappingNode,
    Mark,
    Node,
    Problems,
    ScalarNode,
    SequenceNode,
    is_none,
    items_of,
    show,
)

__all__ = ["Section", "SectionReader"]


@dataclass(slots=True)
class Section:
    """The content of one section. `marks` has the position of every setting given in it or in the section around it."""

    marks: dict[str, Mark] = field(default_factory=dict)
    fixed: dict[str, LocatedValue] = field(default_factory=dict)
    axes: list[Axis] = field(default_factory=list)
    seeds: tuple[int, ...] | None = None
    include: list[dict[str, LocatedValue]] = field(default_factory=list)
    exclude: list[LocatedExclude] = field(default_factory=list)


class SectionReader:
    """Reads sections. Paths are relative to `base`; errors are added to `problems`."""

    def __init__(self, base: Path, problems: Problems, dotted: Collection[str] = ()) -> None:
        """`dotted` are the parameters of components that stand somewhere in the document under dotted keys."""
        self._base, self._problems, self._dotted = base, problems, dotted
        self.invalid: set[str] = set()
        """Settings with a value that cannot be used."""

    def section(self, node: MappingNode, around: Section, elsewhere: Collection[str] = ()) -> Section:
        """Return the content of `node`; a setting that the section `around` gives as well is an error.

        `elsewhere` are keys of another reader.
        """
        section = Section(marks=dict(around.marks))
        entries = settings(node, "", {*STRUCTURE, *elsewhere}, self._problems)
        self._fix(section, entries, "to vary it, move it under grid:")
        if seeds := node.get("seeds"):
            self._seeds(seeds, section)
        if grid := node.get("grid"):
            self._grid(grid, section)
        if zipped := node.get("zip"):
            for group in items_of(zipped.value):
                self._zip(Entry("zip", zipped.mark, group), section)
        if include := node.get("include"):
            for item in self._mappings(include):
                included = Section()
                self._fix(included, self._settings(item), "write one item of include for each")
                section.include.append(included.fixed)
        if exclude := node.get("exclude"):
            section.exclude = [located for item in self._mappings(exclude) if (located := self._exclude(item))]
        return section

    def _fix(self, section: Section, entries: Iterable[Entry], hint: str) -> None:
        """Read settings that have one value each; `hint` is for one that has several."""
        for entry in entries:
            self._once(section, entry.key, entry.mark)
            self._once_inside(section, entry)
            node = entry.value
            if (
                entry.key in ("lr", "seq_len")
                and isinstance(node, ScalarNode)
                and node.value is None
                and not node.empty
            ):
                continue  # none: the default of the optimizer or the task
            if (value := self._single(entry, hint)) is not None:
                section.fixed[entry.key] = value

    def _once(self, section: Section, key: str, mark: Mark) -> None:
        if first := section.marks.get(key):
            name = "seeds" if key == "seed" else key
            self._problems.add(mark, f"{name} is given in two places: here and at {first}")
        section.marks.setdefault(key, mark)

    def _once_inside(self, section: Section, entry: Entry) -> None:
        """Note the parameters inside of a component, or of a list of them, that have a dotted key as well."""
        inside: dict[str, Mark] = {}
        if entry.key in {key.rpartition(".")[0] for key in self._dotted}:
            for item in items_of(entry.value):
                component = components.written(entry.key, item, Problems())
                for parameter in () if component is None else component.params:
                    inside.setdefault(f"{entry.key}.{parameter.key}", parameter.mark)
        for key in inside.keys() & set(self._dotted):
            self._once(section, key, inside[key])

    def _mappings(self, entry: Entry) -> Iterator[Entry]:
        if isinstance(entry.value, SequenceNode):
            yield from (Entry(entry.key, item.mark, item) for item in entry.value.items)
        elif not is_none(entry.value):
            hint = "begin each mapping with a dash: - {depth: 8}"
            message = f"{entry.key} must be a list of mappings, found {show(entry.value)}"
            self._problems.add(entry.value.mark, message, hint)

    def _parse(self, key: str, node: Node) -> LocatedValue | None:
        if key not in SETTINGS:  # a parameter of a component: what it can be is known beside the component
            return LocatedValue(node, node.mark)
        elsewhere = [dotted.rpartition(".")[2] for dotted in self._dotted if dotted.rpartition(".")[0] == key]
        value = fields.parse(key, node, self._base, self._problems, elsewhere=elsewhere)
        if value is None:
            self.invalid.add(key)
            return None
        if isinstance(value, components.ParsedComponent):
            return LocatedValue(value.named, node.mark, value.lr)
        return LocatedValue(value, node.mark)

    def _single(self, entry: Entry, hint: str) -> LocatedValue | None:
        """Return the one value of a setting that cannot vary here."""
        key, node = entry.key, entry.value
        if not fields.holds_list(key) and (isinstance(node, SequenceNode) or fields.is_several(key, node)):
            if isinstance(node, ScalarNode) and not fields.spread(key, node, self._problems):
                self.invalid.add(key)
                return None
            noun = "range" if fields.is_range(key, node) else "values"
            kind = "a list" if isinstance(node, SequenceNode) else f"the {noun} {show(node)}"
            self._problems.add(node.mark, f"{key} must be one value here, found {kind}", hint)
            self.invalid.add(key)
            return None
        return self._parse(key, node)

    def _values(self, key: str, node: Node) -> list[LocatedValue | None]:
        """Return the values that `node` lists, None for each that cannot be used."""
        before = len(self._problems)
        listed = fields.spread(key, node, self._problems)
        if not listed:
            self.invalid.add(key)
        if not listed and len(self._problems) == before:
            name = "seeds" if key == "seed" else key
            self._problems.add(node.mark, f"{name} has no values", "an axis needs at least one")
        values: list[LocatedValue | None] = []
        reported = None
        for item in listed:  # one message for all bad numbers of a range
            values.append(None if item.mark == reported else self._parse(key, item))
            if values[-1] is None and not (item.mark == node.mark and isinstance(node, SequenceNode)):
                reported = item.mark  # values of an option share a position
        return values

    def _distinct(self, key: str, values: list[LocatedValue | None]) -> list[LocatedValue]:
        distinct: dict[tuple[Any, float | None], LocatedValue] = {}
        for located in filter(None, values):
            if first := distinct.get(located.identity):
                near = f"column {first.mark.column}" if first.mark.line == located.mark.line else first.mark
                first_place = "" if first.mark == located.mark else f", first at {near}"
                value_text = plain_value(located.identity[0])
                self._problems.add(located.mark, f"{key} has the value {value_text} twice{first_place}")
            distinct.setdefault(located.identity, located)
        return list(distinct.values())

    def _seeds(self, entry: Entry, section: Section) -> None:
        self._once(section, "seed", entry.mark)
        node = entry.value
        if isinstance(node, SequenceNode) or fields.is_several("seed", node):
            values = self._distinct("seeds", self._values("seed", node))
            section.seeds = tuple(located.value for located in values)
            return
        count = node.value if isinstance(node, ScalarNode) and not isinstance(node.value, bool) else None
        if isinstance(count, float) and count.is_integer():
            count = int(count)
        if not isinstance(count, int) or count < 1:
            message = f"seeds must be a count of at least 1 or a list of seeds, found {show(node)}"
            self._problems.add(node.mark, message)
        elif count > LONGEST:
            self._problems.add(node.mark, f"seeds must be a count of at most {LONGEST:,}, found {show(node)}")
        else:
            section.seeds = tuple(range(count))

    def _grid(self, grid: Entry, section: Section) -> None:
        node = mapping(grid, self._problems)
        if entry := node.get("seeds"):
            self._seeds(entry, section)
        for entry in settings(node, "grid", {"seeds"}, self._problems):
            self._once(section, entry.key, entry.mark)
            self._once_inside(section, entry)
            if values := self._distinct(entry.key, self._values(entry.key, entry.value)):
                section.axes.append(Axis((entry.key,), tuple((located,) for located in values)))

    def _zip(self, group: Entry, section: Section) -> None:
        columns: dict[str, list[LocatedValue | None]] = {}
        for entry in settings(mapping(group, self._problems), "zip", (), self._problems):
            self._once(section, entry.key, entry.mark)
            self._once_inside(section, entry)
            values = columns[entry.key] = self._values(entry.key, entry.value)
            first, length = next((key, len(column)) for key, column in columns.items())
            if values and length and len(values) != length:
                message = f"the lists of zip must be equally long: {first} has {length}, {entry.key} has {len(values)}"
                self._problems.add(entry.mark, message)
        rows = [tuple(filter(None, row)) for row in zip_longest(*columns.values())]
        if rows and all(len(row) == len(columns) for row in rows):
            if len({tuple(located.identity for located in row) for row in rows}) < len(rows):
                self._problems.add(group.mark, "zip has the same values together twice")
            section.axes.append(Axis(tuple(columns), tuple(rows)))

    def _settings(self, item: Entry) -> Iterator[Entry]:
        """Return the settings of an item of `include` or `exclude`."""
        if isinstance(item.value, MappingNode) and item.value.entries:
            return settings(item.value, item.key, (), self._problems)
        kind = "an empty mapping" if isinstance(item.value, MappingNode) else show(item.value)
        self._problems.add(item.mark, f"each item of {item.key} must be a mapping of settings, found {kind}")
        return iter(())

    def _exclude(self, item: Entry) -> LocatedExclude | None:
        if isinstance(item.value, ScalarNode) and isinstance(item.value.value, str) and item.value.text.strip():
            expression = expression_of(item.value, self._base, self._problems)
            text = " ".join(item.value.text.split())
            return None if expression is None else LocatedExclude(Exclude(expression, text), item.mark)
        conditions = []
        section = Section()
        for entry in self._settings(item):
            self._once(section, entry.key, entry.mark)
            conditions.append(condition_of(entry, self._base, self._problems))
        if not conditions:
            return None
        expression = conditions[0] if len(conditions) == 1 else And(tuple(conditions))
        return LocatedExclude(Exclude(expression), item.mark)
