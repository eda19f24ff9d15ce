"""The keys of a mapping of settings: nested or dotted, known or not."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from gradlab.cell import SETTINGS
from gradlab.components import nearest
from gradlab.errors import shorten
from gradlab.spec.node import Entry, MappingNode, Problems, ScalarNode, is_none, show

__all__ = ["GROUPS", "NAMED", "STRUCTURE", "flat", "hint_for", "mapping", "settings", "text"]

STRUCTURE = ("seeds", "grid", "zip", "include", "exclude")
"""Keys of a section that are no settings."""
GROUPS = tuple(dict.fromkeys(key.partition(".")[0] for key in SETTINGS if "." in key))
"""The first parts of the dotted settings: train, probe, thresholds."""
NAMED = tuple(key for key in SETTINGS if key != "seed")
"""The settings a spec gives a value to; of seeds it gives a number or a list."""


def settings(node: MappingNode, place: str, others: Collection[str], problems: Problems) -> Iterator[Entry]:
    """Yield the settings of a mapping under their full keys, and add the unknown ones to `problems`.

    `place` is the key of the mapping (``"grid"``), empty for a section itself; `others` are keys read elsewhere.
    """
    for entry in flat(node):
        if entry.key in others:
            continue
        if entry.key in NAMED or (entry.key == "seed" and place == "exclude"):
            yield entry
        elif entry.key in GROUPS:
            mapping(entry, problems)
        else:
            _unknown(entry, place, others, problems)


def flat(node: MappingNode) -> Iterator[Entry]:
    """Yield the entries of a mapping, those of a group under their full keys."""
    for entry in node.entries:
        if entry.key in GROUPS and isinstance(entry.value, MappingNode):
            yield from (replace(member, key=f"{entry.key}.{member.key}") for member in entry.value.entries)
        else:
            yield entry


def mapping(entry: Entry, problems: Problems) -> MappingNode:
    """Return the mapping under a key, an empty one for nothing at all; anything else is added to `problems`."""
    if isinstance(entry.value, MappingNode):
        return entry.value
    if not is_none(entry.value):
        problems.add(entry.value.mark, f"{entry.key} must be a mapping of settings, found {show(entry.value)}")
    return MappingNode(entry.value.mark)


def text(node: MappingNode, key: str, problems: Problems) -> str:
    """Return the text under a key, an empty one where there is none; what is no text is added to `problems`."""
    entry = node.get(key)
    if entry is None:
        return ""
    if not isinstance(entry.value, ScalarNode):
        problems.add(entry.value.mark, f"{key} must be text, found {show(entry.value)}")
        return ""
    return entry.value.text.strip()


def hint_for(key: str, others: Collection[str] = ()) -> str:
    """Return the hint for an unknown key: the nearest setting, or all of them."""
    nested = [name for name in NAMED if name.rpartition(".")[2] == key]
    close = nested[0] if nested else nearest(key, [*NAMED, *others])
    return f"did you mean '{close}'?" if close else "the settings are " + ", ".join(NAMED)


def _unknown(entry: Entry, place: str, others: Collection[str], problems: Problems) -> None:
    key = entry.key
    group, _, member = key.partition(".")
    inside = f" in {place}" if place else ""
    message = f"unknown key {shorten(key)!r}{inside}"
    if group in GROUPS:
        message, hint = f"unknown key {shorten(member)!r} in {group}", _hint_in_group(group, member)
    elif key == "seed":
        hint = "write seeds: 5 for the seeds 0 to 4, or seeds: [7] for one of your own"
    elif key == "seeds" and place == "exclude":
        hint = "write seed: 3 or seed: [3, 4]"
    elif key in (*STRUCTURE, "grids", "name", "description", "expect"):
        message, hint = f"{key} cannot stand{inside or ' inside of grids'}", ""
    else:
        hint = hint_for(key, [*others, *GROUPS])
    problems.add(entry.mark, message, hint)


def _hint_in_group(group: str, member: str) -> str:
    members = [key.partition(".")[2] for key in SETTINGS if key.startswith(f"{group}.")]
    close = nearest(member, members)
    if close is None and (member in SETTINGS or member in STRUCTURE):
        return f"{member} does not belong under {group}: move it out"
    return f"did you mean '{close}'?" if close else f"{group} has {', '.join(members)}"
