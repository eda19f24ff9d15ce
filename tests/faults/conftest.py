"""What the tests of faults share: real runs of which nothing is left after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from runs import Run, started


@pytest.fixture
def start() -> Iterator[Callable[..., Run]]:
    """Start a run, see `started`; nothing is left of it after the test."""
    with ExitStack() as stack:

        def begin(directory: Path, *arguments: str, **options: Any) -> Run:
            return stack.enter_context(started(directory, *arguments, **options))

        yield begin
