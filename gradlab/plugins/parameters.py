"""The parameters of a component: the arguments of its function that a spec may give."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from gradlab.components import Param
from gradlab.errors import PluginError

__all__ = ["params_of"]

_KINDS = {kind.__name__: kind for kind in (bool, int, float, str)}


def params_of(
    name: str, target: Any, positional: int, declared: Mapping[str, Param], excluded: Sequence[str] = ()
) -> dict[str, Param]:
    """Return the parameters of a component: `declared` ones, and the arguments of `target` behind the first few,
    without those that are `excluded`.

    Raises PluginError for an argument that a spec must give but whose kind nobody tells, and for a parameter in
    `declared` that `target` does not take.
    """
    try:
        arguments = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):  # compiled, like torch.sin
        return dict(declared)
    variable = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    accepted = {
        argument.name: param
        for argument in arguments[positional:]
        if argument.kind not in variable
        and argument.name not in excluded
        and (param := declared.get(argument.name) or _param(name, argument)) is not None
    }
    if any(argument.kind is inspect.Parameter.VAR_KEYWORD for argument in arguments):
        return {**accepted, **declared}
    if unknown := [key for key in declared if key not in accepted]:
        raise PluginError(f"{name} has a parameter {unknown[0]!r}, but its function has no such argument")
    return accepted


def _param(name: str, argument: inspect.Parameter) -> Param | None:
    """Return an argument as a parameter, None for one whose default no spec can write."""
    noted = argument.annotation
    kind = _KINDS.get(noted if isinstance(noted, str) else getattr(noted, "__name__", ""))
    default = argument.default
    if default is not inspect.Parameter.empty:
        kind = kind or _KINDS.get(type(default).__name__)
        return Param(kind(default), kind) if kind and isinstance(default, bool | int | float | str) else None
    if kind is None:
        hint = f"give it a default, an annotation, or params={{{argument.name!r}: gl.Param(…)}}"
        raise PluginError(f"the argument {argument.name!r} of {name} has no default", hint)
    return Param(kind=kind, required=True)
