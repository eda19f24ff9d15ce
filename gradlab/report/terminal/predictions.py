"""Predictions of theory, and points of the critical line, as tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from gradlab.cell import SETTINGS
from gradlab.families import Axis
from gradlab.families.axes import axis_of, length_settings
from gradlab.report.glyphs import Glyphs
from gradlab.report.terminal.table import Column, Entry, fold, varying
from gradlab.report.terminal.text import wrapped

__all__ = ["critical_lines", "prediction_lines"]

Row = Mapping[str, Any]

_FIXED = 1e5
"""Modulus up to which numbers have a fixed point."""
_OPTIONAL = {"log10_cell_survival", "bound"}
"""Columns without any value that are left out; of recurrent networks `c` and `xi_c` too."""


def prediction_lines(rows: Sequence[Row], glyphs: Glyphs, width: int | None, *, verbose: bool = False) -> list[Text]:
    """Return the lines about predictions, one row each: settings by key, and the numbers of `api.theory.Theory.row`.

    Columns that are alike in all rows are a line, unless `verbose`.
    """
    varied = [key for key in SETTINGS if key not in ("seed", "lr") and len({str(row[key]) for row in rows}) > 1]
    axis = axis_of({str(row["model"]) for row in rows}, varied)
    keys = list(dict.fromkeys(["activation", "init", *varied, axis.along]))
    along_depth = axis.along == "depth"
    fixed_keys = ("task", "width") if along_depth else ("model", "task", "width", "depth")
    fixed = [f"{key} {rows[0][key]}" for key in fixed_keys if key not in keys]
    notes = []
    if not along_depth:
        notes.append("survival: the gradient at t = 1 (lag T-1) against t = T (lag 0)")
    if any(row["bound"] is not None for row in rows):
        notes.append(
            "bound: what no time step's factor exceeds, norm of W times steepest slope (Pascanu 2013); of random W "
            "that of a wide one"
        )
    notes += _remarks(rows)
    notes += [f"no prediction: {note}" for note in dict.fromkeys(row["note"] for row in rows if row["note"])]
    survival, *further = _columns(rows, axis, glyphs)
    further, constant = varying(further, whole=verbose)
    return [
        Text("Mean-field theory, at initialisation", "bold"),
        Text("  " + ", ".join(fixed), "dim"),
        Text(),
        *fold(_labels(rows, keys), [survival, *further], width, glyphs),
        *(line for note in (constant, *notes) if note for line in wrapped(note, width, "dim")),
    ]


def _remarks(rows: Sequence[Row]) -> list[str]:
    """Return what predictions rest on, each with the networks it is about."""
    about: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["remark"]:
            about.setdefault(row["remark"], {})[f"{row['activation']} {row['init']}"] = None
    return [f"{', '.join(names)}: {remark}" for remark, names in about.items()]


def _labels(rows: Sequence[Row], keys: Sequence[str]) -> list[Column]:
    return [Column(key, tuple(Entry(str(row[key])) for row in rows), right=key in length_settings()) for key in keys]


def _columns(rows: Sequence[Row], axis: Axis, glyphs: Glyphs) -> list[Column]:
    along_depth = axis.along == "depth"
    survival = [
        _number(row["log10_survival"], "{:+.2f}", glyphs)
        + (f" {glyphs.plus_minus}{row['log10_survival_sd']:.2f}" if row["log10_survival_sd"] is not None else "")
        for row in rows
    ]
    described = [
        ("of the cell state", "log10_cell_survival", "{:+.6f}"),
        ("decay" if along_depth else axis.decay, "decay", "{:.6f}"),
        ("bound", "bound", "{:.4g}"),
        ("reach", "reach", "{:.4g}"),
        ("phase", "phase", ""),
        (f"q {axis.direction}", "status", ""),
        ("q*", "q", "{:.6f}"),
        ("chi", "chi", "{:.6f}"),
        ("xi_grad", "xi_grad", "{:.4g}"),
        ("c*", "c", "{:.4f}"),
        ("xi_c", "xi_c", "{:.4g}"),
    ]
    optional = _OPTIONAL if along_depth else {*_OPTIONAL, "c", "xi_c"}
    columns = [_column("log10 survival", survival)]
    for header, key, form in described:
        if key in optional and all(row[key] is None for row in rows):
            continue
        texts = [_number(row[key], form, glyphs) if form else row[key] or "-" for row in rows]
        columns.append(_column(header, texts, right=bool(form)))
    return columns


def critical_lines(rows: Sequence[Row], glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the lines about points of the order-to-chaos line, see `api.theory.critical_line`."""
    headers = {
        "sigma_b2": "bias variance", "sigma_w2": "weight variance x fan_in", "q": "q*", "gain": "gain of lecun_normal",
    }  # fmt: skip
    columns = [
        _column(header, [_number(row[key], "{:.6f}", glyphs) for row in rows]) for key, header in headers.items()
    ]
    activations = _column("activation", [row["activation"] for row in rows], right=False)
    lines = [Text("Order-to-chaos line: chi(q*) = 1, where gradients neither vanish nor explode", "bold")]
    lines += fold([activations], columns, width, glyphs)
    if any(row["sigma_w2"] is None for row in rows):
        lines.append(Text("-: no such point", "dim"))
    return lines


def _column(header: str, texts: Sequence[str], *, right: bool = True) -> Column:
    return Column(header, tuple(map(Entry, texts)), right=right)


def _number(value: float | None, form: str, glyphs: Glyphs) -> str:
    if value is None:
        return "-"
    if math.isinf(value):
        return glyphs.infinite
    return form.format(value) if abs(value) < _FIXED or not form.endswith("f}") else f"{value:.3e}"
