"""`gl.assert_healthy`: a test of a model's gradient, for pytest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradlab.api.model_options import VERDICTS
from gradlab.errors import OptionError
from gradlab.python.probe import Probe, probe

if TYPE_CHECKING:
    from torch import nn

    from gradlab.modules.measuring.inputs import Loss

__all__ = ["assert_healthy"]


def assert_healthy(
    model: nn.Module | None = None,
    batch: Any = None,
    loss: Loss = None,
    *,
    fail_on: str | Sequence[str] = VERDICTS,
    **options: Any,
) -> Probe:
    """Measure a model as `probe` does, and return the measurement.

    Args:
        model: as in `probe`.
        batch: as in `probe`.
        loss: as in `probe`.
        options: as in `probe`.
        fail_on: the verdicts that fail: vanishing, exploding, dead, masked, detached, nonfinite; all of them.

    Raises:
        AssertionError: a seed has one of these verdicts; the message says what the report says.
        UsageError, OptionError: as `probe` does.
    """
    failing = [fail_on] if isinstance(fail_on, str) else list(fail_on)
    for name in failing:
        if name not in VERDICTS:
            raise OptionError("fail_on", name, "there is no such verdict", f"choose from {', '.join(VERDICTS)}")
    measured = probe(model, batch, loss, **options)
    if not set(measured.result.summary.verdicts).isdisjoint(failing):
        raise AssertionError("\n".join([f"the gradient of {measured.result.name}:", *measured.conclusions]))
    return measured
