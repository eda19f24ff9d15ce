"""The files of a measured model: a page, the table of its blocks, and everything as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.api.probe import ProbeResult, document
from gradlab.store.atomic import make_folder, replacing_all

if TYPE_CHECKING:
    from gradlab.modules.cures.trials import Cure

__all__ = ["NAMES", "save"]

NAMES = ("probe.html", "blocks.csv", "probe.json")


def save(result: ProbeResult, directory: Path, cures: Sequence[Cure] = ()) -> tuple[Path, ...]:
    """Write the files into a directory, which is made, all or none; return them. Raises StoreError where it cannot."""
    from gradlab.report import plots
    from gradlab.report.model.module_cures import cure_rows
    from gradlab.report.page.module import module_page

    make_folder(directory)
    plots.load()
    from gradlab.report.plots.module import picture, svg

    content = document(result, cures)
    rows = cure_rows(cures, result.options.vanish, result.options.explode)
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(content["blocks"][0]), lineterminator="\n")
    writer.writeheader()
    for row in content["blocks"]:
        writer.writerow(row | {"shape": "x".join(map(str, row["shape"]))})
    texts = (
        module_page(result.report, rows, svg(picture(result.report))), table.getvalue(),
        json.dumps(content, indent=2, allow_nan=False) + "\n",
    )  # fmt: skip
    paths = tuple(directory / name for name in NAMES)
    with replacing_all(paths) as files:
        for file, text in zip(files, texts, strict=True):
            file.write(text.encode())
    return paths
