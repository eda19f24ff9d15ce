"""A component as a spec writes it, in any notation, to the `Named` that it means.

These are the same: ``{name: leaky_relu, negative_slope: 0.2}``, ``{leaky_relu: 0.2}`` (the first parameter),
``{leaky_relu: {negative_slope: 0.2}}`` and ``leaky_relu(negative_slope=0.2)``, which is how a table prints it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from gradlab.cell import REGISTRIES, SETTINGS
from gradlab.components import Named, Value
from gradlab.components.foreign_words import NAME_KEYS, PAIRS, VARIANTS
from gradlab.components.synonyms import name_hint, names_nothing, parameter_explained, parameter_hint, registered
from gradlab.errors import shorten
from gradlab.query.values import split_component
from gradlab.spec import parameters
from gradlab.spec.keys import setting_of_its_own
from gradlab.spec.node import Entry, MappingNode, Mark, Node, Problems, ScalarNode, SequenceNode, is_none, show
from gradlab.spec.paths import data_file

__all__ = ["ParsedComponent", "WrittenComponent", "parse", "with_parameters", "written"]


@dataclass(frozen=True, slots=True)
class ParsedComponent:
    """A component, and what its canonical form does not show."""

    named: Named
    """Parameters at their default left out, the others in registry order."""
    lr: float | None = None
    """The learning rate an optimizer was given; it is a setting of its own, not part of `named`."""
    bare: bool = True
    """Whether the name stood alone, without parameters."""


def parse(
    key: str, node: Node, base: Path, problems: Problems, *, pattern: bool = False, elsewhere: Collection[str] = ()
) -> ParsedComponent | None:
    """Return the component that `node` names for the setting `key`, or None after adding to `problems`.

    Paths are relative to `base`. In a `pattern` (of an exclude) a bare name needs no required parameters; those that
    are given `elsewhere`, under dotted keys, may be missing too.
    """
    component = written(key, node, problems)
    if component is None:
        return None
    component = _unpaired(key, _variant(key, component))
    name, entries = component.name, component.params
    if missing_for := REGISTRIES[key][name].unavailable():
        problems.add(component.mark, f"{key} {name} needs {missing_for}")
        return None
    known = REGISTRIES[key][name].params
    values: dict[str, Value] = {}
    valid = True
    for entry in entries:
        value = _param(key, name, entry, base, problems)
        if value is not None and entry.key in values:
            problems.add(entry.mark, f"{entry.key} of {name} is given twice")
            value = None
        if value is None:
            valid = False
        else:
            values[entry.key] = value
    parameters = {entry.key for entry in entries}
    if not (pattern and not entries) and not _complete(key, name, {*parameters, *elsewhere}, component.mark, problems):
        valid = False
    if not valid:
        return None
    lr = values.pop("lr", None) if key == "optimizer" else None
    params = tuple((key, values[key]) for key in known if key in values and values[key] != known[key].default)
    return ParsedComponent(Named(name, params), None if lr is None else float(lr), bare=not entries)


def _variant(key: str, component: WrittenComponent) -> WrittenComponent:
    """Return the component that has the given parameters: of ``{name: sgd, momentum: 0.9}`` the optimizer momentum."""
    variants = VARIANTS.get(key, {}).get(component.name, ())
    takes = REGISTRIES[key][component.name].params
    values = {entry.key: entry.value for entry in component.params}
    foreign = [parameter for parameter, _ in variants if parameter in values and parameter not in takes]
    if not foreign:
        return component
    nonzero = [parameter for parameter in foreign if not _is_zero(values[parameter])]
    name = next((name for parameter, name in variants if parameter in nonzero), component.name)
    known = REGISTRIES[key][name].params
    params = tuple(entry for entry in component.params if entry.key not in foreign or entry.key in known)
    return WrittenComponent(name, component.mark, params)


def _unpaired(key: str, component: WrittenComponent) -> WrittenComponent:
    """Return the component with each pair of torch in its parts: of ``betas: [0.9, 0.95]`` beta1 and beta2."""
    known = REGISTRIES[key][component.name].params
    params: list[Entry] = []
    for entry in component.params:
        pair = PAIRS.get(entry.key, ())
        items = entry.value.items if isinstance(entry.value, SequenceNode) else ()
        if entry.key not in known and set(pair) <= known.keys() and 0 < len(pair) == len(items):
            params += [Entry(part, entry.mark, item) for part, item in zip(pair, items, strict=True)]
        else:
            params.append(entry)
    return WrittenComponent(component.name, component.mark, tuple(params))


def _is_zero(node: Node) -> bool:
    return isinstance(node, ScalarNode) and (names_nothing(node.value) or node.value == 0)


def _complete(key: str, name: str, parameters: Collection[str], mark: Mark, problems: Problems) -> bool:
    """Whether every parameter that a component cannot do without is given; what is missing goes to `problems`."""
    known = REGISTRIES[key][name].params
    missing = [parameter for parameter, param in known.items() if param.required and parameter not in parameters]
    if missing:
        example = ", ".join([f"name: {name}", *(f"{parameter}: …" for parameter in missing)])
        needed = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
        expected = {parameter: known[parameter].expected() for parameter in missing}
        kinds = "".join(f"; {parameter}: {text}" for parameter, text in expected.items() if text != "text")
        problems.add(mark, f"{name} needs its {needed}", f"write {{{example}}}{kinds}")
    return not missing


def with_parameters(
    key: str, named: Named, mark: Mark, entries: Iterable[Entry], base: Path, problems: Problems
) -> Named | None:
    """Return the component `named`, which stands at `mark`, with parameters replaced; None after adding to `problems`.

    Each of `entries` has the name of a parameter as its key. Paths are relative to `base`.
    """
    known = REGISTRIES[key][named.name].params
    values = dict(named.params)
    before = len(problems)
    for entry in entries:
        value = _param(key, named.name, entry, base, problems)
        if value is not None:
            values[entry.key] = value
    if len(problems) > before or not _complete(key, named.name, values, mark, problems):
        return None
    return Named(named.name, tuple((k, values[k]) for k in known if k in values and values[k] != known[k].default))


def _param(key: str, name: str, entry: Entry, base: Path, problems: Problems) -> Value | None:
    """Return the value of one parameter of the component `name`, or None after adding to `problems`."""
    known, node = REGISTRIES[key][name].params, entry.value
    if entry.key not in known:
        explained = parameter_explained(entry.key, known) or setting_of_its_own(key, entry.key, known)
        hint = "" if problems.crowded else explained or parameter_hint(entry.key, known)
        group = entry.key.partition(".")[0]
        beside = [setting for setting in SETTINGS if setting.startswith(f"{group}.")]
        if key == "task" and beside:
            hint = f"{beside[0]} is a setting beside the task; vary it with grid: {{{beside[0]}: [...]}}"
        problems.add(entry.mark, f"{name} has no parameter {shorten(entry.key)!r}", hint)
        return None
    hint = "" if isinstance(node, ScalarNode) else f"for an axis, write {key}.{entry.key}: [...] under grid:"
    value: Value | None = parameters.read(f"{entry.key} of {name}", known[entry.key], node, problems, hint)
    if not isinstance(value, str) or (key, entry.key) != ("task", "path"):
        return value
    base = base if node.mark.line else Path()  # what does not come from a file is relative to where we are
    try:
        return data_file(value, base)
    except ValueError as error:
        hint = f"looked for {shorten(str((base / value).absolute()), 200)}"
        if "://" in value:
            hint = "a data file lies on this machine: fetch it first"
        elif value.startswith(("~", "$")):
            hint = "~ and variables stand for nothing here: write the whole path"
        problems.add(node.mark, f"the data file {shorten(value)} {error}", hint)
        return None


_PRINTED = re.compile(r"\s*[^\s()]+\s*\(.*\)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class WrittenComponent:
    """A component as written: a registered name, and parameters not yet checked."""

    name: str
    mark: Mark
    """Of the name."""
    params: tuple[Entry, ...] = ()


def written(key: str, node: Node, problems: Problems) -> WrittenComponent | None:
    """Return the component that `node` is for the setting `key`, or None after adding to `problems`."""
    if isinstance(node, MappingNode):
        return _table(key, node, problems)
    if isinstance(node, SequenceNode):
        problems.add(node.mark, f"{key} must be a name or a mapping, found a list")
        return None
    if node.empty:
        problems.add(node.mark, f"{key} has no value", name_hint(key, "", REGISTRIES[key]))
        return None
    if isinstance(node.value, str) and ("(" in node.value or ")" in node.value):
        return _printed(key, node, problems)
    return _named(key, node, (), problems)


def _named(key: str, node: Node, params: tuple[Entry, ...], problems: Problems) -> WrittenComponent | None:
    """Return the component called what `node` says; `none` is a name like any other."""
    known = REGISTRIES[key]
    if isinstance(node, ScalarNode) and not node.empty and (node.value is False or node.value is None):
        name = "none"
    elif isinstance(node, ScalarNode) and not node.empty and isinstance(node.value, str):
        name = node.value
    else:
        problems.add(node.mark, f"{key} must be a name, found {show(node)}", _hint_for_no_name(key, node))
        return None
    canonical_name = registered(key, name, known)
    if canonical_name is None:
        nothing = names_nothing(name)
        noun = key.rpartition(".")[2].replace("_", " ")
        message = f"{key} cannot be {shorten(name)}" if nothing else f"unknown {noun} {shorten(name)!r}"
        if any(name in component.params for component in known.values()):
            hint = f"{name} is a parameter: write {key}.{name}"
        else:
            hint = "" if problems.crowded else name_hint(key, "" if nothing else name, known)
        problems.add(node.mark, message, hint)
        return None
    return WrittenComponent(canonical_name, node.mark, params)


def _hint_for_no_name(key: str, node: Node) -> str:
    if isinstance(node, ScalarNode) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        required = [
            f"{{{name}: {node.text}}}" for name, known in REGISTRIES[key].items()
            if any(param.required and param.kind is not str for param in known.params.values())
        ]  # fmt: skip
        if required:
            return f"name it, as in {key}: {' or '.join(required)}"
    if isinstance(node, SequenceNode):
        return f"for an axis, list the components: {key}: [...] under grid:"
    return name_hint(key, node.text if isinstance(node, ScalarNode) else "", REGISTRIES[key])


def _printed(key: str, node: ScalarNode, problems: Problems) -> WrittenComponent | None:
    text = str(node.value)
    if _PRINTED.fullmatch(text) is None:
        hint = 'put the whole of it in quotes: "name(a=1, b=2)"'
        problems.add(node.mark, f"{show(node)} is half of a component", hint)
        return None
    name, written_params = split_component(text)
    params = []
    for parameter, value in written_params:
        if value is None:
            canonical_name = registered(key, name, REGISTRIES[key])
            params = list(REGISTRIES[key][canonical_name].params) if canonical_name is not None else []
            example = (
                f"{canonical_name}({params[0]}={shorten(parameter)})" if params else "leaky_relu(negative_slope=0.2)"
            )
            hint = f"parameters are written name=value, as in {example}"
            problems.add(node.mark, f"cannot read '{shorten(parameter)}' as a parameter", hint)
            return None
        params.append(Entry(parameter, node.mark, ScalarNode.plain(node.mark, value)))
    return _named(key, ScalarNode.plain(node.mark, name), tuple(params), problems)


def _table(key: str, node: MappingNode, problems: Problems) -> WrittenComponent | None:
    if name := node.get("name") or next(filter(None, map(node.get, NAME_KEYS)), None):
        return _named(key, name.value, tuple(entry for entry in node.entries if entry is not name), problems)
    if len(node.entries) != 1:
        problems.add(node.mark, f"{key} is a mapping without a name", "write {name: NAME, PARAMETER: VALUE}")
        return None
    (entry,) = node.entries
    component = _named(key, ScalarNode(entry.mark, entry.key, entry.key), (), problems)
    return None if component is None else _shorthand(key, component, entry, problems)


def _shorthand(key: str, component: WrittenComponent, entry: Entry, problems: Problems) -> WrittenComponent | None:
    """Read ``{NAME: VALUE}``, where the value is that of the first parameter or a mapping of parameters."""
    name = component.name
    if isinstance(entry.value, MappingNode):
        return WrittenComponent(name, component.mark, entry.value.entries)
    params = list(REGISTRIES[key][name].params)
    if name in params:
        hint = f"write {{name: {name}, {params[0]}: …}} or {{name: {name}, {name}: …}}"
        problems.add(entry.mark, f"{{{name}: …}} may mean its {params[0]} or its {name}", hint)
        return None
    if params:
        return WrittenComponent(name, component.mark, (Entry(params[0], entry.mark, entry.value),))
    if is_none(entry.value):
        return component
    problems.add(entry.value.mark, f"{name} has no parameters, found {show(entry.value)}")
    return None
