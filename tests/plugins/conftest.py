from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gradlab.cell import REGISTRIES


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """Take what a test registers away again."""
    before = {key: dict(registry) for key, registry in REGISTRIES.items()}
    yield
    for key, registry in REGISTRIES.items():
        registry.clear()
        registry.update(before[key])


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
