"""What theory says beside the measured factor: closed forms, and measurements of wide networks.

Tolerances of means over n seeds are 3 sd/√n, with the scatter sd of one seed as it was simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gradlab as gl
from gradlab.modules.measuring.probe import measure
from gradlab.modules.theory.factors import log_theory_factors, theory_notes

SEEDS = 3
DEPTH = 20


def normal(layer: nn.Module, gain: float) -> nn.Module:
    """Draw the weights with variance gain²/fan_in, and no biases."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def convolutions(
    activation: type[nn.Module] | None, gain: float, padding_mode: str = "circular", norm: bool = False, axes: int = 2
) -> nn.Sequential:
    kind = {1: nn.Conv1d, 2: nn.Conv2d}[axes]
    layers: list[nn.Module] = []
    for _ in range(DEPTH):
        layers.append(normal(kind(64, 64, 3, padding=1, padding_mode=padding_mode), gain))
        layers += [nn.BatchNorm2d(64)] if norm else []
        layers += [activation()] if activation else []
    return nn.Sequential(*layers)


def decays(make: Callable[[], nn.Module], x: Tensor) -> tuple[float, float]:
    """Return the geometric means of the measured and of the predicted factors."""
    blocks = gl.probe(None, x, make=lambda seed: make(), seeds=SEEDS).blocks.iloc[1:]
    return math.exp(np.log(blocks["factor"]).mean()), math.exp(np.log(blocks["theory_factor"]).mean())


def images(samples: int = 8) -> Tensor:
    return torch.randn(samples, 64, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("activation", "variance", "factor", "sd"),
    [
        (nn.ReLU, 2.0, 1.0, 0.014),
        (nn.ReLU, 1.0, 0.707107, 0.014),
        (nn.ReLU, 1 / 3, 0.408248, 0.014),
        (None, 1 / 3, 0.577350, 0.003),
        (nn.Tanh, 1 / 3, 0.577350, 0.014),
        (nn.Sigmoid, 1.0, 0.236052, 0.014),
    ],
)
def test_convolutions(activation: type[nn.Module] | None, variance: float, factor: float, sd: float) -> None:
    measured, predicted = decays(lambda: convolutions(activation, math.sqrt(variance)), images())
    tolerance = 3 * sd / math.sqrt(SEEDS)
    assert math.log(measured / predicted) == pytest.approx(0, abs=tolerance)
    # the first blocks of tanh are not yet where its slope is 1: their product over 20 blocks is 0.9 (q_1 = 1/3)
    bias = 0.12 / DEPTH if activation is nn.Tanh else 0.0
    # the scale of 64 x 576 weights scatters by 0.4 %, its mean over 20 layers of 3 seeds by 0.05 %
    assert math.log(predicted / factor) == pytest.approx(0, abs=0.0015 + bias)


def test_batch_norm() -> None:
    measured, predicted = decays(lambda: convolutions(nn.ReLU, 1.0, norm=True), images(16))
    assert predicted == pytest.approx(math.sqrt(math.pi / (math.pi - 1)), rel=1e-3)
    assert math.log(measured / predicted) == pytest.approx(0, abs=3 * 0.003 / math.sqrt(SEEDS))


def test_zero_padding_takes_what_falls_on_it() -> None:
    torch.manual_seed(0)
    profile = measure(convolutions(nn.ReLU, math.sqrt(2), "zeros"), images())
    below = np.cumsum(log_theory_factors(profile)[:0:-1])
    gains = np.cumsum([math.log(use.gain**2 / 2) / 2 for use in profile.weight_uses[:0:-1]])
    shares = np.exp(below - gains)
    # g² ∝ 1ᵀ A^k 1 with the kernel A cut at the border, k blocks below the top, for 8 positions an axis
    cut = np.array([[abs(i - j) <= 1 for j in range(8)] for i in range(8)]) / 3
    for k in (1, 5, 10, 19):
        assert shares[k - 1] == pytest.approx(np.linalg.matrix_power(cut, k).sum() / 8, rel=1e-9)
    assert shares[[0, 4, 9]] == pytest.approx([0.9167, 0.7387, 0.5942], abs=5e-5)


class Branch(nn.Module):
    """x + V relu(W x), with a norm before the branch or after the add."""

    def __init__(self, width: int, place: str = "") -> None:
        super().__init__()
        self.first = normal(nn.Linear(width, 4 * width), math.sqrt(2))
        self.second = normal(nn.Linear(4 * width, width), 1.0)
        self.norm = nn.LayerNorm(width) if place else nn.Identity()
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.first(self.norm(x) if self.place == "before" else x).relu()) + x
        return self.norm(y) if self.place == "after" else y


@pytest.mark.parametrize(
    ("place", "survival", "sd"),
    [
        ("", math.sqrt(2) ** 11, 0.04),
        ("before", math.sqrt(13 / 2), 0.046),  # pre-LN: √((L + 1)/2)
        ("after", 1.0, 0.17),  # post-LN: the branch gives back what the norm divides away
    ],
)
def test_residual_blocks(place: str, survival: float, sd: float) -> None:
    x = torch.randn(2, 32, 256, generator=torch.Generator().manual_seed(1))
    measured, predicted = decays(lambda: nn.Sequential(*[Branch(256, place) for _ in range(12)]), x)
    assert 11 * math.log(measured / predicted) == pytest.approx(0, abs=3 * sd / math.sqrt(SEEDS))
    assert 11 * math.log(predicted) == pytest.approx(math.log(survival), abs=0.03)


class PreActivation(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels) for _ in range(2)])
        self.maps = nn.ModuleList(
            [
                normal(nn.Conv2d(channels, channels, 3, padding=1, padding_mode="circular", bias=False), math.sqrt(2))
                for _ in range(2)
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for norm, layer in zip(self.norms, self.maps, strict=True):
            y = layer(torch.relu_(norm(y)))
        return x + y


def test_a_pre_activation_resnet_with_batch_norm() -> None:
    blocks = 16
    measured, predicted = decays(lambda: nn.Sequential(*[PreActivation(64) for _ in range(blocks)]), images(16))
    # Π (1 + k/(1 + l/k)), k = π/(π - 1), of the squared norms
    expected = 1.9326
    assert (blocks - 1) * math.log(measured) == pytest.approx(
        expected, abs=3 * 0.0094 / math.sqrt(SEEDS) + 0.01 * expected
    )
    assert (blocks - 1) * math.log(predicted) == pytest.approx(expected, abs=0.02 * expected)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: nn.Sequential(nn.Linear(32, 32), nn.Softsign()), "Softsign"),
        (lambda: nn.Sequential(nn.Linear(32, 32), nn.Dropout(), nn.ReLU()), "does not come out of a map"),
        (lambda: nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(10).eval(), nn.ReLU()), "by running statistics"),
    ],
)
def test_no_prediction_has_a_reason(layer: Callable[[], nn.Module], reason: str) -> None:
    torch.manual_seed(0)
    profile = measure(nn.Sequential(*[layer() for _ in range(4)]), torch.randn(3, 10, 32))
    assert np.isnan(log_theory_factors(profile)).all()
    assert any(reason in note for note in theory_notes(profile)), theory_notes(profile)
    assert set(theory_notes(profile)) <= set(profile.notes)


def test_circular_padding_joins_nothing() -> None:
    torch.manual_seed(0)
    profile = measure(convolutions(nn.ReLU, 1.0), images(2))
    assert profile.rule == "from weight to weight"
    assert len(profile.blocks) == DEPTH


@pytest.mark.parametrize("groups", [1, 8, 32])
def test_group_norm(groups: int) -> None:
    def make() -> nn.Module:
        blocks = [
            [normal(nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular"), 1.0), nn.GroupNorm(groups, 64), nn.ReLU()]
            for _ in range(DEPTH)
        ]
        return nn.Sequential(*[layer for block in blocks for layer in block])

    measured, predicted = decays(make, images())
    assert math.log(measured / predicted) == pytest.approx(0, abs=3 * 0.009 / math.sqrt(SEEDS))
    if groups == 8:
        assert predicted == pytest.approx(1.093, abs=3 * 0.009 / 2)  # simulated with a scatter of 0.009, 4 seeds


def test_average_pooling_halves() -> None:
    torch.manual_seed(0)
    layers = [[normal(nn.Conv2d(64, 64, 1), math.sqrt(2)), nn.ReLU(), nn.AvgPool2d(2)] for _ in range(4)]
    profile = measure(nn.Sequential(*[layer for block in layers for layer in block]), torch.randn(4, 64, 32, 32))
    gains = np.array([use.gain**2 / 2 for use in profile.weight_uses[1:]])
    assert np.exp(log_theory_factors(profile)[1:]) / np.sqrt(gains) == pytest.approx(np.full(3, 0.5), rel=1e-3)
    measured = [
        below.log_grad_norm - above.log_grad_norm
        for below, above in zip(profile.blocks[:-1], profile.blocks[1:], strict=True)
    ]
    # 5/n of squared norms a block, of 64 units
    assert sum(measured) == pytest.approx(log_theory_factors(profile)[1:].sum(), abs=3 * math.sqrt(3 * 5 / 64) / 2)


@pytest.mark.parametrize("keep", [0.8, 0.5])
def test_dropout_in_training(keep: float) -> None:
    def make() -> nn.Module:
        layers = [[normal(nn.Linear(256, 256), math.sqrt(2)), nn.ReLU(), nn.Dropout(1 - keep)] for _ in range(DEPTH)]
        return nn.Sequential(*[layer for block in layers for layer in block])

    measured, predicted = decays(make, torch.randn(64, 256, generator=torch.Generator().manual_seed(1)))
    # the scale of 256 x 256 weights scatters by 0.3 %
    assert predicted == pytest.approx(keep**-0.5, rel=0.003)
    assert math.log(measured / predicted) == pytest.approx(0, abs=3 * 0.014 / math.sqrt(SEEDS))


class Scaled(nn.Module):
    """x + α γ (V relu(W x)) with a number α and a vector γ."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = normal(nn.Linear(width, 4 * width), math.sqrt(2))
        self.second = normal(nn.Linear(4 * width, width), 1.0)
        self.gamma = nn.Parameter(torch.full((width,), 2.0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.second(self.first(x).relu()) * self.gamma, alpha=0.5)


def test_scaled_adds() -> None:
    x = torch.randn(32, 256, generator=torch.Generator().manual_seed(1))
    measured, predicted = decays(lambda: nn.Sequential(*[Scaled(256) for _ in range(12)]), x)
    # α γ = 1: as without; the weights scatter by 0.2 %
    assert predicted == pytest.approx(math.sqrt(2), rel=0.003)
    assert math.log(measured / predicted) == pytest.approx(0, abs=3 * 0.04 / 11 / math.sqrt(SEEDS) + 0.002)


def test_max_pooling_is_refused() -> None:
    torch.manual_seed(0)
    layers = [[normal(nn.Conv2d(8, 8, 1), 1.0), nn.ReLU(), nn.MaxPool2d(2)] for _ in range(3)]
    profile = measure(nn.Sequential(*[layer for block in layers for layer in block]), torch.randn(2, 8, 16, 16))
    assert any("max pooling" in note for note in theory_notes(profile))
