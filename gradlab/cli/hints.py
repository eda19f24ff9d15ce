"""Command lines as other tools have them: parameters of components as flags, and hints for flags that there are not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gradlab.cell import SETTINGS, parameter_of
from gradlab.components.synonyms import foreign_key

__all__ = ["WITH_SETTINGS", "usage_hint", "with_parameters"]

WITH_SETTINGS = ("sweep", "theory")
"""The commands that have a flag for every setting; specs have ``-s KEY=VALUE``."""
_WITH_SPECS = ("run", "plan")
_FLAG = re.compile(r"--([A-Za-z_][A-Za-z0-9_.-]*)(?:=(.*))?", re.DOTALL)


def with_parameters(arguments: Sequence[str]) -> list[str]:
    """Return a command line with ``--optimizer.eps VALUES`` as ``--parameter optimizer.eps=VALUES``.

    Components of the user have parameters too, which are known only once their file was read.
    """
    if not arguments or arguments[0] not in WITH_SETTINGS:
        return list(arguments)
    spread: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        match = _FLAG.fullmatch(argument)
        owner, _, _ = match[1].rpartition(".") if match else ("", "", "")
        if match is None or match[1] in SETTINGS or owner not in SETTINGS or not SETTINGS[owner].is_component:
            spread.append(argument)
            continue
        value = match[2] if match[2] is not None else next(rest, None)
        spread += [argument] if value is None else ["--parameter", f"{match[1]}={value}"]
    return spread


def usage_hint(arguments: Sequence[str], error: Any) -> str:
    """Return what is meant by a flag that there is not, or by values without one; empty where that is not known."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    flag = str(getattr(error, "option_name", None) or "")
    if flag.startswith("--") and type(error).__name__ == "NoSuchOption":
        return _flag_hint(command, flag[2:])
    extra = re.search(r"unexpected extra arguments?(?:\(s\))? \((.*)\)", str(getattr(error, "message", "")))
    if extra is not None and command in WITH_SETTINGS:
        return _extra_hint(extra[1].split(), list(arguments))
    return ""


def _flag_hint(command: str, name: str) -> str:
    if command in WITH_SETTINGS and parameter_of(name) is not None:
        return f"it needs a value: --{name} VALUES"
    if command not in (*WITH_SETTINGS, *_WITH_SPECS):
        return ""
    key = name.replace("-", "_")
    foreign = foreign_key(key)
    known = key in SETTINGS or parameter_of(key) is not None or key == "seeds"
    target = key if known else foreign.target if foreign is not None else ""
    named = target in SETTINGS or target == "seeds" or parameter_of(target) is not None
    remark = foreign.remark if foreign is not None and not known else ""
    if command in _WITH_SPECS and named:
        return "; ".join(filter(None, [f"a setting of a spec is overridden by -s {target}=VALUE", remark]))
    if command in WITH_SETTINGS and named:
        return "; ".join(filter(None, [f"did you mean --{target.replace('_', '-')}?", remark]))
    if command in WITH_SETTINGS and not known:
        from gradlab.spec.keys import hint_for  # loads YAML

        hint = hint_for(key)
        return re.sub(r"'([^' ]+)'", r"--\1", hint) if hint.startswith("did you mean '") else remark
    return remark


def _extra_hint(extra: list[str], arguments: list[str]) -> str:
    if all("=" in word for word in extra):
        key, _, value = extra[0].partition("=")
        return f"a setting is a flag: --{key.lstrip('+').replace('_', '-')} {value}"
    place = next((at for at in range(len(arguments)) if arguments[at : at + len(extra)] == extra), 0)
    flags = [(at, word) for at, word in enumerate(arguments[:place]) if word.startswith("--")]
    if not flags:
        return ""
    at, word = flags[-1]
    flag, equals, value = word.partition("=")
    values = [value] if equals else arguments[at + 1 : place]
    return f"several values stand together: {flag} {','.join([*values, *extra])}"
