"""A training loop that was watched: what its directory holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.python.arguments import width_of
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.module_comparison import ComparedModel
from gradlab.report.model.module_conclusions import conclusions
from gradlab.report.model.module_report import ModuleReport
from gradlab.report.model.watched_training import WatchedTraining
from gradlab.store.watched import BLOCK_COLUMNS, STEP_COLUMNS

if TYPE_CHECKING:
    import pandas as pd
    from rich.text import Text

__all__ = ["WatchedLoop"]


class WatchedLoop:
    """The measured steps of a training loop.

    `frame` has a row for each measured step and block, `steps` one for each measured step; `notes` say what is to be
    known about the numbers, `path` is the directory they are in.
    """

    def __init__(self, path: Path | None, training: WatchedTraining) -> None:
        """`training` is what `gradlab.api.measured.read` returns, to the command line too."""
        self.path = path
        self._training = training

    @property
    def training(self) -> WatchedTraining:
        """What reports show of it."""
        return self._training

    @property
    def name(self) -> str:
        """Its name: that of the directory, if no other was given."""
        return self._training.name

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each measured step and block, from the data to the loss: the columns of `gl.probe(…).blocks` that
        can be read without a second pass, `step` and `update_ratio`."""
        import pandas as pd

        return pd.DataFrame([dict(row) for row in self._training.blocks], columns=list(BLOCK_COLUMNS))

    @property
    def steps(self) -> pd.DataFrame:
        """One row for each measured step: loss, survival, decay, verdict, the gradient norm of all parameters before
        and after clipping, the loss scale, and how often the scaler skipped the step before."""
        import pandas as pd

        return pd.DataFrame([dict(row) for row in self._training.steps], columns=list(STEP_COLUMNS))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known about the numbers."""
        return self._training.notes

    @property
    def module_report(self) -> ModuleReport:
        """What reports show of the last measured step. Raises StoreError where no step was measured."""
        return self.training.report()

    def compared(self, label: str) -> ComparedModel:
        """Return the last measured step as it stands in a comparison. Raises StoreError where no step was measured."""
        return self.training.compared(label)

    @property
    def conclusions(self) -> list[str]:
        """What follows from the last measured step, one sentence each, the verdict first."""
        return conclusions(self.module_report)

    def picture(self) -> Any:
        """Return a matplotlib figure of the gradient's norm at each block, a line for each measured step."""
        from gradlab.report import plots

        plots.load()
        from gradlab.report.plots import watched

        return watched.training(self.training)

    def report(self, width: int | None = 110) -> str:
        """Return the report as text, folded to `width` columns: the measured steps, and the blocks of the last one."""
        return "\n".join(str(line).rstrip() for line in self._lines(width_of(width)))

    def _lines(self, width: int | None) -> list[Text]:
        from gradlab.report.terminal.watched import watched_report

        return watched_report(self.training, UNICODE, width)

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {len(self._training.steps):,} steps measured>"

    def _repr_html_(self) -> str:
        from gradlab.report.terminal.notebook import html

        return html(self._lines(None))
