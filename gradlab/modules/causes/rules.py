"""Why a gradient is lost or grows: the causes that were measured, the worst first.

Each rule reads numbers of the profiles and yields a cause where they show it; what was not measured is not named. A
threshold stands once, beside its reason, in the module of its rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradlab.modules.causes.broken import cut_off, nonfinite, norms_of_one_value, precision, zero_weights
from gradlab.modules.causes.layout import (
    batch_statistics,
    few_values,
    growing_stream,
    missing_skip,
    untouched_statistics,
)
from gradlab.modules.causes.record import Cause, Measured
from gradlab.modules.causes.recurrence import recurrence
from gradlab.modules.causes.tokens import collapses, copies, norm_after_add, rank_collapse, saturated_attention
from gradlab.modules.causes.units import dead_units, outlier, saturation, weight_scale
from gradlab.modules.profile import ModuleProfile
from gradlab.modules.summary import log_grad_norms

__all__ = ["Cause", "causes"]

_Rule = Callable[[Measured], Iterator[Cause]]
_BROKEN: tuple[_Rule, ...] = (cut_off, zero_weights, norms_of_one_value, nonfinite, precision)
_RULES: tuple[_Rule, ...] = (
    recurrence, outlier, untouched_statistics, saturation, dead_units, weight_scale, few_values, batch_statistics,
    growing_stream, norm_after_add, rank_collapse, saturated_attention, copies, missing_skip,
)  # fmt: skip
"""Of causes that change the gradient by as much, the one of the earlier rule is the first."""


def causes(profiles: Sequence[ModuleProfile], verdict: str) -> tuple[Cause, ...]:
    """Return why a model has the verdict that it has, that which changes the gradient most first.

    Args:
        profiles: one for each seed.
        verdict: of the model, see `summary.summarise`.

    Returns:
        Nothing for a healthy model, except where its tokens become alike: their gradient can be of any size then.
    """
    measured = Measured(profiles, np.stack([log_grad_norms(profile) for profile in profiles]), verdict)
    if verdict == "healthy" and not collapses(measured):
        return ()
    # of a gradient that is cut off, masked or not finite the factors say nothing
    rules = _BROKEN if verdict in ("detached", "masked", "nonfinite") else (*_BROKEN, *_RULES)
    causes = [cause for rule in rules for cause in rule(measured)]
    return tuple(sorted(causes, key=lambda cause: -_size(cause)))


def _size(cause: Cause) -> float:
    return 0.0 if math.isnan(cause.change) else cause.change
