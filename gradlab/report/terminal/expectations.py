"""The judgements on a spec's expectations for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from gradlab.analysis.expectations import Judgement
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.expectations import measured_text, summary_text
from gradlab.report.terminal.entries import wrapped

__all__ = ["expectation_lines"]

_STYLES = {"held": "green", "did not hold": "bold red", "not judged": "yellow"}


def expectation_lines(
    judgements: Sequence[Judgement], glyphs: Glyphs, width: int | None, *, verbose: bool = False
) -> list[Text]:
    """Return the block "Expected", folded to `width` columns; nothing without judgements.

    Those that held are one line in all unless `verbose`.
    """
    if not judgements:
        return []
    signs = {"held": glyphs.learned, "did not hold": glyphs.vanished, "not judged": "?"}
    lines = [Text(f"Expected: {summary_text(judgements)}", "bold")]
    if not verbose:
        judgements = [judgement for judgement in judgements if judgement.outcome != "held"]
    if not judgements:
        return lines
    widest = max(cell_len(judgement.text) for judgement in judgements)
    measured = [measured_text(judgement, glyphs.infinite) for judgement in judgements]
    beside = width is None or all(widest + 6 + cell_len(text) <= width for text in measured)
    for judgement, text in zip(judgements, measured, strict=True):
        statement, style = f"  {signs[judgement.outcome]} {judgement.text}", _STYLES[judgement.outcome]
        if beside:
            lines.append(_styled(f"{statement.ljust(widest + 4)}  {text}", style))
        else:
            lines += [_styled(line.plain, style) for line in wrapped(statement, width, indent="    ")]
            lines += wrapped(f"    {text}", width, indent="    ")
        if judgement.because:
            lines += wrapped(f"    {judgement.because}", width, "dim", indent="    ")
    return lines


def _styled(line: str, style: str) -> Text:
    text = Text(line)
    text.stylize(style, 2, 3)
    return text
