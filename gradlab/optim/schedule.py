"""The course of the learning rate, as a factor on the `lr` of every replica."""

from __future__ import annotations

import math
from collections.abc import Callable

from gradlab.components import SCHEDULES, Named

__all__ = ["schedule"]


def constant(progress: float) -> float:
    return 1.0


def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov & Hutter 2017, arXiv 1608.03983), as CosineAnnealingLR without restarts."""
    return (1 + math.cos(math.pi * progress)) / 2


def schedule(named: Named, steps: int, warmup: int) -> Callable[[int], float]:
    """Return the factor at each step: (k+1)/warmup while k < warmup, then the schedule over the steps that are left."""
    shape: Callable[[float], float] = SCHEDULES[named.name].load()

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return shape((step - warmup) / max(steps - warmup, 1))

    return factor
