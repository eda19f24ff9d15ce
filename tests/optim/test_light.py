"""Optimisers without torch._dynamo update as those of torch.optim do, to the bit."""

from __future__ import annotations

import pytest
import torch

from gradlab.components import OPTIMIZERS
from gradlab.optim.light import light

KINDS = sorted({component.load() for component in OPTIMIZERS.values()}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_update_and_the_state_are_those_of_the_class_itself(kind: type[torch.optim.Optimizer]) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(4, 5, generator=generator)
    ours, theirs = start.clone(), start.clone()
    optimizers = [light(kind)([{"params": [ours], "lr": 0.02}]), kind([{"params": [theirs], "lr": 0.02}])]
    for step in range(6):
        grad = torch.randn(4, 5, generator=generator)
        for values, optimizer in zip((ours, theirs), optimizers, strict=True):
            values.grad = grad.clone()
            optimizer.step()
        assert torch.equal(ours, theirs), step
        if step == 2:  # what is kept is taken up again
            optimizers[0].load_state_dict(optimizers[0].state_dict())
    kept = [optimizer.state_dict()["state"].get(0, {}) for optimizer in optimizers]
    assert kept[0].keys() == kept[1].keys()
    for name, value in kept[0].items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(kept[1][name])), name
    assert isinstance(optimizers[0], kind)


def test_a_class_of_the_user_stays_as_it_is() -> None:
    class Mine(torch.optim.SGD):
        pass

    assert light(Mine) is Mine
