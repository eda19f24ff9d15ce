"""Measurements of models compared: the same blocks beside each other, and what differs between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from gradlab.report.formatting import capital, joined, power
from gradlab.report.json_values import json_value
from gradlab.report.model.module_conclusions import survival_text
from gradlab.report.model.module_report import ModuleReport

__all__ = [
    "CHANGE", "AlignedBlock", "ComparedModel", "aligned", "before_and_after", "changes", "comparison_document",
    "summaries", "values",
]  # fmt: skip

CHANGE = ("before", "after")
"""Labels of two measurements of which the second is that of a change."""
_LN10 = math.log(10)
_LISTED = 6
_MOST_GROUPS = 4
"""Groups of blocks that only some models have, which are named."""


@dataclass(frozen=True)
class ComparedModel:
    """A measurement, and what it is called beside the others."""

    label: str
    report: ModuleReport
    step: int | None = None
    """Of a watched training: the step that is compared, the last that was measured."""
    start: ModuleReport | None = None
    """Of a watched training: its first measured step."""


@dataclass(frozen=True, slots=True)
class AlignedBlock:
    """A block in several models; a row of `block_rows` for each, None where it is not there."""

    name: str
    rows: tuple[dict[str, Any] | None, ...]

    def log10_ratio(self, place: int = -1) -> float:
        """Return log10 of the survival at this block in one of the models, over that in the first; NaN where there is
        none."""
        first, other = self.rows[0], self.rows[place]
        if first is None or other is None:
            return math.nan
        difference = float(other["log10_survival"]) - float(first["log10_survival"])
        return difference if math.isfinite(difference) else math.nan


def before_and_after(reports: Sequence[ModuleReport]) -> tuple[ComparedModel, ...]:
    """Return two measurements as those before and after a change."""
    return tuple(ComparedModel(label, report) for label, report in zip(CHANGE, reports, strict=True))


def aligned(models: Sequence[ComparedModel]) -> list[AlignedBlock]:
    """Return the blocks of all models, those of one name beside each other, in the order of the chain.

    Where all names of a model differ from those before it but not their number, as after a change of the whole model,
    they are told apart by position.
    """
    blocks = [AlignedBlock(str(row["name"]), (row,)) for row in models[0].report.blocks]
    for place, model in enumerate(models[1:], start=1):
        blocks = _joined(blocks, model.report, place)
    return blocks


def _joined(blocks: Sequence[AlignedBlock], report: ModuleReport, place: int) -> list[AlignedBlock]:
    old, new, rows = [block.name for block in blocks], report.names, report.blocks
    if len(old) == len(new) and set(old).isdisjoint(new):
        return [
            AlignedBlock(f"{block.name} / {name}", (*block.rows, row))
            for block, name, row in zip(blocks, new, rows, strict=True)
        ]
    missing: tuple[None, ...] = (None,) * place
    merged = []
    for kind, low, high, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            pairs = zip(blocks[low:high], rows[start:end], strict=True)
            merged += [AlignedBlock(block.name, (*block.rows, row)) for block, row in pairs]
        else:
            merged += [AlignedBlock(block.name, (*block.rows, None)) for block in blocks[low:high]]
            merged += [
                AlignedBlock(name, (*missing, row)) for name, row in zip(new[start:end], rows[start:end], strict=True)
            ]
    return merged


def changes(models: Sequence[ComparedModel]) -> list[str]:
    """Return what differs, one sentence each: verdict and survival, causes, blocks that not all have."""
    sentences = _change(models) if _labels(models) == CHANGE else _differences(models)
    groups: dict[tuple[int, ...], list[str]] = {}
    for block in aligned(models):
        having = tuple(place for place, row in enumerate(block.rows) if row is not None)
        if len(having) < len(models):
            groups.setdefault(having, []).append(block.name)
    if len(groups) > _MOST_GROUPS:
        return [*sentences, "Their blocks have different names: the table says which has which."]
    for having, names in sorted(groups.items()):
        unlisted = [f"{len(names) - _LISTED} more"] if len(names) > _LISTED else []
        sentences.append(f"Blocks only {_where(models, having)}: {joined([*names[:_LISTED], *unlisted])}.")
    return sentences


def _change(models: Sequence[ComparedModel]) -> list[str]:
    old, new = (model.report.summary for model in models)
    verdict = f"still {new.verdict}" if old.verdict == new.verdict else f"{old.verdict} before, {new.verdict} after"
    texts = [survival_text(summary.log_survival, summary.log_survival_interval) for summary in (old, new)]
    sentences = [f"{capital(verdict)}: survival {texts[0]} before, {texts[1]} after{_ratio(models, 1)}."]
    causes_before, causes_after = ([cause.what for cause in model.report.causes] for model in models)
    sentences += [f"No longer: {cause}." for cause in causes_before if cause not in causes_after]
    sentences += [f"New: {cause}." for cause in causes_after if cause not in causes_before]
    return sentences + [f"Still: {cause}." for cause in causes_after if cause in causes_before]


def _differences(models: Sequence[ComparedModel]) -> list[str]:
    sentences = []
    for place, model in enumerate(models):
        summary, begin = model.report.summary, model.start.summary if model.start is not None else None
        text = f"survival {survival_text(summary.log_survival, summary.log_survival_interval)}"
        if begin is not None and model.step:
            text += f" at step {model.step:,}, {survival_text(begin.log_survival)} at the first ({begin.verdict})"
        over = f" over that of {models[0].label}" if place else ""
        ratio = _ratio(models, place) if place else ""
        sentences.append(f"{model.label}: {summary.verdict}, {text}{ratio}{over if ratio else ''}.")
    causes: dict[str, list[int]] = {}
    for place, model in enumerate(models):
        for cause in model.report.causes:
            causes.setdefault(cause.what, []).append(place)
    return sentences + [f"Why {_where(models, places)}: {text}." for text, places in causes.items()]


def _ratio(models: Sequence[ComparedModel], place: int) -> str:
    difference = models[place].report.summary.log_survival - models[0].report.summary.log_survival
    factor = power(difference / _LN10) if math.isfinite(difference) else "1"
    return f", a factor of {factor}" if factor != "1" else ""


def _labels(models: Sequence[ComparedModel]) -> tuple[str, ...]:
    return tuple(model.label for model in models)


def _where(models: Sequence[ComparedModel], places: Iterable[int]) -> str:
    """Return ``before``, or ``in a and b``."""
    names = [models[place].label for place in places]
    return joined(names) if _labels(models) == CHANGE else f"in {joined(names)}"


def values(models: Sequence[ComparedModel]) -> list[dict[str, Any]]:
    """Return one row for each block, as plain values; the columns of a model end in its label."""
    numbers = ("log10_grad_norm", "log10_survival", "factor")
    rows = []
    for block in aligned(models):
        row: dict[str, Any] = {"name": block.name}
        for place, model in enumerate(models[1:], start=1):
            ending = f"_{model.label}" if len(models) > 2 else ""
            row[f"log10_survival_ratio{ending}"] = block.log10_ratio(place)
        for model, block_row in zip(models, block.rows, strict=True):
            row |= {f"{name}_{model.label}": block_row[name] if block_row else math.nan for name in numbers}
        rows.append(row)
    return rows


def summaries(models: Sequence[ComparedModel]) -> list[dict[str, Any]]:
    """Return one row for each model, as plain values: what a condition can ask for."""
    rows = []
    for model in models:
        report, summary = model.report, model.report.summary
        start = model.start.summary.log_survival / _LN10 if model.start is not None else math.nan
        rows.append({
            "name": model.label, "model": report.name, "step": model.step, "blocks": len(report.blocks),
            "verdict": summary.verdict, "survival": _exp(summary.log_survival),
            "log10_survival": summary.log_survival / _LN10, "log10_survival_start": start,
            "decay": _exp(summary.log_decay), "reach": summary.reach,
            "loss": math.nan if report.loss is None else report.loss,
        })  # fmt: skip
    return rows


def _exp(logarithm: float) -> float:
    return math.exp(logarithm) if logarithm < 700 else math.inf if logarithm > 0 else math.nan


def comparison_document(models: Sequence[ComparedModel]) -> dict[str, Any]:
    """Return a comparison as plain values for JSON."""
    document: dict[str, Any] = json_value({
        "conclusions": changes(models), "models": summaries(models), "blocks": values(models),
    })  # fmt: skip
    return document
