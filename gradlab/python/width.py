"""`gl.width`: the coordinate check of a model of the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gradlab.api.model_options import WidthOptions
from gradlab.api.width import document
from gradlab.api.width import width as checked
from gradlab.errors import UsageError
from gradlab.modules.width_record import WidthCheck
from gradlab.python.arguments import width_of
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.width import width_conclusions, width_rows
from gradlab.report.terminal.notebook import html
from gradlab.report.terminal.width import width_report

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from rich.text import Text
    from torch import nn

    from gradlab.modules.measuring.inputs import Loss

__all__ = ["Width", "width"]


class Width:
    """How far each layer's output moves in the first steps of training, at several widths."""

    def __init__(self, check: WidthCheck) -> None:
        """`check` is what `gradlab.api.width.width` returns, to the command line too."""
        self.check = check

    @property
    def table(self) -> pd.DataFrame:
        """One row for each layer: slopes, verdict, and the movement at each width."""
        import pandas as pd

        return pd.DataFrame(width_rows(self.check))

    @property
    def verdict(self) -> str:
        """``stable`` where the learning rate transfers to other widths; ``grows``, ``shrinks`` or ``undecided``."""
        return self.check.overall

    @property
    def conclusions(self) -> list[str]:
        """What follows from the slopes, one sentence each."""
        return width_conclusions(self.check)

    def report(self, width: int | None = 110) -> str:
        """Return the report as `gradlab width` prints it, folded to `width` columns; None: not folded."""
        return "\n".join(str(line).rstrip() for line in self._lines(width_of(width)))

    def document(self) -> dict[str, Any]:
        """Return the check as plain values, as ``gradlab width --json`` prints it."""
        return document(self.check)

    def picture(self) -> Any:
        """Return a matplotlib figure of the movement of each layer against the width."""
        from gradlab.report import plots

        plots.load()
        from gradlab.report.plots.width import picture

        return picture(self.check)

    def _lines(self, width: int | None) -> list[Text]:
        return width_report(self.check, UNICODE, width)

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        return f"<Width: {len(self.check.layers)} layers, {len(self.check.widths)} widths: {self.verdict}>"

    def _repr_html_(self) -> str:
        return html(self._lines(120))


def width(
    make: Callable[..., nn.Module],
    widths: Sequence[int],
    batch: Any,
    loss: Loss = None,
    *,
    optimizer: str | Callable[[nn.Module], torch.optim.Optimizer] = "adam",
    lr: float = 1e-3,
    steps: int = 3,
    seeds: int = 3,
    dtype: str = "float64",
) -> Width:
    """Train models of several widths for a few steps, and say whether the learning rate transfers between them.

    The coordinate check of Yang 2022 (arXiv 2203.03466): the slope of log2 of the RMS by which the output of each layer
    moves in the first update, against log2 of the width, with its interval. Standard parametrisation with Adam has
    slopes of 0, 1 and 1.5 (first layer, hidden layers, output), muP has 0 everywhere.

    Args:
        make: builds the model of a width, ``make(width)`` or ``make(width, seed)``.
        widths: at least three; the verdict is on the widest three.
        batch: as in `probe`; a function is called with the width and returns one.
        loss: as in `probe`.
        optimizer: ``"adam"`` (with eps 1e-30, so that small gradients count too), ``"sgd"``, or a function of a model
            that returns its optimizer: parameter groups with learning rates of their own go there.
        lr: the learning rate of the first two.
        steps: how many updates.
        seeds: how many models of each width.
        dtype: ``"float64"``, or ``"own"``: what the models have.

    Raises:
        UsageError, OptionError: for what does not fit.
        Exception: whatever `make`, a model, the loss or the optimizer raises.
    """
    if not callable(make) or hasattr(make, "named_modules"):
        raise UsageError(f"make is a {type(make).__name__}", "give a function of a width that builds a model")
    options = WidthOptions(
        optimizer=optimizer if isinstance(optimizer, str) else "adam", lr=lr, steps=steps, seeds=seeds, dtype=dtype
    )
    optimizer_function = None if isinstance(optimizer, str) else optimizer
    return Width(checked(make, widths, batch, loss, options, optimizer=optimizer_function))
