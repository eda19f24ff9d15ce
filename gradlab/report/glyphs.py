"""The signs of a report, in Unicode and in ASCII, and labels cut to a width; lines that are printable."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from gradlab.errors import printable_lines
from gradlab.report.model.marks import Sign

__all__ = ["ASCII", "UNICODE", "Glyphs", "glyphs_for", "shown"]


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Signs of one column each. `bars` go from low to high."""

    fading: str
    vanished: str
    growing: str
    exploded: str
    dead: str
    nonfinite: str
    failed: str
    learned: str
    plus_minus: str
    infinite: str
    dot: str
    to: str
    bars: str

    def sign(self, sign: Sign) -> str:
        """Return the glyph of a mark's sign, a blank for none."""
        glyph: str = getattr(self, sign) if sign else " "
        return glyph

    def plain(self, text: str) -> str:
        """Return a text of the report model with the signs that this set has."""
        return text.translate(_PLAIN) if self is ASCII else text


UNICODE = Glyphs("▾", "✗", "▴", "▲", "∅", "!", "×", "✓", "±", "∞", "·", "…", "▁▂▃▄▅▆▇█")
ASCII = Glyphs("v", "x", "^", "#", "0", "!", "x", "*", "+-", "inf", "|", "..", "_.-:=+*#")

_PLAIN = str.maketrans({"×": "x", "÷": "/", "↑": "^", "↓": "v", "√": "sqrt ", "→": "->", "‖": "|", "²": "^2", "∂": "d"})


def glyphs_for(encoding: str | None) -> Glyphs:
    """Return the signs that a stream of this encoding can carry."""
    try:
        "".join(getattr(UNICODE, name) for name in Glyphs.__slots__).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def shown(line: Text) -> Text:
    """Return a line of rich in its styles with `printable` text."""
    line.plain = printable_lines(line.plain)  # of the same length
    return line
