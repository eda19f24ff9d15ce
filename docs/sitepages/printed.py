"""The prints of gradlab in README and docs, and the script that prints them anew.

    make prints                                    (python -m sitepages.printed, with docs/ on the path; some minutes)

A block of code behind a comment ``<!-- printed by: COMMAND -->`` is what the command prints into a pipe, or of
``<!-- printed by: COMMAND | PART; PART -->`` those of its paragraphs that begin with the parts, `head` being the first
one; of ``Conclusions: learned, healthy`` the items that begin so. ``…`` stands for what is left out. A first line
``$ …`` stays; ``{yaml 1}`` is a file with the first block of YAML on the page. The date in the line above the comment
becomes today's. All commands run in one new directory with the files of docs/examples, in their order, equal ones once;
so are the notebooks.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from sitepages.links import NOTEBOOKS, ROOT

__all__ = ["BLOCK", "PAGES", "WIDTH", "reprinted", "shortened"]

WIDTH = 120
PAGES = [
    "README.md",
    *(f"docs/{name}.md" for name in ("start", "reports", "comparing", "examples", "models", "three_models")),
]
BLOCK = re.compile(
    r"(?P<above>[^\n]*\n)(?P<comment>\n*<!-- printed by: (?P<command>[^|\n]*?)(?: \| (?P<parts>[^\n]*?))? -->\n+)"
    r"```\n(?P<prompt>\$ [^\n]*\n)?(?P<text>.*?)```\n",
    re.DOTALL,
)
_SPEC = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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
        name, _, items = part.partition(": ")
        for k in _beginning(name, paragraphs):
            chosen[k] = _some_items(paragraphs[k], items.split(", ")) if items else paragraphs[k]
    return "\n".join(_marked(chosen, len(paragraphs), between="")) + "\n"


def _beginning(name: str, texts: list[str]) -> list[int]:
    if name == "head":
        return [0]
    places = [k for k, text in enumerate(texts) if text.strip().startswith(name)]
    if not places:
        raise ValueError(f"nothing printed begins with {name!r}")
    return places


def _some_items(paragraph: str, names: list[str]) -> str:
    """Return the heading and the items that begin so; an item begins with two spaces and goes on with more."""
    heading, *items = re.split(r"\n(?=  \S)", paragraph)
    chosen = {k: items[k] for name in names for k in _beginning(name, items)}
    return "\n".join([heading, *_marked(chosen, len(items), indent="  ")])


def _marked(chosen: dict[int, str], count: int, *, between: str | None = None, indent: str = "") -> list[str]:
    """Return what is chosen, with a sign in the place of what is not, and `between` where nothing is left out."""
    lines: list[str] = []
    last = -1
    for k in sorted(chosen):
        if k > last + 1:
            lines.append(indent + _LEFT_OUT)
        elif k and between is not None:
            lines.append(between)
        lines.append(chosen[k])
        last = k
    return lines if last + 1 == count else [*lines, indent + _LEFT_OUT]


def reprinted(page: str, printed: Callable[[str], str], date: str) -> str:
    """Return the text of a page with what `printed` returns of each command in the place of its blocks."""

    specs = _SPEC.findall(page)

    def block(match: re.Match[str]) -> str:
        above = re.sub(r"\d{4}-\d\d-\d\d", date, match["above"])
        text = shortened(printed(_with_files(match["command"], specs)), match["parts"])
        return f"{above}{match['comment']}```\n{match['prompt'] or ''}{text}```\n"

    return BLOCK.sub(block, page)


def _with_files(command: str, specs: list[str]) -> str:
    """Return a command that reads specs of the page as one that writes them first."""
    used = [int(number) for number in re.findall(r"\{yaml (\d+)\}", command)]
    written = [f"cat >spec{number}.yaml <<'END'\n{specs[number - 1]}END\n" for number in used]
    return "".join(written) + re.sub(r"\{yaml (\d+)\}", r"spec\1.yaml", command)


def run_again(path: Path, folder: str) -> None:
    """Run a notebook in `folder` and save it with what it shows, without what the next run would change for nothing."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}}
    ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def _main() -> int:
    done: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "docs" / "examples", folder, dirs_exist_ok=True)
        environment = {**os.environ, "COLUMNS": str(WIDTH), "PYTHONPATH": str(ROOT)}

        def printed(command: str) -> str:
            if command not in done:
                print(command.rpartition("\n")[2], file=sys.stderr)
                line = command.replace("gradlab ", f"{sys.executable} -m gradlab ")
                done[command] = subprocess.run(
                    line, shell=True, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True
                ).stdout
            return done[command]

        for name in PAGES:
            path = ROOT / name
            page = path.read_text(encoding="utf-8")
            try:
                text = reprinted(page, printed, datetime.date.today().isoformat())
            except ValueError as error:
                print(f"{name}: {error}", file=sys.stderr)
                return 1
            path.write_text(text, encoding="utf-8")
        for name in NOTEBOOKS:
            print(name, file=sys.stderr)
            run_again(ROOT / name, folder)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
