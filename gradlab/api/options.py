"""The options of each command: name, kind, default, bounds and help of each stand here, for Python and command line.

`gradlab.cli.flags` makes a flag of every field that `option` describes. Importing this loads nothing heavy.
"""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from gradlab.analysis.compare.responses import RESPONSES
from gradlab.errors import OptionError
from gradlab.grid import LIMIT
from gradlab.report.plots import FORMATS, PICTURES

__all__ = [
    "CompareOptions",
    "Description",
    "GridOptions",
    "Options",
    "PlanOptions",
    "PlotOptions",
    "ReportOptions",
    "RunOptions",
    "TensorboardOptions",
    "TheoryOptions",
    "WatchOptions",
    "described",
    "kinds_of",
    "option",
]

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+(,\d+)*)?")
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
_MOST_WORKERS = 4096


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of an option beside its kind and its default."""

    help: str
    """What the flag does; of what is done by default, what the flag that turns it off does."""
    metavar: str | None = None
    flags: tuple[str, ...] = ()
    """Flags other than the one its name makes."""
    values: tuple[str, ...] = ()
    """Words that it may be, or that a list may hold."""
    closed: bool = False
    """Whether there are no others."""
    least: float | None = None
    above: float | None = None
    separated: bool = False
    """Of a list: a command line has it as one text with commas, and not as a flag that is repeated."""


def option(default: Any, help: str, **description: Any) -> Any:
    """Return a dataclass field with its `Description`."""
    return dataclasses.field(default=default, metadata={"option": Description(help, **description)})


def described(options: type[Options]) -> dict[str, tuple[Description, Any]]:
    """Return the options of a class by name, each with its description and its default."""
    return {f.name: (f.metadata["option"], f.default) for f in dataclasses.fields(options) if "option" in f.metadata}


def kinds_of(options: type[Options]) -> dict[str, tuple[Any, ...]]:
    """Return the kinds of value that each field of a class may have."""
    hints = get_type_hints(options)
    return {
        f.name: get_args(hints[f.name]) if get_origin(hints[f.name]) not in (None, tuple, Literal) else (hints[f.name],)
        for f in dataclasses.fields(options)
    }


@dataclass(frozen=True)
class Options:
    """Base of all options: a value must be of its kind and within its bounds. Raises OptionError where it is not."""

    def __post_init__(self) -> None:
        kinds = kinds_of(type(self))
        for name, (description, _) in described(type(self)).items():
            value = _of_kind(name, getattr(self, name), kinds[name])
            _check_bounds(name, value, description)
            object.__setattr__(self, name, value)


def _of_kind(name: str, value: Any, kinds: tuple[Any, ...]) -> Any:
    for kind in kinds:
        if get_origin(kind) is Literal:
            if value in get_args(kind):
                return value
        elif get_origin(kind) is tuple:
            if isinstance(value, list | tuple):
                return tuple(_of_kind(name, item, (get_args(kind)[0],)) for item in value)
        elif kind is bool or isinstance(value, bool):
            if kind is bool and isinstance(value, bool):
                return value
        elif kind is int and isinstance(value, Integral):
            return int(value)
        elif kind is float and isinstance(value, Real):
            return float(value)
        elif kind is Path and isinstance(value, str | os.PathLike):
            return Path(value)
        elif (kind is str and isinstance(value, str)) or (kind is type(None) and value is None):
            return value
    words = [_KINDS[kind] for kind in kinds if kind in _KINDS]
    words += [repr(word) for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    raise OptionError(name, value, f"must be {' or '.join(words) or 'a list of texts'}")


def _check_bounds(name: str, value: Any, description: Description) -> None:
    if description.closed:
        for word in value if isinstance(value, tuple) else (value,):
            if word not in description.values:
                known = ", ".join(description.values)
                raise OptionError(name, word, f"there is no such {name}", f"use {known}")
    if not isinstance(value, int | float):
        return
    if not isfinite(value):
        raise OptionError(name, value, "must be finite")
    if description.least is not None and not value >= description.least:
        raise OptionError(name, value, f"must be at least {description.least:g}")
    if description.above is not None and not value > description.above:
        raise OptionError(name, f"{value:g}", f"must be above {description.above:g}")


@dataclass(frozen=True)
class GridOptions(Options):
    """How a grid of settings is read."""

    limit: int = option(LIMIT, "Most cells a grid may have.", least=1)


@dataclass(frozen=True)
class PlanOptions(GridOptions):
    """Which cells of a spec are to be run, where their results go, and on what device."""

    out: Path = option(Path("results"), "Where the run directories are.", metavar="DIR")
    device: str = option("auto", "auto, cpu, cuda, or some GPUs: cuda:0,1.", values=("auto", "cpu", "cuda"))
    seed_offset: int = option(0, "Add N to every seed.", metavar="N", least=0)
    fresh: bool = option(False, "Start over; what was done before is kept as parts.old.")
    rerun_failed: bool = option(False, "Also cells that failed in an earlier run.")

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        if not _DEVICE.fullmatch(self.device):
            raise OptionError("device", self.device, "there is no such device", "use auto, cpu, cuda or cuda:0,1")


@dataclass(frozen=True)
class RunOptions(PlanOptions):
    """How the banks of a run are computed, and what is made of its tables."""

    workers: int | Literal["auto"] = option("auto", "Processes; auto: one a CPU or GPU.", metavar="N")
    executor: str = option(
        "local",
        "local (processes), inline (none), ray (a cluster).",
        metavar="NAME",
        values=("local", "inline", "ray"),
        closed=True,
    )
    address: str | None = option(None, "Of the Ray cluster; left out: a local one.", metavar="HOST:PORT")
    bank_timeout: float | None = option(None, "A bank that takes longer has failed.", metavar="SECONDS", above=0)
    retries: int | None = option(
        None, "Try failed banks again; left out: once, if the worker died.", metavar="N", least=0
    )
    fail_fast: bool = option(False, "Stop at the first failure.")
    plots: bool = option(True, "Draw no pictures.")
    tensorboard: bool = option(False, "Also write what TensorBoard reads, into RESULTS/tensorboard.")

    def __post_init__(self) -> None:
        PlanOptions.__post_init__(self)
        if self.workers != "auto" and not 1 <= self.workers <= _MOST_WORKERS:
            raise OptionError("workers", self.workers, "not a number of processes", "use auto, or a number from 1 on")
        if self.address is not None and self.executor != "ray":
            raise OptionError("address", self.address, "only a Ray cluster has an address", "choose the executor ray")
        if self.executor == "inline":
            for name, unset in (("workers", self.workers in ("auto", 1)), ("bank_timeout", self.bank_timeout is None)):
                if not unset:
                    problem = "the executor inline has no worker processes"
                    raise OptionError(name, getattr(self, name), problem, "leave it out, or choose another executor")


@dataclass(frozen=True)
class TheoryOptions(GridOptions):
    """What a prediction takes beside the settings."""

    inputs: tuple[int, int, float] | None = None
    """Features, outputs and mean square of the inputs; None: those of the task."""

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        if self.inputs is None:
            return
        numbers = self.inputs if isinstance(self.inputs, tuple) and len(self.inputs) == 3 else ()
        whole = all(isinstance(number, Integral) and number > 0 for number in numbers[:2])
        if not numbers or not whole or not isinstance(numbers[2], Real):
            problem = "must be the number of features, that of outputs and the mean square, as (64, 10, 1.0)"
            raise OptionError("inputs", self.inputs, problem)


@dataclass(frozen=True)
class CompareOptions(Options):
    """What is asked of the cells of some runs."""

    by: str | None = option(None, "Settings that make the rows.", metavar="KEY,...")
    metric: str = option(
        "survival", f"{', '.join(list(RESPONSES)[:-1])} or {list(RESPONSES)[-1]}.", values=tuple(RESPONSES)
    )
    where: str | None = option(None, "Only these cells: 'depth>=16 and norm=none'.")
    baseline: str | None = option(None, "Compare all else with this, in pairs.", metavar="KEY=VALUE,...")
    sort: str | None = option(None, "Largest first; -COLUMN: last.", metavar="COLUMN")
    top: int | None = option(None, "Only the first N rows.", metavar="N", least=1)
    fail_on: tuple[str, ...] = option((), "Leave with 3: 'survival<1e-3'.", metavar="CONDITION")


@dataclass(frozen=True)
class PlotOptions(Options):
    """Which pictures are drawn, and where they go."""

    only: tuple[str, ...] = option(
        (),
        f"Some pictures: {','.join(PICTURES)}.",
        metavar="NAME",
        values=tuple(PICTURES),
        separated=True,
    )
    format: tuple[str, ...] = option(
        FORMATS, "File formats.", metavar=",".join(FORMATS), values=FORMATS, separated=True
    )
    out: Path | None = option(None, "Instead of RESULTS/plots.", metavar="DIR")

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        if not self.format:
            raise OptionError("format", "", "a picture needs a file format", f"use {' or '.join(FORMATS)}")


@dataclass(frozen=True)
class ReportOptions(Options):
    """Where the page goes."""

    out: Path | None = option(None, "Instead of RESULTS/report.html.", metavar="FILE")


@dataclass(frozen=True)
class TensorboardOptions(Options):
    """What TensorBoard is shown as one of its runs."""

    per_cell: bool = option(False, "A run of TensorBoard for each cell, not for each configuration.")


@dataclass(frozen=True)
class WatchOptions(Options):
    """How a run is followed."""

    every: float = option(1.0, "How often to look.", metavar="SECONDS", least=0.1)
