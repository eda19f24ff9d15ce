"""What all tests share: the command line in this process, the fake work, and what no test may leave behind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gradlab.cli import invoke


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("GRADLAB_LONG", "") in ("", "0"):
        left_out = [item for item in items if item.get_closest_marker("slow_full")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("slow_full")]


@pytest.fixture(autouse=True)
def subnormal_numbers() -> Iterator[None]:
    """Fail a test that leaves the processor flushing subnormal numbers, as training does: the next would too."""
    yield
    smallest = float("5e-324")
    assert smallest * 1.0 > 0, "subnormal numbers are still flushed"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts the tests, a worker of pytest-xdist among them, may have set what reports look at."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process, in an empty working directory: exit code, stdout and stderr.

    The work is `fake_work`, whose wishes are the keywords.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADLAB_WORK", "fake_work:train")

    def call(*arguments: str, **wishes: Any) -> tuple[int, str, str]:
        monkeypatch.setenv("GRADLAB_FAKE", json.dumps(wishes))
        code = invoke(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """Give `fake_work` its wishes; the answer lists the cells that it has computed so far."""
    calls = tmp_path / "calls"

    def wish(**wishes: Any) -> list[str]:
        monkeypatch.setenv("GRADLAB_FAKE", json.dumps({"calls": str(calls), **wishes}))
        return calls.read_text().split() if calls.exists() else []

    wish()
    return wish
