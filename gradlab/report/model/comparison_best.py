"""The values chosen in a comparison, in the order of its table."""

from __future__ import annotations

from gradlab.analysis.compare.comparison import Comparison
from gradlab.report.model.best_rows import BestGroup, best_groups

__all__ = ["best_rows", "best_rows_shown"]


def best_rows(comparison: Comparison) -> list[BestGroup]:
    """Return the rows of all configurations; none without a choice."""
    if comparison.best is None:
        return []
    return best_groups(comparison.best, comparison.design.along, tuple(comparison.design.follows))


def best_rows_shown(comparison: Comparison) -> list[BestGroup]:
    """Return the rows of the configurations in the comparison's table, in its order; all where its rows are means."""
    if comparison.best is None or comparison.question.by is not None:
        return best_rows(comparison)
    order = comparison.best.places(comparison.table)
    return best_groups(comparison.best, comparison.design.along, tuple(comparison.design.follows), order)
