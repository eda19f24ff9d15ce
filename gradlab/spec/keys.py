"""The keys of a mapping of settings: nested or dotted, known or not."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from gradlab.cell import REGISTRIES, SETTINGS, parameter_of
from gradlab.components import nearest
from gradlab.components.foreign_words import NAME_KEYS, PARAMETERS_ELSEWHERE
from gradlab.components.synonyms import foreign_key, parameter_hint, registered
from gradlab.errors import shorten
from gradlab.spec.node import Entry, MappingNode, Problems, ScalarNode, SequenceNode, is_none, items_of, show

__all__ = [
    "GROUPS", "NAMED", "SCALING", "STRUCTURE", "component_entry", "flat", "hint_for", "mapping", "setting_of_its_own",
    "settings", "text", "unknown_setting",
]  # fmt: skip

STRUCTURE = ("seeds", "grid", "zip", "include", "exclude")
"""Keys of a section that are no settings."""
GROUPS = tuple(dict.fromkeys(key.partition(".")[0] for key in SETTINGS if "." in key))
"""The first parts of the dotted settings: train, probe, thresholds."""
SCALING = ("inputs", "targets")
"""Groups of settings that can stand inside of a task too."""
NAMED = tuple(key for key in SETTINGS if key != "seed")
"""The settings a spec gives a value to; of seeds it gives a number or a list."""


def settings(node: MappingNode, place: str, elsewhere: Collection[str], problems: Problems) -> Iterator[Entry]:
    """Yield the settings of a mapping under their full keys, and add the unknown ones to `problems`.

    `place` is the key of the mapping (``"grid"``), empty for a section itself; `elsewhere` are keys of another reader.
    """
    for entry in flat(node):
        if entry.key in elsewhere:
            continue
        if entry.key in NAMED or (entry.key == "seed" and place == "exclude") or parameter_of(entry.key):
            yield entry
        elif (owned := component_entry(entry)) is not None:
            yield owned
        elif entry.key in GROUPS:
            mapping(entry, problems)
        else:
            _unknown(entry, place, elsewhere, problems)


def flat(node: MappingNode) -> Iterator[Entry]:
    """Yield the entries of a mapping, those of a group under their full keys, ``optimizer.lr`` as the setting lr."""
    for entry in node.entries:
        if entry.key in GROUPS and isinstance(entry.value, MappingNode):
            yield from (replace(member, key=f"{entry.key}.{member.key}") for member in entry.value.entries)
        elif entry.key == "optimizer.lr":
            yield replace(entry, key="lr")
        elif entry.key == "task" and isinstance(entry.value, MappingNode):
            yield from _with_scaling(entry, entry.value)
        else:
            yield entry


def _with_scaling(entry: Entry, task: MappingNode) -> Iterator[Entry]:
    """Yield a task, and beside it the settings ``inputs: {scale: 2}`` and the like that are written inside of it."""
    name = task.get("name")
    if name is None and len(task.entries) == 1 and isinstance(inner := task.entries[0].value, MappingNode):
        bare_task, *scaling = _with_scaling(entry, inner)
        yield replace(entry, value=MappingNode(task.mark, (replace(task.entries[0], value=bare_task.value),)))
        yield from scaling
        return
    apart = [member for member in task.entries if _scales(member)]
    task_entries = tuple(member for member in task.entries if member not in apart)
    yield replace(entry, value=MappingNode(task.mark, task_entries))
    yield from flat(MappingNode(task.mark, tuple(apart)))


def _scales(member: Entry) -> bool:
    """Return whether a member of a task is ``inputs: {…}`` or ``inputs.scale``, not the ``inputs: 6`` of teacher."""
    group, dot, _ = member.key.partition(".")
    return group in SCALING and (bool(dot) or isinstance(member.value, MappingNode))


def component_entry(entry: Entry) -> Entry | None:
    """Return ``clip: {norm: 1}`` for ``clip.norm: 1``, a list of them for a list; None for what names no component."""
    owner, _, name = entry.key.rpartition(".")
    if owner not in REGISTRIES or registered(owner, name, REGISTRIES[owner]) is None:
        return None
    values = tuple(MappingNode(entry.mark, (Entry(name, entry.mark, item),)) for item in items_of(entry.value))
    several = isinstance(entry.value, SequenceNode)
    return Entry(owner, entry.mark, SequenceNode(entry.value.mark, values) if several else values[0])


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


def hint_for(key: str, alternatives: Collection[str] = ()) -> str:
    """Return the hint for an unknown key: what other tools call so, the nearest setting, or all of them."""
    dotted = key.replace("__", ".").replace("/", ".")
    if dotted != key and (dotted in NAMED or parameter_of(dotted) is not None):  # of scikit-learn and Hydra
        return f"write {dotted}"
    owner, _, name = key.rpartition(".")
    nested = [other for other in (*NAMED, *_parameters()) if other.rpartition(".")[2] == key]
    foreign = foreign_key(key)
    if owner in REGISTRIES:
        return _hint_for_parameter(owner, name)
    if nested and (foreign is None or nested[0] in NAMED):
        several = len(nested) > 1 and nested[0] not in NAMED
        return f"did you mean {' or '.join(nested[:3])}?" if several else f"did you mean '{nested[0]}'?"
    if foreign is not None:
        return foreign.hint
    close = nearest(key, [*NAMED, *alternatives])
    return f"did you mean '{close}'?" if close else "the settings are " + ", ".join(NAMED)


def unknown_setting(key: str, alternatives: Collection[str] = ()) -> tuple[str, str]:
    """Return message and hint for a key that is no setting; `alternatives` are keys that could stand there as well."""
    owner, _, name = key.rpartition(".")
    if owner in REGISTRIES:
        return f"no {owner} has a parameter {shorten(name)!r}", hint_for(key)
    return f"unknown setting {shorten(key)!r}", hint_for(key, alternatives)


def _parameters() -> Iterator[str]:
    """Yield the dotted keys of the parameters of all components, each once."""
    for owner, known in REGISTRIES.items():
        yield from dict.fromkeys(f"{owner}.{name}" for component in known.values() for name in component.params)


def setting_of_its_own(owner: str, name: str, params: Collection[str]) -> str:
    """Return a hint where what was written as a parameter of a component is a setting, under this name or another.

    `params` are the parameters that there are, one of which may be meant.
    """
    foreign = foreign_key(name)
    target = name if name in NAMED else foreign.target if foreign is not None else ""
    if target not in NAMED or set(PARAMETERS_ELSEWHERE.get(name, ())) & set(params):
        return ""
    return f"{target} is a setting of its own: write it beside {owner}, not inside"


def _hint_for_parameter(owner: str, name: str) -> str:
    if name in ("name", *NAME_KEYS):
        return f"write the name itself: {owner}: {next(iter(REGISTRIES[owner]))}"
    known = dict.fromkeys(parameter for component in REGISTRIES[owner].values() for parameter in component.params)
    return setting_of_its_own(owner, name, known) or parameter_hint(name, known).replace("it has ", "there are ")


def _unknown(entry: Entry, place: str, alternatives: Collection[str], problems: Problems) -> None:
    key = entry.key
    group, _, member = key.partition(".")
    inside = f" in {place}" if place else ""
    message = f"unknown key {shorten(key)!r}{inside}"
    if problems.crowded:
        hint = ""
    elif group in GROUPS and key.rpartition(".")[0] not in REGISTRIES:
        message, hint = f"unknown key {shorten(member)!r} in {group}", _hint_in_group(group, member)
    elif key == "seed":
        hint = "write seeds: 5 for the seeds 0 to 4, or seeds: [7] for one of your own"
    elif key == "seeds" and place == "exclude":
        hint = "write seed: 3 or seed: [3, 4]"
    elif key in (*STRUCTURE, "grids", "name", "description", "expect"):
        message, hint = f"{key} cannot stand{inside or ' inside of grids'}", ""
    elif key.count(")") > key.count("("):
        message, hint = f"{shorten(key)!r} is half of a value", "put the whole value in quotes"
    elif key.rpartition(".")[0] in REGISTRIES:
        message, hint = unknown_setting(key)
    else:
        hint = hint_for(key, [*alternatives, *GROUPS])
    problems.add(entry.mark, message, hint)


def _hint_in_group(group: str, member: str) -> str:
    members = [key.partition(".")[2] for key in SETTINGS if key.startswith(f"{group}.")]
    foreign = foreign_key(member)
    if foreign is not None and foreign.target.startswith(f"{group}."):
        return replace(foreign, target=foreign.target.partition(".")[2]).hint
    close = nearest(member, members)
    outside = foreign.target if foreign is not None else member
    if close is None and (outside in SETTINGS or outside in STRUCTURE):
        return f"{outside} does not belong under {group}: move it out"
    return f"did you mean '{close}'?" if close else f"{group} has {', '.join(members)}"
