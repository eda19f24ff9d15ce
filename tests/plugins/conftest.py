from __future__ import annotations

from pathlib import Path

import pytest
from registered import registries  # noqa: F401


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
