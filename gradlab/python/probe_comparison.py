"""`gl.compare` of measured models: before and after a change, or several beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.analysis.compare.comparison import Check
from gradlab.api.compare_models import ModelComparison
from gradlab.api.options import CompareOptions
from gradlab.errors import UsageError
from gradlab.python.arguments import width_of
from gradlab.python.measured import MeasuredModel
from gradlab.python.watched import WatchedLoop
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.module_comparison import (
    ComparedModel,
    before_and_after,
    changes,
    comparison_document,
    summaries,
    values,
)
from gradlab.report.terminal.module_comparison import module_comparison_report
from gradlab.report.terminal.notebook import html

if TYPE_CHECKING:
    import pandas as pd

    from gradlab.python.comparison import Comparison

__all__ = ["ProbeComparison", "compared", "compared_paths", "measures"]


class ProbeComparison:
    """What differs between measured models, or what a change did to one: `table`, `conclusions` and the report."""

    def __init__(
        self, models: Sequence[ComparedModel], checks: Sequence[Check] = (), warnings: Sequence[str] = ()
    ) -> None:  # fmt: skip
        """`models` are the measurements and their labels, two at least. `checks` say what became of each condition of
        `fail_on`, `warnings` what could not be read."""
        self.models, self.checks, self.warnings = tuple(models), tuple(checks), tuple(warnings)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each block: numbers of each model, and log10 of its survival over that of the first."""
        import pandas as pd

        return pd.DataFrame(values(self.models))

    @property
    def summary(self) -> pd.DataFrame:
        """One row for each model: verdict, survival, factor a block, loss."""
        import pandas as pd

        return pd.DataFrame(summaries(self.models))

    @property
    def conclusions(self) -> list[str]:
        """What differs, one sentence each."""
        return changes(self.models)

    def document(self) -> dict[str, Any]:
        """Return the comparison as plain values, as ``gradlab compare --json`` prints it."""
        return comparison_document(self.models)

    def picture(self) -> Any:
        """Return a matplotlib figure of the survival at each block of each model."""
        from gradlab.report import plots

        plots.load()
        from gradlab.report.plots.module_comparison import picture

        return picture(self.models)

    def report(self, width: int | None = 110) -> str:
        """Return the report, folded to `width` columns; None: not folded."""
        return "\n".join(str(line).rstrip() for line in self._lines(width_of(width)))

    def _lines(self, width: int | None) -> list[Any]:
        return list(module_comparison_report(self.models, UNICODE, width))

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        verdicts = ", ".join(f"{model.report.summary.verdict} {_in(model.label)}" for model in self.models[:4])
        return f"<ProbeComparison: {verdicts}{', …' * (len(self.models) > 4)}>"

    def _repr_html_(self) -> str:
        return html(self._lines(120))


def _in(label: str) -> str:
    return label if label in ("before", "after") else f"in {label}"


def measures(value: Any) -> bool:
    """Return whether a value is a measurement of a model, or a training loop that was watched."""
    return isinstance(value, MeasuredModel | WatchedLoop)


def compared(measurements: Sequence[Any]) -> ProbeComparison:
    """Return the comparison of measurements, two of them as those before and after a change.

    Raises UsageError for fewer than two, and for what is none.
    """
    if len(measurements) < 2 or not all(map(measures, measurements)):
        raise UsageError(
            "two or more measured models are compared, and nothing beside them",
            "give probes and watched training loops: gl.compare(before, after)",
        )
    if len(measurements) == 2:
        return ProbeComparison(before_and_after([model.module_report for model in measurements]))
    names = [str(getattr(model, "name", "") or model.module_report.name) for model in measurements]
    count = Counter(names)
    labels = [name if count[name] == 1 else f"{name} {place}" for place, name in enumerate(names, start=1)]
    return ProbeComparison([
        model.compared(label) if isinstance(model, WatchedLoop) else ComparedModel(label, model.module_report)
        for label, model in zip(labels, measurements, strict=True)
    ])  # fmt: skip


def compared_paths(paths: Sequence[Path], options: CompareOptions) -> Comparison | ProbeComparison:
    """Return the comparison of what lies at some paths: runs, or measured models."""
    from gradlab.api.compare import compare
    from gradlab.python.comparison import Comparison

    answer = compare(paths, options)
    if not isinstance(answer, ModelComparison):
        return Comparison(answer)
    return ProbeComparison(answer.models, checks=answer.checks, warnings=[error.message for error in answer.errors])
