"""`gl.compare` of two measurements of a model: before and after a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradlab.errors import UsageError
from gradlab.python.arguments import width_of
from gradlab.python.probe import Probe
from gradlab.report.glyphs import UNICODE
from gradlab.report.json_values import json_value
from gradlab.report.model.module_comparison import aligned, changes, values
from gradlab.report.terminal.module_comparison import module_comparison_report
from gradlab.report.terminal.notebook import html

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ProbeComparison", "compared", "measures"]


class ProbeComparison:
    """What a change did to the gradient of a model: `table`, `conclusions` and the report."""

    def __init__(self, before: Probe, after: Probe) -> None:
        """Take two measurements, of one model or of two."""
        self.before, self.after = before, after

    @property
    def table(self) -> pd.DataFrame:
        """One row for each block: numbers before and after, and log10 of the ratio of the survivals."""
        import pandas as pd

        return pd.DataFrame(values(aligned(self.before.result, self.after.result)))

    @property
    def conclusions(self) -> list[str]:
        """What changed, one sentence each."""
        return changes(self.before.result, self.after.result)

    def document(self) -> dict[str, Any]:
        """Return the comparison as plain values for JSON."""
        document: dict[str, Any] = json_value({
            "conclusions": self.conclusions, "blocks": values(aligned(self.before.result, self.after.result)),
            "before": self.before.document(), "after": self.after.document(),
        })  # fmt: skip
        return document

    def report(self, width: int | None = 110) -> str:
        """Return the report, folded to `width` columns; None: not folded."""
        return "\n".join(str(line).rstrip() for line in self._lines(width_of(width)))

    def _lines(self, width: int | None) -> list[Any]:
        return list(module_comparison_report(self.before.result, self.after.result, UNICODE, width))

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        return f"<ProbeComparison: {self.before.verdict} before, {self.after.verdict} after>"

    def _repr_html_(self) -> str:
        return html(self._lines(120))


def measures(value: Any) -> bool:
    """Return whether a value is a measurement of a model."""
    return isinstance(value, Probe)


def compared(probes: Sequence[Any]) -> ProbeComparison:
    """Return the comparison of two measurements. Raises UsageError for any other number, and for what is none."""
    if len(probes) != 2 or not all(map(measures, probes)):
        raise UsageError("two probes can be compared, and nothing beside them", "gl.compare(before, after)")
    return ProbeComparison(*probes)
