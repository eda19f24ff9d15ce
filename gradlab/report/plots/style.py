"""How every picture looks and how it is written: fonts, colours, title, caption and note, reproducible bytes."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Sequence
from math import floor, isfinite, log10
from pathlib import Path
from typing import Any, TypeVar, cast

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradlab.report.plots.data import PlotData
from gradlab.store.atomic import write_bytes

__all__ = [
    "COLOURS",
    "GREY",
    "INK",
    "LINES",
    "MARKERS",
    "VERDICTS",
    "ShownFigure",
    "amount",
    "frame",
    "log_axis",
    "new",
    "plain_text",
    "power_of_ten",
    "save",
]

T = TypeVar("T")
INK, GREY = "#222222", "#767676"

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito (2008), told apart with every common colour blindness; without their yellow, too light on white."""
LETTERS = ("#0072B2", "#B54E00", "#00785A", "#A34F80", "#9A6500", "#27789F", "#000000")
"""The same colours dark enough for text."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)))

VERDICTS = {
    "vanishing": ("#2166AC", "vanished"),
    "exploding": ("#B2182B", "exploded"),
    "healthy": ("#6A6A6A", "healthy"),
    "dead": ("#6A6A6A", "exactly zero"),
    "nonfinite": ("#6A6A6A", "not finite"),
}
"""Colour (the ends of ColorBrewer's RdBu, as in the terminal) and word of each verdict."""

_STYLE: dict[str, Any] = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 10, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": GREY,
    "axes.labelsize": 10.5, "axes.titlesize": 10.5, "axes.titlelocation": "left", "axes.titlepad": 4,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "axes.unicode_minus": True,
    "xtick.color": GREY, "ytick.color": GREY, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "xtick.labelsize": 9.5, "ytick.labelsize": 9.5, "lines.linewidth": 2, "lines.markersize": 5.5,
    "hatch.linewidth": 0.5, "hatch.color": GREY, "savefig.dpi": 150, "figure.dpi": 150,
    "text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "gradlab", "path.simplify": True,
}  # fmt: skip

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_TITLE, _CAPTION, _NOTE = 14.0, 10.5, 9.5
_MARGIN = 0.15


class ShownFigure(Figure):
    """A figure that a notebook shows by itself."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def plain_text() -> Any:
    """Return a context in which the texts of a figure are shown as they are: a name may hold ``$``."""
    return matplotlib.rc_context({"text.parse_math": False})


def new(width: float, height: float) -> ShownFigure:
    """Return an empty figure whose drawing area has this size in inches; `frame` adds the room for its words."""
    return ShownFigure(figsize=(width, height))


def frame(figure: Figure, title: str, caption: str, note: str) -> Figure:
    """Put a title and a caption above the drawing area and a note on how to read it below; return the figure."""
    width, height = figure.get_size_inches()
    blocks: list[tuple[str, float, dict[str, Any]]] = [
        (_folded(text, width, size), size, {"color": colour, "weight": weight})
        for text, size, colour, weight in (
            (title, _TITLE, INK, "bold"), (caption, _CAPTION, GREY, "normal"), (note, _NOTE, GREY, "normal")
        )
    ]  # fmt: skip
    tall = [_height(lines, size) for lines, size, _ in blocks]
    whole = height + sum(tall) + 2.4 * _MARGIN
    figure.set_size_inches(width, whole)
    tops = (whole - _MARGIN, whole - _MARGIN - tall[0], _MARGIN + tall[2])
    for (lines, size, look), top in zip(blocks, tops, strict=True):
        figure.text(_MARGIN / width, top / whole, lines, size=size, va="top", linespacing=1.3, **look)
    rect = (0.0, (1.4 * _MARGIN + tall[2]) / whole, 1.0, height / whole)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=rect, w_pad=0.08, h_pad=0.06, hspace=0.02, wspace=0.02))
    return figure


def _folded(text: str, width: float, size: float) -> str:
    return "\n".join(textwrap.wrap(text, int((width - 2 * _MARGIN) * 72 / (size * 0.55)), break_on_hyphens=False))


def _height(lines: str, size: float) -> float:
    return (lines.count("\n") + 1) * size * 1.42 / 72 + 0.05 if lines else 0.0


def save(picture: Callable[[T], Figure | None], data: T, paths: Sequence[Path]) -> bool:
    """Draw a picture and write it once for each path, in the format of its ending; return whether there was one."""
    style: Any = _STYLE  # the stubs want a literal for each key
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a box stands there instead
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change the bytes
        matplotlib.rcParams.update(style)
        figure = picture(data)
        if figure is None:
            return False
        # not Figure.savefig, which would draw everything once more only to find out the layout
        agg: Any = FigureCanvasAgg(figure)
        if any(path.suffix == ".png" for path in paths):
            agg.draw()
        else:
            figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for path in paths:
            buffer = io.BytesIO()
            if path.suffix == ".png":
                pixels, about = agg.buffer_rgba(), cast(Any, {"Software": None})  # None: the key is left out
                imsave(buffer, pixels, format="png", origin="upper", dpi=figure.dpi, metadata=about)
            else:
                svg: Any = FigureCanvasSVG(figure)
                svg.print_svg(buffer, metadata={"Date": None, "Creator": None})
            write_bytes(path, buffer.getvalue())
    return True


def power_of_ten(exponent: float) -> str:
    """Return 10 to a whole exponent as plain text: `10⁻³`, and `1` for 0."""
    whole = round(exponent)
    return "1" if whole == 0 else "10" + str(whole).translate(_SUPERSCRIPT)


def amount(log10_value: float) -> str:
    """Return 10**log10_value in two digits: `0.02`, `3.1`, `3.2×10⁻¹⁹`; empty for what is not finite."""
    if not isfinite(log10_value):
        return ""
    if -2 <= log10_value < 3:
        return f"{10**log10_value:.2g}" if log10_value < 2 else f"{10**log10_value:.0f}"
    exponent = floor(log10_value)
    digits = f"{10 ** (log10_value - exponent):.1f}"
    return f"1.0×{power_of_ten(exponent + 1)}" if digits == "10.0" else f"{digits}×{power_of_ten(exponent)}"


def log_axis(axes: Axes, low: float, high: float, *, least: float = 2.0) -> None:
    """Make the y axis, in log10 units, span `low` to `high` but at least `least` decades, with powers of ten.

    The axis is linear in the logarithm, because the numbers themselves may be too small for a double.
    """
    middle, half = (low + high) / 2, max((high - low) * 0.53, least / 2)
    axes.set_ylim(middle - half, middle + half)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 3, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))


def thresholds(data: PlotData, axes: Axes, *, vertical: bool) -> None:
    """Draw the thresholds of the verdict as thin labelled lines, where all cells share them and there is room."""
    limits = axes.get_xlim() if vertical else axes.get_ylim()
    for name, word in (("vanish", "vanished"), ("explode", "exploded")):
        values = data.tables.summary[f"thresholds.{name}"].unique()
        if len(values) != 1:
            continue
        at = log10(values[0])
        if not limits[0] < at < limits[1] or abs(at) < 0.04 * (limits[1] - limits[0]):
            continue
        if vertical:
            axes.axvline(at, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
            axes.text(at, 1.0, word, transform=axes.get_xaxis_transform(), size=9, color=GREY, ha="center", va="bottom")
        else:
            axes.axhline(at, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
            axes.text(0.01, at, word, transform=axes.get_yaxis_transform(), size=9, color=GREY,
                      va="top" if name == "vanish" else "bottom")  # fmt: skip
