"""A run directory for the tests of the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlab.store import RunDirectory


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    run_directory = RunDirectory(tmp_path / "results" / "x")
    run_directory.create()
    return run_directory
