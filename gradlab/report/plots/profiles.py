"""The gradient norm along the depth, or along time, before training, one panel per configuration."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes as Plot
from matplotlib.figure import Figure

from gradlab.families import Axis
from gradlab.record import Floats
from gradlab.report.formatting import count, folded
from gradlab.report.model.profiles import Profile, thinned
from gradlab.report.model.rows import Row
from gradlab.report.plots.data import PlotData, spread
from gradlab.report.plots.style import (
    COLOURS,
    COLUMN,
    GREY,
    INK,
    LETTERS,
    LINES,
    VERDICTS,
    amount,
    frame,
    is_paper,
    log_axis,
    new,
)

__all__ = ["POINTS", "length_axis", "panels", "picture"]

MOST_PANELS = 12
MOST_SEEDS = 20
PAPER_PANELS = 2
"""Panels beside each other in a column of a paper."""
DECADES = 25.0
"""Height of a shared axis from which each panel has one of its own: long networks must not flatten the others."""
POINTS = 200
"""Blocks drawn of a line; of a deeper network evenly spaced ones, so that a vector picture stays small."""


@dataclass(frozen=True)
class Panel:
    """One network: its profile, and what stands above it."""

    title: str
    verdict: str
    log10_survival: float
    profile: Profile
    lost: str


def picture(data: PlotData) -> Figure:
    """Return the profiles at step 0 on one shared axis."""
    data = data.initial
    setting = data.group.axis.setting
    one_row = len(data.rows) == 1
    if one_row:
        (row,) = data.rows
        networks = [(row, length) for length in sorted(row.points)]
        sample = [networks[round(at)] for at in np.linspace(0, len(networks) - 1, min(len(networks), MOST_PANELS))]
        titles = [f"{setting} {length}" for _, length in sample]
    else:
        networks = [(row, max(row.points)) for row in data.rows]
        sample = [(row, max(row.points)) for row in spread(data.rows, MOST_PANELS)]
        one_length = len({length for _, length in networks}) == 1
        titles = [data.name(row) + ("" if one_length else f", {setting} {length}") for row, length in sample]
    profile_panels = [_panel(data, row, length, title) for (row, length), title in zip(sample, titles, strict=True)]
    columns = None if one_row or len(sample) < len(networks) else _crossed(data)
    if columns is not None:  # the setting with more values goes across
        profile_panels = [profile_panels[at] for at in np.arange(len(profile_panels)).reshape(columns, -1).T.ravel()]
    axis = data.group.axis
    ends = [panel.profile.extent for panel in profile_panels]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    shared = high - low <= DECADES
    titles_of = [(panel.title, *_described(panel, axis)) for panel in profile_panels]
    figure, grid = panels(titles_of, axis, columns, shared=shared, relative=True)
    for panel, axes, limits in zip(profile_panels, grid, ends, strict=True):
        log_axis(axes, *((low, high) if shared else limits))
        _draw(axes, panel)
    counted = data.group.lengths_name if one_row else "configurations"
    title = f"Gradient norm {axis.direction} before training"
    title += f": {len(sample)} of {len(networks)} {counted}" if len(sample) < len(networks) else ""
    longest = "" if one_row else data.longest(data.rows)
    return frame(figure, title, data.caption(longest), _note(data, profile_panels, len(networks), shared))


def _panel(data: PlotData, row: Row, length: int, title: str) -> Panel:
    point = row.points[length]
    seeds = count(int(point["n"]), "seed")
    signs = {"dead": "exactly zero ∅", "nonfinite": "not finite !"}
    lost = [f"{point[column]} of {seeds} {name}" for column, name in signs.items() if point[column]]
    verdict, log10_survival = str(point["verdict"]), float(point["log10_survival"])
    return Panel(title, verdict, log10_survival, data.profile(row, length), ", ".join(lost))


def panels(
    titles: list[tuple[str, str, str]],
    axis: Axis,
    columns: int | None = None,
    *,
    shared: bool = True,
    relative: bool = False,
    beside: float = 0.0,
) -> tuple[Figure, list[Plot]]:
    """Return a figure with a panel for each (title, lines below it, their colour), in rows of `columns` (as fits).

    `shared`: the y axis; `relative`: to the last block; `beside`: inches to the right of the panels.
    """
    number = len(titles)
    columns = columns or (min(number, 3) if number <= 3 or number in (5, 6, 9) else 4 if number != 4 else 2)
    columns = min(columns, PAPER_PANELS) if is_paper() else columns
    rows = ceil(number / columns)
    width = max(2.4 * columns + 0.6, 6.4)
    line = 9.5 if is_paper() else 12.5
    if is_paper():
        room = int((COLUMN - 0.75) / columns * 72 / 4.4)
        titles = [(title, folded(described, room), colour) for title, described, colour in titles]
    else:
        room = int((width - 0.8) / columns * 72 / 6.4)
    described_lines = max(described.count("\n") + 1 for _, described, _ in titles)
    title_lines = max(folded(title, room).count("\n") + 1 for title, *_ in titles)
    column = (0.95 + line / 72 * (described_lines + title_lines)) * rows + 0.3 + 0.45 * (beside > 0)
    figure = new(width + beside, max((1.75 + 0.17 * described_lines) * rows + 0.5, 3.2), column=column)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=shared)
    for at, axes in enumerate(grid.flat):
        if at >= number:
            axes.remove()
            continue
        title, described, colour = titles[at]
        axes.set_title(folded(title, room), pad=5 + line * described_lines)
        described += "\n" * (described_lines - 1 - described.count("\n"))
        axes.annotate(described, (0, 1), xytext=(0, 4), xycoords="axes fraction", textcoords="offset points", size=9.5,
                      color=colour, va="bottom", linespacing=1.15)  # fmt: skip
        if at + columns >= number:
            axes.set_xlabel(axis.unit if is_paper() else axis.ends)
    name = f"gradient norm, last {axis.unit} = 1" if relative else "gradient norm"
    if rows > 1:
        figure.supylabel(name, size=10.5)
    else:
        grid[0, 0].set_ylabel(name)
    return figure, list(grid.flat[:number])


def _crossed(data: PlotData) -> int | None:
    """Return how many values the first of two settings has, when both are fully crossed and they fit across."""
    levels = [len({row.labels[index] for row in data.rows}) for index in data.named]
    is_grid = len(levels) == 2 and levels[0] * levels[1] == len(data.rows)
    return levels[0] if is_grid and levels[1] <= levels[0] <= 5 else None


def _draw(axes: Plot, panel: Panel) -> None:
    profile = panel.profile
    at = thinned(profile.blocks, POINTS)
    x = np.asarray(at + 1, dtype=np.float64)
    colour, _ = VERDICTS[panel.verdict]
    axes.axhline(0, color=GREY, linewidth=0.7)
    for seed in profile.seeds[:MOST_SEEDS]:
        axes.plot(x, np.where(np.isfinite(seed), seed, np.nan)[at], color=GREY, linewidth=0.5, alpha=0.7)
    mean = profile.mean
    axes.fill_between(x, mean.low[at], mean.high[at], color=colour, alpha=0.25, linewidth=0)
    axes.plot(x, mean.mean[at], color=colour, marker="o" if profile.blocks <= 12 else "", markersize=4)
    for number, layer in enumerate(profile.layers, 1):
        look = number % len(COLOURS)
        axes.plot(x, layer[at], color=COLOURS[look], linewidth=1.2, linestyle=LINES[number % len(LINES)])
        if not np.isfinite(layer[0]):
            continue
        axes.annotate(
            str(number), (x[0], layer[at][0]), xytext=(1, 1.5), textcoords="offset points", size=8.5, va="bottom",
            color=LETTERS[look],
        )  # fmt: skip
    if profile.theory is not None:
        _theory(axes, x, profile.theory[at], None if profile.scatter is None else profile.scatter[at])
    length_axis(axes, profile.blocks)


def length_axis(axes: Plot, blocks: int) -> None:
    """Make the x axis show blocks 1 to `blocks`, with a few whole numbers."""
    pad = 0.03 * (blocks - 1) if blocks > 1 else 0.6
    axes.set_xlim(1 - pad, blocks + pad)
    axes.set_xticks(sorted({1, round(blocks / 2) if blocks > 3 else 1, blocks}))


def _described(panel: Panel, axis: Axis) -> tuple[str, str]:
    colour, name = VERDICTS[panel.verdict]
    survival = amount(panel.log10_survival)
    if panel.profile.blocks == 1:
        text = f"one {axis.unit}"
    elif survival:
        text = f"survival {survival}, {name}"
    else:
        text = "" if panel.lost else name
    return "\n".join(part for part in (text, panel.lost) if part), colour


def _theory(axes: Plot, x: Floats, theory: Floats, scatter: Floats | None) -> None:
    axes.plot(x, theory, color=INK, linewidth=1.3, linestyle=(0, (4, 2)), zorder=4)
    if scatter is not None:
        for edge in (theory - scatter, theory + scatter):
            axes.plot(x, edge, color=INK, linewidth=0.7, linestyle=(0, (1, 1.5)), zorder=3)


def _note(data: PlotData, profile_panels: list[Panel], networks: int, shared: bool) -> str:
    seeds = max(len(panel.profile.seeds) for panel in profile_panels)
    parts = ["Thick line: geometric mean over the seeds, with its 95 % interval" if seeds > 1 else "Line: one seed"]
    if seeds > 1:
        parts[0] += "; thin lines: " + ("single seeds." if seeds <= MOST_SEEDS else f"{MOST_SEEDS} of {seeds} seeds.")
    else:
        parts[0] += ", so without an interval."
    if any(panel.profile.theory is not None for panel in profile_panels):
        scattered = any(panel.profile.scatter is not None for panel in profile_panels)
        parts.append("Dashed: mean-field theory" + ("; dotted: where it expects 95 % of single seeds at this width."
                                                    if scattered else "."))  # fmt: skip
    if any(panel.profile.layers for panel in profile_panels):
        parts.append("Numbered: the stacked layers by themselves, the lowest first.")
    if not shared:
        parts.append("Each panel has its own vertical axis.")
    if any(panel.lost for panel in profile_panels):
        parts.append("Seeds with a gradient that is exactly zero (∅) or not finite (!) are left out of the mean.")
    if len(profile_panels) < networks:
        selection = "evenly spaced, both ends among them" if len(data.rows) == 1 else (
            "by rank evenly from the smallest to the largest survival"
        )  # fmt: skip
        parts.append(f"Shown: {selection}; the other {networks - len(profile_panels)} are in layers.csv.")
    return " ".join([*parts, data.missing()]).strip()
