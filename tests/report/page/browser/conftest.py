"""The page of a small run in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drawn import cells_of
from page_runs import run_directory, scattered

from gradlab.report.page import build_page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    cells = cells_of(seeds=3)
    text = "name: small\ndescription: Which of these keeps its gradient?\n"
    path = run_directory(folder / "results" / "small", cells, scattered, spec=text, lost=cells[-3:])
    (path / "report.html").write_bytes(build_page([path]).html.encode())
    return path


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Any]:
    from page_in_browser import chromium  # not above: without selenium only the modules of tests are skipped

    driver = chromium(folder)
    yield driver
    driver.quit()


@pytest.fixture
def open_page(browser: Any) -> Callable[..., Any]:
    from page_in_browser import emulate

    def show(path: Path, **look: Any) -> Any:
        emulate(browser, **look)
        browser.get((path / "report.html").as_uri())
        return browser

    return show


@pytest.fixture
def page(open_page: Callable[..., Any], run: Path) -> Any:
    return open_page(run)
