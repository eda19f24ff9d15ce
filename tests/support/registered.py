"""What a test registers is taken away again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gradlab.cell import REGISTRIES


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    before = {key: dict(registry) for key, registry in REGISTRIES.items()}
    yield
    for key, registry in REGISTRIES.items():
        registry.clear()
        registry.update(before[key])
