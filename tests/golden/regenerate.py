"""Write the golden files anew: the cell ids of every experiment, the tables and reports of the specs in ``specs/``.

    python tests/golden/regenerate.py [--ids] [--tables] [--reports]      (all three unless one is named)

They were made by the version before the packages of gradlab were rearranged (commit c521ae2, November 2026) and are the
witness that a later version computes the same. So they may be written again only

- with ``--ids`` when an experiment was added or changed: the lines of the others must not change;
- with ``--reports`` when the report changed on purpose, while the tables of the same version are still equal;
- with ``--tables`` when a spec in ``specs/`` was added (its tables are new, all others unchanged), or when numbers
  changed on purpose, which CHANGELOG.md names and `gradlab.cell.ID_SCHEMA` tells from the old ones.

What does it is the gradlab that Python finds: ``PYTHONPATH=TREE python tests/golden/regenerate.py`` uses that of TREE.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

from gradlab import grid, spec
from gradlab.cell import cell_id
from gradlab.cli import invoke

__all__ = ["EXPERIMENTS", "HERE", "IDS", "SPECS", "TABLES", "identities", "named", "recorded"]

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parents[1] / "experiments"
EXPERIMENTS = [*sorted(LIBRARY.glob("*.yaml")), *sorted((LIBRARY / "papers").glob("*.yaml"))]
SPECS = sorted((HERE / "specs").glob("*.yaml"))
IDS = HERE / "ids.json"
TABLES = ("cells", "layers", "steps", "summary")
WIDTH = "120"
"""Columns of the terminal that the reports are made for."""


def named(path: Path) -> str:
    """Return how an experiment is called in `IDS`: its path in the library without the suffix."""
    return path.relative_to(LIBRARY).with_suffix("").as_posix()


def identities(path: Path) -> dict[str, Any]:
    """Return how many cells a spec has and the SHA-256 over their sorted ids."""
    ids = sorted(map(cell_id, grid.expand(spec.load(path)).cells))
    return {"cells": len(ids), "sha256": hashlib.sha256("\n".join(ids).encode()).hexdigest()}


def recorded(path: Path, directory: Path) -> tuple[dict[str, bytes], str]:
    """Run a spec inside `directory` (which becomes the working directory); return its tables and its report."""
    output, plain = io.StringIO(), {"COLUMNS": WIDTH, "NO_COLOR": "1"}
    with mock.patch.dict(os.environ, plain), contextlib.chdir(directory), contextlib.redirect_stdout(output):
        code = invoke(["run", str(path), "--no-plots", "--executor", "inline"])
    if code:
        raise RuntimeError(f"{path.name} ended with exit code {code}")
    run = directory / "results" / path.stem
    return {name: (run / f"{name}.csv").read_bytes() for name in TABLES}, output.getvalue()


def write(parts: Iterable[str]) -> None:
    """Write the named parts of the golden files."""
    if "ids" in parts:
        IDS.write_text(json.dumps({named(path): identities(path) for path in EXPERIMENTS}, indent=1) + "\n")
    if not {"tables", "reports"} & set(parts):
        return
    for path in SPECS:
        with tempfile.TemporaryDirectory() as directory:
            tables, report = recorded(path, Path(directory))
        place = HERE / "expected" / path.stem
        place.mkdir(parents=True, exist_ok=True)
        if "reports" in parts:
            (place / "report.txt").write_text(report, encoding="utf-8")
        if "tables" in parts:
            for name, content in tables.items():
                (place / f"{name}.csv").write_bytes(content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    every = ("ids", "tables", "reports")
    for part in every:
        parser.add_argument(f"--{part}", action="store_true")
    chosen = vars(parser.parse_args())
    write([part for part in every if chosen[part]] or every)
