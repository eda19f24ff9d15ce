"""What mkdocs calls while it builds the site: pages that follow from the code, and files outside of docs/."""

from __future__ import annotations

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from sitepages import formulas, links, pages

RANKS = {"terms.md": 4, "reports.md": 4, "settings.md": 3, "specs.md": 3, "commands.md": 2, "components.md": 2}
"""What the search counts a page for, where not as 1: an explanation comes before its uses."""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages, in the place of a file of the same name."""
    for uri, text in pages.generated().items():
        if uri in files.src_uris:
            files.remove(files.src_uris[uri])
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Make links between files of the repository links between pages, and set formulas."""
    uri = page.file.src_uri
    page.meta["search"] = {"boost": 0.1 if uri.startswith("files/") else RANKS.get(uri, 1)}
    text = links.rewritten(markdown, uri)
    return formulas.typeset(text) if uri in formulas.PAGES else text
