"""One value of a `Param`, whether it is a setting or a parameter of a component, out of a document."""

from __future__ import annotations

from typing import Any

from gradlab.components import Param, nearest
from gradlab.spec.node import Node, Problems, ScalarNode, show

__all__ = ["read"]


def read(name: str, param: Param, node: Node, problems: Problems, hint: str = "") -> Any:
    """Return the canonical value of the parameter that messages call `name`, or None after adding to `problems`.

    `hint` says what to do where nothing more is known than that the value is wrong.
    """
    if isinstance(node, ScalarNode) and node.empty:
        problems.add(node.mark, f"{name} has no value")
        return None
    try:
        return param.check(node if not isinstance(node, ScalarNode) else node.text if param.kind is str else node.value)
    except ValueError as error:
        problems.add(node.mark, f"{name} must be {error}, found {show(node)}", _hint(param, node) or hint)
        return None


def _hint(param: Param, node: Node) -> str:
    if not isinstance(node, ScalarNode):
        return ""
    if param.kind is not str and node.quoted and not isinstance(ScalarNode.plain(node.mark, node.text).value, str):
        return "remove the quotes"
    close = nearest(node.text, param.choices) if isinstance(node.value, str) else None
    return f"did you mean '{close}'?" if close else ""
