"""One value of a `Param`, whether it is a setting or a parameter of a component, out of a document."""

from __future__ import annotations

from typing import Any

from gradlab.components import Param, nearest
from gradlab.components.synonyms import names_nothing
from gradlab.query.notations import HOW, arithmetic_hint
from gradlab.spec.node import MappingNode, Node, Problems, ScalarNode, show

__all__ = ["read"]


def read(name: str, param: Param, node: Node, problems: Problems, hint: str = "") -> Any:
    """Return the canonical value of the parameter that messages call `name`, or None after adding to `problems`.

    `hint` says what to do where nothing more is known than that the value is wrong.
    """
    if isinstance(node, ScalarNode) and node.empty:
        problems.add(node.mark, f"{name} has no value")
        return None
    try:
        return param.check(_plain(param, node))
    except ValueError as error:
        problems.add(node.mark, f"{name} must be {error}, found {show(node)}", _hint(param, node) or hint)
        return None


_TRUTHS = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False}


def _plain(param: Param, node: Node) -> object:
    """Return the plain value of a node for a parameter; words of other tools for true, false and nothing included."""
    if not isinstance(node, ScalarNode):
        return node
    if param.kind is str:
        return node.text
    if param.kind is bool and isinstance(node.value, str):
        return _TRUTHS.get(node.text.lower(), node.value)
    return None if param.off and names_nothing(node.value) else node.value


def _hint(param: Param, node: Node) -> str:
    if isinstance(node, MappingNode):
        return _hint_for_mapping(node)
    if not isinstance(node, ScalarNode):
        return ""
    if param.kind is not str and isinstance(node.value, str):
        if node.text.count("(") != node.text.count(")"):
            return "put the whole value in quotes"
        if node.text in ("...", "…"):
            return HOW
        if hint := arithmetic_hint(node.text):
            return hint
    if param.kind is not str and node.quoted and not isinstance(ScalarNode.plain(node.mark, node.text).value, str):
        return "remove the quotes"
    close = nearest(node.text, param.choices) if isinstance(node.value, str) else None
    return f"did you mean '{close}'?" if close else ""


def _hint_for_mapping(node: MappingNode) -> str:
    """Return the hint for an axis as wandb, Ray Tune and Hydra have it: ``{values: [...]}``, ``{min: 1, max: 8}``."""
    keys = {entry.key for entry in node.entries}
    if keys & {"values", "grid_search", "choices"}:
        return "values of an axis stand in a list, [...], under grid:"
    if all(isinstance(entry.value, ScalarNode) and entry.value.empty for entry in node.entries):  # {2, 4, 8}
        return HOW
    return HOW if keys & {"min", "max", "low", "high", "start", "stop", "distribution", "uniform", "range"} else ""
