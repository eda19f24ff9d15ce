"""`gl.probe`: a model of the user, measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from gradlab.api.model_options import ProbeOptions
from gradlab.api.probe import ProbeResult, build, document
from gradlab.api.probe import cures as tried
from gradlab.api.probe import probe as measured
from gradlab.api.probe import verify as verified
from gradlab.python.arguments import path_of, width_of
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.module_conclusions import conclusions
from gradlab.report.model.module_cures import cure_rows
from gradlab.report.terminal.module import cure_lines, module_report
from gradlab.report.terminal.notebook import html

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from torch import nn

    from gradlab.modules.chain import Blocks
    from gradlab.modules.cures import Cure
    from gradlab.modules.inputs import Loss

__all__ = ["Probe", "probe"]

_LN10 = math.log(10)


class Probe:
    """The gradient of a model, block by block: a table, the numbers of the whole model, and what they mean."""

    def __init__(
        self, result: ProbeResult, cures: Callable[[], tuple[Cure, ...]] | None = None,
        verify: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        """`result` is what `gradlab.api.probe.probe` returns, to the command line too; `cures` tries what mends it,
        `verify` measures it by plain autograd."""
        self.result = result
        self._cures, self._verify = cures, verify

    def cure(self) -> tuple[Cure, ...]:
        """Try what may mend the model, each change on a copy of it, and return what each does, the best first.

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

    @property
    def conclusions(self) -> list[str]:
        """What follows from the numbers, one sentence each, the verdict first."""
        return conclusions(self.result)

    def report(self, width: int | None = 110) -> str:
        """Return the report as `gradlab probe` prints it, folded to `width` columns; None: not folded."""
        return "\n".join(str(line).rstrip() for line in self._lines(width_of(width)))

    def document(self) -> dict[str, Any]:
        """Return the measurement as plain values, as ``gradlab probe --json`` prints it; with the cures once tried."""
        return document(self.result, self._tried())

    def picture(self) -> Any:
        """Return a matplotlib figure of the gradient's norm at each block, with theory where there is one."""
        from gradlab.report import plots

        plots.load()
        from gradlab.report.plots.module import picture

        return picture(self.result)

    def save(self, directory: str | Path) -> tuple[Path, ...]:
        """Write ``probe.html``, ``blocks.csv`` and ``probe.json`` into a directory, and return their paths.

        Raises StoreError where they cannot be written.
        """
        from gradlab.api.probe_files import save

        return save(self.result, path_of(directory), self._tried())

    def _tried(self) -> tuple[Cure, ...]:
        """Return what was tried, if it was."""
        tried: tuple[Cure, ...] = self.__dict__.get("cures", ())
        return tried

    def _lines(self, width: int | None) -> list[Text]:
        lines = module_report(self.result, UNICODE, width)
        if "cures" in self.__dict__:
            options = self.result.options
            lines += [Text(), *cure_lines(cure_rows(self._tried(), options.vanish, options.explode), UNICODE, width)]
        return lines

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        return f"<Probe of {self.result.name}: {len(self.result.profiles[0].blocks)} blocks, {self.verdict}>"

    def _repr_html_(self) -> str:
        return html(self._lines(120))

    @property
    def blocks(self) -> pd.DataFrame:
        """One row for each block, from the data to the loss; of several seeds, geometric means of the gradients."""
        import pandas as pd

        from gradlab.report.model.module_rows import block_rows

        return pd.DataFrame(block_rows(self.result.profiles))

    @property
    def verdict(self) -> str:
        """healthy, vanishing, exploding, dead, masked, detached or nonfinite."""
        return self.result.summary.verdict

    @property
    def log10_survival(self) -> float:
        """log10 of g_1/g_L: of how much of the last block's gradient arrives at the first."""
        return self.result.summary.log_survival / _LN10

    @property
    def survival(self) -> float:
        """g_1/g_L; 0 where it is below the range of a float."""
        return _exp(self.result.summary.log_survival)

    @property
    def decay(self) -> float:
        """The factor a block, going down from the loss."""
        return _exp(self.result.summary.log_decay)

    @property
    def reach(self) -> float:
        """Blocks until a thousandth is left, or until the gradient has grown a thousandfold."""
        return self.result.summary.reach

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not seen, and what was done otherwise than asked."""
        return self.result.profiles[0].notes


def _exp(logarithm: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(logarithm))


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
        vanish, explode: the survivals below and above which the verdict says so.

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
