"""A measured model as every report shows it: plain data, made of a measurement or read from a file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradlab.modules.causes.rules import Cause
from gradlab.modules.profile import ModuleProfile
from gradlab.modules.summary import Summary, log_grad_norms
from gradlab.report.model.module_rows import block_rows

__all__ = ["ModuleReport", "module_report_of", "reached"]

_LN10 = math.log(10)


@dataclass(frozen=True)
class ModuleReport:
    """What is known of a measured model."""

    name: str
    """Class of the model."""
    blocks: tuple[dict[str, Any], ...]
    """The rows of `block_rows`, from the data to the loss."""
    seed_norms: tuple[tuple[float, ...], ...]
    """log10 of the gradient's norm at each block, for each seed."""
    summary: Summary
    vanish: float = 1e-3
    explode: float = 1e3
    """Survivals below and above which the verdict says so."""
    causes: tuple[Cause, ...] = ()
    training: bool = True
    parameters: int = 0
    objective: str = ""
    loss: float | None = None
    source: str = ""
    rule: str = ""
    dtype: str = ""
    uncalled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the blocks, with the number of the call where a module was called several times."""
        return [str(row["name"]) for row in self.blocks]

    @property
    def log10_norms(self) -> list[float]:
        """log10 of the gradient's norm at each block, of several seeds the mean."""
        return [float(row["log10_grad_norm"]) for row in self.blocks]


def reached(report: ModuleReport) -> ModuleReport:
    """Return the report without blocks that a gradient cannot reach by design (frozen from the data on, or not called):
    they are no part of the survival. Their gradient is NaN, that of blocks which are cut off is zero."""
    keep = [
        place for place, row in enumerate(report.blocks) if row["connected"] or not math.isnan(row["log10_grad_norm"])
    ]
    if len(keep) == len(report.blocks):
        return report
    norms = tuple(tuple(seed[place] for place in keep) for seed in report.seed_norms)
    return replace(report, blocks=tuple(report.blocks[place] for place in keep), seed_norms=norms)


def module_report_of(
    name: str, profiles: Sequence[ModuleProfile], summary: Summary, vanish: float, explode: float,
    causes: tuple[Cause, ...] = (),
) -> ModuleReport:  # fmt: skip
    """Return the report of a measurement. `profiles`: one for each seed."""
    first = profiles[0]
    return ModuleReport(
        name, tuple(block_rows(profiles)),
        tuple(tuple((log_grad_norms(profile) / _LN10).tolist()) for profile in profiles),
        summary, vanish, explode, causes, first.training, first.parameters, first.objective, first.loss, first.source,
        first.rule, first.dtype, first.uncalled,
        tuple(dict.fromkeys(note for profile in profiles for note in profile.notes)),
    )  # fmt: skip
