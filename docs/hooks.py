"""What mkdocs calls while it builds the site: pages that follow from the code, and files outside of docs/."""

from __future__ import annotations

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from sitepages import formulas, links, pages


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for uri, text in pages.generated().items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Make links between files of the repository links between pages, and set formulas."""
    uri = page.file.src_uri
    text = links.rewritten(markdown, uri)
    return formulas.typeset(text) if uri in formulas.PAGES else text
