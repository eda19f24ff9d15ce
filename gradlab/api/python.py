"""gradlab from Python: ``import gradlab as gl``. See docs/python.md."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab import grid, spec
from gradlab.api import sweep
from gradlab.api.results import Results, open_results
from gradlab.api.run import execute, prepare
from gradlab.cell import SETTINGS, Cell, settings_of
from gradlab.cli.common import console
from gradlab.cli.progress import Progressing
from gradlab.components import nearest
from gradlab.errors import UsageError
from gradlab.execution import Executor, InlineExecutor, LocalExecutor
from gradlab.mean_field import Prediction, predict
from gradlab.mean_field.inputs import Inputs, inputs_of
from gradlab.record import Floats
from gradlab.results.predictions import Predictions
from gradlab.spec import Spec
from gradlab.store import RunDirectory

__all__ = ["Results", "Theory", "load", "run", "theory", "theory_table"]

LN10 = log(10.0)
WORK = "gradlab.execution.worker:train"


def run(
    what: str | Path | Mapping[str, Any] | Spec,
    settings: Mapping[str, Any] | Sequence[str] = (),
    *,
    out: str | Path = "results",
    device: str = "auto",
    workers: int | None = None,
    fresh: bool = False,
    rerun_failed: bool = False,
    limit: int = grid.LIMIT,
    quiet: bool = False,
) -> Results:
    """Run what is not done yet of a spec and return its results; like ``gradlab run``, it goes on where it stopped.

    Args:
        what: the path of a spec, a mapping of what a spec holds (with its `name`), or a `Spec`.
        settings: what to override, as ``{"depth": [2, 4], "train.steps": 50}`` or ``["depth=2,4"]``.
        out: where the run directories are.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        workers: processes; None: one for each CPU or GPU; 0: none, everything in this one.
        fresh: start over; what was done before is kept as ``parts.old``.
        rerun_failed: run cells again that failed in an earlier run.
        limit: the most cells a grid may have.
        quiet: write no progress to stderr.

    Raises:
        SpecError: with every problem of the spec.
        StoreError: the run directory cannot be used, or somebody else uses it.
        KeyboardInterrupt: after an interrupt; what is finished is kept.
    """
    found = _spec(what, settings)
    directory = RunDirectory(Path(out) / found.name)
    with Progressing(console(stderr=True), quiet=quiet, verbose=False) as listener, directory.lock(listener.say):
        plan = prepare(found, Path(out), limit=limit, fresh=fresh, rerun_failed=rerun_failed)
        for warning in found.warnings:
            listener.say(f"warning: {warning}")
        with closing(_executor(device, workers if plan.banks else 0)) as executor:
            if isinstance(executor, LocalExecutor):
                executor.expect(len(plan.banks))
            command = ["python", *sys.argv[:1]]
            result = execute(plan, executor, listener, command=command, device=device, predict=Predictions(directory))
    if result.interrupted:
        raise KeyboardInterrupt("what is finished is kept, the same call goes on from there")
    return Results([result.path], result=result)


def _executor(device: str, workers: int | None) -> Executor:
    work = os.environ.get("GRADLAB_WORK", WORK)
    return InlineExecutor(work, device) if workers == 0 else LocalExecutor(work, device, workers=workers or 0)


def _spec(what: str | Path | Mapping[str, Any] | Spec, settings: Mapping[str, Any] | Sequence[str]) -> Spec:
    changes = (
        [f"{key}={_text(value)}" for key, value in settings.items()] if isinstance(settings, Mapping) else settings
    )
    if isinstance(changes, str):
        raise UsageError("settings is one text", f"write {{'KEY': VALUE}} or a list: [{changes!r}]")
    if isinstance(what, Spec):
        return what if not changes else spec.loads(spec.dump(what), what.source, changes)
    if isinstance(what, Mapping):
        content = {str(key): value for key, value in what.items()}
        name, description = content.pop("name", None), content.pop("description", "")
        if name is None:
            raise UsageError("the spec has no name", "results go to a directory of this name: {'name': 'my_run', …}")
        return spec.from_mapping(str(name), content, description=str(description), overrides=changes)
    return spec.load(what, overrides=changes)


def _text(value: Any) -> str:
    """Return a Python value as it would stand behind -s."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple | range):
        return "[" + ", ".join(map(_text, value)) + "]"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def load(path: str | Path = "results", *others: str | Path) -> Results:
    """Return the results in run directories, or in all that lie directly in a directory. Computes nothing.

    Raises UsageError for a path without any, StoreError for what cannot be read.
    """
    return open_results(path, *others)


@dataclass(frozen=True)
class Theory:
    """What mean-field theory predicts for one configuration, before training; None where it says nothing."""

    cell: Cell
    prediction: Prediction

    @property
    def reason(self) -> str:
        """Why there is no prediction; empty where there is one."""
        return self.prediction.reason

    @property
    def log10_survival(self) -> float | None:
        """log10 of g_1/g_L, the geometric mean over seeds."""
        return None if self.prediction.log_survival is None else self.prediction.log_survival / LN10

    @property
    def log10_survival_sd(self) -> float | None:
        """How far a single seed of this width scatters around it, one standard deviation."""
        return None if self.prediction.log_survival_sd is None else self.prediction.log_survival_sd / LN10

    @property
    def survival(self) -> float | None:
        """g_1/g_L; 0.0 for what is too small for a double."""
        return None if self.log10_survival is None else float(10.0**self.log10_survival)

    @property
    def decay(self) -> float | None:
        """Factor per block."""
        return self.prediction.decay

    @property
    def reach(self) -> float | None:
        """Blocks until a thousandth is left, or until it has grown a thousandfold."""
        return self.prediction.reach

    @property
    def log10_grad_norm(self) -> Floats | None:
        """log10 of g_l/g_L for each block, [L]."""
        return None if self.prediction.log_grad_norm is None else self.prediction.log_grad_norm / LN10

    def __repr__(self) -> str:
        what = f"{self.cell.activation} {self.cell.init}, depth {self.cell.depth}, width {self.cell.width}"
        if self.log10_survival is None:
            return f"<Theory {what}: no prediction: {self.reason}>"
        decay = "" if self.decay is None else f", decay {self.decay:.6g} a block"
        scatter = "" if self.log10_survival_sd is None else f" ±{self.log10_survival_sd:.2f}"
        return f"<Theory {what}: log10 survival {self.log10_survival:.2f}{scatter}{decay}>"


def theory(*, inputs: tuple[int, int, float] | None = None, **settings: Any) -> Theory:
    """Return the prediction for one configuration: ``gl.theory(activation="tanh", init="orthogonal", depth=30)``.

    Args:
        inputs: features, outputs and mean square of the inputs; None: those of the task (digits, if none is named).
        settings: any setting of a spec; the dot of a nested one is left out or written ``_`` (``bias_std``,
            ``probe_batch_size``). Left out: depth 30, the usual init of the activation, otherwise the defaults.

    Raises:
        SpecError, UsageError: for a setting or a value that there is not; for several values see `theory_table`.
    """
    cells = _cells(settings)
    if len(cells) > 1:
        raise UsageError(f"these are {len(cells):,} configurations", "gl.theory_table(...) returns a table of them")
    return Theory(cells[0], _predict(cells[0], inputs))


def theory_table(*, inputs: tuple[int, int, float] | None = None, **settings: Any) -> pd.DataFrame:
    """Return the predictions for every combination of settings, one row each: ``depth=[2, 4, 8]``, ``depth="2..64*2"``.

    Arguments are those of `theory`. The columns are the settings that were named, `log10_survival`,
    `log10_survival_sd`, `decay`, `reach` and `reason`.
    """
    cells = _cells(settings)
    keys = list(dict.fromkeys(["activation", "init", "depth", *map(_key, settings)]))
    rows: list[dict[str, Any]] = []
    for cell in cells:
        one, values = Theory(cell, _predict(cell, inputs)), settings_of(cell)
        named: dict[str, Any] = {key: values[key] for key in keys}
        predicted = ("log10_survival", "log10_survival_sd", "decay", "reach", "reason")
        rows.append(named | {name: getattr(one, name) for name in predicted})
    return pd.DataFrame(rows)


def _predict(cell: Cell, inputs: tuple[int, int, float] | None) -> Prediction:
    seen = inputs_of(cell.task, cell.seq_len) if inputs is None else Inputs(*inputs)
    if seen is None:
        return Prediction(reason=f"the inputs of task {cell.task.name} are not known without its data: give inputs=")
    return predict(
        cell, in_features=seen.in_features, out_features=seen.out_features, input_mean_square=seen.mean_square
    )


def _cells(settings: Mapping[str, Any]) -> tuple[Cell, ...]:
    given: dict[str, Any] = {"depth": 30} | {_key(name): value for name, value in settings.items()}
    mapping: dict[str, object] = {**given, "seeds": 1}
    spec.from_mapping("theory", mapping)  # says what is wrong before anything is filled in
    if "init" not in given:
        activation = mapping.setdefault("activation", "relu")
        if isinstance(activation, list | tuple):
            mapping["activation"] = ",".join(map(str, activation))
        mapping |= sweep.with_usual_inits(mapping, grid.LIMIT)
    wanted = {key: value for key, value in mapping.items() if value is not None}
    cells = grid.expand(spec.from_mapping("theory", wanted)).cells
    return tuple(dataclasses.replace(cell, seed=0) for cell in cells)


def _key(name: str) -> str:
    """Return the setting that a keyword argument means: bias_std, steps or train_steps, "train.steps"."""
    known = {"seed": ""}
    for key, setting in SETTINGS.items():
        known |= {key: key, key.replace(".", "_"): key, setting.attribute: key}
    if known.get(name):
        return known[name]
    close = nearest(name, [one for one, key in known.items() if key])
    raise UsageError(f"there is no setting {name!r}", f"did you mean {close}?" if close else "see gradlab list")
