"""A watched training as one HTML page that needs no network and runs no script."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradlab.report.formatting import count, number_text
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.module_conclusions import conclusions
from gradlab.report.model.watched_training import WatchedTraining, evenly_spaced
from gradlab.report.page.module import blocks, escaped, image, listed, standalone, survival

__all__ = ["watched_page"]

_MOST = 200
"""Steps that the page lists; of more, some evenly spaced."""
_COLUMNS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("loss", "loss", number_text), ("clip_norm_before", "|gradient| before clipping", number_text),
    ("clip_norm_after", "after", number_text), ("loss_scale", "loss scale", "{:g}".format),
    ("overflows", "overflows before", str), ("overflow_at", "first at", str),
)  # fmt: skip


def watched_page(training: WatchedTraining, pictures: Sequence[tuple[str, bytes]]) -> str:
    """Return the page: conclusions, pictures (what each shows, and its SVG), steps, blocks at the last step, notes."""
    parts = [training.name, training.model, f"{count(len(training.steps), 'step')} measured", training.state]
    title = f" {UNICODE.dot} ".join(filter(None, parts))
    if not training.steps or not training.blocks:
        return standalone(title, [listed("Notes", training.notes)])
    report = training.report()
    return standalone(title, [
        listed(f"Conclusions at step {training.steps[-1]['step']:,}", conclusions(report)),
        *(image(words, svg) for words, svg in pictures),
        f"<h2>Measured steps</h2>{_steps(training)}",
        f"<h2>Blocks at step {training.steps[-1]['step']:,}, from the data to the loss</h2>{blocks(report)}",
        listed("Notes", training.notes),
    ])  # fmt: skip


def _steps(training: WatchedTraining) -> str:
    rows = [training.steps[place] for place in evenly_spaced(len(training.steps), _MOST)]
    shown = [entry for entry in _COLUMNS if any(_says_something(entry[0], row) for row in training.steps)]
    head = "".join(f"<th>{escaped(title)}</th>" for _, title, _ in shown)
    body = "".join(
        f"<tr><td>{row['step']:,}</td>{survival(training.mark(row))}"
        f'<td class="text">{escaped(str(row["verdict"]))}</td>'
        + "".join(f"<td>{escaped(_text(row[key], text))}</td>" for key, _, text in shown)
        + "</tr>"
        for row in rows
    )
    of = f"<p>{len(rows):,} of {len(training.steps):,} steps</p>" if len(rows) < len(training.steps) else ""
    return (
        f'<table><thead><tr><th>step</th><th>survival</th><th class="text">verdict</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>{of}"
    )


def _says_something(key: str, row: Mapping[str, Any]) -> bool:
    value = row[key]
    return value != 1 if key == "loss_scale" else bool(value) and not (isinstance(value, float) and math.isnan(value))


def _text(value: Any, text: Callable[[Any], str]) -> str:
    return "" if isinstance(value, float) and math.isnan(value) else text(value)
