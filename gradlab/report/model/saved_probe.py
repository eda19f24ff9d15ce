"""A probe that was saved, as every report shows it: read from its JSON document."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradlab.modules.causes.rules import Cause
from gradlab.modules.summary import Summary
from gradlab.report.model.module_cures import CureRow, cure_rows
from gradlab.report.model.module_report import ModuleReport

__all__ = ["SavedProbe", "read_probe"]

_LN10 = math.log(10)
_TEXTS, _TRUTHS = ("name", "kind", "dtype"), ("frozen", "connected", "is_cut")
_WHOLE = ("block", "call", "parameters")
_NUMBERS = (
    "grad_norm", "log10_grad_norm", "grad_rms", "rel_grad", "log10_survival", "survival", "factor", "theory_factor",
    "weight_grad_norm", "log10_weight_grad_norm", "act_mean", "act_rms", "dead", "saturated", "zero_grad", "nonfinite",
    "common", "token_cosine", "attention_entropy", "weight_norm",
)  # fmt: skip
"""Columns of `block_rows`; a test compares them."""


@dataclass(frozen=True)
class SavedProbe:
    """What a saved probe has measured."""

    name: str
    """Of its directory."""
    report: ModuleReport
    cures: tuple[CureRow, ...]
    document: Mapping[str, Any]
    """The whole of it, as it was saved."""


@dataclass(frozen=True, slots=True)
class _Cure:
    """A change that was tried."""

    what: str
    source: str
    code: str
    before: Summary
    after: Summary
    trained_before: _Trained | None
    trained: _Trained | None
    helps: bool


@dataclass(frozen=True, slots=True)
class _Trained:
    """A model after its first steps of training."""

    first_loss: float
    loss: float
    summary: Summary


def read_probe(name: str, document: Mapping[str, Any]) -> SavedProbe:
    """Return the probe behind the document that `gradlab.api.probe.document` makes.

    Raises ValueError with what is not as it was written.
    """
    thresholds = _mapping(document.get("thresholds"), "thresholds")
    vanish, explode = (_number(thresholds.get(key), key) for key in ("vanish", "explode"))
    rows = tuple(_row(row) for row in _list(document.get("blocks"), "blocks"))
    norms = _list(document.get("log10_grad_norms", []), "log10_grad_norms")
    seeds = tuple(tuple(_number(value, "a norm") for value in _list(seed, "a seed")) for seed in norms)
    if any(len(seed) != len(rows) for seed in seeds):
        raise ValueError("log10_grad_norms has not as many numbers as there are blocks")
    report = ModuleReport(
        name=_text(document.get("model"), "model"), blocks=rows,
        seed_norms=seeds or (tuple(row["log10_grad_norm"] for row in rows),),
        summary=_summary(document), vanish=vanish, explode=explode,
        causes=tuple(map(_cause, _items(document, "causes"))),
        training=document.get("training") is True, parameters=_whole(document.get("parameters"), "parameters"),
        objective=_text(document.get("objective"), "objective"), loss=_number(document.get("loss"), "loss"),
        source=_text(document.get("source"), "source"), rule=_text(document.get("rule"), "rule"),
        dtype=_text(document.get("dtype"), "dtype"), uncalled=_texts(document, "uncalled"),
        notes=_texts(document, "notes"),
    )  # fmt: skip
    tried = [_cure(entry) for entry in _items(document, "cures")]
    return SavedProbe(name, report, cure_rows(tried, vanish, explode), document)


def _row(value: Any) -> dict[str, Any]:
    row = _mapping(value, "a block")
    shape = tuple(_whole(size, "shape") for size in _list(row.get("shape"), "shape"))
    converters: tuple[tuple[Sequence[str], Callable[[Any, str], Any]], ...] = (
        (_TEXTS, _text), (_TRUTHS, _truth), (_WHOLE, _whole), (_NUMBERS, _number),
    )  # fmt: skip
    values = {key: convert(row.get(key), key) for keys, convert in converters for key in keys}
    return {**values, "shape": shape}


def _summary(document: Mapping[str, Any]) -> Summary:
    def interval(key: str) -> tuple[float, float]:
        ends = _list(document.get(key), key)
        if len(ends) != 2:
            raise ValueError(f"{key} is no interval")
        return _number(ends[0], key), _number(ends[1], key)

    survival, decay = (_number(document.get(key), key) for key in ("log10_survival", "log10_decay"))
    of_survival, of_decay = interval("log10_survival_interval"), interval("log10_decay_interval")
    return Summary(
        survival * _LN10, (of_survival[0] * _LN10, of_survival[1] * _LN10), decay * _LN10,
        (of_decay[0] * _LN10, of_decay[1] * _LN10), _number(document.get("reach"), "reach"), interval("reach_interval"),
        _text(document.get("verdict"), "verdict"), _texts(document, "verdicts"),
    )  # fmt: skip


def _cure(entry: Mapping[str, Any]) -> _Cure:
    what, source, code = (_text(entry.get(key), key) for key in ("what", "source", "code"))
    before, after = (_summary(_mapping(entry.get(key), key)) for key in ("before", "after"))
    trained_before, trained = (_trained(entry.get(key), key) for key in ("trained_before", "trained"))
    return _Cure(what, source, code, before, after, trained_before, trained, entry.get("helps") is True)


def _trained(value: Any, name: str) -> _Trained | None:
    """Return what became of a model in training; None where that is not there, as in documents of older versions."""
    if value is None:
        return None
    numbers = _mapping(value, name)
    first_loss, loss = (_number(numbers.get(key), key) for key in ("first_loss", "loss"))
    return _Trained(first_loss, loss, _summary(numbers))


def _cause(entry: Mapping[str, Any]) -> Cause:
    evidence = _mapping(entry.get("evidence"), "evidence")
    block, what, source = (_text(entry.get(key), key) for key in ("block", "what", "source"))
    return Cause(block, what, {key: _number(value, key) for key, value in evidence.items()}, source)


def _number(value: Any, name: str) -> float:
    """Return a number as JSON has it: null for NaN, texts for infinities."""
    if value is None:
        return math.nan
    if value in ("inf", "-inf") or (isinstance(value, int | float) and not isinstance(value, bool)):
        return float(value)
    raise ValueError(f"{name} is no number")


def _whole(value: Any, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"{name} is no whole number")


def _text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{name} is no text")


def _truth(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{name} is not true or false")


def _list(value: Any, name: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ValueError(f"{name} is no list")


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ValueError(f"{name} is no mapping")


def _items(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return [_mapping(entry, f"an entry of {key}") for entry in _list(document.get(key), key)]


def _texts(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(_text(entry, f"an entry of {key}") for entry in _list(document.get(key), key))
