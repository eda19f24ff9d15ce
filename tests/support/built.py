"""Distributions built by the backend that pyproject.toml names."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from places import ROOT

_BACKEND = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["build-backend"]


def distribution(folder: Path, out: Path, kind: str) -> Path:
    """Build ``wheel``, ``editable`` or ``sdist`` of a folder with the backend that pyproject.toml names."""
    pytest.importorskip("hatchling", reason="hatchling, the build backend, is not installed: pip install '.[dev]'")
    code = f"import sys, importlib; print(importlib.import_module({_BACKEND!r}).build_{kind}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=folder, check=True, capture_output=True, text=True
    )
    return out / done.stdout.split()[-1]
