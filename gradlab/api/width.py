"""The coordinate check of a model of the user: `width`, for Python and the command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gradlab.api.model_options import WidthOptions
from gradlab.errors import UsageError
from gradlab.modules.width_record import WidthCheck

if TYPE_CHECKING:
    import torch
    from torch import nn

    from gradlab.modules.measuring.inputs import Loss

__all__ = ["document", "width"]


def width(
    make: Callable[..., nn.Module],
    widths: Sequence[int],
    batch: Any,
    loss: Loss = None,
    options: WidthOptions | None = None,
    *,
    optimizer: Callable[[nn.Module], torch.optim.Optimizer] | None = None,
) -> WidthCheck:
    """Measure how far each layer's output moves in the first steps of training, at several widths.

    Args:
        make, widths, batch, loss: see `gradlab.modules.width.check`.
        optimizer: a function of a model that returns its optimizer, in place of the one that `options` name.

    Raises:
        UsageError: for what does not fit.
        Exception: whatever code of the user raises.
    """
    import torch

    from gradlab.modules.width import check

    options = options or WidthOptions()
    if optimizer is None and ":" in options.optimizer:
        raise UsageError(f"optimizer={options.optimizer!r} is text", "give the function itself")
    sizes = []
    for value in widths:
        if isinstance(value, bool) or int(value) != value or value < 1:
            raise UsageError(f"{value!r} is no width", "give whole numbers from 1")
        sizes.append(int(value))
    dtype = torch.float64 if options.dtype == "float64" else None
    return check(
        make, sizes, batch, loss, optimizer=optimizer or options.optimizer, lr=options.lr, steps=options.steps,
        seeds=options.seeds, dtype=dtype,
    )  # fmt: skip


def document(check: WidthCheck) -> dict[str, Any]:
    """Return a check as plain values for JSON."""
    from gradlab.report.model.width import width_rows

    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    rows = [{name: plain(value) for name, value in row.items()} for row in width_rows(check)]
    return {
        "widths": list(check.widths), "optimizer": check.optimizer, "lr": check.lr, "steps": check.steps,
        "verdict": check.overall, "layers": rows,
    }  # fmt: skip
