"""The gradient norm along the depth, or along time, before training, one panel per configuration."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isnan

import numpy as np
from matplotlib.axes import Axes as Plot
from matplotlib.figure import Figure

from gradlab.record import Floats
from gradlab.report.glyphs import UNICODE
from gradlab.report.layout import shorten
from gradlab.report.plots.paper import GREY, INK, VERDICTS, amount, frame, log_axis, new
from gradlab.report.plots.scene import Scene, spread
from gradlab.report.view import Row
from gradlab.report.words import Axis, count
from gradlab.results import statistics as stats

__all__ = ["depth_axis", "panels", "picture", "summed_up", "thinned"]

MOST_PANELS = 12
MOST_SEEDS = 20
DECADES = 10.0
"""How far the shared axis goes, up or down, unless most of the panels need more."""
POINTS = 200
"""Blocks drawn of a line; of a deeper network evenly spaced ones, so that a vector picture stays small."""


@dataclass(frozen=True)
class Panel:
    """One network: log10 of g_l/g_L of each seed [n, L], and theory's [L] with its deviation at block 1."""

    title: str
    verdict: str
    log10_survival: float
    seeds: Floats
    theory: Floats | None
    theory_sd: float
    lost: str


def picture(scene: Scene) -> Figure:
    """Return the profiles at step 0 on one shared axis."""
    scene = scene.initial
    one_row = len(scene.rows) == 1
    if one_row:
        (row,) = scene.rows
        every = [(row, depth) for depth in sorted(row.points)]
        shown = [every[round(at)] for at in np.linspace(0, len(every) - 1, min(len(every), MOST_PANELS))]
        titles = [f"{scene.view.axis.setting} {depth}" for _, depth in shown]
    else:
        every = [(row, max(row.points)) for row in scene.rows]
        shown = [(row, max(row.points)) for row in spread(scene.rows, MOST_PANELS)]
        same = len({depth for _, depth in every}) == 1
        titles = [scene.name(row) + ("" if same else f", {scene.view.axis.setting} {depth}") for row, depth in shown]
    found = [_panel(scene, row, depth, title) for (row, depth), title in zip(shown, titles, strict=True)]
    columns = None if one_row or len(shown) < len(every) else _crossed(scene)
    if columns is not None:  # the setting with more values goes across
        found = [found[at] for at in np.arange(len(found)).reshape(columns, -1).T.ravel()]
    figure, grid = panels([(one.title, *_said(one, scene.view.axis)) for one in found], scene.view.axis, columns)
    low, high, clipped = _limits(found)
    for one, axes in zip(found, grid, strict=True):
        log_axis(axes, low, high)
        _draw(axes, one)
    what = "lengths" if one_row and scene.view.axis.setting == "seq_len" else "depths" if one_row else "configurations"
    title = f"Gradient left on the way {scene.view.axis.way} from the loss"
    title += f": {len(shown)} of {len(every)} {what}" if len(shown) < len(every) else ""
    deepest = f"{scene.view.axis.setting} {max(scene.view.depths)}" if scene.view.over_depth and not one_row else ""
    return frame(figure, title, scene.caption(deepest, "before training"), _note(scene, found, len(every), clipped))


def _panel(scene: Scene, row: Row, depth: int, title: str) -> Panel:
    cells, point = scene.cells[row.labels, depth], row.points[depth]
    ids = cells["cell"].tolist()
    log_g = scene.profiles(ids, 0)
    last = np.where(np.isfinite(log_g[:, -1:]), log_g[:, -1:], np.nan)
    theory = None
    if "theory_log10_grad_norm" in scene.tables.layers:
        predicted = scene.profiles(ids, 0, "theory_log10_grad_norm")
        theory = predicted[0] if np.isfinite(predicted).all() else None
    seeds = count(int(point["n"]), "seed")
    words = {"dead": "exactly zero ∅", "nonfinite": "not finite !"}
    lost = [f"{point[column]} of {seeds} {word}" for column, word in words.items() if point[column]]
    sd = float(point["theory_log10_sd"]) if "theory_log10_sd" in point.index else float("nan")
    survival = float(point["log10_survival"])
    return Panel(title, str(point["verdict"]), survival, log_g - last, theory, sd, ", ".join(lost))


def summed_up(seeds: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean and 95 % interval over those seeds [n, L] that are finite in all blocks, [L]; NaN without."""
    usable = seeds[np.isfinite(seeds).all(axis=1)]
    blocks = seeds.shape[1]
    found = stats.mean_interval(usable.ravel(), np.tile(np.arange(blocks), len(usable)), blocks)
    return found.mean, found.low, found.high


def thinned(blocks: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the indices of the blocks to draw: all of them, or `POINTS` evenly spaced ones with both ends."""
    return np.unique(np.linspace(0, blocks - 1, min(blocks, POINTS)).round().astype(np.int64))


def panels(
    titles: list[tuple[str, str, str]],
    words: Axis,
    columns: int | None = None,
    *,
    shared: bool = True,
    beside: float = 0.0,
) -> tuple[Figure, list[Plot]]:
    """Return a figure with a panel for each (title, lines below it, their colour), in rows of `columns` (as fits).

    `shared`: the y axis; `beside`: inches to the right of the panels.
    """
    number = len(titles)
    columns = columns or (min(number, 3) if number <= 3 or number in (5, 6, 9) else 4 if number != 4 else 2)
    rows = ceil(number / columns)
    width = max(2.4 * columns + 0.6, 6.4)
    most = max(said.count("\n") + 1 for _, said, _ in titles)
    figure = new(width + beside, max((1.75 + 0.17 * most) * rows + 0.5, 3.2))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=shared)
    room = int((width - 0.8) / columns * 72 / 6.4)
    for at, axes in enumerate(grid.flat):
        if at >= number:
            axes.remove()
            continue
        title, said, colour = titles[at]
        axes.set_title(shorten(title, room, UNICODE), pad=5 + 12.5 * most)
        said += "\n" * (most - 1 - said.count("\n"))
        axes.annotate(said, (0, 1), xytext=(0, 4), xycoords="axes fraction", textcoords="offset points", size=9.5,
                      color=colour, va="bottom", linespacing=1.15)  # fmt: skip
        if at + columns >= number:
            axes.set_xlabel(words.ends)
    name = f"gradient norm, last {words.unit} = 1" if shared else "gradient norm"
    if rows > 1:
        figure.supylabel(name, size=10.5)
    else:
        grid[0, 0].set_ylabel(name)
    return figure, list(grid.flat[:number])


def _crossed(scene: Scene) -> int | None:
    """Return how many values the first of two settings has, when both are fully crossed and they fit across."""
    levels = [len({row.labels[index] for row in scene.rows}) for index in scene.named]
    whole = len(levels) == 2 and levels[0] * levels[1] == len(scene.rows)
    return levels[0] if whole and levels[1] <= levels[0] <= 5 else None


def _limits(found: list[Panel]) -> tuple[float, float, bool]:
    """Return the ends of the shared axis, and whether lines leave it: a few long ones must not flatten the rest."""
    ends = []
    for one in found:
        values = np.append(one.seeds.ravel(), [] if one.theory is None else one.theory)
        finite = np.append(values[np.isfinite(values)], 0.0)
        ends.append((float(finite.min()), float(finite.max())))
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if 2 * sum(max(-end[0], end[1]) <= DECADES for end in ends) < len(ends):
        return low, high, False
    return max(low, -DECADES), min(high, DECADES), low < -DECADES or high > DECADES


def _draw(axes: Plot, one: Panel) -> None:
    blocks = one.seeds.shape[1]
    at = thinned(blocks)
    x = np.asarray(at + 1, dtype=np.float64)
    colour, _ = VERDICTS[one.verdict]
    axes.axhline(0, color=GREY, linewidth=0.7)
    for seed in one.seeds[:MOST_SEEDS]:
        axes.plot(x, np.where(np.isfinite(seed), seed, np.nan)[at], color=GREY, linewidth=0.5, alpha=0.7)
    mean, low, high = summed_up(one.seeds)
    axes.fill_between(x, low[at], high[at], color=colour, alpha=0.25, linewidth=0)
    axes.plot(x, mean[at], color=colour, marker="o" if blocks <= 12 else "", markersize=4)
    if one.theory is not None:
        half = np.asarray(1.96 * one.theory_sd * np.sqrt((blocks - x) / max(blocks - 1, 1)), dtype=np.float64)
        _theory(axes, x, one.theory[at], half)
    depth_axis(axes, blocks)


def depth_axis(axes: Plot, blocks: int) -> None:
    """Make the x axis show blocks 1 to `blocks`, with a few whole numbers."""
    pad = 0.03 * (blocks - 1) if blocks > 1 else 0.6
    axes.set_xlim(1 - pad, blocks + pad)
    axes.set_xticks(sorted({1, round(blocks / 2) if blocks > 3 else 1, blocks}))


def _said(one: Panel, words: Axis) -> tuple[str, str]:
    colour, word = VERDICTS[one.verdict]
    left = amount(one.log10_survival)
    said = (
        f"one {words.unit}" if one.seeds.shape[1] == 1 else f"{left} left, {word}" if left else "" if one.lost else word
    )
    return "\n".join(part for part in (said, one.lost) if part), colour


def _theory(axes: Plot, x: Floats, theory: Floats, half: Floats) -> None:
    axes.plot(x, theory, color=INK, linewidth=1.3, linestyle=(0, (4, 2)), zorder=4)
    if not np.isnan(half).any():
        for edge in (theory - half, theory + half):
            axes.plot(x, edge, color=INK, linewidth=0.7, linestyle=(0, (1, 1.5)), zorder=3)


def _note(scene: Scene, found: list[Panel], every: int, clipped: bool) -> str:
    seeds = max(len(one.seeds) for one in found)
    parts = ["Thick line: geometric mean over the seeds, with its 95 % interval" if seeds > 1 else "Line: one seed"]
    if seeds > 1:
        parts[0] += "; thin lines: " + ("single seeds." if seeds <= MOST_SEEDS else f"{MOST_SEEDS} of {seeds} seeds.")
    else:
        parts[0] += ", so without an interval."
    if any(one.theory is not None for one in found):
        banded = any(one.theory is not None and not isnan(one.theory_sd) for one in found)
        parts.append("Dashed: mean-field theory" + ("; dotted: where it expects 95 % of single seeds at this width."
                                                    if banded else "."))  # fmt: skip
    if clipped:
        parts.append(
            f"The axis ends at {DECADES:.0f} decades; lines that leave it go on to the number above the panel."
        )
    if any(one.lost for one in found):
        parts.append("Seeds with a gradient that is exactly zero (∅) or not finite (!) are left out of the mean.")
    if len(found) < every:
        kept = "evenly spaced, both ends among them" if len(scene.rows) == 1 else (
            "from the least to the most gradient left, evenly between"
        )  # fmt: skip
        parts.append(f"Shown: {kept}; the other {every - len(found)} are in layers.csv.")
    return " ".join([*parts, scene.missing()]).strip()
