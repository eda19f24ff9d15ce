"""`gradlab theory`: what mean-field theory says of a setting, without training anything."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gradlab import grid, spec
from gradlab.api.sweep import CLASSICAL, with_usual_inits
from gradlab.cell import SETTINGS, Cell, Named, settings_of
from gradlab.cli.common import console, print_json, report_width
from gradlab.errors import UsageError
from gradlab.families import axis_setting
from gradlab.mean_field import FixedPoint, Prediction, critical_bias, critical_weight, predict, summary
from gradlab.mean_field.inits import NoPrediction, bias_variance, weight_variance
from gradlab.mean_field.inputs import Inputs, inputs_of
from gradlab.mean_field.recurrent import input_variance
from gradlab.report.glyphs import Glyphs, glyphs_for
from gradlab.report.layout import Column, Entry, fold
from gradlab.report.words import Axis, axis_of

__all__ = ["critical", "theory"]

LN10 = math.log(10.0)


def theory(settings: Mapping[str, str], *, limit: int, json: bool) -> int:
    """Print the prediction for every configuration of `settings`; return the exit code."""
    cells = _cells(settings, limit)
    rows = [_row(cell) for cell in cells]
    if json:
        print_json({"predictions": rows})
        return 0
    varied = [key for key in SETTINGS if key not in ("seed", "lr") and len({str(row[key]) for row in rows}) > 1]
    axis = axis_of({str(row["model"]) for row in rows if axis_setting(str(row["model"])) == "seq_len"}, varied)
    keys = list(dict.fromkeys(["activation", "init", *varied, axis.along]))
    target = console()
    glyphs = glyphs_for(target.encoding)
    named = ("task", "width") if axis.unit == "block" else ("model", "task", "width", "depth")
    fixed = [f"{key} {rows[0][key]}" for key in named if key not in keys]
    lines = ["Mean-field theory, at initialisation", "  " + ", ".join(fixed), ""]
    for line in lines:
        target.print(line, style="bold" if line is lines[0] else "dim", soft_wrap=True)
    for text in fold(_labels(rows, keys), _columns(rows, glyphs, axis), report_width(target), glyphs):
        target.print(text, soft_wrap=True)
    if axis.unit != "block":
        target.print("survival: the gradient at t = 1 (lag T-1) against t = T (lag 0)", style="dim", soft_wrap=True)
    if any(row["bound"] is not None for row in rows):
        words = "bound: what no time step's factor exceeds, norm of W times steepest slope (Pascanu 2013); of random"
        target.print(f"{words} W that of a wide one", style="dim", soft_wrap=True)
    for line in _remarks(rows):
        target.print(line, style="dim", soft_wrap=True)
    for note in dict.fromkeys(row["note"] for row in rows if row["note"]):
        target.print(f"no prediction: {note}", style="dim", soft_wrap=True)
    return 0


def _cells(settings: Mapping[str, str], limit: int) -> tuple[Cell, ...]:
    settings = {"model": "rnn", **settings} if "seq_len" in settings else settings
    named = {"model": settings["model"], "seeds": 1} if "model" in settings else {"seeds": 1}
    cells = grid.expand(spec.from_mapping("theory", named, source="--"), limit).cells
    along_time = any(axis_setting(cell.model.name) == "seq_len" for cell in cells)
    mapping: dict[str, object] = {**({} if along_time else {"depth": 30}), **settings, "seeds": 1}
    if along_time:
        if "activation" not in settings and {cell.model.name for cell in cells} == {"rnn"}:
            mapping["activation"] = ",".join(CLASSICAL)  # gated cells are made for tanh
    elif "init" not in settings:
        mapping |= with_usual_inits(mapping, limit)
    elif "activation" not in settings:
        mapping["activation"] = ",".join(CLASSICAL)
    given = {key: value for key, value in mapping.items() if value is not None}
    cells = grid.expand(spec.from_mapping("theory", given, source="--"), limit).cells
    seen: dict[Cell, int] = {}  # the depths of one network below each other, of recurrent ones the lengths
    return tuple(sorted(cells, key=lambda cell: seen.setdefault(_without_length(cell), len(seen))))


def _without_length(cell: Cell) -> Cell:
    length: dict[str, Any] = {"seq_len": None} if axis_setting(cell.model.name) == "seq_len" else {"depth": 1}
    return dataclasses.replace(cell, **length)


def _row(cell: Cell) -> dict[str, Any]:
    """Return one configuration as plain values: settings, the prediction at its depth, and where it would end."""
    seen = inputs_of(cell.task, cell.seq_len)
    prediction: Prediction | None = None
    note = f"the inputs of task {cell.task.name} are known only after a run: compare shows theory beside it"
    if seen is not None:
        prediction = predict(
            cell, in_features=seen.in_features, out_features=seen.out_features, input_mean_square=seen.mean_square
        )
        note = prediction.reason
    end = _end(cell, seen)
    log_survival = prediction.log_survival if prediction else None
    deviation = prediction.log_survival_sd if prediction else None
    profile = prediction.log_grad_norm if prediction else None
    cell_path = prediction.log_cell_survival if prediction else None
    return {
        **{key: value for key, value in settings_of(cell).items() if key != "seed"},
        "log10_survival": None if log_survival is None else log_survival / LN10,
        "log10_survival_sd": None if deviation is None else deviation / LN10,
        "decay": prediction.decay if prediction else None,
        "reach": prediction.reach if prediction else None,
        "log10_grad_norm": None if profile is None else [float(value) / LN10 for value in profile],
        "q": end.q if end else None,
        "chi": end.chi if end else None,
        "status": end.status if end else None,
        "phase": end.phase if end else None,
        "xi_grad": end.xi_grad if end else None,
        "c": end.c if end else None,
        "xi_c": end.xi_c if end else None,
        "bound": prediction.bound if prediction else None,
        "log10_cell_survival": None if cell_path is None else cell_path / LN10,
        "remark": prediction.note if prediction else "",
        "note": note,
    }


def _end(cell: Cell, seen: Inputs | None) -> FixedPoint | None:
    """Return the fixed point of a plain network; norms and skips have none of this kind, nor have gates.

    What the inputs of a recurrent network bring at every step acts on q as a bias does.
    """
    if cell.norm.name != "none" or cell.residual.name != "none" or cell.dropout > 0:
        return None
    sigma_b2 = bias_variance(cell.init, cell.bias_std, cell.width)
    if axis_setting(cell.model.name) == "seq_len":
        if cell.model.name != "rnn" or seen is None or cell.depth > 1:
            return None
        sigma_b2 += input_variance(cell, seen.mean_square)
    try:
        end = summary(cell.activation, weight_variance(cell.init, cell.width, cell.width) * cell.width, sigma_b2)
        # two samples have different inputs at every step: their correlation is a matter of the data
        return dataclasses.replace(end, c=None, xi_c=None) if axis_setting(cell.model.name) == "seq_len" else end
    except NoPrediction:
        return None


def _remarks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what predictions rest on, each with the networks it is about."""
    about: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["remark"]:
            about.setdefault(row["remark"], {})[f"{row['activation']} {row['init']}"] = None
    return [f"{', '.join(names)}: {remark}" for remark, names in about.items()]


def _labels(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[Column]:
    return [Column(key, tuple(Entry(str(row[key])) for row in rows), right=key in ("depth", "seq_len")) for key in keys]


def _columns(rows: Sequence[Mapping[str, Any]], glyphs: Glyphs, axis: Axis) -> list[Column]:
    def column(header: str, texts: list[str], *, right: bool = True) -> Column:
        return Column(header, tuple(Entry(text) for text in texts), right=right)

    def numbers(key: str, form: str) -> list[str]:
        return [_number(row[key], form, glyphs) for row in rows]

    survival = [
        _number(row["log10_survival"], "{:+.2f}", glyphs)
        + (f" {glyphs.plus_minus}{row['log10_survival_sd']:.2f}" if row["log10_survival_sd"] is not None else "")
        for row in rows
    ]

    def optional(header: str, key: str, form: str) -> list[Column]:
        return [column(header, numbers(key, form))] if any(row[key] is not None for row in rows) else []

    def always(header: str, key: str, form: str) -> list[Column]:
        return [column(header, numbers(key, form))]

    along_time = axis.unit != "block"
    return [
        column("log10 survival", survival),
        *optional("of the cell state", "log10_cell_survival", "{:+.6f}"),
        column("decay" if axis.unit == "block" else axis.decay, numbers("decay", "{:.6f}")),
        *optional("bound", "bound", "{:.4g}"),
        column("reach", numbers("reach", "{:.4g}")),
        column("phase", [row["phase"] or "-" for row in rows], right=False),
        column(f"q {axis.direction}", [row["status"] or "-" for row in rows], right=False),
        column("q*", numbers("q", "{:.6f}")),
        column("chi", numbers("chi", "{:.6f}")),
        column("xi_grad", numbers("xi_grad", "{:.4g}")),
        *(optional if along_time else always)("c*", "c", "{:.4f}"),
        *(optional if along_time else always)("xi_c", "xi_c", "{:.4g}"),
    ]


def _number(value: float | None, form: str, glyphs: Glyphs) -> str:
    if value is None:
        return "-"
    return glyphs.infinite if math.isinf(value) else form.format(value)


def critical(settings: Mapping[str, str], *, limit: int, json: bool) -> int:
    """Print points of the order-to-chaos line: σ_w² for the given biases or, with an init, σ_b² for its weights."""
    allowed = {"activation", "bias_std", "init", "width"}
    if not settings.keys() <= allowed:
        others = ", ".join(f"--{key}" for key in sorted(settings.keys() - allowed))
        raise UsageError(f"--critical does not depend on {others}", "give --activation, and --bias-std or --init")
    mapping: dict[str, object] = {"activation": "tanh,erf", "bias_std": 0.0, "lr": 0.1, **settings, "seeds": 1}
    cells = grid.expand(spec.from_mapping("theory", mapping, source="--"), limit).cells
    rows = [_critical_row(cell.activation, cell, by_weight="init" in settings) for cell in cells]
    if json:
        print_json({"critical": rows})
        return 0
    target = console()
    glyphs = glyphs_for(target.encoding)
    target.print("Order-to-chaos line: chi(q*) = 1, where gradients neither vanish nor explode", style="bold")
    forms = {"sigma_b2": "{:.6f}", "sigma_w2": "{:.6f}", "q": "{:.6f}", "gain": "{:.6f}"}
    columns = [
        Column(header, tuple(Entry(_number(row[key], forms[key], glyphs)) for row in rows))
        for key, header in (("sigma_b2", "bias variance"), ("sigma_w2", "weight variance x fan_in"), ("q", "q*"))
    ]
    columns.append(Column("gain of lecun_normal", tuple(Entry(_number(row["gain"], "{:.6f}", glyphs)) for row in rows)))
    labels = [Column("activation", tuple(Entry(row["activation"]) for row in rows), right=False)]
    for text in fold(labels, columns, report_width(target), glyphs):
        target.print(text, soft_wrap=True)
    if any(row["sigma_w2"] is None for row in rows):
        target.print("-: no such point", style="dim")
    return 0


def _critical_row(activation: Named, cell: Cell, *, by_weight: bool) -> dict[str, Any]:
    if by_weight:
        point = critical_bias(activation, weight_variance(cell.init, cell.width, cell.width) * cell.width)
    else:
        point = critical_weight(activation, bias_variance(cell.init, cell.bias_std, cell.width))
    if point is None:
        return {"activation": str(activation), "sigma_b2": None, "sigma_w2": None, "q": None, "gain": None}
    q = None if math.isnan(point.q) else point.q
    gain = math.sqrt(point.sigma_w2)
    return {
        "activation": str(activation), "sigma_b2": point.sigma_b2, "sigma_w2": point.sigma_w2, "q": q, "gain": gain,
    }  # fmt: skip
