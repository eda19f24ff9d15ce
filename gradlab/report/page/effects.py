"""Which setting matters, as `gradlab compare` works it out, and what it all comes down to."""

from __future__ import annotations

from math import isnan
from typing import Any

from gradlab.analysis.compare.comparison import Comparison, Weight
from gradlab.analysis.compare.effects import Term
from gradlab.report.forest import factor_columns
from gradlab.report.glyphs import UNICODE

__all__ = ["effects"]

_SMALL = 0.005
"""Interactions that explain less than this of every response are left out, as in the report of a comparison."""
_LEVELS = 40


def effects(found: Comparison) -> dict[str, Any]:
    """Return the shares of the variance and the main effects of each response, with the notes of the analysis."""
    untrained = found.plan.fixed.get("train.steps") == 0
    weights = [weight for weight in found.weights if weight.shares.terms
               and not (untrained and weight.metric.name == "metric")]  # fmt: skip
    names: dict[tuple[str, ...], None] = {}
    for weight in weights:
        for term in weight.shares.terms:
            every = [_share(one) for w in weights for one in w.shares.terms if one.factors == term.factors]
            if len(term.factors) == 1 or max(every, default=0.0) >= _SMALL:
                names[term.factors] = None
    return {
        "responses": [_name(found, weight) for weight in weights],
        "terms": [
            {"factors": list(name), "shares": [_of(weight, name) for weight in weights]} for name in names
        ] + _rest(weights),
        "levels": [_levels(found, weight) for weight in weights],
        "notes": factor_columns(found, UNICODE)[2],
    }  # fmt: skip


def _name(found: Comparison, weight: Weight) -> str:
    if weight.metric.name == "metric":
        return f"final {found.metric_name or 'metric'}"
    return f"log10 {weight.metric.name}" if weight.metric.log else weight.metric.name


def _share(term: Term) -> float:
    return term.eta2 if isnan(term.omega2) else term.omega2


def _of(weight: Weight, name: tuple[str, ...]) -> float | None:
    term = next((one for one in weight.shares.terms if one.factors == name), None)
    return None if term is None or not term.freedom else _share(term)


def _rest(weights: list[Weight]) -> list[dict[str, Any]]:
    rows = []
    for text, part in (
        ("three factors and more", "higher"), ("seed (same data and draws)", "seed"), ("left to chance", "chance"),
    ):  # fmt: skip
        terms: list[Term | None] = [getattr(weight.shares, part) for weight in weights]
        if any(term is not None for term in terms):
            rows.append({"rest": text, "shares": [None if term is None else _share(term) for term in terms]})
    unsplit = [weight.shares.unsplit for weight in weights]
    if any(abs(share) >= _SMALL for share in unsplit):
        rows.append({"rest": "overlap of factors", "shares": unsplit})
    return rows


def _levels(found: Comparison, weight: Weight) -> dict[str, Any]:
    sizes: dict[str, int] = {}
    for level in weight.levels:
        sizes[level.factor] = sizes.get(level.factor, 0) + 1
    kept = [level for level in weight.levels if sizes[level.factor] <= _LEVELS]
    return {
        "response": _name(found, weight),
        "log": weight.metric.log,
        "hidden": [name for name, number in sizes.items() if number > _LEVELS],
        "rows": [
            {"factor": one.factor, "level": one.level, "effect": one.effect, "low": one.low, "high": one.high,
             "cells": one.cells}
            for one in kept
        ],
    }  # fmt: skip
