"""The page of every setting of a spec, made of the fields of `Cell`."""

from __future__ import annotations

from gradlab.cell import SETTINGS, Named, Setting
from gradlab.cli.flags import setting_flag
from sitepages.components import anchor as anchor_of_components
from sitepages.components import bounds
from sitepages.markdown import code, table

__all__ = ["anchor", "page"]

_INTRODUCTION = """\
# Settings

Every setting of a spec, in the order of the columns of the tables. A setting is written at the top of a spec or under
`grid:`, is overridden by `-s KEY=VALUE`, and is a flag of `gradlab sweep` and `theory`. `gradlab list` prints the same,
and `gradlab init NAME` writes a spec with all of them.

"""


def page() -> str:
    """Return the text of the page."""
    overview = table(
        ["setting", "default", "what it is"],
        [[f"[{code(_name(s))}](#{anchor(s)})", code(_default(s)), _help(s)] for s in SETTINGS.values()],
    )
    return _INTRODUCTION + overview + "\n" + "\n".join(map(_section, SETTINGS.values()))


def _section(setting: Setting) -> str:
    name = _name(setting)
    rows = [
        ["value", _values(setting)],
        ["default", code(_default(setting))],
        ["flag", code(setting_flag(name if name == "seeds" else setting.key))],
    ]
    parameters = _parameters(setting)
    if parameters:
        rows.append(["parameters", ", ".join(map(code, parameters))])
    for attribute, names in setting.idle_beside.items():
        rows.append(["means nothing with", f"{code(attribute)}: {', '.join(map(code, names))}"])
    rows.append(["may differ inside a bank", "yes" if setting.per_replica else "no"])
    if setting.training:
        rows.append(["before training", "no effect"])
    help = _help(setting)
    return f"## `{name}` {{ #{anchor(setting)} }}\n\n{help[:1].upper()}{help[1:]}.\n\n" + table(["", ""], rows)


def _name(setting: Setting) -> str:
    """Return the key of a spec."""
    return "seeds" if setting.key == "seed" else setting.key


def anchor(setting: Setting) -> str:
    """Return the anchor of the section of a setting."""
    return _name(setting).replace(".", "-")


def _help(setting: Setting) -> str:
    return "how many seeds, or which: of data order and initial weights" if setting.key == "seed" else setting.help


def _default(setting: Setting) -> str:
    if setting.default is None:
        return "none"
    if isinstance(setting.default, float):
        return f"{setting.default:g}"
    return "1" if setting.key == "seed" else str(setting.default)


def _values(setting: Setting) -> str:
    if setting.registry is not None:
        kind = setting.key.rpartition(".")[2]
        target = f"components.md#{anchor_of_components(setting.key)}"
        return f"one of the [{kind}s]({target}), {len(setting.registry)} of them"
    if setting.key == "seed":
        return f"how many, from 0 on: {bounds(setting.param)}; or a list or range of them"
    return bounds(setting.param) + (", or none (0)" if setting.param.off else "")


def _parameters(setting: Setting) -> list[str]:
    if not isinstance(setting.default, Named):
        return []
    names = [name for component in (setting.registry or {}).values() for name in component.params]
    return [f"{setting.key}.{name}" for name in dict.fromkeys(names)]
