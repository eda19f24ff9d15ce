"""Formulas as the pages write them, ``σ_w² E φ'(x_{l-1})²``, with indices and exponents in their places.

In the files they are readable texts, as in the code; in the site an index becomes ``<sub>``, an exponent ``<sup>``, and
an indented block of a page of `PAGES` a formula. Nothing but the
signs ``_``, ``^`` and the braces around them goes away.
"""

from __future__ import annotations

import html
import re

__all__ = ["PAGES", "inline", "typeset"]

PAGES = frozenset({"derivations.md", "models.md", "reports.md", "terms.md", "theory.md"})
"""Those with formulas."""

_GREEK = "α-ωΑ-Ω"
_BASE = (
    rf"(?:(?<![A-Za-z_])(?:mean|spread|He|MS|SS)|(?<![A-Za-z_\\])[A-Za-zḡ]|[{_GREEK}]|[)∂‖]|⊥)"
    r"[\u0300-\u036f]?'*[²³⁴]*"
)
_INDEX = rf"_(?:\{{(?P<braces>[^{{}}]*)\}}|(?P<plain>(?:[A-Za-z0-9]'*){{1,3}}(?![A-Za-z0-9_])|[{_GREEK}]{{1,3}}|⊥))"
_WORD_INDEX = r"(?P<words>(?:MS|SS)_(?:residual|total|factor))"
_SUB = re.compile(rf"{_WORD_INDEX}|(?P<base>{_BASE}){_INDEX}")
_SUP = re.compile(
    r"\^(?:\{(?P<braces>[^{}]*)\}|\((?P<brackets>(?:[^()]|\([^()]*\))*)\)|"
    rf"(?P<plain>[-+−]?(?:[\d.,]*\d|[A-Za-z{_GREEK}](?![A-Za-z])|[¼½])))"
)
_FENCED = re.compile(r"(```.*?\n```)", re.DOTALL)
_UNCHANGED = re.compile(r"(`[^`\n]+`|\]\([^)]*\)|<[^>\n]+>)")
"""Code, the targets of links, tags."""
_BLOCK = re.compile(r"(?<=\n\n)(?:    \S.*\n)+(?=\n)")
_VARIABLE = re.compile(rf"(?!a [a-z]{{2}})(?<![A-Za-z&;{_GREEK}])[a-zA-DF-MP-Z{_GREEK}](?![A-Za-z;])")
"""Single letters but E, N and O, which are the expectation, the normal law and the order."""


def typeset(markdown: str) -> str:
    """Return the text of a page with its formulas as HTML."""
    parts = _FENCED.split(markdown)
    return "".join(part if k % 2 else _outside_of_fences(part) for k, part in enumerate(parts))


def _outside_of_fences(text: str) -> str:
    parts = _UNCHANGED.split(_BLOCK.sub(lambda match: _displayed(match[0]), text))
    return "".join(part if k % 2 else inline(part) for k, part in enumerate(parts))


def inline(text: str) -> str:
    """Return a text with its indices and exponents as ``<sub>`` and ``<sup>``, those inside of others too."""
    while (changed := _SUP.sub(_raised, _SUB.sub(_lowered, text))) != text:
        text = changed
    return text


def _lowered(match: re.Match[str]) -> str:
    if match["words"]:
        base, _, index = match["words"].partition("_")
        return f"{base}<sub>{index}</sub>"
    return f"{match['base']}<sub>{match['braces'] if match['braces'] is not None else match['plain']}</sub>"


def _raised(match: re.Match[str]) -> str:
    if match["brackets"] is not None:
        return f"<sup>({match['brackets']})</sup>"
    return f"<sup>{match['braces'] if match['braces'] is not None else match['plain']}</sup>"


def _displayed(block: str) -> str:
    """Return an indented block as a formula: variables in italics, wide gaps as they are."""
    text = html.escape("\n".join(line[4:] for line in block.splitlines()), quote=False)
    parts = re.split(r"`([^`]+)`", text)
    formula = "".join(f"<code>{part}</code>" if k % 2 else _slanted(inline(part)) for k, part in enumerate(parts))
    return f'<div class="formula" markdown="0">{formula}</div>\n'


def _slanted(formula: str) -> str:
    parts = re.split(r"(<[^>]+>)", formula)
    return "".join(part if k % 2 else _VARIABLE.sub(r"<i>\g<0></i>", part) for k, part in enumerate(parts))
