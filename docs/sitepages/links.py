"""The pages that show files of the repository, and links between the files as links between the pages."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

__all__ = ["LISTED", "NOTEBOOKS", "PAGES", "ROOT", "origin", "rewritten"]

ROOT = Path(__file__).parents[2]

PAGES = {
    "README.md": "index.md",
    "experiments/README.md": "experiments.md",
    "experiments/papers/README.md": "papers.md",
    "results/README.md": "run_files.md",
    "benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "SECURITY.md": "security.md",
}
"""Pages that stand outside of docs/."""

NOTEBOOKS = {"docs/notebook.ipynb": "notebook.md", "docs/own_models.ipynb": "own_models_notebook.md"}

LISTED = {
    **{
        path.relative_to(ROOT).as_posix(): f"files/{path.stem}.md"
        for folder in ("experiments", "experiments/papers")
        for path in sorted((ROOT / folder).iterdir())
        if path.suffix == ".yaml" or (folder.endswith("papers") and path.suffix == ".py")
    },
    **{
        path.relative_to(ROOT).as_posix(): f"files/{path.stem}_py.md"
        for path in sorted((ROOT / "docs" / "examples").glob("*.py"))
    },
    "docs/examples/my_lab.yaml": "files/my_lab_yaml.md",
    "CITATION.cff": "files/citation.md",
}
"""Files that are shown as they are, each on a page."""

_SHOWN = {**PAGES, **NOTEBOOKS, **LISTED}
_ORIGINS = {uri: path for path, uri in PAGES.items()}
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")


def origin(uri: str) -> str:
    """Return the file of the repository that a page of the site was made of."""
    return _ORIGINS.get(uri, f"docs/{uri}")


def rewritten(markdown: str, uri: str) -> str:
    """Return the text of a page with its links to files of the repository as links to the pages that show them."""
    folder = posixpath.dirname(origin(uri))

    def replaced(match: re.Match[str]) -> str:
        begin, target, fragment, end = match.groups()
        if re.match(r"[a-z]+:", target):
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        shown = _SHOWN.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if shown is None:
            return match[0]
        return f"{begin}{posixpath.relpath(shown, posixpath.dirname(uri) or '.')}{fragment or ''}{end}"

    return _LINK.sub(replaced, markdown)
