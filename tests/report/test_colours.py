"""Colours of survivals: legible in 16 colours too, on light and on dark backgrounds."""

from __future__ import annotations

import io

import pytest
from rich.color import ANSI_COLOR_NAMES
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

from gradlab.report.terminal.colours import EXPLODING, VANISHING, with_colours


def luminance(color: tuple[int, int, int]) -> float:
    """Relative luminance, WCAG 2.1."""
    parts = [value / 255 for value in color]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(style: Style) -> float:
    assert style.color is not None
    assert style.bgcolor is not None
    theme = DEFAULT_TERMINAL_THEME
    levels = [luminance(color.get_truecolor(theme)) for color in (style.color, style.bgcolor)]
    return (max(levels) + 0.05) / (min(levels) + 0.05)


@pytest.mark.parametrize("system", ["standard", "truecolor"])
@pytest.mark.parametrize("name", [*VANISHING, *EXPLODING])
def test_a_field_has_its_own_background_and_a_text_that_reads_on_it(name: str, system: str) -> None:
    line = Text.assemble(("-19.5", name))
    (span,) = with_colours(line, system).spans
    style = Style.parse(str(span.style)) if str(span.style) else Style()
    if style.bgcolor is None:  # near 1: as the other text of the terminal
        assert (system, style.color) == ("standard", None)
        return
    assert contrast(style) >= 3  # of large text and of graphics, WCAG 2.1
    if system == "standard":
        assert {style.color.name, style.bgcolor.name} <= set(ANSI_COLOR_NAMES)  # type: ignore[union-attr]


def test_a_terminal_of_16_colours_gets_no_others() -> None:
    target = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
    with target.capture() as capture:
        for name in (*VANISHING, *EXPLODING):
            target.print(with_colours(Text.assemble(("x", name)), target.color_system))
    codes = {part.partition("m")[0] for part in capture.get().split("\x1b[")[1:]}
    assert codes == {"30;46", "97;44", "30;43", "97;41", "0"}
