"""The rows of a watched step: one of the step, one for each block, as plain values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradlab.modules.profile import ModuleProfile
from gradlab.modules.summary import survival_and_decay, verdict
from gradlab.report.model.module_rows import block_rows
from gradlab.store.watched import BLOCK_COLUMNS

if TYPE_CHECKING:
    from gradlab.modules.watching.numbers import WatchedStep  # it loads torch

__all__ = ["places_without_gradient", "watched_rows", "without_gradient"]

_LN10 = math.log(10)

_OF_THE_GRADIENT = (
    "grad_norm", "log10_grad_norm", "grad_rms", "rel_grad", "log10_survival", "survival", "factor",
)  # fmt: skip


def watched_rows(watched: WatchedStep) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the row of a step, and the rows of its blocks from the data to the loss; NaN where there is no number.

    Survival, decay and verdict are those of the blocks that a gradient can reach: frozen blocks at the bottom, and
    blocks that were not called, are left out.
    """
    profile = watched.profile
    left_out = without_gradient(profile)
    with_gradient = tuple(block for place, block in enumerate(profile.blocks) if place not in left_out)
    reached = dataclasses.replace(profile, blocks=with_gradient) if left_out else profile
    rows = iter(block_rows([reached], theory=False) if with_gradient else [])
    blocks = []
    for place, (block, ratio) in enumerate(zip(profile.blocks, watched.update_ratios, strict=True)):
        if place not in left_out:
            row = next(rows)
        else:
            [row] = block_rows([dataclasses.replace(profile, blocks=(block,))], theory=False)
        if not block.connected:
            row |= dict.fromkeys(_OF_THE_GRADIENT, math.nan)
        row |= {"step": watched.step, "block": place + 1, "update_ratio": ratio}
        blocks.append({column: row[column] for column in BLOCK_COLUMNS})
    step: dict[str, Any] = {
        "step": watched.step, "micro_batches": watched.micro_batches, "loss": watched.loss, "verdict": "",
        "survival": math.nan, "log10_survival": math.nan, "decay": math.nan,
        "clip_norm_before": watched.clip_norm_before, "clip_norm_after": watched.clip_norm_after,
        "clip_coef": _ratio(watched.clip_norm_after, watched.clip_norm_before), "loss_scale": watched.loss_scale,
        "overflows": watched.overflows, "overflow_at": watched.overflow_at,
    }  # fmt: skip
    if with_gradient:
        log_survival, log_decay = survival_and_decay(reached)
        step |= {
            "verdict": verdict(reached), "log10_survival": log_survival / _LN10, "survival": _exp(log_survival),
            "decay": _exp(log_decay),
        }  # fmt: skip
    return step, blocks


def without_gradient(profile: ModuleProfile) -> dict[int, str]:
    """Return the places of the blocks that no gradient can have reached, each with ``frozen`` or ``not called``."""
    blocks = profile.blocks
    return places_without_gradient(
        [block.connected for block in blocks],
        [not block.frozen and block.parameters > 0 for block in blocks],
        [not math.isnan(block.act_rms) for block in blocks],
    )


def places_without_gradient(
    connected: Sequence[bool], trained: Sequence[bool], called: Sequence[bool]
) -> dict[int, str]:  # fmt: skip
    """Return `without_gradient` of blocks from the data to the loss.

    Args:
        connected: whether a gradient came back to each.
        trained: whether each has a parameter that needs a gradient.
        called: whether each was.
    """
    places: dict[int, str] = {}
    for place, reached in enumerate(connected):
        if reached or trained[place]:
            break
        places[place] = "frozen"
    else:
        places = {}
    unreached = (place for place, reached in enumerate(connected) if not reached and not called[place])
    return places | dict.fromkeys(unreached, "not called")


def _exp(logarithm: float) -> float:
    return math.exp(logarithm) if logarithm < 700 else math.nan


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.nan
