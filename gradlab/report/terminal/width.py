"""A coordinate check for a terminal."""

from __future__ import annotations

import math

from rich.text import Text

from gradlab.modules.width_record import WidthCheck
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.width import width_conclusions, width_rows
from gradlab.report.terminal.entries import wrapped
from gradlab.report.terminal.table import Column, Entry, fold

__all__ = ["width_report"]

_STYLES = {"grows": "bold red", "shrinks": "bold yellow", "undecided": "dim", "does not move": "dim"}


def width_report(check: WidthCheck, glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the lines of a check, folded to `width` columns."""
    rows = width_rows(check)
    lr = f", learning rate {check.lr:g}" if check.lr is not None else ""
    seeds = check.before_LWS.shape[2]
    about = f"{len(rows)} layers {glyphs.dot} {seeds} seeds {glyphs.dot} {check.optimizer}{lr}"
    lines = [Text("Coordinate check", "bold"), *wrapped(about, width), Text()]
    for line in width_conclusions(check):
        lines += wrapped(line[0].upper() + line[1:] + ".", width)
    labels = [Column("layer", tuple(Entry(row["layer"]) for row in rows), right=False)]
    columns = [
        Column("verdict", tuple(Entry(row["verdict"], _STYLES.get(row["verdict"], "")) for row in rows), right=False),
        Column("slope", tuple(Entry(_number(row["slope"])) for row in rows)),
        Column(f"{glyphs.plus_minus}", tuple(Entry(_number(row["half_width"])) for row in rows)),
        Column("all widths", tuple(Entry(_number(row["slope_all"])) for row in rows)),
        Column("before", tuple(Entry(_number(row["slope_before"])) for row in rows)),
        *(
            Column(f"step {step}", tuple(Entry(_number(row[f"slope_step_{step}"])) for row in rows))
            for step in range(2, check.steps + 1)
        ),
        *(
            Column(
                str(size), tuple(Entry(f"{row[f'moved_{size}']:.2g}") for row in rows), group="RMS of the movement at"
            )
            for size in check.widths
        ),
    ]
    legend = (
        "slope: of log2 of the RMS by which a layer's output moves in the first update, against log2 of the width, "
        "over the widest three, with its 95\N{NO-BREAK SPACE}% interval; before: of the output itself before it; "
        "step 2 and on: after later updates."
    )
    return [*lines, Text(), *fold(labels, columns, width, glyphs), Text(), *wrapped(legend, width)]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{round(value, 2) + 0.0:.2f}"
