"""What follows from values chosen for each configuration, as sentences with their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isnan

from gradlab.analysis.compare.best import Best
from gradlab.analysis.compare.design import setting_text
from gradlab.analysis.compare.paired_differences import FEWEST_SEEDS
from gradlab.report.formatting import count, joined
from gradlab.report.model.best_rows import BestGroup
from gradlab.report.model.marks import Point

__all__ = ["best_conclusions", "best_notes"]

_NAMED = 3
_NOTICEABLE = 0.005
"""Difference of a metric that two printed decimals may show."""


def best_conclusions(best: Best, groups: Sequence[BestGroup]) -> list[str]:
    """Return which values are best and how often, and where a better one may lie beyond the ends of the axis."""
    table = best.table
    counts = Counter(table["label"])
    ordered = [label for label in dict.fromkeys(best.values["label"]) if label in counts]
    ordered.sort(key=lambda label: -counts[label])
    configurations = count(len(table), "configuration")
    shares = [f"{label} for {counts[label]}" for label in ordered[:_NAMED]]
    shares += [f"others for {len(table) - sum(counts[label] for label in ordered[:_NAMED])}"] * (len(ordered) > _NAMED)
    text = f"best {best.title}: {joined(shares)} of {configurations}"
    decided = table["decided"] & (table["values"] > 1)
    if decided.any():
        alone = int((table["ties"][decided].map(len) == 0).sum())
        text += f"; without a tie for {alone or 'none'}"
    return [f"{text}.", *_at_the_ends(best, groups)]


def _at_the_ends(best: Best, groups: Sequence[BestGroup]) -> list[str]:
    """Return a sentence for each end of a numeric axis at which values are best that nothing inside ties with."""
    if len(best.keys) > 1:
        return []
    key = best.keys[0]
    ends: dict[str, list[str]] = {"smallest": [], "largest": []}
    for group in groups:
        for row in group.rows:
            for length, point in row.points.items():
                numbers = [value[key] for value in row.values[length]]
                if len(numbers) < 2 or not all(_is_number(number) for number in numbers) or not _beats_inside(point):
                    continue
                if point[key] in (min(numbers), max(numbers)):
                    end = "smallest" if point[key] == min(numbers) else "largest"
                    ends[end].append(f"{group.name(row, length)} ({setting_text(point[key])})")
    return [
        f"the {end} {key} tried is best, without a tie, in {len(names)} of {count(len(best.table), 'configuration')}: "
        f"a {'smaller' if end == 'smallest' else 'larger'} one may be better "
        f"({joined([*names[:_NAMED], *([f'{len(names) - _NAMED} more'] if len(names) > _NAMED else [])])})."
        for end, names in ends.items()
        if names
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _beats_inside(point: Point) -> bool:
    return bool(point["decided"]) and not point["ties"]


def best_notes(best: Best, groups: Sequence[BestGroup]) -> list[str]:
    """Return how the values were chosen and judged, and what limits that; `groups` are those of all configurations."""
    table, metric = best.table, best.metric_name
    notes = [
        f"{best.title}: one value for all seeds, chosen by the mean {metric} on the validation half of the held-out "
        "samples, judged on the test half, which the choice has not seen"
        + ("; a diverged seed counts 0" if table["lost"].any() else "")
    ]
    if not table["decided"].all():
        notes.append(f"fewer than {FEWEST_SEEDS} common seeds tell no ties")
    elif table["ties"].map(len).any():
        notes.append("~ tie: not worse than the chosen value by a paired t test over seeds, validation half (5 %)")
    if table["values"].nunique() > 1:
        least, most = int(table["values"].min()), int(table["values"].max())
        notes.append(f"unequal choice: {least} to {most} values of {best.title} a configuration")
    if best.values.groupby("configuration")["n"].nunique().max() > 1:
        notes.append("some values were measured with fewer seeds than others of the same configuration")
    return [*notes, *_luck(groups, metric)]


def _luck(groups: Sequence[BestGroup], metric: str) -> list[str]:
    """Return how much of the results is luck of the networks by which the values were chosen, where it can be seen."""
    drops = [
        (float(point["test_without_seed"] - point["test"]), name)
        for group in groups
        for name, point in group.configurations
        if not isnan(point["test_without_seed"]) and point["values"] > 1
    ]
    if not drops or max(abs(drop) for drop, _ in drops) < _NOTICEABLE:
        return []
    mean, (largest, name) = sum(drop for drop, _ in drops) / len(drops), max(drops, key=lambda entry: abs(entry[0]))
    return [
        f"with each seed at the value that the other seeds choose the {metric} changes by {_signed(mean)} on average, "
        f"at most by {_signed(largest)} ({name}): what the choice owes to these networks"
    ]


def _signed(value: float) -> str:
    return "0.000" if abs(value) < 5e-4 else f"{value:+.3f}"
