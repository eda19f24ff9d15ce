"""A `Spec` from a file, from text, or from plain Python values, all with the same checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gradlab.cell import SETTINGS, parameter_of
from gradlab.errors import shorten
from gradlab.spec import reader
from gradlab.spec.cautions import barely_enough, idle_seq_len
from gradlab.spec.expectations import expectations
from gradlab.spec.keys import text
from gradlab.spec.model import Spec
from gradlab.spec.node import (
    Entry,
    MappingNode,
    Mark,
    Problems,
    ScalarNode,
    SequenceNode,
    is_none,
    show,
)
from gradlab.spec.option_values import python_value
from gradlab.spec.overrides import Overrides, apply, dotted_parameters, put
from gradlab.spec.sections import Section, SectionReader
from gradlab.spec.subgrids import subgrids
from gradlab.spelling import KEYS, Spelling

__all__ = ["from_mapping", "load", "loads"]

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_SHOWN = 200
"""Characters of an exclude that a warning shows."""
_LONGEST_NAME = 100


def load(
    path: str | Path, overrides: Overrides = (), base_dir: Path | None = None, *, spelling: Spelling = KEYS
) -> Spec:
    """Return the checked spec in a YAML file.

    Args:
        path: the file; it is also what messages name.
        overrides: what replaces settings of the file: ``"key=value"`` texts (the option -s), or plain values by key.
        base_dir: what paths in the file are relative to; None: the folder of the file. Paths in `overrides`
            are relative to the working directory.
        spelling: how the keys of a mapping of overrides are written, which messages follow.

    Raises:
        SpecError: with every problem found, each with its line.
    """
    file = Path(path)
    base_dir = file.parent if base_dir is None else base_dir
    return loads(reader.read_text(file), str(path), overrides, base_dir, spelling=spelling)


def loads(
    text: str,
    source: str = "<spec>",
    overrides: Overrides = (),
    base_dir: Path | None = None,
    *,
    spelling: Spelling = KEYS,
) -> Spec:
    """Return the checked spec in YAML text; see `load`. `base_dir` None: the working directory."""
    problems = Problems()
    root = reader.compose(text, source, problems)
    return _spec(root, source, overrides, spelling, base_dir or Path(), problems)


def from_mapping(
    name: str,
    mapping: Mapping[str, object],
    *,
    description: str = "",
    spelling: Spelling = KEYS,
    overrides: Overrides = (),
    overrides_spelling: Spelling = KEYS,
) -> Spec:
    """Return the checked spec for plain Python values.

    `mapping` is what a spec would hold (``grid``, ``zip``, ``seeds``, ``train.steps`` …). A setting outside of
    ``grid`` that is a list, a range or text with commas ("sigmoid,relu") becomes an axis. Paths are relative to the
    working directory. Messages name keys as they are spelled: ``--steps abc``; those of a mapping of overrides can be
    spelled otherwise.

    Raises:
        SpecError: with every problem found.
    """
    problems = Problems()
    entries = []
    for key, words in {"name": name, "description": description}.items():
        mark = Mark(shorten(f"{spelling.name(key)} {words}".rstrip()), spelling=spelling)
        entries.append(Entry(key, mark, ScalarNode(mark, words, words, quoted=True)))
    root = MappingNode(Mark("the settings"), tuple(entries))
    for key, value in mapping.items():
        mark, node = python_value(key, value, spelling, problems)
        movable = (key in SETTINGS and key != "seed") or key == "seeds" or parameter_of(key) is not None
        if node is not None:
            entry = Entry(key, mark, node)
            root = put(root, key, node, mark) if movable else MappingNode(root.mark, (*root.entries, entry))
    return _spec(root, "the settings", overrides, overrides_spelling, Path(), problems)


def _spec(
    root: MappingNode, source: str, changes: Overrides, spelling: Spelling, base: Path, problems: Problems
) -> Spec:
    root = apply(root, changes, spelling, problems)
    section_reader = SectionReader(base, problems, dotted_parameters(root))
    top = section_reader.section(root, Section(), ("name", "description", "grids", "expect"))
    nested = [section_reader.section(node, top) for node in _grids(root, problems)]
    grids, unmatched = subgrids(top, nested, section_reader.invalid, base, problems)
    name = _name(root, source, problems)
    description = text(root, "description", problems)
    expected = expectations(root.get("expect"), grids, base, problems, strict=not changes)
    problems.check()
    warnings = tuple(
        f"{located.mark.where}: this exclude matches no cell: {shorten(str(located.exclude), _SHOWN)}"
        for located in unmatched
    )
    general = dict.fromkeys([*filter(None, [idle_seq_len(grids)]), *barely_enough(grids)])
    warnings = (*warnings, *(f"{source}: {warning}" for warning in general))
    return Spec(name, description, source, grids, warnings, expected)


def _name(root: MappingNode, source: str, problems: Problems) -> str:
    entry = root.get("name")
    if entry is None:
        if not any(problem.hint == "did you mean 'name'?" for problem in problems):
            problems.add(Mark(source), "the name is missing", "add a line such as: name: my_first_run")
        return ""
    node = entry.value
    if not isinstance(node, ScalarNode) or not node.text or (node.value is None and node.text.lower() != "none"):
        problems.add(node.mark, f"name must be text, found {show(node)}", "results go to a directory of this name")
        return ""
    if len(node.text) > _LONGEST_NAME:
        message = f"name has {len(node.text):,} characters, at most {_LONGEST_NAME} are possible"
        problems.add(node.mark, message, "results go to a directory of this name")
    elif not _NAME.fullmatch(node.text) or ".." in node.text:
        hint = "use letters, digits and _ - . (no dot at the start, no '..'): it becomes a directory"
        problems.add(node.mark, f"{node.text!r} cannot be the name of a directory", hint)
    return node.text


def _grids(root: MappingNode, problems: Problems) -> list[MappingNode]:
    entry = root.get("grids")
    if entry is None or is_none(entry.value):
        return []
    if not isinstance(entry.value, SequenceNode):
        hint = "begin each sub-grid with a dash"
        problems.add(entry.value.mark, f"grids must be a list of sub-grids, found {show(entry.value)}", hint)
        return []
    sections = []
    for item in entry.value.items:
        if isinstance(item, MappingNode):
            sections.append(item)
        else:
            problems.add(item.mark, f"each item of grids must be a mapping, found {show(item)}")
    return sections
