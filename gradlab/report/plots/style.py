"""How every picture looks and how it is written: fonts, colours, title, caption and note, reproducible bytes."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import floor, isfinite, log10
from pathlib import Path
from typing import Any, TypeVar, cast

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradlab.report.formatting import folded
from gradlab.report.plots.data import PlotData
from gradlab.store.atomic import write_bytes

__all__ = [
    "COLOURS",
    "COLUMN",
    "GREY",
    "INK",
    "LINES",
    "MARKERS",
    "VERDICTS",
    "ShownFigure",
    "amount",
    "drawing",
    "frame",
    "is_paper",
    "line_looks",
    "log_axis",
    "named_lines",
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
    "text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "gradlab", "pdf.fonttype": 42,
    "path.simplify": True,
}  # fmt: skip

COLUMN, TEXT = 3.25, 6.75
"""Inches: width of a picture of the style `paper`, and the most that one takes which cannot be narrower."""
_PAPER_SIZE, _PAPER_SCALE = 8.0, 0.8
"""Points of its words; of its lines and fields against those of a report."""
_PAPER: dict[str, Any] = {
    "font.size": _PAPER_SIZE, "axes.labelsize": _PAPER_SIZE, "axes.titlesize": _PAPER_SIZE, "axes.titlepad": 3,
    "xtick.labelsize": _PAPER_SIZE, "ytick.labelsize": _PAPER_SIZE, "legend.fontsize": _PAPER_SIZE,
    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5,
    "ytick.major.size": 2.5, "lines.linewidth": 1.4, "lines.markersize": 4, "savefig.dpi": 300, "figure.dpi": 300,
}  # fmt: skip
_paper: ContextVar[bool] = ContextVar("paper", default=False)

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_TITLE, _CAPTION, _NOTE = 14.0, 10.5, 9.5
_MARGIN = 0.15


class ShownFigure(Figure):
    """A figure that a notebook shows by itself."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


@contextmanager
def drawing(style: str = "report") -> Iterator[None]:
    """As a context: pictures are drawn in one of the styles ``report`` and ``paper``, whatever a user's matplotlibrc
    says."""
    look: Any = {**_STYLE, **_PAPER} if style == "paper" else _STYLE  # the stubs want a literal for each key
    token = _paper.set(style == "paper")
    try:
        with matplotlib.rc_context(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a box stands there instead
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(look)
            yield
    finally:
        _paper.reset(token)


def is_paper() -> bool:
    """Return whether pictures are drawn in the style ``paper``: a column wide, without title, caption and note."""
    return _paper.get()


def line_looks(labels: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
    """Return the look of a line for each of some labels: colour and marker for the first, dashes for the others."""
    split = [(label[:1], label[1:]) for label in labels]
    heads, tails = (list(dict.fromkeys(part)) for part in zip(*split, strict=True))
    if len(heads) == 1 or len(heads) > len(COLOURS) or len(tails) > len(LINES):
        return [_look(at, at // len(COLOURS)) for at in range(len(labels))]
    return [_look(heads.index(head), tails.index(tail)) for head, tail in split]


def _look(colour: int, line: int) -> dict[str, Any]:
    at = colour % len(COLOURS)
    return {"color": COLOURS[at], "marker": MARKERS[at], "linestyle": LINES[line % len(LINES)]}


def named_lines(figure: Any, names: Sequence[str], handles: Sequence[Any]) -> None:
    """Name lines in a legend beside the panels; in a column of a paper below them."""
    longest = max(map(len, names), default=0)
    if is_paper():
        columns = 1 if longest > 20 else 2 if longest > 10 else 3
        place: dict[str, Any] = {"loc": "outside lower center", "ncols": columns, "handlelength": 2.6}
        words = [folded(name, 46) for name in names]
        width, height = figure.get_size_inches()
        lines = sum(text.count("\n") + 1 for text in words[::columns])
        figure.set_size_inches(width, height + 0.2 + 1.55 * _PAPER_SIZE / 72 * lines)
    else:
        place = {"loc": "outside right center", "fontsize": 9.5, "handlelength": 2.4}
        words = [folded(name, 34) for name in names]
    figure.legend(handles, words, frameon=False, **place)


def plain_text() -> Any:
    """Return a context in which the texts of a figure are shown as they are: a name may hold ``$``."""
    return matplotlib.rc_context({"text.parse_math": False})


def new(width: float, height: float, *, column: float | None = None, fixed: bool = False) -> ShownFigure:
    """Return an empty figure whose drawing area has this size in inches; `frame` adds the room for its words.

    In a paper it is as wide as a column, and `column` inches high; `fixed`: its fields have their size, up to the width
    of the text.
    """
    if is_paper():
        scale = min(_PAPER_SCALE, TEXT / width) if fixed else COLUMN / width
        high = column if column is not None else height * (scale if fixed else max(scale, 0.55))
        width, height = width * scale, high
    return ShownFigure(figsize=(width, height))


def frame(figure: Figure, title: str, caption: str, note: str) -> Figure:
    """Put a title and a caption above the drawing area and a note on how to read it below; return the figure.

    In a paper none of them: its words have one size.
    """
    if is_paper():
        for text in figure.findobj(Text):
            words = cast(Any, text)  # the stubs take a size for a word too
            words.set_fontsize(min(words.get_fontsize(), _PAPER_SIZE))
        figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, hspace=0.02, wspace=0.02))
        return figure
    width, height = figure.get_size_inches()
    blocks: list[tuple[str, float, dict[str, Any]]] = [
        (_folded(text, width, size), size, {"color": colour, "weight": weight})
        for text, size, colour, weight in (
            (title, _TITLE, INK, "bold"), (caption, _CAPTION, GREY, "normal"), (note, _NOTE, GREY, "normal")
        )
    ]  # fmt: skip
    tall = [_height(lines, size) for lines, size, _ in blocks]
    total = height + sum(tall) + 2.4 * _MARGIN
    figure.set_size_inches(width, total)
    tops = (total - _MARGIN, total - _MARGIN - tall[0], _MARGIN + tall[2])
    for (lines, size, look), top in zip(blocks, tops, strict=True):
        figure.text(_MARGIN / width, top / total, lines, size=size, va="top", linespacing=1.3, **look)
    rect = (0.0, (1.4 * _MARGIN + tall[2]) / total, 1.0, height / total)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=rect, w_pad=0.08, h_pad=0.06, hspace=0.02, wspace=0.02))
    return figure


def _folded(text: str, width: float, size: float) -> str:
    return "\n".join(textwrap.wrap(text, int((width - 2 * _MARGIN) * 72 / (size * 0.55)), break_on_hyphens=False))


def _height(lines: str, size: float) -> float:
    return (lines.count("\n") + 1) * size * 1.42 / 72 + 0.05 if lines else 0.0


def save(picture: Callable[[T], Figure | None], data: T, paths: Sequence[Path], style: str = "report") -> bool:
    """Draw a picture and write it once for each path, in the format of its ending; return whether there was one."""
    with drawing(style):
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
            elif path.suffix == ".pdf":
                pdf: Any = FigureCanvasPdf(figure)
                pdf.print_pdf(buffer, metadata={"CreationDate": None, "Creator": None, "Producer": None})
            else:
                svg: Any = FigureCanvasSVG(figure)
                svg.print_svg(buffer, metadata={"Date": None, "Creator": None})
            write_bytes(path, buffer.getvalue())
    return True


def power_of_ten(exponent: float) -> str:
    """Return 10 to a whole exponent as plain text: `10⁻³`, and `1` for 0."""
    rounded = round(exponent)
    return "1" if rounded == 0 else "10" + str(rounded).translate(_SUPERSCRIPT)


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
