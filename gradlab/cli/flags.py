"""The flags that `run` and `sweep` have in common: about the machine, never about the science."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from gradlab.cli.common import Choice
from gradlab.cli.completion import choices
from gradlab.errors import UsageError

__all__ = ["Fresh", "Json", "Limit", "Machine", "Out", "SeedOffset", "Verbose", "with_run_flags"]

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the run directories are.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Most cells a grid may have.")]
SeedOffset = Annotated[int, typer.Option("--seed-offset", min=0, metavar="N", help="Add N to every seed.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Every bank, and tracebacks.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over; what was done before is kept as parts.old.")]

_EXECUTORS = ("local", "inline", "ray")
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+(,\d+)*)?")


@dataclass(frozen=True, slots=True)
class Machine:
    """On what and how a run is computed."""

    device: str
    executor: str
    workers: int
    """0: as many as there are CPUs, or GPUs."""
    address: str | None
    """Of a Ray cluster."""
    bank_timeout: float | None
    retries: int | None
    fail_fast: bool
    dry_run: bool
    quiet: bool
    plots: bool
    check: bool
    """Whether the command fails when an expectation does not hold."""
    tensorboard: bool


def _run_flags(
    out: Out = Path("results"),
    device: Annotated[
        str,
        typer.Option(
            "--device", help="auto, cpu, cuda, or some GPUs: cuda:0,1.", autocompletion=choices("auto", "cpu", "cuda")
        ),
    ] = "auto",
    workers: Annotated[str, typer.Option("--workers", metavar="N", help="Processes; auto: one a CPU or GPU.")] = "auto",
    executor: Annotated[
        str,
        typer.Option(
            "--executor",
            metavar="NAME",
            help="local (processes), inline (none), ray (a cluster).",
            autocompletion=choices("local", "inline", "ray"),
        ),
    ] = "local",
    address: Annotated[
        str | None, typer.Option("--address", metavar="HOST:PORT", help="Of the Ray cluster; left out: a local one.")
    ] = None,
    bank_timeout: Annotated[
        float | None, typer.Option("--bank-timeout", metavar="SECONDS", help="A bank that takes longer has failed.")
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(
            "--retries", min=0, metavar="N", help="Try failed banks again; left out: once, if the worker died."
        ),
    ] = None,
    rerun_failed: Annotated[
        bool, typer.Option("--rerun-failed", help="Also cells that failed in an earlier run.")
    ] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")] = False,
    fresh: Fresh = False,
    seed_offset: SeedOffset = 0,
    limit: Limit = 100_000,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Nothing but errors.")] = False,
    json: Json = False,
    verbose: Verbose = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, like plan.")] = False,
    no_plots: Annotated[bool, typer.Option("--no-plots", help="Draw no pictures.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Leave with 3 when something the spec expects does not hold.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write what TensorBoard reads, into RESULTS/tensorboard.")
    ] = False,
) -> tuple[Choice, Machine]:
    if not _DEVICE.fullmatch(device):
        raise UsageError(f"--device {device}: there is no such device", "use auto, cpu, cuda or cuda:0,1")
    if executor not in _EXECUTORS:
        raise UsageError(f"--executor {executor}: there is no such executor", f"use {', '.join(_EXECUTORS)}")
    if workers != "auto" and not (workers.isascii() and workers.isdigit() and 1 <= int(workers) <= 4096):
        raise UsageError(f"--workers {workers}: not a number of processes", "use auto, or a number from 1 on")
    if address is not None and executor != "ray":
        raise UsageError("--address is of a Ray cluster", "use it with --executor ray")
    if bank_timeout is not None and not 0 < bank_timeout < float("inf"):
        raise UsageError(f"--bank-timeout {bank_timeout:g}: not a time", "use seconds, above 0")
    if executor == "inline" and (workers not in ("auto", "1") or bank_timeout is not None):
        raise UsageError("--executor inline has no worker processes", "leave --workers and --bank-timeout out")
    choice = Choice(out, limit, seed_offset, fresh, json, verbose, rerun_failed)
    number = 0 if workers == "auto" else int(workers)
    return choice, Machine(
        device,
        executor,
        number,
        address,
        bank_timeout,
        retries,
        fail_fast,
        dry_run,
        quiet,
        not no_plots,
        check,
        tensorboard,
    )


def with_run_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags of a run; it receives what they say as ``choice`` and ``machine``.

    Raises UsageError for what they cannot mean.
    """
    flags = inspect.signature(_run_flags, eval_str=True).parameters

    def wrapped(**arguments: Any) -> Any:
        choice, machine = _run_flags(**{name: arguments.pop(name) for name in flags})
        return command(choice=choice, machine=machine, **arguments)

    own = [
        one
        for one in inspect.signature(command, eval_str=True).parameters.values()
        if one.name not in ("choice", "machine")
    ]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *flags.values())]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {one.name: one.annotation for one in parameters}
    wrapped.__doc__ = command.__doc__
    wrapped.__name__ = command.__name__
    return wrapped
