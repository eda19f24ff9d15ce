"""The analysis of variance and the main effects of a comparison, as the page has them."""

from __future__ import annotations

import dataclasses
from typing import Any

from gradlab.analysis.compare.comparison import Comparison
from gradlab.report.model.effects import EffectTable, effect_table, variance_table

__all__ = ["effects"]

_MOST_LEVELS = 40


def effects(comparison: Comparison) -> dict[str, Any]:
    """Return the shares of the variance and the main effects of each response, with the notes of the analysis."""
    table = variance_table(comparison.analyses, comparison.metric_name)
    return {
        "responses": list(table.responses),
        "terms": [
            {"name": row.name, "factors": list(row.factors), "shares": list(row.shares)} for row in table.rows
        ],
        "levels": [
            _levels(effect_table(analysis, comparison.metric_name, _MOST_LEVELS))
            for analysis in comparison.analyses
            if analysis.effects.levels
        ],
        "notes": list(table.notes),
    }  # fmt: skip


def _levels(table: EffectTable) -> dict[str, Any]:
    return {
        "response": table.response,
        "log": table.log,
        "hidden": list(table.hidden),
        "notes": list(table.notes),
        "rows": [dataclasses.asdict(level) for level in table.rows],
    }
