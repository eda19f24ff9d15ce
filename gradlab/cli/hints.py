"""Command lines as other tools have them: parameters of components as flags, and hints for flags that there are not."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from gradlab.cell import REGISTRIES, SETTINGS, parameter_of
from gradlab.components import nearest
from gradlab.components.synonyms import foreign_key
from gradlab.spelling import FLAGS

__all__ = ["WITH_SETTINGS", "usage_message", "with_parameters"]

WITH_SETTINGS = ("sweep", "theory")
"""The commands that have a flag for every setting; specs have ``-s KEY=VALUE``."""
_WITH_SPECS = ("run", "plan")
_FLAG = re.compile(r"--([A-Za-z_][A-Za-z0-9_.-]*)(?:=(.*))?", re.DOTALL)


def with_parameters(arguments: Sequence[str]) -> list[str]:
    """Return a command line with ``--optimizer.eps VALUES`` as ``--parameter optimizer.eps=VALUES``, and the values of
    a setting that stand apart, ``--depth 2 4 8``, as one: these commands have no other arguments.

    Components of the user have parameters too, which are known only once their file was read.
    """
    if not arguments or arguments[0] not in WITH_SETTINGS:
        return list(arguments)
    arguments = [arguments[0], *map(_named_once, arguments[1:])]
    spread = [arguments[0]]
    at = 1
    while at < len(arguments):
        match = _FLAG.fullmatch(arguments[at])
        owner = match[1].rpartition(".")[0] if match else ""
        parameter = match is not None and match[1] not in SETTINGS and owner in REGISTRIES
        setting = match is not None and match[1] in _setting_flags()
        alone = match is not None and match[2] is None and (at + 1 == len(arguments) or arguments[at + 1][:2] == "--")
        if match is None or not (parameter or setting) or alone:
            spread.append(arguments[at])
            at += 1
            continue
        end = at + 1 if match[2] is not None else at + 2
        while end < len(arguments) and not arguments[end].startswith("-") and "=" not in arguments[end]:
            end += 1
        values = ",".join([*([] if match[2] is None else [match[2]]), *arguments[at + 1 : end]])
        spread += ["--parameter", f"{match[1]}={values}"] if parameter else [f"--{match[1]}={values}"]
        at = end
    return spread


def _named_once(argument: str) -> str:
    """Return an argument with the flag of a setting as help has it, also for ``--train.steps`` and ``--batch_size``."""
    match = _FLAG.fullmatch(argument)
    if match is None:
        return argument
    flag = _other_forms().get(match[1], match[1])
    return f"--{flag}" if match[2] is None else f"--{flag}={match[2]}"


def _other_forms() -> dict[str, str]:
    """Return the flags of settings by their keys in a spec and by the names of their fields."""
    flags = {key: setting.attribute.replace("_", "-") for key, setting in SETTINGS.items() if key != "seed"}
    return flags | {SETTINGS[key].attribute: flag for key, flag in flags.items()}


def _setting_flags() -> set[str]:
    """Return the flags of settings, without their dashes."""
    flags = {name for key, setting in SETTINGS.items() for name in (key, setting.attribute.replace("_", "-"))}
    return flags - {"seed"} | {"seeds"}


def usage_message(arguments: Sequence[str], error: Any, commands: Collection[str]) -> str:
    """Return what is wrong with a command line that cannot be parsed, and below it what would be right."""
    message = re.sub(r" \(Possible options: .*\)$|\.? Did you mean .*\?$", "", error.format_message()).rstrip(".")
    command = next((word for word in arguments if not word.startswith("-")), "")
    click_command = error.ctx.command if getattr(error, "ctx", None) is not None else None
    hint = _hint(command, error, click_command) or " ".join(
        ["see gradlab", *[command] * (command in commands), "--help"]
    )
    return f"{message[:1].lower()}{message[1:]}\n  {hint}"


def _hint(command: str, error: Any, click_command: Any) -> str:
    flag = str(getattr(error, "option_name", None) or "")
    if flag.startswith("-") and type(error).__name__ == "NoSuchOption":
        return _flag_hint(command, flag.lstrip("-")) or _nearest_flag(command, flag, click_command)
    if (unknown := re.match(r"No such command '(.*?)'", str(getattr(error, "message", "")))) is not None:
        close = nearest(unknown[1], getattr(click_command, "commands", ()))
        return f"did you mean gradlab {close}?" if close else ""
    extra = re.search(r"unexpected extra arguments?(?:\(s\))? \((.*)\)", str(getattr(error, "message", "")))
    if extra is not None and command in WITH_SETTINGS:
        return _extra_hint(extra[1].split())
    return ""


def _nearest_flag(command: str, flag: str, click_command: Any) -> str:
    """Return the hint with the flag of the command, or the setting of a spec, that is most like a flag."""
    flags = {name.lstrip("-"): name for param in getattr(click_command, "params", ()) for name in param.opts}
    flags = {name: spelled for name, spelled in flags.items() if len(name) > 1}
    settings = {FLAGS.name(key).lstrip("-"): key for key in (*SETTINGS, "seeds") if key != "seed"}
    close = nearest(flag.lstrip("-"), {**settings, **flags} if command in _WITH_SPECS else flags)
    if close is None:
        return ""
    return f"did you mean {flags[close]}?" if close in flags else f"did you mean -s {settings[close]}=VALUE?"


def _flag_hint(command: str, name: str) -> str:
    """Return the hint where a flag is the name of a setting, here or in another tool."""
    if command in WITH_SETTINGS and parameter_of(name) is not None:
        return f"it needs a value: --{name} VALUES"
    if command not in (*WITH_SETTINGS, *_WITH_SPECS):
        return ""
    key = name.replace("-", "_")
    key = "random_state" if key == "seed" else key  # which is no key of a spec: its seeds are a list
    key = {setting.attribute: key for key, setting in SETTINGS.items()}.get(key, key)
    foreign = foreign_key(key)
    is_setting = key in SETTINGS or parameter_of(key) is not None or key == "seeds"
    target = key if is_setting else foreign.target if foreign is not None else ""
    is_target_setting = target in SETTINGS or target == "seeds" or parameter_of(target) is not None
    remark = foreign.remark if foreign is not None and not is_setting else ""
    if command in _WITH_SPECS and is_target_setting:
        return "; ".join(filter(None, [f"a setting of a spec is overridden by -s {target}=VALUE", remark]))
    if command in WITH_SETTINGS and is_target_setting:
        return "; ".join(filter(None, [f"did you mean {FLAGS.name(target)}?", remark]))
    return remark


def _extra_hint(extra: list[str]) -> str:
    key, equals, value = extra[0].partition("=")
    return f"a setting is a flag: {FLAGS.name(key.lstrip('+').replace('-', '_'))} {value}" if equals else ""
