"""Survival and trainability of every configuration as two maps with the same rows, the numbers in the fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gradlab.record import Floats
from gradlab.report.formatting import folded
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.heatmap import MOST_ACROSS, heat_map
from gradlab.report.model.labels import short_labels
from gradlab.report.model.marks import Point, mark_of, sign_names
from gradlab.report.model.rows import Row
from gradlab.report.plots.data import PlotData, spread
from gradlab.report.plots.style import INK, frame, new
from gradlab.report.terminal.colours import EXPLODING, VANISHING

__all__ = ["picture"]

MOST_ROWS = 40
_WIDEST_WITH_GAPS = 24
_FIELDS, _WITHOUT_NUMBERS, _HIGH, _LETTER = (0.56, 0.44), 3.6, 0.27, 0.076
"""Inches: a field of each map with numbers, a whole map without, a row, a letter of a label."""
_SHADES = ListedColormap(
    [look.rpartition(" ")[2] for look in (*reversed(VANISHING), "on #f7f7f7", *EXPLODING)], name="survival"
)
"""The shades of a survival on the terminal and on the page."""
_EACH_SHADE = Normalize(-len(VANISHING) - 0.5, len(EXPLODING) + 0.5)
_LONGEST_LABEL, _LONGEST_COLUMN = 40, 14

Field = tuple[Row, int] | None
"""A row and a length; None where the grid has no such configuration."""


@dataclass(frozen=True)
class Map:
    """The fields of both maps in rows and columns, with their labels as drawn."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    column_name: str
    fields: tuple[tuple[Field, ...], ...]

    @property
    def numbered(self) -> bool:
        """Whether there is room for numbers in the fields."""
        return len(self.columns) <= MOST_ACROSS

    def point(self, y: int, x: int) -> Point | None:
        """Return what was measured of a field."""
        field = self.fields[y][x]
        return None if field is None else field[0].points.get(field[1])

    def failed(self, y: int, x: int) -> bool:
        """Whether cells of a field failed."""
        field = self.fields[y][x]
        return field is not None and field[1] in field[0].failed

    def values(self, column: str) -> Floats:
        """Return a number of every field, NaN where there is none, [rows, columns]."""
        points = [[self.point(y, x) for x in range(len(self.columns))] for y in range(len(self.rows))]
        return np.array([[np.nan if point is None else float(point[column]) for point in line] for line in points])


def picture(data: PlotData) -> Figure:
    """Return log10 survival at step 0 by configuration and length, and beside it the share of seeds that learned."""
    group = data.group
    rows = list(group.rows) if len(group.rows) <= MOST_ROWS else spread(data.rows, MOST_ROWS)
    grid = _map(data, list(group.rows))
    cut = grid.column_name == group.axis.setting and len(rows) < len(group.rows)
    grid = _map(data, rows) if cut else grid
    trained = bool((data.tables.cells["train.steps"].to_numpy() > 0).any())
    least = _widest(grid.columns) * _LETTER + 0.08
    widths = [max(field, least) * len(grid.columns) if grid.numbered else _WITHOUT_NUMBERS for field in _FIELDS]
    widths = widths[: 1 + trained]
    labels = _widest(grid.rows) * _LETTER
    high = _HIGH * len(grid.rows)
    figure = new(max(labels + sum(widths) + 0.6, 6.4), high + 0.8, fixed=True)
    maps = figure.subplots(1, len(widths), squeeze=False, sharey=True, width_ratios=widths)[0]
    _survival(figure, maps[0], grid, None if grid.numbered else high)
    if trained:
        _trainability(figure, maps[1], grid, None if grid.numbered else high)
    title = "Survival before training, and what was learned" if trained else "Survival before training"
    title += f": {len(rows)} of {len(group.rows)} configurations" if cut else ""
    steps = group.fixed.get("train.steps")
    caption = data.caption(f"{steps:,} steps" if steps else "")
    return frame(figure, title, caption, _note(data, grid, cut=cut))


def _widest(labels: Sequence[str]) -> int:
    return max(len(line) for label in labels for line in label.split("\n"))


def _map(data: PlotData, rows: list[Row]) -> Map:
    group = data.group
    every = [(row, length) for row in rows for length in sorted({*row.points, *row.failed})]
    labels, lengths = [row.labels for row, _ in every], [length for _, length in every]
    arranged = heat_map(labels, lengths, group.keys, group.axis.setting)
    across = arranged.name != group.axis.setting
    fields = tuple(tuple(None if at is None else every[at] for at in line) for line in arranged.fields)
    first = [next(field for field in line if field is not None)[0] for line in fields]
    names = [data.name(row, leave_out=arranged.name if across else "") for row in first]
    short = short_labels(arranged.columns)
    columns = (
        tuple(short[text] for text in arranged.columns)
        if across
        else tuple(f"{int(length):,}" for length in arranged.columns)
    )
    return Map(
        tuple(folded(name, _LONGEST_LABEL) for name in names),
        tuple(folded(column, _LONGEST_COLUMN) for column in columns),
        arranged.name,
        fields,
    )


def _field(axes: Axes, values: Floats, colours: Colormap, norm: Normalize, grid: Map, title: str) -> Any:
    finite = np.ma.masked_invalid(values)
    edges = "white" if len(grid.columns) <= _WIDEST_WITH_GAPS else "face"
    image = axes.pcolormesh(finite, cmap=colours, norm=norm, edgecolors=edges, linewidth=0.6)
    axes.set(xlabel=grid.column_name, ylim=(len(grid.rows), 0))
    axes.set_title(title, y=1.0)
    axes.set_xticks(*_ticks(grid))
    axes.yaxis.set_ticks(np.arange(len(grid.rows)) + 0.5, grid.rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _ticks(grid: Map) -> tuple[list[float], list[str]]:
    number = len(grid.columns)
    every = 1 if grid.numbered else -(-number // 8)
    at = list(range(number - 1, -1, -every))[::-1]
    return [x + 0.5 for x in at], [grid.columns[x] for x in at]


def _survival(figure: Figure, axes: Axes, grid: Map, high: float | None) -> None:
    """Draw the survival with numbers, or with a colour bar over a map `high` inches high."""
    values = grid.values("log10_survival")
    shades = np.full_like(values, np.nan)
    for (y, x), value in np.ndenumerate(values):
        point = grid.point(y, x)
        if point is not None and np.isfinite(value):
            shades[y, x] = mark_of(point).shade or 0
    image = _field(axes, shades, _SHADES, _EACH_SHADE, grid, "log10 survival")
    for (y, x), shade in np.ndenumerate(shades):
        point = grid.point(y, x)
        if not np.isfinite(shade):
            _blank(axes, x, y, point, grid.failed(y, x))
        elif high is None and point is not None:
            mark = mark_of(point)
            _write(axes, x, y, f"{mark.text} {UNICODE.sign(mark.sign)}".strip(), _SHADES(_EACH_SHADE(shade)))
    if high is not None:
        _bar(figure, axes, image, high, ("vanished", "exploded"))


def _trainability(figure: Figure, axes: Axes, grid: Map, high: float | None) -> None:
    values = grid.values("learned")
    colours = LinearSegmentedColormap.from_list("learned", ["#F2F2F2", "#35B08A"])
    image = _field(axes, values, colours, Normalize(0, 1), grid, "seeds that learned")
    for (y, x), value in np.ndenumerate(values):
        point = grid.point(y, x)
        if point is None:
            _blank(axes, x, y, None, grid.failed(y, x))
        elif high is None:
            text = f"{round(value * point['n'])}/{int(point['n'])}" + (" †" if point["diverged"] else "")
            _write(axes, x, y, text, colours(value))
        elif point["diverged"]:
            _write(axes, x, y, "†", colours(value))
    if high is not None:
        _bar(figure, axes, image, high, ("none", "all"))


def _bar(figure: Figure, axes: Axes, image: Any, high: float, ends: tuple[str, str]) -> None:
    # beside the title, as an inset, which keeps its height in inches whatever the number of rows
    inside = axes.inset_axes((0.72, 1 + 0.07 / high, 0.19, 0.11 / high))
    bar = figure.colorbar(image, cax=inside, orientation="horizontal")
    bar.set_ticks([])
    bar.outline.set_visible(False)
    for x, text, side in ((-0.06, ends[0], "right"), (1.06, ends[1], "left")):
        inside.text(x, 0.45, text, transform=inside.transAxes, size=9, ha=side, va="center")


def _blank(axes: Axes, x: int, y: int, point: Point | None, failed: bool) -> None:
    if point is None and not failed:
        return
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor="#EDEDED", edgecolor="#9A9A9A", hatch="////", linewidth=0))
    sign = UNICODE.failed if point is None else UNICODE.sign(mark_of(point).sign).strip() or "?"
    axes.text(x + 0.5, y + 0.5, sign, ha="center", va="center", size=9, color=INK, weight="bold",
              bbox={"facecolor": "#EDEDED", "edgecolor": "none", "pad": 1})  # fmt: skip


def _write(axes: Axes, x: int, y: int, text: str, background: tuple[float, ...]) -> None:
    red, green, blue = (share**2.2 for share in background[:3])
    dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.18  # where white and black have the same contrast
    axes.text(x + 0.5, y + 0.53, text, ha="center", va="center", size=9, color="white" if dark else INK)


def _note(data: PlotData, grid: Map, *, cut: bool) -> str:
    places = [(y, x) for y in range(len(grid.rows)) for x in range(len(grid.columns))]
    points = [point for y, x in places if (point := grid.point(y, x)) is not None]
    limits = [{float(point[f"thresholds.{name}"]) for point in points} for name in ("vanish", "explode")]
    vanish, explode = (limit.pop() if len(limit) == 1 else None for limit in limits)
    present = {mark_of(point).sign for point in points}
    names = sign_names(vanish, explode, {"dead", "nonfinite"})
    signs = [pair for pair in names if pair[0] in present and (grid.numbered or pair[0] in ("dead", "nonfinite"))]
    parts = [f"{UNICODE.sign(sign)}\N{NO-BREAK SPACE}{name}" for sign, name in signs]
    parts += ["×\N{NO-BREAK SPACE}failed"] if any(grid.failed(y, x) for y, x in places) else []
    parts += ["†\N{NO-BREAK SPACE}some seeds diverged"] if any(point["diverged"] for point in points) else []
    seeds = "geometric mean over the seeds" if data.several_seeds else "one seed"
    text = f"Survival: {data.group.axis.ratio}; {seeds}; blue: vanishing, red: exploding."
    text += f" {', '.join(parts)}." if parts else ""
    if cut:
        text += " Shown: by rank evenly from the smallest to the largest survival; all in summary.csv."
    return text
