"""The circumstances of a failure beside the cell itself: where they are others, the cell is tried again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import sys
from functools import lru_cache
from pathlib import Path

import gradlab
from gradlab.cell import Cell
from gradlab.execution.provenance import versions

__all__ = ["circumstances"]

_VARIABLES = ("GRADLAB_WORK", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "PYTHONPATH", "OMP_NUM_THREADS")
"""Of the environment, those that change what a worker imports or computes on."""


def circumstances(cell: Cell, device: str) -> dict[str, str]:
    """Return what a failure of `cell` on `device` may be due to; its settings and its data are in its id.

    The id has the content of a data file, not its name, by which a reader may go.
    """
    installed = versions()
    named = ", ".join(f"{name} {installed[name]}" for name in ("gradlab", "torch", "numpy") if name in installed)
    path = str(dict(cell.task.params).get("path", "")) if cell.data_digest else ""
    return {"versions": named, "environment": _environment(), "device": device, "path": path}


def _environment() -> str:
    """Return a digest of the interpreter, the system, every package installed, and the source of this one."""
    values = {name: os.environ.get(name, "") for name in _VARIABLES}
    text = repr((sys.version, sys.prefix, platform.platform(), values, _packages(tuple(sys.path)), _source()))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


@lru_cache(maxsize=1)
def _source() -> str:
    """Return a digest of gradlab itself: of a clone the version says little about the code."""
    digest = hashlib.sha256()
    for path in sorted(Path(gradlab.__file__).parent.rglob("*.py")):
        try:
            digest.update(path.read_bytes())
        except OSError:  # what cannot be read is not what has changed
            continue
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _packages(path: tuple[str, ...]) -> list[str]:
    del path  # where they are looked for
    return sorted({f"{package.name}=={package.version}" for package in importlib.metadata.distributions()})
