"""`gl.probe`: a model of the user, measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from gradlab.api.model_options import ProbeOptions
from gradlab.api.probe import ProbeResult, build, document
from gradlab.api.probe import cures as tried
from gradlab.api.probe import probe as measured
from gradlab.api.probe import verify as verified
from gradlab.python.arguments import path_of
from gradlab.python.measured import MeasuredModel
from gradlab.report.model.module_cures import CureRow, cure_rows
from gradlab.report.model.module_report import ModuleReport

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from gradlab.modules.chains.choice import Blocks
    from gradlab.modules.cures.trials import Cure
    from gradlab.modules.measuring.inputs import Loss

__all__ = ["Probe", "probe"]


class Probe(MeasuredModel):
    """The gradient of a model, block by block: a table, the numbers of the whole model, and what they mean."""

    def __init__(
        self, result: ProbeResult, cures: Callable[[], tuple[Cure, ...]] | None = None,
        verify: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        """`result` is what `gradlab.api.probe.probe` returns, to the command line too; `cures` measures changes,
        `verify` measures it by plain autograd."""
        self.result = result
        self._cures, self._verify = cures, verify

    @property
    def module_report(self) -> ModuleReport:
        """What reports show of it."""
        return self.result.report

    def cure(self) -> tuple[Cure, ...]:
        """Measure changes that may help the model, each on a copy of it, and return what each does, the best first.

        A `Cure` has the change in words (`what`), its source, the lines of Python that make it (`code`), the numbers
        `before` and `after`, and whether it `helps`. Tried at the first call. Raises UsageError for a model that
        cannot be copied.
        """
        return self.cures

    @cached_property
    def cures(self) -> tuple[Cure, ...]:
        """What `cure` returns."""
        return self._cures() if self._cures is not None else ()

    def verify(self) -> float:
        """Measure the model once more by plain autograd, without hooks and rescaling, and return the largest difference
        of ln g; NaN where every gradient is beyond the range of float64. The model must be as it was."""
        return self._verify() if self._verify is not None else math.nan

    def document(self) -> dict[str, Any]:
        """Return the measurement as plain values, as ``gradlab probe --json`` prints it; with the cures once tried."""
        return document(self.result, self._tried())

    def save(self, directory: str | Path) -> tuple[Path, ...]:
        """Write ``probe.html``, ``blocks.csv`` and ``probe.json`` into a directory, and return their paths.

        `gradlab.load` reads them. Raises StoreError where they cannot be written.
        """
        from gradlab.api.probe_files import save

        return save(self.result, path_of(directory), self._tried())

    def _tried(self) -> tuple[Cure, ...]:
        """Return what was tried, if it was."""
        tried: tuple[Cure, ...] = self.__dict__.get("cures", ())
        return tried

    def _cure_rows(self) -> Sequence[CureRow] | None:
        if "cures" not in self.__dict__:
            return None
        return cure_rows(self._tried(), self.result.options.vanish, self.result.options.explode)


def probe(
    model: nn.Module | None = None,
    batch: Any = None,
    loss: Loss = None,
    *,
    blocks: Blocks = "auto",
    source: str | None = None,
    seeds: int = 1,
    make: Callable[[int], nn.Module] | None = None,
    dtype: str = "float64",
    train: bool | None = None,
    samples: int | None = None,
    vanish: float = 1e-3,
    explode: float = 1e3,
) -> Probe:
    """Measure how much gradient arrives at each block of a model, where it is lost, and why.

    Nothing about the model changes: weights, buffers, gradients, hooks, mode and random streams are as before.

    Args:
        model: any torch.nn.Module.
        batch: a tensor, (inputs, targets), a mapping of keyword arguments, or a function of the model that calls it.
        loss: ``"cross_entropy"`` or ``"mse"`` of (inputs, targets), a function (output, batch) of your own,
            ``"normal"``, ``"token"`` or ``"common"`` for a random gradient at the output; None: the model's own loss,
            else ``"normal"``.
        blocks: ``"auto"``, ``"cuts"``, ``"joins"``, ``"weights"``, a class, a pattern of module names, or modules.
        source: the input that the blocks are counted from, of a model with several.
        seeds: how many models `make` builds and this measures; more than one give intervals.
        make: builds the model of a seed.
        dtype: ``"float64"``, or ``"own"``: what the model has.
        train: the mode; None: the one that the model is in.
        samples: at most so many samples of the batch.
        vanish: the survival below which the verdict is `vanishing`.
        explode: the survival above which it is `exploding`.

    Raises:
        UsageError, OptionError: for arguments that do not fit together, or do not fit the model.
        Exception: whatever the model, the loss or `make` raises.
    """
    options = ProbeOptions(source, seeds, dtype, train, samples, vanish, explode)
    result = measured(model, batch, loss, options, blocks=blocks, make=make)
    return Probe(
        result, partial(_cures, model, make, batch, loss, options, blocks),
        partial(verified, result, model, batch, loss, blocks=blocks, make=make),
    )  # fmt: skip


def _cures(
    model: nn.Module | None, make: Callable[[int], nn.Module] | None, batch: Any, loss: Loss, options: ProbeOptions,
    blocks: Blocks,
) -> tuple[Cure, ...]:  # fmt: skip
    return tried(build(model, make, 0, options), batch, loss, options, blocks=blocks)
