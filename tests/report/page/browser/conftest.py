"""Pages of a small and of a long run, in one browser for all modules of a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drawn import cells_of, many_cells
from page_runs import run_directory, scattered

from gradlab.report.page import build_page


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="session")
def run(folder: Path) -> Path:
    cells = cells_of(seeds=3)
    text = "name: small\ndescription: Which of these keeps its gradient?\n"
    path = run_directory(folder / "results" / "small", cells, scattered, spec=text, lost=cells[-3:])
    (path / "report.html").write_bytes(build_page([path]).html.encode())
    return path


@pytest.fixture(scope="session")
def long_run(folder: Path) -> Path:
    """400 configurations, 200 rows of the heat map."""
    path = run_directory(folder / "results" / "long", many_cells())
    (path / "report.html").write_bytes(build_page([path]).html.encode())
    return path


@pytest.fixture(scope="session")
def browser(folder: Path) -> Iterator[Any]:
    from page_in_browser import chromium  # not above: without selenium only the modules of tests are skipped

    driver = chromium(folder)
    yield driver
    driver.quit()


@pytest.fixture
def open_page(browser: Any) -> Callable[..., Any]:
    from page_in_browser import emulate

    def show(path: Path, fragment: str = "", **look: Any) -> Any:
        emulate(browser, **look)
        browser.get_log("browser")
        browser.get("about:blank")  # otherwise another fragment of the same page loads nothing
        browser.get((path / "report.html").as_uri() + fragment)
        return browser

    return show


@pytest.fixture
def page(open_page: Callable[..., Any], run: Path) -> Any:
    return open_page(run)
