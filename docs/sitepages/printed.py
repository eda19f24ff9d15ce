"""The prints of gradlab in README and docs, and the script that prints them anew.

    make prints                                    (python -m sitepages.printed, with docs/ on the path; some minutes)

A block of code behind a comment ``<!-- printed by: COMMAND -->`` is what the command prints at a width of 110 columns, or
of ``<!-- printed by: COMMAND | PART; PART -->`` those of its paragraphs that begin with the parts, `head` being the
first one; behind ``Conclusions 2`` so many of them. ``…`` stands for what is left out. A first line ``$ …`` stays. The date
in the line above the comment becomes today's. All commands run in one new directory, in their order, equal ones once.
"""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from sitepages.links import ROOT

__all__ = ["BLOCK", "PAGES", "WIDTH", "reprinted", "shortened"]

WIDTH = 110
PAGES = ["README.md", *(f"docs/{name}.md" for name in ("start", "reports", "comparing", "examples"))]
BLOCK = re.compile(
    r"(?P<above>[^\n]*\n)(?P<comment>\n*<!-- printed by: (?P<command>[^|\n]*?)(?: \| (?P<parts>[^\n]*?))? -->\n+)"
    r"```\n(?P<given>\$ [^\n]*\n)?(?P<text>.*?)```\n",
    re.DOTALL,
)
_LEFT_OUT = "…"


def shortened(text: str, parts: str | None) -> str:
    """Return the paragraphs of a print that `parts` names, with a sign for those between them that it does not.

    Raises ValueError for a part that there is not.
    """
    if not parts:
        return text.strip("\n") + "\n"
    paragraphs = re.split(r"\n\s*\n", text.strip("\n"))
    chosen: dict[int, str] = {}
    for part in parts.split("; "):
        name, number = re.fullmatch(r"(.*?)(?: (\d+))?", part).groups()  # type: ignore[union-attr]
        places = [k for k, paragraph in enumerate(paragraphs) if paragraph.startswith(name) or (name, k) == ("head", 0)]
        if not places:
            raise ValueError(f"nothing printed begins with {name!r}")
        for k in places:
            chosen[k] = paragraphs[k] if number is None else _first_items(paragraphs[k], int(number))
    lines: list[str] = []
    last = -1
    for k, paragraph in sorted(chosen.items()):
        lines += [_LEFT_OUT] if k > last + 1 else [""] if k else []
        lines.append(paragraph)
        last = k
    if last + 1 < len(paragraphs):
        lines.append(_LEFT_OUT)
    return "\n".join(lines) + "\n"


def _first_items(paragraph: str, number: int) -> str:
    """Return the heading and the first items, each of which begins with two spaces and goes on with more."""
    heading, *items = re.split(r"\n(?=  \S)", paragraph)
    kept = [heading, *items[:number]]
    return "\n".join(kept if len(items) <= number else [*kept, f"  {_LEFT_OUT}"])


def reprinted(page: str, printed: Callable[[str], str], date: str) -> str:
    """Return the text of a page with what `printed` returns of each command in the place of its blocks."""

    def block(match: re.Match[str]) -> str:
        above = re.sub(r"\d{4}-\d\d-\d\d", date, match["above"])
        text = shortened(printed(match["command"]), match["parts"])
        return f"{above}{match['comment']}```\n{match['given'] or ''}{text}```\n"

    return BLOCK.sub(block, page)


def _main() -> int:
    done: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "COLUMNS": str(WIDTH), "PYTHONPATH": str(ROOT)}

        def printed(command: str) -> str:
            if command not in done:
                print(command, file=sys.stderr)
                line = command.replace("gradlab ", f"{sys.executable} -m gradlab ", 1)
                done[command] = subprocess.run(
                    line, shell=True, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True
                ).stdout
            return done[command]

        for name in PAGES:
            path = Path(ROOT / name)
            page = path.read_text(encoding="utf-8")
            path.write_text(reprinted(page, printed, datetime.date.today().isoformat()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
