"""One block of a document (the whole spec, or an item of `grids`) to typed values that still know their places."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradlab.spec import components, fields
from gradlab.spec.keys import STRUCTURE, mapping, settings
from gradlab.spec.model import Condition, Exclude
from gradlab.spec.node import Entry, Items, Mark, Node, Problems, Scalar, Table, show
from gradlab.spec.ranges import LONGEST

__all__ = ["Block", "Draft", "Given", "Placed", "Reader"]


@dataclass(frozen=True, slots=True)
class Given:
    """A value and its place; `lr` is what an optimizer brings along."""

    value: Any
    mark: Mark
    lr: float | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """An axis whose values have places."""

    keys: tuple[str, ...]
    rows: tuple[tuple[Given, ...], ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """An exclude and its place."""

    exclude: Exclude
    mark: Mark


@dataclass(slots=True)
class Block:
    """What a block says. `where` has the place of every setting given in it or in the block around it."""

    where: dict[str, Mark] = field(default_factory=dict)
    fixed: dict[str, Given] = field(default_factory=dict)
    axes: list[Draft] = field(default_factory=list)
    seeds: tuple[int, ...] | None = None
    include: list[dict[str, Given]] = field(default_factory=list)
    exclude: list[Placed] = field(default_factory=list)


class Reader:
    """Reads blocks. Paths are relative to `base`; what is wrong goes to `problems`."""

    def __init__(self, base: Path, problems: Problems) -> None:
        self._base, self._problems = base, problems
        self.bad: set[str] = set()
        """Settings with a value that cannot be used."""

    def block(self, table: Table, around: Block, others: Collection[str] = ()) -> Block:
        """Return what `table` says; a setting that the block `around` gives as well is an error.

        `others` are keys that somebody else reads.
        """
        found = Block(where=dict(around.where))
        inside = {key: table.get(key) for key in STRUCTURE}
        for entry in settings(table, "", {*STRUCTURE, *others}, self._problems):
            self._once(found, entry.key, entry.mark)
            if (
                not self._is_off(entry)
                and (given := self._single(entry, "to vary it, move it under grid:")) is not None
            ):
                found.fixed[entry.key] = given
        if seeds := inside["seeds"]:
            self._seeds(seeds, found)
        if grid := inside["grid"]:
            self._grid(grid, found)
        if zipped := inside["zip"]:
            for group in zipped.value.items if isinstance(zipped.value, Items) else (zipped.value,):
                self._zip(Entry("zip", zipped.mark, group), found)
        if include := inside["include"]:
            found.include = [self._include(one) for one in self._tables(include)]
        if exclude := inside["exclude"]:
            found.exclude = [placed for one in self._tables(exclude) if (placed := self._exclude(one))]
        return found

    def _once(self, block: Block, key: str, mark: Mark) -> None:
        if first := block.where.get(key):
            name = "seeds" if key == "seed" else key
            self._problems.add(mark, f"{name} is given in two places: here and at {first}")
        block.where.setdefault(key, mark)

    def _tables(self, entry: Entry) -> Iterator[Entry]:
        if isinstance(entry.value, Items):
            yield from (Entry(entry.key, item.mark, item) for item in entry.value.items)
        elif not (isinstance(entry.value, Scalar) and entry.value.value is None):
            hint = "begin each mapping with a dash: - {depth: 8}"
            message = f"{entry.key} must be a list of mappings, found {show(entry.value)}"
            self._problems.add(entry.value.mark, message, hint)

    def _is_off(self, entry: Entry) -> bool:
        """Whether this is ``lr: none``, which leaves the learning rate to the optimizer, or ``seq_len: none``."""
        node = entry.value
        return entry.key in ("lr", "seq_len") and isinstance(node, Scalar) and node.value is None and not node.empty

    def _parse(self, key: str, node: Node) -> Given | None:
        value = fields.parse(key, node, self._base, self._problems)
        if value is None:
            self.bad.add(key)
            return None
        if isinstance(value, components.Parsed):
            return Given(value.named, node.mark, value.lr)
        return Given(value, node.mark)

    def _single(self, entry: Entry, hint: str) -> Given | None:
        """Return the one value of a setting that cannot vary here."""
        key, node = entry.key, entry.value
        if not fields.holds_list(key) and (isinstance(node, Items) or fields.is_range(key, node)):
            what = "a list" if isinstance(node, Items) else f"the range {show(node)}"
            self._problems.add(node.mark, f"{key} must be one value here, found {what}", hint)
            self.bad.add(key)
            return None
        return self._parse(key, node)

    def _values(self, key: str, node: Node) -> list[Given]:
        before = len(self._problems)
        listed = fields.spread(key, node, self._problems)
        if not listed:
            self.bad.add(key)
        if not listed and len(self._problems) == before:
            what = "seeds" if key == "seed" else key
            self._problems.add(node.mark, f"{what} has no values", "an axis needs at least one")
        found: list[Given] = []
        trouble = None
        for one in listed:
            if one.mark == trouble:  # one bad number of a range speaks for all
                continue
            if (given := self._parse(key, one)) is not None:
                found.append(given)
            elif one.mark != node.mark or not isinstance(node, Items):  # an option's values all have one place
                trouble = one.mark
        return found

    def _distinct(self, key: str, givens: list[Given]) -> list[Given]:
        found: dict[tuple[Any, float | None], Given] = {}
        for given in givens:
            if first := found.get((given.value, given.lr)):
                near = f"column {first.mark.column}" if first.mark.line == given.mark.line else first.mark
                again = "" if first.mark == given.mark else f", first at {near}"
                shown = " ".join(map(str, given.value)) if isinstance(given.value, tuple) else given.value
                self._problems.add(given.mark, f"{key} has the value {shown} twice{again}")
            found.setdefault((given.value, given.lr), given)
        return list(found.values())

    def _seeds(self, entry: Entry, block: Block) -> None:
        self._once(block, "seed", entry.mark)
        node = entry.value
        if isinstance(node, Items) or fields.is_range("seed", node):
            givens = self._distinct("seeds", self._values("seed", node))
            block.seeds = tuple(given.value for given in givens)
            return
        count = node.value if isinstance(node, Scalar) and not isinstance(node.value, bool) else None
        if isinstance(count, float) and count.is_integer():
            count = int(count)
        if not isinstance(count, int) or count < 1:
            message = f"seeds must be a count of at least 1 or a list of seeds, found {show(node)}"
            self._problems.add(node.mark, message)
        elif count > LONGEST:
            self._problems.add(node.mark, f"seeds must be a count of at most {LONGEST:,}, found {show(node)}")
        else:
            block.seeds = tuple(range(count))

    def _grid(self, grid: Entry, block: Block) -> None:
        table = mapping(grid, self._problems)
        if entry := table.get("seeds"):
            self._seeds(entry, block)
        for entry in settings(table, "grid", {"seeds"}, self._problems):
            self._once(block, entry.key, entry.mark)
            if givens := self._distinct(entry.key, self._values(entry.key, entry.value)):
                block.axes.append(Draft((entry.key,), tuple((given,) for given in givens)))

    def _zip(self, group: Entry, block: Block) -> None:
        columns: dict[str, list[Given]] = {}
        first: tuple[str, int] | None = None
        sound = True
        for entry in settings(mapping(group, self._problems), "zip", (), self._problems):
            self._once(block, entry.key, entry.mark)
            listed = len(fields.spread(entry.key, entry.value, Problems()))
            columns[entry.key] = self._values(entry.key, entry.value)
            first = first or (entry.key, listed)
            sound = sound and len(columns[entry.key]) == listed == first[1]
            if listed and first[1] and listed != first[1]:
                message = f"the lists of zip must be equally long: {first[0]} has {first[1]}, {entry.key} has {listed}"
                self._problems.add(entry.mark, message)
        if columns and sound:
            rows = tuple(zip(*columns.values(), strict=True))
            if len({tuple((given.value, given.lr) for given in row) for row in rows}) < len(rows):
                self._problems.add(group.mark, "zip has the same values together twice")
            block.axes.append(Draft(tuple(columns), rows))

    def _include(self, one: Entry) -> dict[str, Given]:
        found: dict[str, Given] = {}
        block = Block()
        for entry in settings(self._one(one), "include", (), self._problems):
            self._once(block, entry.key, entry.mark)
            if (
                not self._is_off(entry)
                and (given := self._single(entry, "write one item of include for each")) is not None
            ):
                found[entry.key] = given
        return found

    def _one(self, one: Entry) -> Table:
        if isinstance(one.value, Table) and one.value.entries:
            return one.value
        found = "an empty mapping" if isinstance(one.value, Table) else show(one.value)
        self._problems.add(one.mark, f"each item of {one.key} must be a mapping of settings, found {found}")
        return Table(one.mark)

    def _exclude(self, one: Entry) -> Placed | None:
        conditions = []
        block = Block()
        for entry in settings(self._one(one), "exclude", (), self._problems):
            self._once(block, entry.key, entry.mark)
            conditions.append(self._condition(entry))
        return Placed(Exclude(tuple(conditions)), one.mark) if conditions else None

    def _condition(self, entry: Entry) -> Condition:
        values, names = [], []
        listed = fields.spread(entry.key, entry.value, self._problems)
        if isinstance(entry.value, Items) and not entry.value.items:
            self._problems.add(entry.value.mark, f"{entry.key} has no values")
        for node in listed:
            value = fields.parse(entry.key, node, self._base, self._problems, pattern=True)
            if not isinstance(value, components.Parsed):
                values.append(value)
                continue
            if value.lr is not None:
                self._problems.add(
                    node.mark, "an exclude has its lr beside the optimizer", "write lr: as a key of its own"
                )
            if value.bare:
                names.append(value.named.name)
            else:
                values.append(value.named)
        return Condition(entry.key, tuple(values), tuple(names))
