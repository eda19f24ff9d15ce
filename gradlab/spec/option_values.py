"""The value behind an option or an argument: text as a shell has it, or a value of Python."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from gradlab.errors import shorten
from gradlab.spec.node import Mark, Node, Problems, ScalarNode, SequenceNode, from_python
from gradlab.spec.plain import plain
from gradlab.spec.reader import compose_value
from gradlab.spelling import Spelling

__all__ = ["parse_value", "python_value"]

_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})*,0[0-9]{2}(?:,[0-9]{3})*")


def parse_value(text: str, mark: Mark, problems: Problems) -> Node | None:
    """Return the value that an option's text means: YAML, or a list where commas stand outside of brackets.

    None, and a problem added, if it is not YAML.
    """
    if _THOUSANDS.fullmatch(text):
        problems.add(mark, f"'{shorten(text)}' may be one number or several", f"write {text.replace(',', '')}")
        return None
    parts = [compose_value(part.strip(), mark, problems) for part in _split(text)]
    nodes = tuple(part for part in parts if part is not None)
    if len(nodes) < len(parts):
        return None
    return nodes[0] if len(nodes) == 1 else SequenceNode(mark, nodes)


def _split(text: str) -> Iterator[str]:
    start, depth, quote = 0, 0, ""
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "," and depth <= 0:
            yield text[start:at]
            start = at + 1
        else:
            depth += (character in "([{") - (character in ")]}")
    yield text[start:]


def python_value(key: str, raw: object, spelling: Spelling, problems: Problems) -> tuple[Mark, Node | None]:
    """Return a value of Python as a document whose every place is called by the key, as it is spelled, and the value.

    Text is read as behind an option; a path is one text, whatever it holds. None, and a problem added, for what means
    nothing in a spec.
    """
    label = spelling.name(key)
    try:
        value = plain(raw)
    except ValueError as error:
        mark = Mark(shorten(label), spelling=spelling)
        problems.add(mark, str(error))
        return mark, None
    value_text = "" if isinstance(value, dict | list) else str(value)
    mark = Mark(shorten(f"{label} {value_text}".rstrip()), spelling=spelling)
    if isinstance(raw, os.PathLike):
        return mark, ScalarNode(mark, value, value, quoted=True)
    return mark, parse_value(value, mark, problems) if isinstance(value, str) else from_python(value, mark)
