"""The built site: without warnings, every link and anchor leads somewhere, nothing comes from the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from places import ROOT

pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install '.[docs]'")

pytestmark = pytest.mark.slow

LINKS = {"a": "href", "link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """The anchors of a page, what it links to, and what a browser loads to show it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.paragraphs: list[str] = []
        self._in_paragraph = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "p":
            self._in_paragraph = True
            self.paragraphs.append("")
        attributes = {name: value or "" for name, value in attrs}
        self.anchors |= {attributes[name] for name in ("id", "name") if name in attributes}
        target = attributes.get(LINKS.get(tag, ""), "")
        if target.startswith("data:") or (tag == "link" and attributes.get("rel") in ("canonical", "prev", "next")):
            return
        if target:
            (self.links if tag == "a" else self.loaded).append(target)

    def handle_data(self, data: str) -> None:
        if self._in_paragraph:
            self.paragraphs[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._in_paragraph = False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "site"
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    # the page for an address that there is not is shown by servers, which links from their root
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_link_and_anchor_is_there(pages: dict[Path, Page], site: Path) -> None:
    wrong = []
    for path, page in pages.items():
        for target in (*page.links, *page.loaded):
            file, fragment = urldefrag(target)
            if "://" in file or file.startswith("mailto:"):
                continue
            aim = (path.parent / unquote(file)).resolve() if file else path
            if not aim.is_file():
                wrong.append(f"{path.relative_to(site)}: {target}")
            elif fragment and aim in pages and unquote(fragment) not in pages[aim].anchors:
                wrong.append(f"{path.relative_to(site)}: no anchor {target}")
    assert wrong == []
    assert len(pages) > 60


def test_lists_and_tables_are_such(pages: dict[Path, Page], site: Path) -> None:
    """What the readers of the files themselves see as a list or a table may be a paragraph to the generator."""
    sign = re.compile(r"^(?:[-*] |\d+\. |\|.*\|$)|```", re.MULTILINE)
    broken = {
        f"{path.relative_to(site)}: {text[:80]}"
        for path, page in pages.items()
        for text in page.paragraphs
        if sign.search(text)
    }
    assert broken == set()


def test_a_page_loads_nothing_from_the_network(pages: dict[Path, Page]) -> None:
    assert {target for page in pages.values() for target in page.loaded if "//" in target} == set()


def test_every_page_of_docs_is_in_the_site(site: Path) -> None:
    names = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert names <= {path.stem for path in site.glob("*.html")}
