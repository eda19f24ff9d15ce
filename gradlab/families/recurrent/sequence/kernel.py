"""The LSTM of torch.nn by the kernel that torch.nn.LSTM itself calls, one replica after another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["kernel_lstm", "prefers_kernel"]

UNITS = 512
"""Steps between cuts times width from which the kernel is the faster one. Measured with 16 replicas, forward and
backward: at 640, 1.1 to 1.3 times as fast with batches of 32 and 1.3 to 1.5 with 64, but 0.7 to 0.9 with 8; at 320,
0.9 to 1.0 and 1.2; at 2560, 1.7 and 1.9, and 1.4 with 8. One replica alone is faster at any length."""

VOCABULARY = 3
"""The kernel has no look-up: indices become one-hot vectors, which pays up to so many values for each unit. Measured:
1.2 times as fast at 2 and 0.9 at 4 (width 32), 1.2 at 2 (width 64)."""


def prefers_kernel(weight: Tensor, vocabulary: Sequence[int], steps: int, cut: frozenset[int]) -> bool:
    """Return whether an LSTM with this recurrent matrix `[R, 4H, H]` is computed by `kernel_lstm`.

    On a CPU that is oneDNN's kernel, which exists in float32 but not in float64. The last bits of the two differ, and
    a cell's numbers must not depend on its bank: R has no part in the choice, nor has the size of a batch, as
    held-out samples come in chunks.
    """
    width = weight.shape[-1]
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and steps // (len(cut) + 1) * width >= UNITS
        and sum(vocabulary) <= VOCABULARY * width
        and bool(torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled)  # type: ignore[no-untyped-call]
    )


def kernel_lstm(
    x_RTNI: Tensor, weight: Tensor, input_weight: Tensor, bias: Tensor, cut: frozenset[int], last: bool
) -> Tensor:
    """Return h of an LSTM with tanh, as `sequence.lstm` does; blocks of rows: o, i, f, g."""
    width = weight.shape[-1]
    # rows of torch: i, f, g, o
    rows = (parameter.roll(-width, 1).unbind() for parameter in (input_weight, weight, bias))
    state = x_RTNI.new_zeros(1, x_RTNI.shape[2], width)
    zeros = bias.new_zeros(4 * width)
    ends = [*sorted(cut), x_RTNI.shape[1]]
    outputs = []
    for x, *parameters in zip(x_RTNI.unbind(), *rows, strict=True):
        h, c, parts = state, state, []
        for start, stop in zip([0, *ends], ends, strict=False):
            part, h, c = torch.lstm(
                x[start:stop], (h.detach(), c.detach()), (*parameters, zeros), True, 1, 0.0, True, False, False
            )
            parts.append(part)
        outputs.append(h[0] if last else torch.cat(parts))
    return torch.stack(outputs)
