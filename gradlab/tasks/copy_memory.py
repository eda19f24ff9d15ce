"""The copying memory problem (Arjovsky 2016, arXiv 1511.06464): ten symbols, T blanks, and the ten symbols again.

A sequence has T + 20 steps: 10 symbols out of 8, T - 1 blanks, a delimiter, 10 blanks. The targets are blanks, and
during the last ten steps the symbols. Without a memory the best is to answer a blank and then to guess, at a loss of
10 ln 8/(T + 20) nats, as the mean over all steps counts it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gradlab.streams import generator
from gradlab.tasks.base import Criterion, Data
from gradlab.tasks.losses import cross_entropy, last_step

__all__ = ["BLANK", "COPIED", "DELIMITER", "HELD_OUT", "SYMBOLS", "baseline", "load"]

SYMBOLS, COPIED = 8, 10
BLANK, DELIMITER = SYMBOLS, SYMBOLS + 1

HELD_OUT = 256
"""Test sequences of each seed."""


def baseline(seq_len: int) -> float:
    """Return the loss of the best predictor without a memory, in nats: 10 ln 8/(T + 20), `seq_len` being T + 20."""
    return COPIED * math.log(SYMBOLS) / seq_len


def load(seeds: Sequence[int], seq_len: int, samples: int) -> Data:
    """Return sequences of indices `[S, M, T, 1]` and a target for each step `[S, M, T]`; the blanks are seq_len - 20.

    The metric is the share of the memoryless loss that is saved: 0 without a memory, 1 when all is recalled.
    Learned: at least half of it. A probe differentiates the loss of the last step, the tenth symbol.
    """
    datasets = [_draw(seed, seq_len, samples + HELD_OUT) for seed in seeds]
    x, y = (torch.stack(part) for part in zip(*datasets, strict=True))
    return Data(
        x[:, :samples], y[:, :samples], x[:, samples:], y[:, samples:], SYMBOLS + 1, cross_entropy,
        Criterion("recalled", _recalled(seq_len), 0.5), last_step(cross_entropy), (SYMBOLS + 2,), per_step=True,
    )  # fmt: skip


def _recalled(seq_len: int) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda output, target: 1 - cross_entropy(output, target) / baseline(seq_len)


def _draw(seed: int, seq_len: int, total: int) -> tuple[Tensor, Tensor]:
    rng = generator(seed, "copy_memory")
    symbols = torch.randint(SYMBOLS, (total, COPIED), generator=rng, dtype=torch.uint8)
    x = torch.full((total, seq_len), BLANK, dtype=torch.uint8)
    y = x.clone()
    x[:, :COPIED] = symbols
    x[:, -COPIED - 1] = DELIMITER
    y[:, -COPIED:] = symbols
    return x.unsqueeze(2), y
