"""Survival and trainability of every configuration as two maps with the same rows, the numbers in the fields."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gradlab.record import Floats
from gradlab.report.glyphs import UNICODE, mark
from gradlab.report.layout import shorten
from gradlab.report.plots.paper import INK, frame, new
from gradlab.report.plots.scene import Scene, spread
from gradlab.report.view import Row
from gradlab.report.words import capital, log_text

__all__ = ["picture"]

MOST_ROWS = 40
_WIDEST_WITH_NUMBERS, _WIDEST_WITH_GAPS = 12, 24
_FIELDS, _WITHOUT_NUMBERS, _HIGH, _LETTER = (0.56, 0.44), 3.6, 0.27, 0.076
"""Inches: a field of each map with numbers, a whole map without, a row, a letter of a label."""
_CLIP = 6.0
_LONGEST_LABEL, _LONGEST_COLUMN = 40, 14

Point = Any


@dataclass(frozen=True)
class Map:
    """Points of ``summary`` in rows and columns; None where nothing was measured."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    column_name: str
    points: tuple[tuple[Point | None, ...], ...]
    failed: frozenset[tuple[int, int]]

    def values(self, of: Callable[[Point], float]) -> Floats:
        """Return a number of every field, NaN where there is none, [rows, columns]."""
        return np.array([[np.nan if point is None else of(point) for point in row] for row in self.points])


def picture(scene: Scene) -> Figure:
    """Return log10 survival at step 0 by configuration and depth, and beside it the share of seeds that learned."""
    rows = spread(scene.view.rows if len(scene.view.rows) <= MOST_ROWS else scene.rows, MOST_ROWS)
    found = _map(scene, rows)
    numbers = len(found.columns) <= _WIDEST_WITH_NUMBERS
    trained = bool((scene.tables.cells["train.steps"].to_numpy() > 0).any())
    least = max(len(name) for name in found.columns) * _LETTER + 0.08
    widths = [max(field, least) * len(found.columns) if numbers else _WITHOUT_NUMBERS for field in _FIELDS]
    widths = widths[: 1 + trained]
    labels = max(len(name) for name in found.rows) * _LETTER
    high = _HIGH * len(found.rows)
    figure = new(max(labels + sum(widths) + 0.6, 6.4), high + 0.8)
    maps = figure.subplots(1, len(widths), squeeze=False, sharey=True, width_ratios=widths)[0]
    _survival(figure, maps[0], found, None if numbers else high)
    if trained:
        _trainability(figure, maps[1], found, None if numbers else high)
    cut = len(rows) < len(scene.view.rows) and found.column_name == scene.view.axis.setting
    title = "Gradient left, and what was learned" if trained else capital(scene.view.axis.left)
    title += f": {len(rows)} of {len(scene.view.rows)} configurations" if cut else ""
    return frame(figure, title, scene.caption(_steps(scene)), _note(scene, found, numbers=numbers, cut=cut))


def _steps(scene: Scene) -> str:
    steps = scene.view.fixed.get("train.steps")
    return f"{steps:,} steps" if steps else ""


def _map(scene: Scene, rows: list[Row]) -> Map:
    across = None if scene.view.over_depth else _across(scene, rows)
    if across is None:
        depths = scene.view.depths
        return Map(
            tuple(shorten(scene.name(row), _LONGEST_LABEL, UNICODE) for row in rows),
            tuple(f"{depth:,}" for depth in depths),
            scene.view.axis.setting,
            tuple(tuple(row.points.get(depth) for depth in depths) for row in rows),
            frozenset((y, x) for y, row in enumerate(rows) for x, depth in enumerate(depths) if depth in row.failed),
        )
    (depth,) = scene.view.depths
    index: dict[Hashable, Row] = {(_without(row, across), row.labels[across]): row for row in scene.view.rows}
    names = {_without(row, across): scene.name(row, leave_out=across) for row in scene.view.rows}
    columns = tuple(dict.fromkeys(row.labels[across] for row in scene.view.rows))
    fields = [[index.get((name, column)) for column in columns] for name in names]
    return Map(
        tuple(shorten(name, _LONGEST_LABEL, UNICODE) for name in names.values()),
        tuple(shorten(column, _LONGEST_COLUMN, UNICODE) for column in columns),
        scene.view.keys[across],
        tuple(tuple(None if row is None else row.points.get(depth) for row in line) for line in fields),
        frozenset((y, x) for y, line in enumerate(fields) for x, row in enumerate(line) if row and depth in row.failed),
    )


def _without(row: Row, index: int) -> tuple[str, ...]:
    return row.labels[:index] + row.labels[index + 1 :]


def _across(scene: Scene, rows: list[Row]) -> int | None:
    """Return which setting to put across when depth does not vary: the last that leaves no more than a third empty."""
    every = scene.view.rows
    for index in reversed(range(len(scene.view.keys))):
        names = len({_without(row, index) for row in every})
        columns = len({row.labels[index] for row in every})
        if 1 < columns <= _WIDEST_WITH_NUMBERS and 1 < names <= MOST_ROWS and 3 * len(every) >= 2 * names * columns:
            return index
    return None


def _field(axes: Axes, values: Floats, colours: Colormap, norm: Normalize, found: Map, title: str) -> Any:
    shown = np.ma.masked_invalid(values)
    edges = "white" if len(found.columns) <= _WIDEST_WITH_GAPS else "face"
    image = axes.pcolormesh(shown, cmap=colours, norm=norm, edgecolors=edges, linewidth=0.6)
    axes.set(xlabel=found.column_name, ylim=(len(found.rows), 0))
    axes.set_title(title, y=1.0)
    axes.set_xticks(*_ticks(found))
    axes.yaxis.set_ticks(np.arange(len(found.rows)) + 0.5, found.rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _ticks(found: Map) -> tuple[list[float], list[str]]:
    count = len(found.columns)
    every = 1 if count <= _WIDEST_WITH_NUMBERS else -(-count // 8)
    at = list(range(count - 1, -1, -every))[::-1]
    return [x + 0.5 for x in at], [found.columns[x] for x in at]


def _survival(figure: Figure, axes: Axes, found: Map, high: float | None) -> None:
    """Draw the survival with numbers, or with a colour bar over a map `high` inches high."""
    values = found.values(lambda point: float(point["log10_survival"]))
    finite = np.abs(values[np.isfinite(values)])
    limit = float(np.clip(np.ceil(finite.max()) if len(finite) else 1, 3, _CLIP))
    colours, norm = matplotlib.colormaps["RdBu_r"], Normalize(-limit, limit)
    image = _field(axes, values, colours, norm, found, "log10 of the gradient left")
    for (y, x), value in np.ndenumerate(values):
        point = found.points[y][x]
        if not np.isfinite(value):
            _blank(axes, x, y, point, (y, x) in found.failed)
        elif high is None and point is not None:
            thresholds = float(point["thresholds.vanish"]), float(point["thresholds.explode"])
            text = f"{log_text(value)} {mark(UNICODE, str(point['verdict']), value, *thresholds)}".strip()
            _write(axes, x, y, text, colours(norm(value)))
    if high is not None:
        least = f"≤{-limit:.0f}" if (values < -limit).any() else f"{-limit:.0f}"
        most = f"≥{limit:.0f}" if (values > limit).any() else f"{limit:.0f}"
        _bar(figure, axes, image, high, (least, most))


def _trainability(figure: Figure, axes: Axes, found: Map, high: float | None) -> None:
    values = found.values(lambda point: float(point["learned"]))
    colours = LinearSegmentedColormap.from_list("learned", ["#F2F2F2", "#35B08A"])
    image = _field(axes, values, colours, Normalize(0, 1), found, "seeds that learned")
    for (y, x), value in np.ndenumerate(values):
        point = found.points[y][x]
        if point is None:
            _blank(axes, x, y, None, (y, x) in found.failed)
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
    sign = "×" if point is None else {"dead": "∅", "nonfinite": "!"}.get(str(point["verdict"]), "?")
    axes.text(x + 0.5, y + 0.5, sign, ha="center", va="center", size=9, color=INK, weight="bold",
              bbox={"facecolor": "#EDEDED", "edgecolor": "none", "pad": 1})  # fmt: skip


def _write(axes: Axes, x: int, y: int, text: str, background: tuple[float, ...]) -> None:
    red, green, blue = (share**2.2 for share in background[:3])
    dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.18  # where white and black have the same contrast
    axes.text(x + 0.5, y + 0.53, text, ha="center", va="center", size=9, color="white" if dark else INK)


def _note(scene: Scene, found: Map, *, numbers: bool, cut: bool) -> str:
    points = [point for row in found.points for point in row if point is not None]
    verdicts = {str(point["verdict"]) for point in points}
    signs = [
        ("healthy", "▾\N{NO-BREAK SPACE}fading, ▴\N{NO-BREAK SPACE}growing"),
        ("vanishing", "✗\N{NO-BREAK SPACE}vanished"),
        ("exploding", "▲\N{NO-BREAK SPACE}exploded"),
    ]
    signs = [
        *(signs if numbers else []),
        ("dead", "∅\N{NO-BREAK SPACE}exactly zero"),
        ("nonfinite", "!\N{NO-BREAK SPACE}not finite"),
    ]
    parts = [word for verdict, word in signs if verdict in verdicts]
    parts += ["×\N{NO-BREAK SPACE}failed"] if found.failed else []
    parts += ["†\N{NO-BREAK SPACE}some seeds diverged"] if any(point["diverged"] for point in points) else []
    several = int(scene.tables.summary["n"].max()) > 1
    text = (
        "Geometric mean over the seeds" if several else "One seed"
    ) + " before training; blue vanishes, red explodes."
    text += f" {', '.join(parts)}." if parts else ""
    if cut:
        text += " Shown: from the least to the most gradient left, evenly between; all in summary.csv."
    return text
