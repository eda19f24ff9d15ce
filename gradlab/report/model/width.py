"""A coordinate check as a report shows it: rows, and what follows from them."""

from __future__ import annotations

import math
from typing import Any

from gradlab.modules.width_record import TOLERANCE, WidthCheck

__all__ = ["width_conclusions", "width_rows"]


def width_rows(check: WidthCheck) -> list[dict[str, Any]]:
    """Return one row for each layer: its slopes, and the RMS of its movement after the first update at each width.

    `slope` is that of the first update over the widest three models, with half of its 95 % interval; `slope_all` that
    over all widths; `slope_before` that of the output itself before any update; `slope_step_2` … those of later ones.
    RMS values are geometric means over the seeds.
    """
    rows = []
    for layer, name in enumerate(check.layers):
        slope = check.slope(layer)
        later = {f"slope_step_{step}": check.slope(layer, step).value for step in range(2, check.steps + 1)}
        moved = {
            f"moved_{width}": _geometric(check.moved_LTWS[layer, 0, place].tolist())
            for place, width in enumerate(check.widths)
        }
        rows.append({
            "layer": name, "verdict": check.verdict(layer), "slope": slope.value, "half_width": slope.half_width,
            "slope_all": check.slope(layer, top=None).value, "slope_before": check.slope_before(layer).value,
            **later, **moved,
        })  # fmt: skip
    return rows


def _geometric(values: list[float]) -> float:
    if not all(value > 0 for value in values):
        return 0.0 if not any(values) else math.nan
    return math.exp(sum(map(math.log, values)) / len(values))


def width_conclusions(check: WidthCheck) -> list[str]:
    """Return what follows from a check, one sentence each."""
    rows = width_rows(check)
    moving = {
        verdict: [row for row in rows if row["verdict"] == verdict] for verdict in ("grows", "shrinks", "undecided")
    }
    top = ", ".join(map(str, check.widths[-3:]))
    lines = []
    for verdict, words in (("grows", "further"), ("shrinks", "less far")):
        layers = moving[verdict]
        if layers:
            worst = max(layers, key=lambda row: abs(row["slope"]))
            count = (
                f"{len(layers)} of {len(rows)} layers move" if len(layers) > 1 else f"layer {layers[0]['layer']} moves"
            )
            lines.append(
                f"{count} {words} in wider models: layer {worst['layer']} as width^{worst['slope']:.2f} in one update "
                f"(widths {top})"
            )
    if check.overall in ("grows", "shrinks"):
        lines.append("the learning rate does not transfer to other widths: scale it, or the initialisation, by layer")
    elif check.overall == "stable":
        lines.append(
            f"no layer moves further or less far in wider models (slopes within {TOLERANCE:g}, widths {top}): the "
            "learning rate transfers"
        )
    if moving["undecided"]:
        names = ", ".join(row["layer"] for row in moving["undecided"][:4])
        lines.append(f"undecided: {names}: the interval of the slope is too wide; more seeds or wider models decide")
    return lines
