"""`gl.watch`: the training loop of a user, measured as it runs."""

from __future__ import annotations

import time
import warnings
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab import __version__
from gradlab.components import Param
from gradlab.errors import GradlabError, OptionError, StoreError, UsageError
from gradlab.python.arguments import path_of, text_of
from gradlab.python.watched import WatchedLoop
from gradlab.report.model.watch_rows import watched_rows, without_gradient
from gradlab.report.model.watched_training import WatchedTraining
from gradlab.store.watched import WatchedDirectory

if TYPE_CHECKING:
    from types import TracebackType

    from torch import nn
    from torch.optim import Optimizer

    from gradlab.modules.chains.choice import Blocks
    from gradlab.modules.watching.numbers import WatchedStep

__all__ = ["Watch", "watch"]

_EVERY = Param(kind=int, low=1)
_NO_GRADIENT = {
    "frozen": "no gradient is computed at {}: no parameter at or below needs one",
    "not called": "not called in every step: {}",
}


class Watch(WatchedLoop):
    """A training loop that is being watched: a context, or closed with `close`.

    `frame` has a row for each measured step and block, `steps` one for each measured step; `notes` say what is to be
    known about the numbers.
    """

    def __init__(
        self, model: nn.Module, every: int, out: Path | None, optimizer: Optimizer | None, scaler: Any, blocks: Blocks,
        name: str,
    ) -> None:  # fmt: skip
        from gradlab.modules.copies.distributed import check_whole
        from gradlab.modules.watching.watcher import Watcher

        self._steps: list[dict[str, Any]] = []
        self._blocks: list[dict[str, Any]] = []
        self._notes: list[str] = []
        super().__init__(out, WatchedTraining(name, "", self._steps, self._blocks))
        self._directory = WatchedDirectory(out) if out is not None else None
        self._writing = True
        """Whether the directory can be written, as far as is known."""
        self._document: dict[str, Any] = {
            "name": name, "gradlab": __version__, "every": every, "started": _now(), "ended": None,
        }  # fmt: skip
        self._watcher: Watcher | None = None
        self._closed = False
        self._noted = -1
        """The last step whose loss was given."""
        check_whole(model)  # in every process: the others would wait for the first
        if not _is_first_process():
            self._notes.append("only the first process of a distributed run measures")
            return
        self._watcher = Watcher(model, self._take, every=every, optimizer=optimizer, scaler=scaler, blocks=blocks)
        self._document["model"] = type(self._watcher.model).__name__
        try:
            if self._directory is not None:
                self._directory.create(self._document)
        except GradlabError:
            self._watcher.close()
            raise

    @property
    def training(self) -> WatchedTraining:
        """What reports show of it."""
        model, every = str(self._document.get("model", "")), int(self._document["every"])
        return replace(self._training, model=model, every=every, notes=self.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known about the numbers."""
        return (*self._notes, *(self._watcher.notes if self._watcher is not None else ()))

    def step(self, loss: Any = None) -> None:
        """Note the loss of the step; without an optimizer this also ends the step, after the update was made.

        Args:
            loss: a number, or a tensor with one. Read at measured steps only.
        """
        if self._watcher is None or self._closed:
            return
        if self._watcher.optimizer is None or self._watcher.measuring:
            if loss is not None:
                self._noted = self._watcher.step_number
            self._watcher.step(loss)
            return
        last = self._steps[-1]["step"] if self._steps else None  # the update was made already
        if loss is not None and last == self._watcher.step_number - 1 and last != self._noted:
            from gradlab.modules.watching.watcher import number_of

            self._noted = last
            self._steps[-1]["loss"] = number_of(loss)
            self._store(lambda directory: directory.replace_steps(self._steps))

    def close(self) -> None:
        """Remove every hook, and complete ``run.json``. Closing again does nothing."""
        self._close("")

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close(kind.__name__ if kind is not None else "")

    def _close(self, error: str) -> None:
        if self._closed:
            return
        self._closed = True
        if self._watcher is not None:
            self._watcher.close()
            self._document |= {"ended": _now(), "error": error, "notes": list(self.notes)}
            if self._directory is not None:
                if not self._writing:  # there may be room again for how it ended
                    with suppress(StoreError):
                        self._directory.describe(self._document)
                self._store(lambda directory: directory.describe(self._document))
                self._directory.release()

    # taking

    def _take(self, watched: WatchedStep) -> None:
        step, blocks = watched_rows(watched)
        self._steps.append(step)
        self._blocks += blocks
        reasons = without_gradient(watched.profile)
        for reason, text in _NO_GRADIENT.items():
            names = [watched.profile.blocks[place].name for place, why in reasons.items() if why == reason]
            note = text.format(", ".join(names))
            if names and note not in self._notes:
                self._notes.append(note)
        if len(self._steps) == 1:
            self._document["blocks"] = [
                {"name": block.name, "kind": block.kind, "call": block.call, "is_cut": block.is_cut}
                for block in watched.profile.blocks
            ]
            self._document["rule"] = watched.profile.rule
        if len(self._steps) == 1 or self._document.get("notes") != list(self.notes):  # a kill must not lose them
            self._document["notes"] = list(self.notes)
            self._store(lambda directory: directory.describe(self._document))
        self._store(lambda directory: directory.append(step, blocks))

    def _store(self, write: Any) -> None:
        """Write into the directory; a full disk stops the writing, never the training."""
        if self._directory is None or not self._writing:
            return
        try:
            write(self._directory)
        except StoreError as error:
            text = f"{error.message}: nothing more is written, the numbers are in the frames only"
            warnings.warn(text, stacklevel=2)
            self._notes.append(text)
            self._writing = False


def watch(
    model: nn.Module,
    every: int = 100,
    out: str | Path | None = None,
    optimizer: Optimizer | None = None,
    scaler: Any = None,
    blocks: Blocks = "auto",
    name: str = "",
) -> Watch:
    """Measure every N-th step of a training loop of your own, from its own backward passes, and change nothing in it.

    Weights are bit for bit those of the loop without it. Between measured steps no hook stands on the model.

        with gl.watch(model, every=100, out="results/mine", optimizer=optimizer) as w:
            for batch in loader:
                ...
                loss.backward()
                optimizer.step()

    Args:
        model: any torch.nn.Module, also inside DataParallel, DistributedDataParallel and torch.compile, of which the
            measured steps run uncompiled.
        every: 1 measures every step; step 0 is measured always.
        out: the directory that the numbers are written into as they come; None: none is written.
        optimizer: its updates are the steps; None: call `w.step()` after each update, clipping is not seen then.
        scaler: the torch.amp.GradScaler, whose scale is divided out.
        blocks: as in `probe`.
        name: of the run; the name of the directory if left out.

    Raises:
        UsageError, OptionError: for arguments that do not fit the model, a model that is being watched already, and a
            directory with something in it. What of the blocks does not fit is raised by the first forward.
        StoreError: the directory cannot be written.
    """
    from torch import nn as modules
    from torch.optim import Optimizer as TorchOptimizer

    if not isinstance(model, modules.Module):
        raise UsageError(f"{type(model).__name__} is no torch.nn.Module", "give the model that is trained")
    try:
        every = int(_EVERY.check(every))
    except ValueError:
        raise OptionError("every", every, f"must be {_EVERY.expected()}") from None
    inner: Any = optimizer
    while isinstance(getattr(inner, "optimizer", None), TorchOptimizer):
        inner = inner.optimizer  # of accelerate and Lightning, whose wrappers call themselves optimizers
    if inner is not None and not isinstance(inner, TorchOptimizer):
        raise UsageError(
            f"optimizer: {type(optimizer).__name__} is no torch.optim.Optimizer",
            "give one, or none and call w.step() after each update",
        )
    if scaler is not None and not (hasattr(scaler, "get_scale") and hasattr(scaler, "is_enabled")):
        raise UsageError(f"scaler: {type(scaler).__name__} is no torch.amp.GradScaler", "give it, or none")
    path = None if out is None else path_of(out)
    return Watch(model, every, path, inner, scaler, blocks, text_of(name) or (path.name if path else "watch"))


def _is_first_process() -> bool:
    import torch.distributed as distributed

    return not (distributed.is_available() and distributed.is_initialized() and distributed.get_rank())


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
