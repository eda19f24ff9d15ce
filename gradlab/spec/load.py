"""The ways to a `Spec`: a file, text, or plain Python values. All share every check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gradlab.cell import SETTINGS
from gradlab.spec import reader
from gradlab.spec.assemble import subgrids
from gradlab.spec.blocks import Block, Reader
from gradlab.spec.expectations import expectations
from gradlab.spec.fitting import idle_seq_len
from gradlab.spec.model import Spec
from gradlab.spec.node import Entry, Items, Mark, Node, Problems, Scalar, Table, from_python, shorten, show
from gradlab.spec.overrides import apply, parse_value, put

__all__ = ["from_mapping", "load", "loads"]

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_LONGEST_NAME = 100


def load(path: str | Path, overrides: Sequence[str] = (), base_dir: Path | None = None) -> Spec:
    """Return the checked spec in a YAML file.

    Args:
        path: the file; it is also what messages name.
        overrides: ``"key=value"`` texts that replace settings of the file (the option -s).
        base_dir: what paths in the file are relative to; None: the folder of the file. Paths in `overrides`
            are relative to the working directory.

    Raises:
        SpecError: with every problem found, each with its line.
    """
    file = Path(path)
    return loads(reader.read_text(file), str(path), overrides, file.parent if base_dir is None else base_dir)


def loads(text: str, source: str = "<spec>", overrides: Sequence[str] = (), base_dir: Path | None = None) -> Spec:
    """Return the checked spec in YAML text; see `load`. `base_dir` None: the working directory."""
    problems = Problems()
    table = reader.compose(text, source, problems)
    return _spec(table, source, overrides, base_dir or Path(), problems)


def from_mapping(
    name: str,
    mapping: Mapping[str, object],
    *,
    description: str = "",
    source: str = "",
    overrides: Sequence[str] = (),
) -> Spec:
    """Return the checked spec for plain Python values.

    `mapping` is what a spec would hold (``grid``, ``zip``, ``seeds``, ``train.steps`` …). A setting outside of
    ``grid`` that is a list, a range or text with commas ("sigmoid,relu") becomes an axis. Paths are relative to the
    working directory. Messages name the key behind `source`: ``--depth abc`` for the source ``"--"``.

    Raises:
        SpecError: with every problem found.
    """
    problems = Problems()
    entries = []
    for key, text in {"name": name, "description": description}.items():
        mark = Mark(shorten(f"{source}{key} {text}".rstrip()))
        entries.append(Entry(key, mark, Scalar(mark, text, text, quoted=True)))
    table = Table(Mark("the settings"), tuple(entries))
    for key, value in mapping.items():
        shown = "" if isinstance(value, Mapping | list | tuple) else str(value)
        mark = Mark(shorten(f"{source}{key} {shown}".rstrip()))
        movable = (key in SETTINGS and key != "seed") or key == "seeds"
        node: Node | None = parse_value(value, mark, problems) if isinstance(value, str) else from_python(value, mark)
        if node is not None:
            new = Entry(key, mark, node)
            table = put(table, key, node, mark) if movable else Table(table.mark, (*table.entries, new))
    return _spec(table, "the settings", overrides, Path(), problems)


def _spec(table: Table, source: str, changes: Sequence[str], base: Path, problems: Problems) -> Spec:
    table = apply(table, changes, problems)
    reading = Reader(base, problems)
    top = reading.block(table, Block(), ("name", "description", "grids", "expect"))
    subs = [reading.block(one, top) for one in _grids(table, problems)]
    found, unmatched = subgrids(top, subs, reading.bad, problems)
    name = _name(table, source, problems)
    description = _description(table, problems)
    expected = expectations(table.get("expect"), found, base, problems, strict=not changes)
    problems.check()
    warnings = tuple(f"{placed.mark.where}: this exclude matches no cell: {placed.exclude}" for placed in unmatched)
    if idle := idle_seq_len(found):
        warnings = (*warnings, f"{source}: {idle}")
    return Spec(name, description, source, found, warnings, expected)


def _name(table: Table, source: str, problems: Problems) -> str:
    entry = table.get("name")
    if entry is None:
        if not any(problem.hint == "did you mean 'name'?" for problem in problems):
            problems.add(Mark(source), "the name is missing", "add a line such as: name: my_first_run")
        return ""
    node = entry.value
    if not isinstance(node, Scalar) or not node.text or (node.value is None and node.text.lower() != "none"):
        problems.add(node.mark, f"name must be text, found {show(node)}", "results go to a directory of this name")
        return ""
    if len(node.text) > _LONGEST_NAME:
        message = f"name has {len(node.text):,} characters, at most {_LONGEST_NAME} are possible"
        problems.add(node.mark, message, "results go to a directory of this name")
    elif not _NAME.fullmatch(node.text) or ".." in node.text:
        hint = "use letters, digits and _ - . (no dot at the start, no '..'): it becomes a directory"
        problems.add(node.mark, f"{node.text!r} cannot be the name of a directory", hint)
    return node.text


def _description(table: Table, problems: Problems) -> str:
    entry = table.get("description")
    if entry is None:
        return ""
    if not isinstance(entry.value, Scalar):
        problems.add(entry.value.mark, f"description must be text, found {show(entry.value)}")
        return ""
    return entry.value.text.strip()


def _grids(table: Table, problems: Problems) -> list[Table]:
    entry = table.get("grids")
    if entry is None or (isinstance(entry.value, Scalar) and entry.value.value is None):
        return []
    if not isinstance(entry.value, Items):
        hint = "begin each sub-grid with a dash"
        problems.add(entry.value.mark, f"grids must be a list of sub-grids, found {show(entry.value)}", hint)
        return []
    found = []
    for item in entry.value.items:
        if isinstance(item, Table):
            found.append(item)
        else:
            problems.add(item.mark, f"each item of grids must be a mapping, found {show(item)}")
    return found
