"""The results of runs for Python and notebooks: the tables as frames, pictures, what was expected."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import pandas as pd

from gradlab.analysis.expectations import Judgement, judge_run
from gradlab.api.run import RunResult
from gradlab.cell import Cell
from gradlab.columns import TABLES
from gradlab.errors import GradlabError, StoreError, UsageError, shorten
from gradlab.python.arguments import path_of, width_of
from gradlab.python.messages import keyword_messages
from gradlab.results.directories import each_readable, names_apart
from gradlab.results.run import Run
from gradlab.results.tables import Tables
from gradlab.store.records import Failure

if TYPE_CHECKING:
    from gradlab.python.comparison import Comparison
    from gradlab.report.plots import Axes, Figure

__all__ = ["Picture", "Results"]

Style = Literal["report", "paper"]


@dataclass(frozen=True)
class Picture:
    """A picture that a notebook shows by itself."""

    name: str
    png: bytes
    svg: str

    def save(self, path: str | Path) -> Path:
        """Write it as .png or .svg, which the name of the file says; return the path. For others see `Results.figure`.

        Raises UsageError for others, and where it cannot be written.
        """
        file = path_of(path)
        if file.suffix not in (".png", ".svg"):
            raise UsageError(f"{file}: a picture is saved as .png or .svg", f"as in {self.name}.svg")
        try:
            file.write_bytes(self.png if file.suffix == ".png" else self.svg.encode())
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror}") from error
        return file

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return f"<Picture {self.name}>"


class NoSuchRun(UsageError, KeyError):
    """A name that no run has."""


class Results:
    """The results of one run directory, or of several taken together.

    `cells`, `layers`, `steps` and `summary` are the tables of the same names as frames, with the columns of the CSV
    files; of several runs they have a column `run`, and a cell that several have is that of the first. A frame belongs
    to its owner: changing it changes what `report` and `picture` show.
    """

    def __init__(self, runs: Sequence[Run], *, result: RunResult | None = None) -> None:
        """Take some runs. `result` is what a run of the only one has just returned."""
        self.runs = tuple(runs)
        self._result = result
        self._errors: dict[Run, StoreError] = {}

    @property
    def paths(self) -> tuple[Path, ...]:
        """The run directories."""
        return tuple(run.path for run in self.runs)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the run directories."""
        return tuple(run.name for run in self.runs)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Which tables, of those used so far, were made anew because those on the disk are stale, damaged or edited,
        and which runs cannot be read."""
        rebuilt = (warning for run in self.runs if run not in self._errors for warning, _ in run.warnings)
        return (*rebuilt, *(f"{error.message}: left out" for error in self._errors.values()))

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, name: str) -> Results:
        """Return the results of one run. Raises `NoSuchRun`, a UsageError and KeyError, for another name."""
        for run in self.runs:
            if run.name == name:
                return self if len(self) == 1 else Results([run])
        raise NoSuchRun(f"there is no run {name!r}; there are {', '.join(self.names)}")

    @cached_property
    def tables(self) -> Tables:
        """The four tables in one object; of several runs those that can be read, see `warnings`.

        Raises StoreError when none can be read or made anew.
        """
        if self._result is not None:
            return self._result.tables
        if len(self) == 1:
            return self.runs[0].tables
        names = dict(zip(self.runs, names_apart(self.runs), strict=True))
        readable, self._errors = each_readable(self.runs, lambda run: run.tables)
        return _joined({names[run]: tables for run, tables in readable.items()})

    @property
    def cells(self) -> pd.DataFrame:
        """One row for each cell."""
        return self.tables.cells

    @property
    def layers(self) -> pd.DataFrame:
        """One row for each cell, probed step and block (of a recurrent network: time step)."""
        return self.tables.layers

    @property
    def steps(self) -> pd.DataFrame:
        """One row for each cell and probed step."""
        return self.tables.steps

    @property
    def summary(self) -> pd.DataFrame:
        """One row for each configuration, over its seeds."""
        return self.tables.summary

    @cached_property
    def expected(self) -> tuple[Judgement, ...]:
        """What came of the expectations of the specs, in order; nothing of a spec that cannot be read."""
        if len(self) > 1:
            readable, _ = each_readable(self.runs, lambda run: Results([run]).expected)
            return tuple(judgement for expected in readable.values() for judgement in expected)
        return judge_run(self.runs[0], self.tables)

    def picture(self, name: str = "survival") -> Picture:
        """Return a picture of the tables: profiles, survival, heatmap, learning, training, effects, recurrence or
        sensitivity.

        Raises UsageError for another name, or where the tables have nothing for it.
        """
        pictures = self.pictures(_name(name))
        if name not in pictures:
            available = ", ".join(self.pictures()) or "none"
            raise UsageError(f"these tables have nothing for the picture {name!r}", f"there are {available}")
        return pictures[name]

    def pictures(self, *names: str) -> dict[str, Picture]:
        """Return the pictures of these names (all, if there are none) that the tables have something for."""
        from gradlab.report.plots import draw

        with tempfile.TemporaryDirectory() as folder:
            drawn = [path for path in draw(self.tables, Path(folder), only=names) if path.suffix == ".png"]
            return {
                path.stem: Picture(path.stem, path.read_bytes(), path.with_suffix(".svg").read_text(encoding="utf-8"))
                for path in drawn
            }

    @keyword_messages
    def figure(self, name: str = "survival", ax: Axes | None = None, *, style: Style = "report") -> Figure:
        """Return a picture as a figure of matplotlib, to change it or to save it in any format: ``savefig("f.pdf")``.

        Args:
            name: of the picture, see `picture`.
            ax: axes to draw into; only for pictures of one panel (``survival`` against a length). Nothing but the
                lines, their axes and a legend is drawn then.
            style: ``report``, with title, caption and note; ``paper``: 3.25 inches wide, words of 8 points, and none of
                them (6.75 inches at most where fields have a size, as in a heat map).

        Returns:
            A `matplotlib.figure.Figure`, which a notebook shows; with `ax` the figure of these axes. Of networks along
            several axes, as depth and time, those along the first.

        Raises:
            UsageError: for another name or style, where the tables have nothing for it, and for `ax` where it has
                several panels.
        """
        from gradlab.report import plots

        drawn = plots.figure(self.tables, _name(name), ax, style)
        if drawn is None:
            raise UsageError(f"these tables have nothing for the picture {name!r}", "see Results.pictures()")
        return drawn

    @keyword_messages
    def html(self, path: str | Path | None = None) -> Path:
        """Write the page about the runs, one HTML file, as ``gradlab report`` does; return its path.

        Args:
            path: of the file; None: ``report.html`` in the run directory, of several runs in the directory above them.

        Raises:
            UsageError: the runs lie in different directories and no path is named. StoreError: none can be read, or the
                file cannot be written.
        """
        from gradlab.api.exports import report
        from gradlab.api.options import ReportOptions

        pages = report(self.paths, ReportOptions(out=None if path is None else path_of(path, "path")))
        assert pages.runs is not None, "results are of runs"
        return pages.runs[0]

    def compare(
        self,
        *,
        metric: str | None = None,
        by: str | Sequence[str] | None = None,
        best: str | Sequence[str] | None = None,
        where: str | None = None,
        baseline: str | None = None,
        sort: str | None = None,
        top: int | None = None,
        fail_on: str | Sequence[str] = (),
    ) -> Comparison:
        """Return one answer over the configurations of these runs: what survives, which factor matters, what is more
        than chance. The arguments, and what is raised, are those of `gradlab.compare`."""
        from gradlab.python.functions import compare

        answer = compare(
            *self.paths, metric=metric, by=by, best=best, where=where, baseline=baseline, sort=sort, top=top,
            fail_on=fail_on,
        )  # fmt: skip
        return cast("Comparison", answer)

    def report(self, width: int | None = 110, best: str | Sequence[str] | None = None) -> str:
        """Return the report as `gradlab run` prints it, folded to `width` columns; None: not folded.

        `best`: settings, as ``"lr"``; what training made of each configuration is then that at its best value of them,
        as in `compare`. Raises UsageError where a run leaves nothing to choose.
        """
        settings = best if best is None or isinstance(best, str) else ",".join(best)
        if settings is not None and len(self) == 1:
            from gradlab.analysis.compare.best import require_choice

            require_choice(self.cells, settings)
        return "\n".join(str(line).rstrip() for line in self._lines(width, settings))

    def _lines(self, width: Any, best: str | None = None) -> list[Any]:
        width = width_of(width)
        from gradlab.report.terminal.notebook import lines

        if len(self) > 1:
            readable, errors = each_readable(self.runs, lambda run: Results([run])._lines(width, best))
            unread = [f"{error.message}: left out" for error in errors.values()]
            return [*(line for report_lines in readable.values() for line in (*report_lines, "")), *unread]
        return lines(self._as_run(), self.expected, width, best)

    def _as_run(self) -> RunResult:
        if self._result is not None:
            return self._result
        failed = self.cells[(self.cells["status"] == "failed").to_numpy()]
        errors = zip(failed["error"], failed["bank"], strict=True)
        failures = [Failure(Cell(), str(error), str(bank)) for error, bank in errors]  # a report names no cell of them
        cells = len(self.cells)
        return RunResult(
            name=self.names[0], path=self.paths[0], tables=self.tables, files={}, cells=cells, computed=0,
            reused=cells - len(failures), failures=tuple(failures), seconds=0.0, interrupted=False,
        )  # fmt: skip

    def __repr__(self) -> str:
        names = ", ".join(self.names[:3]) + (f" and {len(self) - 3} more" if len(self) > 3 else "")
        return f"<Results {names}: {len(self.cells):,} cells, {len(self.summary):,} configurations>"

    def _repr_html_(self) -> str:
        from gradlab.report.terminal.notebook import html

        try:
            return html(self._lines(120))
        except GradlabError as error:
            return html([repr(error.message)])


def _name(name: object) -> str:
    """Return the name of a picture. Raises UsageError for what is no text."""
    if not isinstance(name, str):
        raise UsageError(f"{shorten(repr(name))} is no picture", "write its name as text, as in survival")
    return name


def _joined(tables_of_runs: dict[str, Tables]) -> Tables:
    """Put the tables of several runs below each other, each cell once."""
    cell_ids: set[str] = set()
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for run, tables in tables_of_runs.items():
        for name, frame in tables.frames.items():
            new_rows = frame[~frame["cell"].astype(str).isin(cell_ids).to_numpy()] if "cell" in frame else frame
            if len(new_rows):
                parts[name].append(new_rows.assign(run=run))
        cell_ids.update(tables.cells["cell"])
    return Tables(**{name: pd.concat(frames, ignore_index=True) for name, frames in parts.items() if frames})
