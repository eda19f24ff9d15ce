"""The configurations of a comparison with what training made of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from gradlab.analysis.compare.comparison import Comparison
from gradlab.report.model.outcomes import outcomes_by
from gradlab.report.model.training_conclusions import Configuration

__all__ = ["configurations_of_comparison"]


def configurations_of_comparison(comparison: Comparison, name: Callable[[pd.Series[Any]], str]) -> list[Configuration]:
    """Return the configurations of a comparison that were trained; `name` gives the name of a row of them."""
    outcomes = outcomes_by(comparison.cells, comparison.design.configuration.tolist())
    return [
        Configuration(name(row), _plain(row.to_dict()), outcomes[code])
        for code, (_, row) in enumerate(comparison.configurations.iterrows())
        if code in outcomes and outcomes[code].steps
    ]


def _plain(point: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in point.items()}
