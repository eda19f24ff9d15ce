"""What every measurement of a model can be asked, whether it was made now or read from files."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from gradlab.python.arguments import width_of
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.module_conclusions import conclusions
from gradlab.report.model.module_cures import CureRow
from gradlab.report.model.module_report import ModuleReport
from gradlab.report.terminal.module import cure_lines, module_report
from gradlab.report.terminal.notebook import html

if TYPE_CHECKING:
    import pandas as pd

    from gradlab.modules.causes.record import Cause

__all__ = ["MeasuredModel"]

_LN10 = math.log(10)


class MeasuredModel(ABC):
    """The gradient of a model, block by block: a table, the numbers of the whole model, and what they mean."""

    @property
    @abstractmethod
    def module_report(self) -> ModuleReport:
        """What reports show of it."""

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """Return the measurement as plain values, as ``gradlab probe --json`` prints it."""

    @abstractmethod
    def _cure_rows(self) -> Sequence[CureRow] | None:
        """Return what was tried on it; None where nothing was."""

    @property
    def conclusions(self) -> list[str]:
        """What follows from the numbers, one sentence each, the verdict first."""
        return conclusions(self.module_report)

    def report(self, width: int | None = 110) -> str:
        """Return the report as `gradlab probe` prints it, folded to `width` columns; None: not folded."""
        return "\n".join(str(line).rstrip() for line in self._lines(width_of(width)))

    def picture(self) -> Any:
        """Return a matplotlib figure of the gradient's norm at each block, with theory where there is one."""
        from gradlab.report import plots

        plots.load()
        from gradlab.report.plots.module import picture

        return picture(self.module_report)

    def _lines(self, width: int | None) -> list[Text]:
        lines = module_report(self.module_report, UNICODE, width)
        rows = self._cure_rows()
        return lines if rows is None else [*lines, Text(), *cure_lines(rows, UNICODE, width)]

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        report = self.module_report
        return f"<{type(self).__name__} of {report.name}: {len(report.blocks)} blocks, {self.verdict}>"

    def _repr_html_(self) -> str:
        return html(self._lines(120))

    @property
    def blocks(self) -> pd.DataFrame:
        """One row for each block, from the data to the loss; of several seeds, geometric means of the gradients."""
        import pandas as pd

        return pd.DataFrame(list(self.module_report.blocks))

    @property
    def verdict(self) -> str:
        """healthy, vanishing, exploding, dead, masked, detached or nonfinite."""
        return self.module_report.summary.verdict

    @property
    def log10_survival(self) -> float:
        """log10 of g_1/g_L: of how much of the last block's gradient arrives at the first."""
        return self.module_report.summary.log_survival / _LN10

    @property
    def survival(self) -> float:
        """g_1/g_L; 0 where it is below the range of a float."""
        return _exp(self.module_report.summary.log_survival)

    @property
    def decay(self) -> float:
        """The factor a block, going down from the loss."""
        return _exp(self.module_report.summary.log_decay)

    @property
    def reach(self) -> float:
        """Blocks until a thousandth is left, or until the gradient has grown a thousandfold."""
        return self.module_report.summary.reach

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Why the gradient is lost or grows, that which changes it most first; empty where nothing was found.

        A `Cause` has the `block` where it is worst, the cause in words (`what`), the measured numbers (`evidence`) and
        the `source`.
        """
        return self.module_report.causes

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not seen, and what was done otherwise than asked."""
        return self.module_report.notes


def _exp(logarithm: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(logarithm))
