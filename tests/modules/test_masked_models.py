"""Zeros that let no gradient through, and zeros that are no reason for one that is missing."""

from __future__ import annotations

import math

import pytest
import torch
from networks import WIDTH, Block, Net
from torch import Tensor, nn

import gradlab as gl


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(5))


def test_a_head_of_zeros_masks_what_is_below(x: Tensor) -> None:
    model = Net()
    nn.init.zeros_(model.readout.weight)
    result = gl.probe(model, x)
    assert result.verdict == "masked"
    assert result.result.profiles[0].head.zero_weights == ("readout.weight",)
    with torch.no_grad():
        model.readout.weight.normal_()
        for parameter in model.blocks[3].parameters():
            parameter.zero_()
    assert gl.probe(model, x).verdict == "healthy"  # around a branch of zeros there is the skip


def test_dead_units_are_not_masked(x: Tensor) -> None:
    model = nn.Sequential(
        *[layer for _ in range(4) for layer in (nn.Linear(WIDTH, WIDTH), nn.ReLU())], nn.Linear(WIDTH, 3)
    )
    with torch.no_grad():
        model[4].bias.fill_(-100)
    result = gl.probe(model, x)
    assert result.verdict == "dead"
    assert result.result.profiles[0].blocks[2].dead == 1.0
    assert result.log10_survival == -math.inf


@pytest.mark.parametrize("scaled", ["norm", "vector", "number"])
def test_a_scale_of_zero_on_the_only_way_masks(scaled: str, x: Tensor) -> None:
    """A norm that starts at zero stands where a skip goes past it; at a stage without one nothing comes through."""

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(WIDTH)
            self.gain = nn.Parameter(torch.zeros(()) if scaled == "number" else torch.zeros(WIDTH))
            if scaled == "norm":
                nn.init.zeros_(self.norm.weight)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x) if scaled == "norm" else self.norm(x) * self.gain[None]

    model = Net()
    model.blocks[2].second = nn.Sequential(nn.Linear(WIDTH, WIDTH), Scaled())  # in a branch: the skip goes past it
    assert gl.probe(model, x).verdict == "healthy"
    model = Net(each=lambda block, x: block.scale(block(x)) if hasattr(block, "scale") else block(x))
    model.blocks[2].scale = Scaled()
    result = gl.probe(model, x)
    assert result.verdict == "masked"
    name = "blocks.2.scale.norm.weight" if scaled == "norm" else "blocks.2.scale.gain"
    assert name in result.result.report.causes[0].what
    assert result.blocks.log10_grad_norm.tolist()[:3] == [-math.inf] * 3


@pytest.mark.parametrize("zero", ["scale", "matrix"])
def test_zeros_in_a_branch_do_not_explain_dead_units(zero: str, x: Tensor) -> None:
    blocks = [Block() for _ in range(4)]
    if zero == "scale":
        blocks[2].second = nn.Sequential(nn.Linear(WIDTH, WIDTH), norm := nn.LayerNorm(WIDTH))
        nn.init.zeros_(norm.weight)
    else:
        nn.init.zeros_(blocks[2].second.weight)
    dead = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU())
    nn.init.constant_(dead[0].bias, -100.0)
    model = nn.Sequential(*blocks[:2], nn.Sequential(dead, blocks[2]), blocks[3])
    result = gl.probe(model, x, blocks=["0", "1", "2", "3"])
    assert result.blocks.log10_grad_norm.tolist()[:2] == [-math.inf] * 2
    assert result.verdict == "dead"


def test_zeros_beside_the_chain_are_not_said_to_mask_it(x: Tensor) -> None:
    """A condition that starts at zero is added; what ends the gradient is the readout."""

    class Conditioned(Net):
        def __init__(self) -> None:
            super().__init__()
            self.condition = nn.Linear(WIDTH, WIDTH)
            nn.init.zeros_(self.condition.weight)
            nn.init.zeros_(self.readout.weight)

        def forward(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                x = block(x)
            return self.readout(x + self.condition(torch.ones(WIDTH)))

    result = gl.probe(Conditioned(), x)
    assert result.verdict == "masked"
    assert result.result.report.causes[0].what.startswith("readout.weight is zero in every element")
