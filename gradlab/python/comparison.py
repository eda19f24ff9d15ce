"""The answer of a comparison for Python and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradlab.analysis.compare import comparison
from gradlab.python.arguments import width_of
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.conclusions import conclusions
from gradlab.report.terminal.comparison import comparison_report
from gradlab.report.terminal.notebook import html

if TYPE_CHECKING:
    import pandas as pd
    from rich.text import Text

__all__ = ["Comparison"]


class Comparison:
    """What a comparison of runs has found: `table`, `conclusions`, the report, and every number in `answer`."""

    def __init__(self, answer: comparison.Comparison) -> None:
        """`answer` is what `gradlab.api.compare` returns, to the command line too."""
        self.answer = answer

    @property
    def table(self) -> pd.DataFrame:
        """One row for each combination of the settings that make the rows."""
        return self.answer.table

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the comparison had to do without, and what else is to be known about it."""
        missing = (
            f"{run.path}/{problem}: compared without it" for run in self.answer.runs for problem in run.unreadable
        )
        empty = (f"{run.path} has no finished cell" for run in self.answer.runs if not run.cells and not run.unreadable)
        return (*missing, *empty, *self.answer.warnings)

    @property
    def checks(self) -> tuple[comparison.Check, ...]:
        """What became of each condition of `fail_on`; one that holds somewhere has `failed`."""
        return self.answer.checks

    @property
    def best(self) -> pd.DataFrame | None:
        """What was chosen for each configuration along the settings `best`, one row each; None without them.

        The settings that vary and the value chosen; `validation`, the mean metric by which it was chosen, and `test`,
        the mean on the samples that judge it, with `_lo` and `_hi` (95 % over seeds); `values`, how many there were,
        and `ties`, those that the choice does not tell from it; `sensitivity`, the range of `test` over the values;
        `learned` (share of the seeds), `lost` (seeds that diverged); `test_without_seed`, the mean with each seed at
        the value that the other seeds choose.
        """
        return None if self.answer.best is None else self.answer.best.table

    @property
    def best_values(self) -> pd.DataFrame | None:
        """Every value of the settings `best` in each configuration, one row each, with the columns of `best`, and
        whether it is `chosen` or a `tie`; None without them."""
        return None if self.answer.best is None else self.answer.best.values

    def picture(self) -> Any:
        """Return a matplotlib figure of the metric on the test half against the values of the settings `best`.

        Raises UsageError without `best`, and for networks along several axes.
        """
        from gradlab.report import plots

        plots.load()
        from gradlab.report.plots.sensitivity import comparison_picture
        from gradlab.report.plots.style import plain_text

        with plain_text():
            return comparison_picture(self.answer)

    @property
    def conclusions(self) -> list[str]:
        """What follows from the numbers, one sentence each."""
        return conclusions(self.answer)

    def document(self) -> dict[str, Any]:
        """Return the comparison as plain values, as ``gradlab compare --json`` prints it."""
        from gradlab.api.compare import document

        return document(self.answer)

    def report(self, width: int | None = 110) -> str:
        """Return the report as `gradlab compare` prints it, folded to `width` columns; None: not folded."""
        return "\n".join(str(line).rstrip() for line in self._lines(width))

    def _lines(self, width: int | None) -> list[Text]:
        return list(comparison_report(self.answer, UNICODE, width_of(width), verbose=True))

    def __repr__(self) -> str:
        return (
            f"<Comparison of {len(self.answer.runs)} runs: {len(self.answer.cells):,} cells, {len(self.table):,} rows>"
        )

    def _repr_html_(self) -> str:
        return html(self._lines(120))
