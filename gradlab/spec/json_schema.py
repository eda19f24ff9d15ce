"""The JSON Schema of a spec, for editors, made of `Cell` and the registries; components of the user included.

It says what a key and a value can be. What depends on two settings at once, on what stands twice, and what a statement
or an expression means, only reading the spec itself can say.
"""

from __future__ import annotations

import json
import re
from math import inf
from typing import Any

from gradlab.cell import REGISTRIES, SETTINGS, parameters_of
from gradlab.components import ALIASES, Component, Param
from gradlab.components.foreign_words import NAME_KEYS, NOTHING, VARIANTS
from gradlab.components.param import LARGEST, SMALLEST
from gradlab.spec.keys import GROUPS, NAMED, SCALING

__all__ = ["SCHEMA_TITLE", "json_schema"]

Schema = dict[str, Any]

SCHEMA_TITLE = "A spec of gradlab"

_WORTH_SHARING = 60
"""Characters of a part that stands once where it is needed several times."""
_NAME = r"^(?!.*\.\.)[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$"
_SEVERAL = (
    r"^[-+.0-9eE_,; (]*([0-9]\s*\.\.\s*[-+.0-9]|[0-9][ ,;]+[-+.0-9])"
    r"|(range|arange|linspace|logspace|geomspace|array|choice|list|tuple|tensor)\("
)
"""Texts that mean several numbers: ranges, lists without brackets, calls of numpy."""


def json_schema() -> Schema:
    """Return the schema (draft 2020-12) as plain values."""
    dotted = _dotted()
    definitions = {f"value.{key}": _value(key) for key in NAMED}
    definitions |= {f"axis.{key}": _axis([SETTINGS[key].param], _value(key, fixed=False)) for key in NAMED}
    for key in dotted:
        params = parameters_of(key)
        definitions[f"value.{key}"] = _any([_param(param) for param in params])
        definitions[f"axis.{key}"] = _axis(params, _ref(f"value.{key}"))
    definitions["seeds"] = {
        "description": f"{SETTINGS['seed'].help}: how many, from 0 on, or which",
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "array", "minItems": 1, "items": _any([_param(SETTINGS["seed"].param), _several()])},
            _several(),
        ],
    }
    fixed, varied, seeds = _settings("value", dotted), _settings("axis", dotted), _ref("seeds")
    definitions |= {"settings": _mapping(fixed), "axes": _mapping(varied)}
    section = {
        **fixed, "seeds": seeds, "grid": _or_nothing(_mapping({**varied, "seeds": seeds})),
        "zip": _one_or_more(_ref("axes")), "include": _list(_ref("settings")),
        "exclude": _list(_any([_mapping({**varied, "seed": seeds}), {"type": "string", "minLength": 1}])),
    }  # fmt: skip
    expectation = _mapping({"that": {"type": "string"}, "because": _text()}, required=("that",))
    name = {"description": "of the run, and of its directory", "type": ["string", "number"], "pattern": _NAME}
    root = _mapping(
        {
            "name": name,
            "description": {"description": "what the spec asks, in a sentence", **_text()},
            **section,
            "grids": _list(_mapping(section)),
            "expect": _one_or_more(_any([{"type": "string", "minLength": 1}, expectation])),
        },
        required=("name",),
    )
    schema = {"title": SCHEMA_TITLE, **_shared({**root, "$defs": definitions})}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _shared(schema: Schema) -> Schema:
    """Return the schema with what stands in many places once, under ``$defs``."""
    places: dict[str, int] = {}
    bodies: dict[str, Schema] = {}

    def count(node: object) -> None:
        if isinstance(node, dict):
            text = json.dumps(node)
            if len(text) > _WORTH_SHARING and {"anyOf", "enum", "type", "not"} & node.keys():
                places[text] = places.get(text, 0) + 1
                if places[text] > 1:
                    bodies[text] = node
                    return
            for value in node.values():
                count(value)
        elif isinstance(node, list):
            for value in node:
                count(value)

    def replaced(node: Any) -> Any:
        if isinstance(node, dict):
            name = names.get(json.dumps(node))
            return _ref(name) if name else {key: replaced(value) for key, value in node.items()}
        return [replaced(value) for value in node] if isinstance(node, list) else node

    count(schema)
    names = {text: f"shared.{index}" for index, text in enumerate(bodies)}
    inner = {name: {key: replaced(value) for key, value in bodies[text].items()} for text, name in names.items()}
    shared: Schema = replaced(schema)
    shared["$defs"] |= inner
    return shared


def _dotted() -> list[str]:
    """Return the dotted keys of the parameters of all components; of the optimizer's lr there is a setting."""
    keys = (
        f"{key}.{name}"
        for key, known in REGISTRIES.items()
        for component in known.values()
        for name in component.params
    )
    return list(dict.fromkeys(keys))


def _settings(kind: str, dotted: list[str]) -> dict[str, Schema]:
    """Return the schema of each key of a setting, dotted and in its group; `kind` is ``value`` or ``axis``."""
    described = {key: {"description": SETTINGS[key].help, **_ref(f"{kind}.{key}")} for key in NAMED}
    groups = {
        group: _mapping(
            {key.partition(".")[2]: schema for key, schema in described.items() if key.startswith(f"{group}.")}
        )
        for group in GROUPS
    }
    named = {}
    for key in (key for key in NAMED if key in REGISTRIES):
        for name in REGISTRIES[key]:  # clip.norm: 1 for clip: {norm: 1}
            params = REGISTRIES[key][name].params
            if params and f"{key}.{name}" not in dotted:
                first = next(iter(params.values()))
                named[f"{key}.{name}"] = _param(first) if kind == "value" else _axis([first], _param(first))
    return {**described, **groups, **{key: _ref(f"{kind}.{key}") for key in dotted}, **named}


def _value(key: str, *, fixed: bool = True) -> Schema:
    setting = SETTINGS[key]
    if setting.is_component:
        return _component(key) if fixed else _ref(f"value.{key}")
    schema = _param(setting.param)
    return _any([schema, {"enum": [None, "none"]}]) if fixed and key in ("lr", "seq_len") else schema


def _axis(params: list[Param], value: Schema) -> Schema:
    """Return the schema of the values of an axis: one, a list, or a text that means several numbers."""
    several = [_several()] if any(param.kind in (int, float) for param in params) else []
    return _any([value, {"type": "array", "minItems": 1, "items": _any([value, *several])}, *several])


def _param(param: Param) -> Schema:
    """Return the schema of one value of a parameter."""
    forms: list[Schema] = []
    if param.kind is bool:
        forms.append({"enum": [True, False, "yes", "no", "on", "off", *param.choices]})
    elif param.kind is str:
        words = [*param.choices, *(word for word, _ in param.also)]
        least = 0 if "" in words else 1
        text = {"type": ["string", "number", "boolean"], "minLength": least}
        forms.append({"enum": words} if param.choices else text)
    else:
        number = _number(param)
        several = [{"type": "array", "minItems": 1, "items": {"anyOf": [number, _several()]}}, _several()]
        forms += several if param.many else [number]
        forms += [{"enum": list(param.choices)}] if param.choices else []
    if param.off:
        forms.append({"enum": [None, False, *sorted(NOTHING)]})
    return _any(forms)


def _number(param: Param) -> Schema:
    whole = param.kind is int
    schema: Schema = {"type": "integer" if whole else "number"}
    high = LARGEST if whole and param.high == inf else param.high
    if param.low > -inf:
        schema["exclusiveMinimum" if param.above else "minimum"] = param.low
    if high < inf:
        schema["exclusiveMaximum" if param.below else "maximum"] = high
    if not whole:  # what training would flush to zero
        tiny = {"exclusiveMinimum": -SMALLEST, "exclusiveMaximum": SMALLEST, "not": {"const": 0}}
        schema["not"] = tiny
    return schema


def _component(key: str) -> Schema:
    registry = REGISTRIES[key]
    aliases = ALIASES.get(key, {})
    words = [*registry, *aliases]
    if "none" in words:
        words += [None, False, *sorted(NOTHING - {"none"})]  # type: ignore[list-item]
    printed = "|".join(re.escape(str(word)) for word in words if isinstance(word, str))
    forms: list[Schema] = [{"enum": words}, {"type": "string", "pattern": rf"^\s*({printed})\s*\(.*\)\s*$"}]
    for name, component in registry.items():
        spelled = [name, *(alias for alias, target in aliases.items() if target == name)]
        forms += _mappings(key, name, spelled, component)
    return {"anyOf": forms}


def _mappings(key: str, name: str, spelled: list[str], component: Component) -> list[Schema]:
    """Return the forms of a component with parameters: ``{name: NAME, …}``, ``{NAME: VALUE}``, ``{NAME: {…}}``."""
    variants = dict(VARIANTS.get(key, {}).get(name, ()))
    params = {parameter: _param(param) for parameter, param in component.params.items()}
    for other in variants.values():
        params = {**{parameter: _param(param) for parameter, param in REGISTRIES[key][other].params.items()}, **params}
    params |= {parameter: {} for parameter in variants if parameter not in params}
    if key == "task":
        params = _with_scaling(params)
    required = tuple(parameter for parameter, param in component.params.items() if param.required)
    named = {name_key: {"enum": spelled} for name_key in ("name", *NAME_KEYS)}
    long = _mapping({**named, **params}, required=required)
    long["anyOf"] = [{"required": [name_key]} for name_key in named]
    inner = [_mapping(params, required=required)]
    if params and len(required) < 2 and name not in params:
        inner.insert(0, next(iter(params.values())))
    elif not params:
        inner.append({"type": "null"})
    short: Schema = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": False}
    return [long, {**short, "properties": {word: _any(inner) for word in spelled}}]


def _with_scaling(params: dict[str, Schema]) -> dict[str, Schema]:
    """Return the parameters of a task and the settings ``inputs: {scale: 2}``, which can stand inside of it."""
    for group in SCALING:
        settings = {name: _ref(f"value.{name}") for name in NAMED if name.startswith(f"{group}.")}
        forms = [_mapping({name.partition(".")[2]: schema for name, schema in settings.items()})]
        params = {**params, group: _any([*([params[group]] if group in params else []), *forms]), **settings}
    return params


def _any(forms: list[Schema]) -> Schema:
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _several() -> Schema:
    return {"type": "string", "pattern": _SEVERAL}


def _text() -> Schema:
    return {"type": ["string", "number", "boolean", "null"]}


def _or_nothing(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(items: Schema) -> Schema:
    return _or_nothing({"type": "array", "items": items})


def _one_or_more(item: Schema) -> Schema:
    return {"anyOf": [item, *_list(item)["anyOf"]]}


def _mapping(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema
