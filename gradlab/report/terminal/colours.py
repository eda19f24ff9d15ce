"""Colours of a survival: the scale, and what stands for it on terminals of 16 colours."""

from __future__ import annotations

from rich.text import Span, Text

__all__ = ["EXPLODING", "VANISHING", "with_colours"]

# ColorBrewer RdBu (Brewer 2003): told apart with every common colour blindness. Each carries its own text colour,
# so that it reads on dark and on light terminals alike.
VANISHING = ("black on #d1e5f0", "black on #92c5de", "black on #4393c3", "white on #2166ac", "white on #053061")
EXPLODING = ("black on #fddbc7", "black on #f4a582", "black on #d6604d", "white on #b2182b", "white on #67001f")

_SIXTEEN = {
    **dict(
        zip(
            VANISHING,
            ("", "black on cyan", "black on cyan", "bright_white on blue", "bright_white on blue"),
            strict=True,
        )
    ),
    **dict(
        zip(
            EXPLODING,
            ("", "black on yellow", "black on yellow", "bright_white on red", "bright_white on red"),
            strict=True,
        )
    ),
}
"""The nearest of 16 colours to a light blue is white or grey, and white text on cyan cannot be read."""


def with_colours(line: Text, system: str | None) -> Text:
    """Return a line in the colours that a terminal has; `system` as of `rich.console.Console.color_system`."""
    if system != "standard":
        return line
    line.spans = [Span(span.start, span.end, _SIXTEEN.get(str(span.style), span.style)) for span in line.spans]
    line.style = _SIXTEEN.get(str(line.style), line.style)
    return line
