"""The two halves of the held-out samples: one to choose settings on, the other to judge what was chosen."""

from __future__ import annotations

import torch
from torch import Tensor

from gradlab.streams import generator

__all__ = ["held_out_halves"]


def held_out_halves(samples: int) -> tuple[Tensor, Tensor]:
    """Return the indices of the validation samples and of the test samples among M held-out ones, each ascending.

    They are disjoint and together all M; of an odd number the test half has one more. The order of held-out samples may
    mean something (classes by turns, the time of a text), so the halves are drawn: by M alone and not by a seed of a
    run, so that all seeds and all settings of a task are chosen and judged on the same samples.
    """
    order = torch.randperm(samples, generator=generator(0, "held_out_halves", samples))
    validation = samples // 2
    return order[:validation].sort().values, order[validation:].sort().values
