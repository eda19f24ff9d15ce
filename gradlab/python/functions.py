"""The functions of ``import gradlab as gl``: each makes options of its arguments and calls `gradlab.api`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from gradlab import grid
from gradlab.api.options import CompareOptions, PlanOptions, RunOptions
from gradlab.python.arguments import (
    Changes,
    SpecLike,
    by_key,
    path_of,
    paths_of,
    spec_of,
    spelling_of,
    text_of,
    workers_of,
)
from gradlab.python.messages import keyword_messages
from gradlab.spec import Spec

if TYPE_CHECKING:
    from gradlab.api.plan import Plan
    from gradlab.python.comparison import Comparison
    from gradlab.python.measured import MeasuredModel
    from gradlab.python.probe_comparison import ProbeComparison
    from gradlab.python.results import Results
    from gradlab.python.watched import WatchedLoop

    Measured: TypeAlias = MeasuredModel | WatchedLoop

__all__ = ["compare", "load", "plan", "run", "sweep"]


@keyword_messages
def run(
    what: SpecLike,
    settings: Changes = (),
    *,
    out: str | Path = "results",
    device: str = "auto",
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    bank_timeout: float | None = None,
    retries: int | None = None,
    fail_fast: bool = False,
    fresh: bool = False,
    rerun_failed: bool = False,
    seed_offset: int = 0,
    limit: int = grid.LIMIT,
    plots: bool = False,
    tensorboard: bool = False,
    quiet: bool = False,
    **changes: Any,
) -> Results:
    """Run what is not done yet of a spec and return its results; like ``gradlab run``, it resumes where it stopped.

    Args:
        what: the path of a spec, a mapping of what a spec holds (with its `name`), or a `Spec`.
        settings: what to override, as ``{"depth": [2, 4], "train.steps": 50}`` or ``["depth=2,4"]``.
        out: where the run directories are.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:0,1``. Banks are as large as this kind of device wants them.
        workers: processes; None: one for each CPU or GPU; 0: none, everything in this one (the executor ``inline``).
        executor: ``local`` (processes), ``inline`` (none) or ``ray`` (a cluster).
        address: of the Ray cluster, ``host:port``; None: one is started for this run.
        bank_timeout: seconds after which a bank has failed; None: never.
        retries: how often a failed bank is tried again; None: once, if its worker died.
        fail_fast: stop at the first failure.
        fresh: start over; what was done before is kept as ``parts.old``.
        rerun_failed: run cells again that failed in an earlier run.
        seed_offset: added to every seed.
        limit: the most cells a grid may have.
        plots: draw the pictures of the run into its ``plots/``.
        tensorboard: write what TensorBoard reads into its ``tensorboard/``.
        quiet: write no progress to stderr.
        changes: further settings to override, as ``depth=[2, 4]``, ``train_steps=50`` or ``**{"optimizer.eps": 1e-4}``.
            Numbers, arrays and tensors of numpy, pandas and torch are what they mean; an array is a list of values.

    Raises:
        SpecError: with every problem of the spec.
        OptionError: an option has a value that it cannot have.
        StoreError: the run directory cannot be used, or somebody else uses it.
        KeyboardInterrupt: after an interrupt; what is finished is kept.
    """
    options = RunOptions(
        out=path_of(out, "out"), device=device, **workers_of(workers, executor), address=address,
        bank_timeout=bank_timeout, retries=retries, fail_fast=fail_fast, fresh=fresh, rerun_failed=rerun_failed,
        seed_offset=seed_offset,
        limit=limit, plots=plots, tensorboard=tensorboard,
    )  # fmt: skip
    return _run(spec_of(what, settings, changes), options, quiet)


@keyword_messages
def sweep(
    *,
    name: str = "",
    out: str | Path = "results",
    device: str = "auto",
    workers: int | None = None,
    fresh: bool = False,
    rerun_failed: bool = False,
    limit: int = grid.LIMIT,
    quiet: bool = False,
    **settings: Any,
) -> Results:
    """Run a grid of settings, ``gl.sweep(depth="2..64*2", activation=["tanh", "relu"])``, and return its results.

    The same as ``gradlab sweep``, with its defaults: the classical activations, each with its usual init, width 32,
    100 steps, 3 seeds. For other ways to compute it make a spec and call `run`.

    Args:
        name: of the run; made of what varies if left out, so that the same sweep is the same run.
        out: as in `run`.
        device: as in `run`.
        workers: as in `run`.
        fresh: as in `run`.
        rerun_failed: as in `run`.
        limit: as in `run`.
        quiet: as in `run`.
        settings: any setting of a spec, see `theory`; a list or a range makes it an axis.

    Raises:
        SpecError, OptionError, StoreError, KeyboardInterrupt: as `run` does.
    """
    from gradlab.api.sweep import sweep_spec

    options = RunOptions(
        out=path_of(out, "out"),
        device=device,
        **workers_of(workers),
        fresh=fresh,
        rerun_failed=rerun_failed,
        limit=limit,
        plots=False,
    )
    spec = sweep_spec(by_key(settings), name=text_of(name), limit=limit, spelling=spelling_of(settings))
    return _run(spec, options, quiet)


def _run(spec: Spec, options: RunOptions, quiet: bool) -> Results:
    from gradlab.api.run import Runs
    from gradlab.python.results import Results
    from gradlab.results.run import Run
    from gradlab.terminal.console import console
    from gradlab.terminal.progress import ProgressDisplay

    display = ProgressDisplay(console(stderr=True), quiet=quiet)
    with display, Runs.begin((spec,), options, display, command=["python", *sys.argv[:1]]) as runs:
        result = runs.run(runs.plans[0])
        runs.export(result)
    if result.interrupted:
        raise KeyboardInterrupt("what is finished is kept, the same call goes on from there")
    return Results([Run(result.path)], result=result)


@keyword_messages
def plan(
    what: SpecLike,
    settings: Changes = (),
    *,
    out: str | Path = "results",
    device: str = "auto",
    fresh: bool = False,
    rerun_failed: bool = False,
    seed_offset: int = 0,
    limit: int = grid.LIMIT,
    **changes: Any,
) -> Plan:
    """Return what `run` would do with the same arguments: cells, banks, new and done, time, memory and disk.

    Raises:
        SpecError, OptionError, StoreError: as `run` does; UsageError for a device this machine does not have.
    """
    from gradlab.api.plan import plan

    options = PlanOptions(
        out=path_of(out, "out"),
        device=device,
        fresh=fresh,
        rerun_failed=rerun_failed,
        seed_offset=seed_offset,
        limit=limit,
    )
    return plan((spec_of(what, settings, changes),), options)[0]


@keyword_messages
def load(path: str | Path = "results", *others: str | Path) -> Any:
    """Return the `Results` in run directories, or in all that lie directly in a directory. Computes nothing.

    A directory that `watch` has made, given alone, is a training loop: its `frame`, `steps` and `report`; one that
    `Probe.save` has made is a measured model: its `blocks`, `conclusions` and `report`.

    Raises UsageError for a path without any, StoreError for what cannot be read.
    """
    from gradlab.python.results import Results
    from gradlab.results.directories import MeasuredDirectory, kind_of, open_runs

    paths = paths_of((path, *others))
    kind = kind_of(paths[0]) if len(paths) == 1 else None
    if kind in ("watched", "probe"):
        from gradlab.python.saved import read_saved

        return read_saved(MeasuredDirectory(paths[0], kind))
    return Results(open_runs(paths))


@overload
def compare(path: Measured, other: Measured, /, *others: Measured) -> ProbeComparison: ...
@overload
def compare(path: list[Measured] | tuple[Measured, ...], /) -> ProbeComparison: ...
@overload
def compare(
    path: str | Path = "results",
    *others: str | Path,
    metric: str | None = None,
    by: Any = None,
    best: Any = None,
    where: str | None = None,
    baseline: str | None = None,
    sort: str | None = None,
    top: int | None = None,
    fail_on: str | Sequence[str] = (),
) -> Any: ...
@keyword_messages
def compare(
    path: Any = "results",
    *others: Any,
    metric: str | None = None,
    by: Any = None,
    best: Any = None,
    where: str | None = None,
    baseline: str | None = None,
    sort: str | None = None,
    top: int | None = None,
    fail_on: str | Sequence[str] = (),
) -> Comparison | ProbeComparison:
    """Return one answer over any number of runs: what survives, which factor matters, what is more than chance.

    Two measurements of a model, ``gl.compare(before, after)``, are compared block by block; so are more of them, and
    directories of `watch` and `Probe.save`. Only `fail_on` can be asked then, of directories.

    Args:
        path: a run directory, or one above several; a directory of a measured model; or what `probe`, `watch` or `load`
            returns.
        others: more of them; of measured models at least one.
        metric: ``survival``, ``survival_final``, ``decay``, ``reach``, ``metric``, ``loss`` or ``learned``; None:
            ``survival``, with `best` ``metric``.
        by: the settings that make the rows of its `table`, ``"depth,activation"`` or a list; None: all that vary.
        best: settings, as ``"lr"``, of which each configuration has the value that is best on one half of the held-out
            samples; all else is then judged on the other half. `Comparison.best` has what was chosen.
        where: only these cells: ``"depth>=16 and norm=none"``.
        baseline: what all else is compared with, in pairs of the same seed: ``"activation=sigmoid"``.
        sort: the column to sort by, largest first; ``-column``: last.
        top: only so many rows.
        fail_on: a condition that must hold nowhere, or several; `checks` says what became of each.

    Raises:
        UsageError: a path without runs, or a question that cannot be answered. StoreError: there is no cell at all.
    """
    sources = (*path, *others) if isinstance(path, list | tuple) else (path, *others)
    from gradlab.python.probe_comparison import compared, compared_paths, measures

    if any(map(measures, sources)):
        return compared(sources)
    conditions: Any = fail_on  # one text or several: the options make a tuple of them
    options = CompareOptions(
        metric=metric, by=by, best=best, where=where, baseline=baseline, sort=sort, top=top, fail_on=conditions
    )
    return compared_paths(paths_of((path, *others)), options)
