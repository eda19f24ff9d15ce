"""Changes that may help a model, each measured on a copy: nothing is promised that was not measured.

A cure is a change that the user can make with a few lines of code. Each is applied to a copy of the model by running
those very lines, the copy is measured as the model was, and the survival of both is given.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gradlab.modules.copies import deep_copy
from gradlab.modules.cure_code import Change, changes
from gradlab.modules.isolation import unwrapped
from gradlab.modules.profile import ModuleProfile
from gradlab.modules.summary import Summary, summarise

__all__ = ["ChangeNotTried", "Cure", "cures"]


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
    after: Summary

    @property
    def helps(self) -> bool:
        """Whether the model is healthy with it and was not without, or its survival is clearly nearer to 1.

        Clearly: by a tenth of its orders of magnitude, and a tenth of one at least.
        """
        if (self.after.verdict == "healthy") != (self.before.verdict == "healthy"):
            return self.after.verdict == "healthy"
        before = _distance(self.before)
        return before - _distance(self.after) > max(0.1 * before, 0.1 * math.log(10))


def cures(
    model: nn.Module,
    profile: ModuleProfile,
    measure: Callable[[nn.Module], ModuleProfile],
    forward: Callable[[nn.Module], Any],
    *,
    seed: int = 0,
    vanish: float = 1e-3,
    explode: float = 1e3,
) -> tuple[Cure, ...]:
    """Try every change that applies to a model and return what each did, those that help most first.

    Args:
        model: what was measured; it stays as it is.
        profile: its profile, as `measure` gave it.
        measure: measures a model; forward: calls one with the batch, for changes that look at the activations.
        seed: of the draws of new weights.

    A change that the model does not run with is a warning, `ChangeNotTried`, with the reason.
    """
    model = unwrapped(model)
    thresholds = {"vanish": vanish, "explode": explode}
    before = summarise([profile], **thresholds)
    tried = []
    for change in changes(model, profile):
        try:
            after = summarise([measure(_changed(model, change, forward, seed))], **thresholds)
        except Exception as error:  # a forward that reads a layer's weight does not run with another layer in its place
            reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            warnings.warn(f"could not be tried: {change.what}: {reason}", ChangeNotTried, stacklevel=2)
            continue
        tried.append(Cure(change.what, change.source, change.code, before, after))
    return tuple(sorted(tried, key=lambda cure: (cure.after.verdict != "healthy", _distance(cure.after))))


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
