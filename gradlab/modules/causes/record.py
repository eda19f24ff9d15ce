"""A cause of what a profile shows, and the numbers of several seeds that the rules for causes read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gradlab.modules.profile import ModuleProfile, WeightUse
from gradlab.record import Floats

__all__ = ["Cause", "Measured", "listed"]

_MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the gradient of a model does what it does, with the numbers that say so."""

    block: str
    """The block where it is worst, as the table names it; ``head`` for what stands above the last block."""
    what: str
    """In words."""
    evidence: Mapping[str, float]
    """Measured numbers by name."""
    source: str
    """The paper, or the definition."""
    change: float = math.nan
    """|ln| of what the blocks concerned do to the gradient together; infinite where nothing is left. NaN: not known."""


class Measured:
    """The profiles of one architecture, one for each seed: means over the seeds, block by block."""

    def __init__(self, profiles: Sequence[ModuleProfile], log_grad_norms: Floats, verdict: str) -> None:
        """`log_grad_norms` is ln g `[S, L]`."""
        self.profiles, self.first, self.verdict = profiles, profiles[0], verdict
        self.blocks = profiles[0].blocks
        with np.errstate(invalid="ignore"):
            self.log_g: Floats = log_grad_norms.mean(0)
            differences = self.log_g[:-1] - self.log_g[1:]
        self.log_factor: Floats = np.concatenate([[math.nan], np.where(np.isfinite(differences), differences, np.nan)])
        """ln of what each block does to the gradient on its way down through it; NaN for the first, which ends at the
        data, and where nothing is left to change."""
        self.log_survival = float(np.nansum(self.log_factor))

    def mean(self, quantity: str) -> Floats:
        """Return the mean over the seeds of one number of every block, `[L]`."""
        values = [[getattr(block, quantity) for block in profile.blocks] for profile in self.profiles]
        means: Floats = np.array(values, dtype=np.float64).mean(0)
        return means

    @cached_property
    def labels(self) -> list[str]:
        """Names of the blocks, with the number of the call where a module was called several times."""
        calls = Counter(block.name for block in self.blocks)
        return [f"{block.name}#{block.call}" if calls[block.name] > 1 else block.name for block in self.blocks]

    @cached_property
    def over_time(self) -> bool:
        """Whether the blocks are time steps of one cell, or calls of one module."""
        return len(self.blocks) > 1 and len({block.name for block in self.blocks}) == 1

    def uses(self, place: int) -> list[WeightUse]:
        """Return the maps of one block, the gain of each the mean over the seeds."""
        module_names = {name.rpartition(".")[0] for name in self.blocks[place].weights}
        return [use for use in self._uses if use.name in module_names]

    @cached_property
    def _uses(self) -> list[WeightUse]:
        gains = [{use.name: use.gain for use in profile.weight_uses} for profile in self.profiles]
        return [
            replace(use, gain=float(np.mean([gain.get(use.name, math.nan) for gain in gains])))
            for use in self.first.weight_uses
        ]

    def worst(self, places: Sequence[int]) -> int:
        """Return the place whose factor is farthest from 1, of those measured; else the first."""
        known = [place for place in places if not math.isnan(self.log_factor[place])]
        return max(known, key=lambda place: abs(float(self.log_factor[place])), default=places[0])

    def change(self, places: Iterable[int]) -> float:
        """Return |ln| of what some blocks do to the gradient together; NaN where none was measured."""
        known = [float(self.log_factor[place]) for place in places if not math.isnan(self.log_factor[place])]
        return abs(sum(known)) if known else math.nan

    def factor(self, places: Sequence[int]) -> dict[str, float]:
        """Return the evidence that some blocks change the gradient: the geometric mean of their factors."""
        known = [float(self.log_factor[place]) for place in places if not math.isnan(self.log_factor[place])]
        return {"factor per block": math.exp(max(-700.0, min(700.0, sum(known) / len(known))))} if known else {}

    def shrinks(self, place: int) -> bool:
        """Whether a block takes gradient away, or is the first, of which that is not known."""
        return math.isnan(self.log_factor[place]) or self.log_factor[place] < 0

    def of_blocks(self, places: Sequence[int]) -> str:
        """Return which blocks a cause concerns, in words."""
        return f"{len(places)} of {len(self.blocks)} blocks"


def listed(names: Sequence[str]) -> str:
    """Return the first few names, and how many there are besides."""
    remaining = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {remaining} more" if remaining > 0 else "")
