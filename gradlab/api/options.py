"""The options of each command: kind, default, bounds and help of each stand here, for Python and command line.

`gradlab.cli.flags` makes a flag of every field that `option` describes. Importing this loads nothing heavy.
"""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gradlab.analysis.compare.responses import RESPONSES
from gradlab.cell import SETTINGS
from gradlab.components import Param
from gradlab.errors import OptionError
from gradlab.grid import LIMIT
from gradlab.report.plots import FORMATS, PICTURES, STYLES, USUAL_FORMATS

__all__ = [
    "CompareOptions", "GridOptions", "Option", "Options",
    "PlanOptions", "PlotOptions", "ReportOptions", "RunOptions", "TensorboardOptions", "TheoryOptions",
    "WatchOptions", "option", "options_of",
]  # fmt: skip

CELLS, COMPUTATION, COMPARED = "Cells to compute", "Computation", "What is compared"
"""Sections of a command's help."""
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+(,\d+)*)?")
_SIZE, _MEAN_SQUARE = Param(kind=int, low=1), Param(low=0)


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command: what a value may be, and what its flag looks like."""

    param: Param
    """Its kind may also be `Path`, or `tuple` for a list of texts. Its help says of what is done by default what the
    flag that turns it off does."""
    metavar: str | None = None
    flags: tuple[str, ...] = ()
    """Flags other than the one its name makes."""
    off: str = ""
    """The flag that says no, of what is a third thing without a flag."""
    offers: tuple[str, ...] = ()
    """Words that a shell completes."""
    separated: bool = False
    """Of a list: a command line has it as one text with commas, and not as a flag that is repeated."""
    joined: bool = False
    """Of a text: whether it is names or conditions with commas between them, so that Python may give a list of them, or
    a mapping of settings to values."""
    panel: str = ""
    """The section of a command's help; empty: that of the output."""

    def check(self, value: Any) -> Any:
        """Return a value in its canonical form; scalars and lists of numpy, pandas and torch are what they mean.

        Raises ValueError with what it must be.
        """
        kind = self.param.kind
        if value is None and self.param.default is None:
            return None
        if kind is Path:
            # an empty text is what a shell makes of a variable that is not set
            if isinstance(value, str | bytes | os.PathLike) and os.fspath(value):
                return Path(os.fsdecode(value))
            raise ValueError("a path")
        from gradlab.spec import plain  # it loads yaml, which a completion need not wait for

        try:
            value = str(value) if type(value).__module__ == "torch" and kind is str else plain(value)
        except ValueError as error:
            infinite = str(error) == "must be finite"
            raise ValueError("finite" if infinite else self._expected()) from None
        if self.joined and isinstance(value, dict):
            value = [f"{key}={item}" for key, item in value.items()]
        texts = [value] if isinstance(value, str) else value
        if kind is tuple or (self.joined and isinstance(value, list)):
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise ValueError(self._expected())
            return tuple(texts) if kind is tuple else ",".join(texts)
        if kind is str and isinstance(value, str) and not self.param.choices:
            return value
        return self.param.check(value)

    def _expected(self) -> str:
        return "a list of texts" if self.param.kind is tuple else self.param.expected()


_ABOUT = tuple(f.name for f in dataclasses.fields(Option))


def option(default: Any, help: str, kind: type | None = None, **more: Any) -> Any:
    """Return a dataclass field with its `Option`, of which `more` are fields or those of its `Param`."""
    about = {name: more.pop(name) for name in _ABOUT if name in more}
    kind = kind or (str if default is None else type(default))
    return dataclasses.field(
        default=default, metadata={"option": Option(Param(default, kind, help=help, **more), **about)}
    )


def options_of(kind: type[Options]) -> dict[str, Option]:
    """Return the options of a class by name."""
    return {f.name: f.metadata["option"] for f in dataclasses.fields(kind) if "option" in f.metadata}


@dataclass(frozen=True)
class Options:
    """Base of all options: a value must be of its kind and within its bounds. Raises OptionError where it is not."""

    def __post_init__(self) -> None:
        for name, described in options_of(type(self)).items():
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, described.check(value))
            except ValueError as error:
                raise OptionError(name, value, f"must be {error}") from None


@dataclass(frozen=True)
class GridOptions(Options):
    """How a grid of settings is read."""

    limit: int = option(LIMIT, "Largest number of cells of a grid.", low=1, panel=CELLS)


@dataclass(frozen=True)
class PlanOptions(GridOptions):
    """Which cells of a spec are to be run, where their results go, and on what device."""

    out: Path = option(Path("results"), "The directory of the run directories.", Path, metavar="DIR")
    device: str = option(
        "auto", "auto, cpu, cuda, or a list of GPUs: cuda:0,1.", offers=("auto", "cpu", "cuda"), panel=COMPUTATION
    )
    seed_offset: int = option(
        0, "Add N to each seed.", metavar="N", low=0, high=SETTINGS["seed"].param.high, panel=CELLS
    )
    fresh: bool = option(False, "Compute all cells again; the earlier results are kept in parts.old.", panel=CELLS)
    rerun_failed: bool = option(False, "Compute cells that failed in an earlier run again.", panel=CELLS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _DEVICE.fullmatch(self.device):
            raise OptionError("device", self.device, "there is no such device", "use auto, cpu, cuda or cuda:0,1")


@dataclass(frozen=True)
class RunOptions(PlanOptions):
    """How the banks of a run are computed, and what is made of its tables."""

    workers: int | Literal["auto"] = option(
        "auto",
        "Number of worker processes; auto: one for each CPU or GPU.",
        int,
        metavar="N",
        low=1,
        high=4096,
        choices=("auto",),
        panel=COMPUTATION,
    )
    executor: str = option(
        "local",
        "local (worker processes), inline (this process) or ray (a cluster).",
        metavar="NAME",
        choices=("local", "inline", "ray"),
        panel=COMPUTATION,
    )
    address: str | None = option(
        None, "Address of the Ray cluster; left out: a local cluster.", metavar="HOST:PORT", panel=COMPUTATION
    )
    bank_timeout: float | None = option(
        None,
        "A bank that takes longer counts as failed.",
        float,
        metavar="SECONDS",
        low=0,
        above=True,
        panel=COMPUTATION,
    )
    retries: int | None = option(
        None,
        "How often a failed bank is tried again; left out: once, where its worker died.",
        int,
        metavar="N",
        low=0,
        panel=COMPUTATION,
    )
    fail_fast: bool = option(False, "Stop at the first failed bank.", panel=COMPUTATION)
    plots: bool = option(True, "Write no pictures into RESULTS/plots.")
    tensorboard: bool = option(False, "Write files for TensorBoard into RESULTS/tensorboard.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.address is not None and self.executor != "ray":
            raise OptionError("address", self.address, "only a Ray cluster has an address", "choose the executor ray")
        if self.executor == "inline":
            for name, unset in (("workers", ("auto", 1)), ("bank_timeout", (None,))):
                if getattr(self, name) not in unset:
                    problem = "the executor inline has no worker processes"
                    raise OptionError(name, getattr(self, name), problem, "leave it out, or choose another executor")


@dataclass(frozen=True)
class TheoryOptions(GridOptions):
    """What a prediction takes beside the settings."""

    inputs: tuple[int, int, float] | None = None
    """Features, outputs and mean square of the inputs; None: those of the task."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inputs is not None:
            try:
                features, outputs, mean_square = self.inputs
                checked = _SIZE.check(features), _SIZE.check(outputs), _MEAN_SQUARE.check(mean_square)
            except (TypeError, ValueError):
                problem = "must be the number of features, that of outputs and the mean square, as (64, 10, 1.0)"
                raise OptionError("inputs", self.inputs, problem) from None
            object.__setattr__(self, "inputs", checked)


@dataclass(frozen=True)
class CompareOptions(Options):
    """What is asked of the cells of some runs."""

    by: str | None = option(
        None, "Settings whose values make the rows: depth,norm.", metavar="KEY,...", joined=True, panel=COMPARED
    )
    best: str | None = option(
        None,
        "Take each configuration at its best value of these settings: lr.",
        metavar="KEY,...",
        joined=True,
        panel=COMPARED,
    )
    metric: str | None = option(
        None,
        f"{', '.join(list(RESPONSES)[:-1])} or {list(RESPONSES)[-1]}; left out: survival, with --best metric.",
        offers=tuple(RESPONSES),
        panel=COMPARED,
    )
    where: str | None = option(None, "Condition on the cells: 'depth>=16 and norm=none'.", joined=True, panel=COMPARED)
    baseline: str | None = option(
        None,
        "Compare the other configurations with this, in pairs: norm=none.",
        metavar="KEY=VALUE,...",
        joined=True,
        panel=COMPARED,
    )
    sort: str | None = option(
        None, "Sort the rows, the largest first; -COLUMN: the smallest first.", metavar="COLUMN", panel=COMPARED
    )
    top: int | None = option(None, "Show the first N rows only.", int, metavar="N", low=1, panel=COMPARED)
    fail_on: tuple[str, ...] = option((), "Exit code 3 where it holds for a row: 'survival<1e-3'.", metavar="CONDITION")


@dataclass(frozen=True)
class PlotOptions(Options):
    """Which pictures are drawn, and where they go."""

    only: tuple[str, ...] = option(
        (), f"Some pictures: {','.join(PICTURES)}.", metavar="NAME", offers=tuple(PICTURES), separated=True
    )
    format: tuple[str, ...] = option(
        USUAL_FORMATS, f"File formats: {', '.join(FORMATS)}.", metavar="FORMAT,...", offers=FORMATS, separated=True
    )
    style: str = option("report", "report, or paper: 3.25 in wide, words of 8 pt, no title or caption.", choices=STYLES)
    out: Path | None = option(None, "Directory of the pictures; left out: RESULTS/plots.", Path, metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.format:
            raise OptionError("format", "", "a picture needs a file format", f"use {' or '.join(FORMATS)}")


@dataclass(frozen=True)
class ReportOptions(Options):
    """Where the page goes."""

    out: Path | None = option(None, "Path of the page; left out: RESULTS/report.html.", Path, metavar="FILE")


@dataclass(frozen=True)
class TensorboardOptions(Options):
    """What TensorBoard is shown as one of its runs."""

    per_cell: bool = option(False, "One TensorBoard run for each cell rather than for each configuration.")


@dataclass(frozen=True)
class WatchOptions(Options):
    """How a run is followed."""

    every: float = option(1.0, "Seconds between two readings of the directory.", metavar="SECONDS", low=0.1)
