"""The configurations of a comparison with what training made of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from gradlab.analysis.compare.comparison import Comparison
from gradlab.report.model.marks import verdict_of
from gradlab.report.model.outcomes import outcomes_by
from gradlab.report.model.training_conclusions import Configuration

__all__ = ["configurations_of_comparison"]


def configurations_of_comparison(comparison: Comparison, name: Callable[[pd.Series[Any]], str]) -> list[Configuration]:
    """Return the configurations of a comparison that were trained; `name` gives the name of a row of them."""
    cells, table = comparison.cells, comparison.configurations
    codes = comparison.design.configuration
    outcomes = outcomes_by(cells, codes.tolist())
    final = cells.assign(code=codes)
    lost = {
        verdict: final["verdict_final"].eq(verdict).groupby(final["code"]).mean() >= 1 / 2
        for verdict in ("nonfinite", "dead")
    }
    chosen = []
    for code, (_, row) in enumerate(table.iterrows()):
        if code not in outcomes or not outcomes[code].steps:
            continue
        point = _plain(row.to_dict())
        limits = float(point["thresholds.vanish"]), float(point["thresholds.explode"])
        by_number = verdict_of(float(point["log10_survival_final"]), *limits)
        point["verdict_final"] = next((verdict for verdict, own in lost.items() if own[code]), by_number)
        chosen.append(Configuration(name(row), point, outcomes[code]))
    return chosen


def _plain(point: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in point.items()}
