"""Changes that may help a model, each measured on a copy: nothing is promised that was not measured.

A cure is a change that the user can make with a few lines of code. Each is applied to a copy of the model by running
those very lines, the copy is measured as the model was, and the survival of both is given.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn

from gradlab.definitions import FIRST_STEPS
from gradlab.modules.copies.deep import deep_copy
from gradlab.modules.copies.isolation import unwrapped
from gradlab.modules.cures.code import Change, changes
from gradlab.modules.cures.first_steps import WARM_UP, Trained
from gradlab.modules.profile import ModuleProfile
from gradlab.modules.summary import Summary, summarise

__all__ = ["ChangeNotTried", "Cure", "cures"]


T = TypeVar("T")
TRAINED = 5
"""Changes that are trained for a few steps: training takes longer than measuring."""


class ChangeNotTried(UserWarning):
    """A change that may help a model could not be made on it, or the model does not run with it."""


@dataclass(frozen=True, slots=True)
class Cure:
    """A change of a model, and what it does to the gradient."""

    what: str
    """The change in words."""
    source: str
    """Where it comes from."""
    code: str
    """The lines of Python that make it, for a model called ``model`` and a function ``forward`` that calls it."""
    before: Summary
    """Of the model as it is."""
    after: Summary
    """Of the model with the change, before training."""
    trained_before: Trained | None = None
    """The model as it is after the first steps of training; None without a loss."""
    trained: Trained | None = None
    """The changed model after them; None without a loss, and where others do more before training."""

    @property
    def helps(self) -> bool:
        """Whether the model is better off with it, and does not learn worse.

        It is healthy where it was not, at the start or after the first steps, or its survival is clearly nearer to 1,
        and it is healthy after the steps; or its loss is clearly lower after them. Clearly: by a tenth of the orders
        of magnitude, and a tenth of one at least; by a tenth of the loss.
        """
        learning = self._learning
        lasts = self.trained is None or self.trained.summary.verdict == "healthy"
        return learning > 0 or (learning == 0 and lasts and (self._survives or self._stays_healthy))

    @property
    def _survives(self) -> bool:
        if (self.after.verdict == "healthy") != (self.before.verdict == "healthy"):
            return self.after.verdict == "healthy"
        before = _distance(self.before)
        return before - _distance(self.after) > max(0.1 * before, 0.1 * math.log(10))

    @property
    def _stays_healthy(self) -> bool:
        if self.trained_before is None or self.trained is None:
            return False
        return self.trained_before.summary.verdict != "healthy" == self.trained.summary.verdict

    @property
    def _learning(self) -> int:
        """Return 1 where the loss is clearly lower than without the change, -1 where it is clearly higher and has not
        fallen either, else 0, as where neither is known."""
        if self.trained_before is None or self.trained is None:
            return 0
        before, after, start = self.trained_before.loss, self.trained.loss, self.trained.first_loss
        if math.isnan(before) or math.isnan(after):
            return int(math.isnan(before)) - int(math.isnan(after))
        clear = 0.1 * abs(before)
        return int(after < before - clear) - int(after > before + clear and not after < start - clear)


def cures(
    model: nn.Module,
    profile: ModuleProfile,
    measure: Callable[[nn.Module], ModuleProfile],
    forward: Callable[[nn.Module], Any],
    *,
    train: Callable[..., Trained] | None = None,
    seed: int = 0,
    vanish: float = 1e-3,
    explode: float = 1e3,
) -> tuple[Cure, ...]:
    """Try every change that applies to a model and return what each did, those that help most first.

    With a loss the model as it is and the five changes that do most before training are trained for a few steps, and
    so is the model with a learning rate that warms up.

    Args:
        model: what was measured; it stays as it is.
        profile: its profile, as `measure` gave it.
        measure: measures a model; forward: calls one with the batch, for changes that look at the activations.
        train: trains a copy of a model, see `first_steps.trainer`; None: no loss is known.
        seed: of the draws of new weights.

    A change that the model does not run with is a warning, `ChangeNotTried`, with the reason.
    """
    model = unwrapped(model)
    thresholds = {"vanish": vanish, "explode": explode}
    before = summarise([profile], **thresholds)
    tried: list[tuple[Change, Cure]] = []
    for change in changes(model, profile):
        changed_profile = _attempt(change.what, _with_change, measure, model, change, forward, seed)
        if changed_profile is not None:
            after = summarise([changed_profile], **thresholds)
            tried.append((change, Cure(change.what, change.source, change.code, before, after)))
    tried.sort(key=lambda entry: (entry[1].after.verdict != "healthy", _distance(entry[1].after)))
    as_it_is = None if train is None else _attempt("the first steps of training", train, model)
    if train is None or as_it_is is None:
        return tuple(cure for _, cure in tried)
    trained = []
    for place, (change, cure) in enumerate(tried):
        later = None
        if place < TRAINED:
            words = f"the first steps of training with: {change.what}"
            later = _attempt(words, _with_change, train, model, change, forward, seed)
        trained.append(replace(cure, trained_before=as_it_is, trained=later))
    words = f"a learning rate that warms up over {FIRST_STEPS} steps"
    source = "Xiong 2020, arXiv 2002.04745"
    if (warmed := _attempt(words, partial(train, warming=True), model)) is not None:
        trained.append(Cure(words, source, WARM_UP, before, before, as_it_is, warmed))
    return tuple(sorted(trained, key=_rank))


def _attempt(what: str, function: Callable[..., T], *arguments: Any) -> T | None:
    """Return what a function returns; None, with a warning, where it raises: a forward that reads a layer's weight does
    not run with another layer in its place."""
    try:
        return function(*arguments)
    except Exception as error:
        reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        warnings.warn(f"could not be tried: {what}: {reason}", ChangeNotTried, stacklevel=3)
        return None


def _with_change(
    function: Callable[[nn.Module], T], model: nn.Module, change: Change, forward: Callable[[nn.Module], Any], seed: int
) -> T:
    return function(_changed(model, change, forward, seed))


def _rank(cure: Cure) -> tuple[bool, bool, float]:
    """Return the order of changes that were trained: those that help, by the loss after the first steps."""
    loss = cure.trained.loss if cure.trained is not None else math.inf
    return not cure.helps, cure.trained is None, loss if loss == loss else math.inf


def _changed(model: nn.Module, change: Change, forward: Callable[[nn.Module], Any], seed: int) -> nn.Module:
    """Return a copy with the change made. Raises what the lines raise on it."""
    changed = deep_copy(model, None)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        # these are the lines that the user is shown: what was measured is what they do
        exec(change.code, {"model": changed, "forward": lambda: forward(changed)})
    return changed


def _distance(summary: Summary) -> float:
    """Return how far ln of the survival is from 0; infinite where there is no survival."""
    value = abs(summary.log_survival)
    return value if value == value else float("inf")
