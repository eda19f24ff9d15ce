"""The page of everything that a spec can name, made of the registries."""

from __future__ import annotations

from math import inf

from gradlab.cell import REGISTRIES
from gradlab.components import ALIASES, Component, Optimizer, Param, Task
from sitepages.markdown import code, table

__all__ = ["anchor", "bounds", "page"]

_INTRODUCTION = """\
# Components

Everything that a spec can name, with parameters, their bounds and defaults. A component is written as its name, or with
parameters as `{name: leaky_relu, negative_slope: 0.2}` or `{leaky_relu: 0.2}` (the first parameter); a parameter is a
setting under a dotted key, `activation.negative_slope`, and can be an axis. `gradlab list KIND` prints the same;
components of your own are [plugins](plugins.md).

"""

_MORE = {
    "model": " What the options mean: [Models](models.md).",
    "task": " How files are read: [Data files](data_files.md).",
}


def page() -> str:
    """Return the text of the page."""
    return _INTRODUCTION + "\n".join(map(_section, REGISTRIES))


def anchor(key: str) -> str:
    """Return the anchor of the section with the values of a setting, of a component ``section-name``."""
    return f"{key.rpartition('.')[2]}s"


def bounds(param: Param) -> str:
    """Return what a value must be, in words, with all bounds that the parameter itself has."""
    return param.expected(0 if param.high == inf else inf)


def _section(key: str) -> str:
    aliases = ALIASES.get(key, {})
    rows = []
    for name, component in REGISTRIES[key].items():
        others = [alias for alias, meant in aliases.items() if meant == name]
        remarks = [component.summary, *_remarks(component)]
        if others:
            remarks.append(f"also: {', '.join(map(code, others))}")
        parameters = "<br>".join(_parameter(name, param) for name, param in component.params.items())
        rows.append([f'<span id="{anchor(key)}-{name}"></span>{code(name)}', "<br>".join(remarks), parameters])
    title = anchor(key).replace("_", " ").capitalize()
    heads = ["name", "what it is", "parameters"]
    setting = f"Values of [{code(key)}](settings.md#{key.replace('.', '-')}).{_MORE.get(key, '')}"
    return f"## {title} {{ #{anchor(key)} }}\n\n{setting}\n\n{table(heads, rows)}"


def _parameter(name: str, param: Param) -> str:
    default = "must be given" if param.required else f"default {code(_plain(param.default))}"
    text = f"{code(name)}: {bounds(param)}; {default}"
    return f"{text}; {param.help}" if param.help else text


def _plain(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _remarks(component: Component) -> list[str]:
    remarks = []
    if component.models:
        remarks.append(f"of the models {', '.join(map(code, component.models))} only")
    remarks += [f"refused below {code(f'{key}: {least}')}" for key, least in component.least.items()]
    remarks += [f"a warning below {code(f'{key}: {least}')}" for key, least in component.advised.items()]
    if isinstance(component, Optimizer):
        if component.torch:
            remarks.append(f"needs torch {component.torch} or newer")
        if not component.weight_decay:
            remarks.append("takes no `weight_decay`")
    if isinstance(component, Task):
        remarks.append(f"inputs: {', '.join(component.kinds)}")
        if component.lengths is not None:
            remarks.append(f"`seq_len` {_lengths(component)}")
    return remarks


def _lengths(task: Task) -> str:
    lengths = task.lengths
    assert lengths is not None
    allowed = " or ".join(map(str, lengths.only)) if lengths.only else f"of at least {lengths.low}"
    return f"{allowed}; left out: {lengths.default}"
