"""The temporal order problem (Hochreiter & Schmidhuber 1997, experiment 6a): X or Y early on, X or Y later, which were
they? All else is noise, apart from the letter that begins a sequence and the one that ends it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.streams import generator
from gradlab.tasks.base import ACCURACY, Criterion, Data, classification

__all__ = ["BEGIN", "END", "HELD_OUT", "NOISE", "load"]

NOISE, BEGIN, END = 4, 6, 7
"""Letters: 0 to 3 are noise, 4 and 5 are X and Y."""

HELD_OUT = 256
"""Test sequences of each seed."""


def load(seeds: Sequence[int], seq_len: int, samples: int) -> Data:
    """Return sequences of indices `[S, M, T, 1]` and one of 4 classes each, `[S, M]`: XX, XY, YX, YY.

    The first of the two letters stands between T/10 and T/5, the second between T/2 and 3T/5. Learned: a test
    accuracy of at least 0.9; knowing only the later letter comes to a half.
    """
    datasets = [_draw(seed, seq_len, samples + HELD_OUT) for seed in seeds]
    x, y = (torch.stack(part) for part in zip(*datasets, strict=True))
    criterion: Criterion = ACCURACY(0.9)
    parts = (x[:, :samples], x[:, samples:]), (y[:, :samples], y[:, samples:])
    return classification(*parts, 4, criterion, vocabulary=(NOISE + 4,))


def _draw(seed: int, seq_len: int, total: int) -> tuple[Tensor, Tensor]:
    rng = generator(seed, "temporal_order")
    x = torch.randint(NOISE, (total, seq_len), generator=rng, dtype=torch.uint8)
    x[:, 0], x[:, -1] = BEGIN, END
    letters = torch.randint(2, (total, 2), generator=rng)
    tenth = seq_len / 10
    spans = [(max(round(tenth), 1), round(2 * tenth)), (round(5 * tenth), round(6 * tenth))]
    positions = torch.stack([torch.randint(low, max(high, low + 1), (total,), generator=rng) for low, high in spans], 1)
    x.scatter_(1, positions, (NOISE + letters).to(torch.uint8))
    return x.unsqueeze(2), 2 * letters[:, 0] + letters[:, 1]
