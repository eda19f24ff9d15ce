"""The page of a small run, parsed."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import cells_of
from page_runs import Parsed, run_directory, scattered

from gradlab.report.page import build_page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_directory(tmp_path_factory.mktemp("results") / "small", cells_of(), scattered)


@pytest.fixture(scope="module")
def page(run: Path) -> Parsed:
    return Parsed(build_page([run]).html)
