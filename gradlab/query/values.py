"""Single values as they are written in a query: numbers, and components with parameters."""

from __future__ import annotations

import re
from functools import lru_cache

from gradlab.components import Value

__all__ = ["NUMBER", "read_component", "read_number", "read_value", "split_component"]

NUMBER = r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
_NUMBER = re.compile(NUMBER)
_INFINITE = re.compile(r"([-+]?)\.?inf(?:inity)?", re.IGNORECASE)
_OTHER_BASE = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")


def read_number(text: str) -> float | int | None:
    """Return the number that `text` is: ``16``, ``1_000``, ``1e-3``, ``.5``, ``0x1F``, ``-inf``; None for others."""
    if _NUMBER.fullmatch(text):
        plain = text.replace("_", "")
        return float(plain) if any(sign in plain for sign in ".eE") or len(plain) > 15 else int(plain)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    infinite = _INFINITE.fullmatch(text)
    return float(f"{infinite[1]}inf") if infinite else None


def read_value(text: str) -> Value:
    """Return what a parameter of a component is: a number, true or false, or the text."""
    number = read_number(text)
    if number is not None:
        return number
    return {"true": True, "false": False}.get(text.lower(), text)


def split_component(text: str) -> tuple[str, list[tuple[str, str | None]]]:
    """Return name and parameters of a component as a table prints it, ``leaky_relu(negative_slope=0.2)``, as texts.

    A parameter that is given no value has None.
    """
    name, opening, arguments = text.partition("(")
    parameters: list[tuple[str, str | None]] = []
    for part in filter(str.strip, arguments.rpartition(")")[0].split(",") if opening else ()):
        key, equals, value = part.partition("=")
        parameters.append((key.strip(), value.strip() if equals else None))
    return name.strip(), parameters


@lru_cache(maxsize=4096)
def read_component(text: str) -> tuple[str, tuple[tuple[str, Value | None], ...]]:
    """Return name and parameters of a component as `split_component` does, with their values."""
    name, parameters = split_component(text)
    return name, tuple((key, None if value is None else read_value(value.strip("'\""))) for key, value in parameters)
