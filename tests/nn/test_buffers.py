"""Memory that is written again: the same tensor for the same question, another one for another."""

from __future__ import annotations

import torch

from gradlab.nn.buffers import Buffers


def test_the_same_memory_comes_back_until_shape_or_type_change() -> None:
    buffers, like = Buffers(), torch.zeros(1)
    first = buffers.get("a", (2, 3), like)
    assert buffers.get("a", [2, 3], like) is first
    assert buffers.get(("a", 1), (2, 3), like) is not first
    assert buffers.get("a", (2, 4), like).shape == (2, 4)
    assert buffers.get("a", (2, 4), like.double()).dtype == torch.float64
    assert buffers.get("a", (2, 4), torch.zeros(1, device="meta")).device.type == "meta"
