"""Directories that the tests of several commands read."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn
from watched_runs import probed, train


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with two trainings and a probe in results/."""
    monkeypatch.chdir(tmp_path)
    train(Path("results/a"), clip=0.01)
    train(Path("results/b"), activation=nn.Sigmoid, depth=12)
    probed().save("results/p")
    return tmp_path
