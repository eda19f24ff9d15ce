"""The texts of the documentation, and the code that stands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from places import ROOT

PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "results" / "README.md",
    ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "experiments" / "README.md", ROOT / "experiments" / "papers" / "README.md",
]  # fmt: skip
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
_FENCED = re.compile(r"^( *)(```+)(\w*)\n(.*?)^\1\2$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(language: str) -> list[Block]:
    """Every fenced block in a language."""
    return [
        Block(name, text.count("\n", 0, match.start()) + 1, match[3], match[4])
        for name, text in zip(NAMES, map(text_of, NAMES), strict=True)
        for match in _FENCED.finditer(text)
        if match[3] == language
    ]


def outside_of_blocks(name: str) -> str:
    return _FENCED.sub("", text_of(name))
