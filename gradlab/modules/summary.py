"""Survival, decay, reach and verdict of a model, from one profile or from one for each seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlab.definitions import fitted_blocks, reach, reach_interval
from gradlab.modules.profile import ModuleProfile
from gradlab.record import Floats
from gradlab.results.statistics import mean_interval, slope

__all__ = [
    "DEAD_VERDICTS", "Summary", "last_reached", "log_grad_norms", "summarise", "summary_of", "survival_and_decay",
    "verdict",
]  # fmt: skip

DEAD_VERDICTS = ("nonfinite", "detached", "masked", "dead")


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of a whole model; logarithms are natural, intervals are Student's t of 95 %."""

    log_survival: float
    """Mean over the seeds of ln(g_1/g_L)."""
    log_survival_interval: tuple[float, float]
    """NaN for one seed: the scatter of seeds is not known then."""
    log_decay: float
    """Of the factor per block going down from the loss."""
    log_decay_interval: tuple[float, float]
    reach: float
    """Blocks until a thousandth is left, or until the gradient has grown a thousandfold."""
    reach_interval: tuple[float, float]
    verdict: str
    """Of most seeds; on a tie the worse."""
    verdicts: tuple[str, ...]
    """Of each seed."""


def log_grad_norms(profile: ModuleProfile) -> Floats:
    """Return ln g of every block, `[L]`; -inf also where no path leads to a block."""
    return np.array([block.log_grad_norm for block in profile.blocks])


def last_reached(log_g: Floats) -> int:
    """Return the place of the block that survival compares the first with, of ln g `[..., L]`: the last, without blocks
    at the side that no gradient arrives at, as heads of a detector that finds nothing. The last where none has one."""
    reached = np.flatnonzero(~np.isneginf(log_g.reshape(-1, log_g.shape[-1])).any(0))
    return int(reached[-1]) if len(reached) else log_g.shape[-1] - 1


def verdict(profile: ModuleProfile, *, vanish: float = 1e-3, explode: float = 1e3) -> str:
    """Return the verdict on one profile: the first of these that holds.

    ``nonfinite``: the loss or a gradient; ``detached``: no path leads from the loss to a block; ``masked``: the
    gradient is exactly zero at and below a block whose way to the loss goes through a weight that is exactly zero;
    ``dead``: exactly zero otherwise, unless it is so only at blocks that are no cuts and not the first; ``vanishing``
    and ``exploding``: g_1/g_L beyond the thresholds, see `last_reached`; ``healthy``.
    """
    log_g = log_grad_norms(profile)
    if not len(log_g) or not math.isfinite(profile.loss) or np.isnan(log_g).any() or np.isposinf(log_g).any():
        return "nonfinite"
    if not all(block.connected for block in profile.blocks):
        return "detached"
    zero = np.flatnonzero(np.isneginf(log_g))
    # of a block at the side alone the others do not depend: what is below them has a gradient
    if len(zero) and (zero[0] == 0 or any(profile.blocks[place].is_cut for place in zero)):
        return "masked" if masking_weights(profile) else "dead"
    log_survival = log_g[0] - log_g[last_reached(log_g)]
    if log_survival < math.log(vanish):
        return "vanishing"
    return "exploding" if log_survival > math.log(explode) else "healthy"


def masking_weights(profile: ModuleProfile) -> tuple[str, ...]:
    """Return the weights that are exactly zero between the highest block without a gradient and what has one."""
    zero = [place for place, block in enumerate(profile.blocks) if block.connected and block.log_grad_norm == -math.inf]
    if not zero:
        return ()
    above = zero[-1] + 1
    return profile.blocks[above].zero_weights if above < len(profile.blocks) else profile.head.zero_weights


def summarise(profiles: Sequence[ModuleProfile], *, vanish: float = 1e-3, explode: float = 1e3) -> Summary:
    """Return the summary of the profiles of one architecture, one for each seed."""
    log_g = np.stack([log_grad_norms(profile) for profile in profiles])
    return summary_of(log_g, tuple(verdict(profile, vanish=vanish, explode=explode) for profile in profiles))


def survival_and_decay(profile: ModuleProfile) -> tuple[float, float]:
    """Return ln(g_1/g_L) of one profile, and ln of the factor per block going down from the loss."""
    log_g = log_grad_norms(profile)
    survivals, decays, _ = _survivals_and_decays(log_g[None])
    return float(survivals[0]), float(decays[0])


def _survivals_and_decays(log_g: Floats) -> tuple[Floats, Floats, Floats]:
    """Return of each seed of ln g `[S, L]` ln survival, ln decay and its standard error."""
    with np.errstate(invalid="ignore"):
        survivals = log_g[:, 0] - log_g[:, last_reached(log_g)] if log_g.shape[1] else np.full(len(log_g), np.nan)
    slopes, errors = slope(fitted_blocks(log_g))
    return survivals, -slopes, errors


def summary_of(log_g: Floats, verdicts: tuple[str, ...]) -> Summary:
    """Return the summary of ln g `[S, L]` of some seeds, and the verdict on each."""
    survivals, decays, errors = _survivals_and_decays(log_g)
    mean, interval = _interval(survivals)
    decay, decay_interval = _interval(decays)
    if len(log_g) == 1:  # the scatter of the blocks around the line is all there is
        decay_interval = (float(decay - 1.96 * errors[0]), float(decay + 1.96 * errors[0]))
    low, high = reach_interval(*(np.array(end) for end in decay_interval))
    order = (*DEAD_VERDICTS, "exploding", "vanishing", "healthy")
    return Summary(
        mean, interval, decay, decay_interval, float(reach(np.array(decay))), (float(low), float(high)),
        min(order, key=lambda name: (-verdicts.count(name), order.index(name))), verdicts,
    )  # fmt: skip


def _interval(values: Floats) -> tuple[float, tuple[float, float]]:
    if len(values) == 1:
        return float(values[0]), (math.nan, math.nan)
    interval = mean_interval(values, np.zeros(len(values), dtype=np.int64), 1)
    return float(interval.mean[0]), (float(interval.low[0]), float(interval.high[0]))
