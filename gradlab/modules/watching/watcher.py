"""Watching a training loop that is somebody else's: every N-th step is measured, nothing about it is changed.

Between measured steps no hook stands on the model; the optimizer's hooks count the steps. A measured step lasts from
the end of the update before it to the end of its own.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradlab.errors import UsageError
from gradlab.modules.chains.choice import Blocks
from gradlab.modules.copies.distributed import AVERAGED, in_several_processes
from gradlab.modules.copies.isolation import unwrapped
from gradlab.modules.measuring.probe import check_model, names_of
from gradlab.modules.watching.chain import WatchedChain, watched_chain
from gradlab.modules.watching.compiled import is_compiled, run_uncompiled
from gradlab.modules.watching.hooks import ForwardRead, Reading
from gradlab.modules.watching.norms import Number
from gradlab.modules.watching.numbers import (
    Attempt,
    WatchedStep,
    norms_by_name,
    on_the_host,
    overflow_place,
    profile_of,
)  # fmt: skip
from gradlab.modules.watching.parameters import NamedParameters

__all__ = ["Watcher", "number_of"]

_WATCHED: weakref.WeakSet[nn.Module] = weakref.WeakSet()
_COMPILED = (
    "the model is compiled: measured steps run without the compiler, as hooks do not run in compiled code, so that "
    "their last bits may differ"
)
_SEVERAL = "{} forward passes made one step: their gradients are taken as the parts of one batch, squares added up"
_NEVER_CALLED = (
    "the forward of {} was not called in step {}, or was called inside code that torch.compile had compiled: nothing "
    "is measured. Call the model itself, model(x), and watch it before it is compiled"
)
_UNFINISHED = "step {} was not finished when the watch was closed: it is left out"
_NO_BACKWARD = "no backward went through a forward of {} in step {}: nothing is measured"
_OVERFLOWED = "step {} was tried {} times and skipped by the scaler each time: gradients overflow first at {}"
_UNSEEN = "not seen again after the first batch, so without numbers: {}"
_TWICE = "several backward passes went through one forward: squares of their gradient norms are added up"


class Watcher:
    """Measures steps of a training loop until it is closed."""

    def __init__(
        self, model: nn.Module, publish: Callable[[WatchedStep], None], *, every: int,
        optimizer: Optimizer | None = None, scaler: Any = None, blocks: Blocks = "auto",
    ) -> None:  # fmt: skip
        """Begin with step 0.

        Args:
            model: any module, also inside `torch.compile`, DataParallel, DistributedDataParallel.
            publish: called with each measured step.
            every: 1 measures every step.
            optimizer: whose updates are the steps; None: `step` is called after each.
            scaler: a `torch.amp.GradScaler`, or None.
            blocks: see `chain.choose`.

        Raises UsageError for a model that is watched already, or that nothing can be measured of.
        """
        inner = unwrapped(model)
        check_model(inner)
        names_of(inner, blocks)
        if inner in _WATCHED:
            raise UsageError(
                f"this {type(inner).__name__} is being watched already", "close the first watch: w.close(), or a with"
            )
        self.model, self.chain = inner, None
        self.notes: list[str] = []
        self.step_number = 0
        self._every, self._blocks, self._publish = every, blocks, publish
        self.optimizer, self._scaler = optimizer, scaler
        # the wrapper averages at the end of a backward as well, also where the module inside was given
        self._twice = in_several_processes()
        if isinstance(model, nn.parallel.DistributedDataParallel) and self._twice:
            self.note(AVERAGED)
        self._compiled = is_compiled(model)
        self._named: NamedParameters | None = None
        self._reading: Reading | None = None
        self._loss: float | None = None
        self._handles = []
        self._warned = False
        if optimizer is not None:
            parameter_ids = {id(parameter) for parameter in inner.parameters()}
            if not any(
                id(parameter) in parameter_ids for group in optimizer.param_groups for parameter in group["params"]
            ):
                raise UsageError("the optimizer updates no parameter of the model", "give the one that trains it")
            self._handles = [
                optimizer.register_step_pre_hook(lambda *_: self._before_update()),
                optimizer.register_step_post_hook(lambda *_: self._finish_step()),
            ]
        _WATCHED.add(inner)
        self._arm()

    chain: WatchedChain | None

    @property
    def measuring(self) -> bool:
        """Whether a forward pass has been made of a step that is measured."""
        return self._reading is not None and bool(self._reading.forwards)

    def step(self, loss: Any = None) -> None:
        """End a step of a loop whose optimizer is not known; note its loss."""
        if loss is not None and self._reading is not None:
            self._loss = number_of(loss)
        if self.optimizer is None:
            self._finish_step()

    def close(self) -> None:
        """Remove every hook."""
        reading = self._reading
        if reading is not None:
            if self._skipped_by_scaler():
                self._overflow(reading, None)
            if self._overflows:
                self.note(_OVERFLOWED.format(self.step_number, self._overflows, self._overflow_at))
            if any(forward.answered for forward in reading.forwards):
                self.note(_UNFINISHED.format(self.step_number))
        self._disarm()
        for handle in self._handles:
            handle.remove()
        self._handles = []
        _WATCHED.discard(self.model)

    def note(self, text: str) -> None:
        """Keep what is to be known about the numbers, once."""
        if text not in self.notes:
            self.notes.append(text)

    # the steps

    def _arm(self) -> None:
        self._attempt = Attempt()
        if self._named is None or not self._named.current:
            self._named = NamedParameters(self.model)
        self._parameters = self._named.by_name
        self._overflows, self._overflow_at, self._loss = 0, "", None
        self._reading = Reading(self.model, self._find_chain, self._came_back, self._went_back, twice=self._twice)
        if self._compiled:
            self.note(_COMPILED)
            run_uncompiled(self, True)

    def _disarm(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None
        run_uncompiled(self, False)
        self._attempt = Attempt()

    def _find_chain(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> WatchedChain:
        if self.chain is None:
            self.chain = watched_chain(self.model, args, kwargs, self._blocks)
            if unseen := [block.name for block in self.chain.blocks if block.site is None]:
                self.note(_UNSEEN.format(", ".join(unseen)))
            for note in self.chain.notes:
                self.note(note)
        return self.chain

    def _finish_step(self) -> None:
        reading = self._reading
        if reading is not None:
            self._after_update(reading)
            if self.optimizer is None and self._skipped_by_scaler():
                self._overflow(reading, None)
                return  # no update, no step
            if self._attempt.skipped is not None and bool(self._attempt.skipped):  # a fused optimizer skips by itself
                self._overflow(reading, None)
                return
            if any(forward.answered for forward in reading.forwards):
                self._publish(self._measured(reading))
            else:
                text = _NEVER_CALLED if not reading.forwards else _NO_BACKWARD
                self._warn(text.format(type(self.model).__name__, self.step_number))
            self._disarm()
        self.step_number += 1
        if self.step_number % self._every == 0:
            self._arm()

    def _warn(self, text: str) -> None:
        if not self._warned:
            warnings.warn(text, stacklevel=4)
            self.note(text)
        self._warned = True

    # inside a step

    def _came_back(self, forward: ForwardRead) -> None:
        """Take the scale of the first gradient of a forward; before it, tell a step that was skipped."""
        if self._reading is not None and self._skipped_by_scaler():
            self._overflow(self._reading, forward)
        forward.scale = _scale(self._scaler)

    def _skipped_by_scaler(self) -> bool:
        """Return whether the scaler has lowered its scale since the last backward: it skipped the update then."""
        return bool(self._attempt.gradients) and float(_scale(self._scaler)) < float(self._attempt.scale)

    def _overflow(self, reading: Reading, following: ForwardRead | None) -> None:
        """Set apart what was read before the forward `following`, as no update came of it."""
        assert self.chain is not None
        attempted = [forward for forward in reading.forwards if forward.answered and forward is not following]
        self._overflows += 1
        self._overflow_at = overflow_place(self.chain, attempted, self._attempt.gradients)
        reading.forwards = [forward for forward in reading.forwards if forward not in attempted]
        self._attempt = Attempt()

    def _went_back(self) -> None:
        """Read the parameters' gradients at the end of a backward pass, of the last one that counts."""
        reading = self._reading
        if reading is None or sum(forward.answered and forward.in_update for forward in reading.forwards) > 1:
            return  # further evaluations of a closure
        self._attempt.gradients = self._gradient_norms()
        self._attempt.scale = _scale(self._scaler)
        if self.optimizer is None and not self._attempt.before:
            self._attempt.before = self._copied()

    def _before_update(self) -> None:
        if self._reading is None:
            return
        self._reading.in_update = True
        self._attempt.before = self._copied()
        if any(forward.answered for forward in self._reading.forwards):
            self._read_updating()

    def _after_update(self, reading: Reading) -> None:
        reading.in_update = False
        if self.optimizer is not None and any(f.answered and f.in_update for f in reading.forwards):
            self._read_updating()  # a closure has made the gradient since

    def _read_updating(self) -> None:
        attempt = self._attempt
        attempt.updating = self._gradient_norms()
        scale, skipped = getattr(self.optimizer, "grad_scale", None), getattr(self.optimizer, "found_inf", None)
        attempt.updating_scale = scale.clone() if isinstance(scale, Tensor) else 1.0
        attempt.skipped = skipped.clone() if isinstance(skipped, Tensor) else None

    def _gradient_norms(self) -> dict[str, Number]:
        gradients = {name: tensor.grad for name, tensor in self._parameters.items()}
        return norms_by_name({name: gradient for name, gradient in gradients.items() if gradient is not None})

    def _weights(self) -> dict[str, Tensor]:
        """Return the matrices and kernels of the blocks and above them; all where the blocks are not known yet."""
        weights = {name: tensor for name, tensor in self._parameters.items() if tensor.ndim > 1}
        if self.chain is None:
            return weights
        names = {name for block in self.chain.blocks for name in block.parameters} | {*self.chain.head}
        return {name: tensor for name, tensor in weights.items() if name in names}

    @torch.no_grad()
    def _copied(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self._weights().items() if tensor.requires_grad}

    def _measured(self, reading: Reading) -> WatchedStep:
        assert self.chain is not None
        forwards = _counted(reading.forwards)
        numbers = on_the_host(forwards, self._attempt, self._weights())
        if len(forwards) > 1:
            self.note(_SEVERAL.format(len(forwards)))
        if any(len(read.gradient_norms) > 1 for forward in forwards for read in forward.reads.values()):
            self.note(_TWICE)
        loss = self._loss if self._loss is not None else numbers.loss
        profile, ratios = profile_of(self.chain, self._parameters, forwards, numbers, loss, self.model.training)
        return WatchedStep(
            self.step_number, profile, ratios, len(forwards), loss, _total(numbers.gradients), _total(numbers.updating),
            numbers.scale, self._overflows, self._overflow_at,
        )  # fmt: skip


def number_of(loss: Any) -> float:
    """Return a loss as a number. Raises UsageError for what is none."""
    try:
        return float(loss.detach() if isinstance(loss, Tensor) else loss)
    except (TypeError, ValueError, RuntimeError):
        kind = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise UsageError(
            f"loss: {kind} is no number", "give the loss of the step, a number or a tensor with one"
        ) from None


def _total(norms: Mapping[str, float]) -> float:
    return math.hypot(*norms.values()) if norms else math.nan


def _counted(forwards: Sequence[ForwardRead]) -> list[ForwardRead]:
    """Return the forward passes that a gradient came back to; of those inside an optimizer's step the first alone, as a
    closure that is evaluated again begins anew."""
    answered = [forward for forward in forwards if forward.answered]
    inside = [forward for forward in answered if forward.in_update]
    return [forward for forward in answered if not forward.in_update] + inside[:1]


def _scale(scaler: Any) -> Number:
    """Return the scale of a gradient scaler without waiting for the device; 1 without one."""
    if scaler is None or not scaler.is_enabled():
        return 1.0
    scale = getattr(scaler, "_scale", None)
    return scale.clone() if isinstance(scale, Tensor) else float(scaler.get_scale())
