"""What the tests of faults share: real runs of which nothing is left after the test."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from places import SUPPORT
from runs import Run, started

from gradlab.cli import invoke


@pytest.fixture
def start() -> Iterator[Callable[..., Run]]:
    """Start a run, see `started`; nothing is left of it after the test."""
    with ExitStack() as stack:

        def begin(directory: Path, *arguments: str, **options: Any) -> Run:
            return stack.enter_context(started(directory, *arguments, **options))

        yield begin


TEXT = "name: demo\nseeds: 2\ntrain: {steps: 2}\ngrid: {depth: [2, 3], activation: [relu, tanh]}\n"


@pytest.fixture(scope="module")
def with_failures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("finished")
    (place / "demo.yaml").write_text(TEXT)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SUPPORT)
        patch.setenv("GRADLAB_WORK", "fake_work:train")
        patch.setenv("GRADLAB_FAKE", json.dumps({"fail": 3}))
        patch.chdir(place)
        assert invoke(["run", "demo.yaml", "--executor", "inline", "-q"]) == 1
    return place


@pytest.fixture
def run(with_failures: Path, tmp_path: Path, command_line: Callable[..., tuple[int, str, str]]) -> Path:
    """A run in the working directory: one part, four cells that have failed, pictures."""
    shutil.copytree(with_failures, tmp_path, dirs_exist_ok=True)
    return Path("results/demo")


@pytest.fixture
def in_time() -> Iterator[None]:
    """End a test that waits for the other end of a pipe."""

    def ended(number: int, frame: FrameType | None) -> None:
        pytest.fail("it waits for something that never comes")

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
