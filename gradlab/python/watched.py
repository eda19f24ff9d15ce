"""A training loop that was watched: what its directory holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.python.arguments import width_of
from gradlab.report.model.watch_rows import BLOCK_COLUMNS, STEP_COLUMNS
from gradlab.store.watched import WatchedDirectory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WatchedLoop", "read_watched"]


class WatchedLoop:
    """The measured steps of a training loop.

    `frame` has a row for each measured step and block, `steps` one for each measured step; `notes` say what is to be
    known about the numbers, `path` is the directory they are in.
    """

    def __init__(
        self, name: str, path: Path | None, model: str, steps: list[dict[str, Any]], blocks: list[dict[str, Any]],
        notes: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.name = name
        self.path = path
        self._model = model
        self._steps = steps
        self._blocks = blocks
        self._notes = list(notes)

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each measured step and block, from the data to the loss: the columns of `gl.probe(…).blocks` that
        can be read without a second pass, `step` and `update_ratio`."""
        import pandas as pd

        return pd.DataFrame(self._blocks, columns=list(BLOCK_COLUMNS))

    @property
    def steps(self) -> pd.DataFrame:
        """One row for each measured step: loss, survival, decay, verdict, the gradient norm of all parameters before
        and after clipping, the loss scale, and how often the scaler skipped the step before."""
        import pandas as pd

        return pd.DataFrame(self._steps, columns=list(STEP_COLUMNS))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known about the numbers."""
        return tuple(self._notes)

    def report(self, width: int | None = 110) -> str:
        """Return the report as text, folded to `width` columns: the measured steps, and the blocks of the last one."""
        from gradlab.report.glyphs import UNICODE
        from gradlab.report.terminal.watched import watched_report

        model = self._model
        lines = watched_report(self.name, model, self._steps, self._blocks, self.notes, UNICODE, width_of(width))
        return "\n".join(str(line).rstrip() for line in lines)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {len(self._steps):,} steps measured>"

    def _repr_html_(self) -> str:
        from gradlab.report.glyphs import UNICODE
        from gradlab.report.terminal.notebook import html
        from gradlab.report.terminal.watched import watched_report

        return html(watched_report(self.name, self._model, self._steps, self._blocks, self.notes, UNICODE, None))


def read_watched(path: Path) -> WatchedLoop:
    """Return what a directory of `gl.watch` holds. Raises StoreError for what cannot be read."""
    directory = WatchedDirectory(path)
    document = directory.document()
    steps, blocks = directory.tables()
    notes = document.get("notes", ())
    return WatchedLoop(
        str(document.get("name") or path.name), path, str(document.get("model", "")), steps, blocks,
        [str(note) for note in notes] if isinstance(notes, list) else (),
    )  # fmt: skip
