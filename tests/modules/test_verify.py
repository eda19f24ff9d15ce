"""A profile against plain autograd: that they agree, and that a difference is seen."""

from __future__ import annotations

import math

import pytest
import torch
from networks import WIDTH, Net
from torch import Tensor, nn

import gradlab as gl


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(5))


def sigmoids(depth: int) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(WIDTH, WIDTH), nn.Sigmoid())]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 3))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.readout = nn.RNN(WIDTH, WIDTH, batch_first=True), nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.rnn(x.expand(9, *x.shape).transpose(0, 1))[0][:, -1])  # type: ignore[no-any-return]


class Detached(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.blocks[1](self.blocks[0](x).detach()))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("model", "blocks"),
    [(Net(), "auto"), (Net(), "cuts"), (sigmoids(6), "auto"), (Recurrent(), "auto"), (Detached(), "weights")],
    ids=["in place", "cuts", "plain", "replayed steps", "detached"],
)
def test_plain_autograd_agrees(model: nn.Module, blocks: str, x: Tensor) -> None:
    assert gl.probe(model, x, blocks=blocks).verify() < 1e-10


def test_what_is_rescaled_on_the_way_agrees_where_plain_autograd_reaches(x: Tensor) -> None:
    probed = gl.probe(sigmoids(700), x)  # rescaled twice, and beyond the range at the bottom
    assert probed.blocks["log10_grad_norm"].iloc[0] < -330
    assert 0 < probed.verify() < 1e-9


def test_a_model_that_has_changed_differs(x: Tensor) -> None:
    model = Net()
    probed = gl.probe(model, x)
    with torch.no_grad():
        model.readout.weight.mul_(2)
    assert probed.verify() == pytest.approx(math.log(2), abs=1e-10)
    model.blocks.append(nn.Identity())
    del model.blocks[2]
    with pytest.raises(gl.UsageError, match="other blocks than when it was measured"):
        probed.verify()


def test_the_model_of_a_seed_is_built_again_and_draws_nothing(x: Tensor) -> None:
    state = torch.get_rng_state()
    probed = gl.probe(make=lambda seed: Net(), batch=x, seeds=2)
    assert probed.verify() < 1e-10
    assert torch.equal(torch.get_rng_state(), state)
