"""Convolutional networks in plain torch, float64, with nothing of gradlab, against theory.

Tolerances of a mean of n seeds are 3 sd/√n with the scatter of one seed that theory gives, or where it gives none the
one that was simulated elsewhere, plus the stated bias.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradlab.mean_field.activations import NUMPY_ACTIVATIONS
from gradlab.mean_field.convolution_forms import BlockForm, plain_block, residual_block
from gradlab.mean_field.convolution_network import Batch, ConvolutionNetwork, convolution_profile, forward_pass
from gradlab.mean_field.group_norm import group_norm_chi, instance_norm_chi

PHI = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "linear": lambda x: x}
RELU = NUMPY_ACTIVATIONS["relu"]()


def profiles(
    seeds, *, channels=64, size=8, depth=20, samples=8, variance=2.0, activation="relu", padding="circular",
    head="flatten", norm=None, axes=2, kernel=3, alike=False,
):  # fmt: skip
    """Return ln g_l - ln g_L, `[seeds, L]`, of white data and a normal gradient at the top."""
    rows, border = [], (kernel // 2,) * (2 * axes)
    for seed in range(seeds):
        draw = torch.Generator().manual_seed(seed)

        def normal(*shape, draw=draw):
            return torch.randn(*shape, generator=draw, dtype=torch.float64)

        x = normal(samples, channels, *(1 if alike else size,) * axes).expand(samples, channels, *(size,) * axes)
        h = x.clone().requires_grad_()
        outputs = []
        for _ in range(depth):
            w = normal(channels, channels, *(kernel,) * axes) * math.sqrt(variance / (channels * kernel**axes))
            padded = F.pad(h, border, **({} if padding == "zeros" else {"mode": padding}))
            h = (F.conv1d if axes == 1 else F.conv2d)(padded, w)
            h = PHI[activation](h if norm is None else norm(h))
            outputs.append(h)
        top = normal(samples, channels, *(1 if head == "mean" else size,) * axes).expand(h.shape)
        gradients = torch.autograd.grad((h * top).sum(), outputs)
        rows.append([math.log(g.norm()) for g in gradients])
    log_g = np.array(rows)
    return log_g - log_g[:, -1:]


def predicted(
    *, channels=64, size=8, depth=20, samples=8, variance=2.0, activation="relu", padding="circular", head="flatten",
    axes=2, kernel=3, alike=False,
):  # fmt: skip
    """Return the mean of ln g_1 - ln g_L over seeds, and its standard deviation."""
    del alike
    form = BlockForm(NUMPY_ACTIVATIONS[activation](), variance, channels, (size,) * axes, kernel, padding)
    network = ConvolutionNetwork((plain_block(form),) * depth, Batch(samples), head)
    profile = convolution_profile(network, forward_pass(network))
    r = np.random.default_rng(0).normal(size=(2000, samples)) ** 2  # (x·δ)² of a gradient that knows nothing of x
    mean, sd = profile.over_seeds(channels, r.mean(1))
    return float(mean[0]), float(sd[0])


CASES = [
    {},
    {"padding": "zeros"},
    {"padding": "zeros", "size": 4},
    {"padding": "reflect"},
    {"padding": "replicate"},
    {"axes": 1},
    {"axes": 1, "padding": "zeros"},
    {"kernel": 5, "size": 8, "channels": 32},
    {"kernel": 1, "size": 4, "channels": 128},
    {"activation": "linear", "variance": 1 / 3},
    {"variance": 1 / 3},
    {"activation": "sigmoid", "variance": 1.0, "depth": 10},
]


def label(case):
    return "-".join(f"{key}={value}" for key, value in case.items()) or "plain"


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=label)
def test_the_mean_of_a_few_seeds(case):
    log_g = profiles(6, **case)[:, 0]
    mean, sd = predicted(**case)
    assert log_g.mean() == pytest.approx(mean, abs=3 * sd / math.sqrt(6))


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        {"head": "mean"},
        {"head": "mean", "padding": "zeros"},
        {"padding": "zeros"},
        {"size": 4},
        {"axes": 1},
        {"activation": "linear", "variance": 1.0, "channels": 24, "size": 4},
    ],
    ids=label,
)
def test_mean_and_scatter_of_many_seeds(case):
    """200 seeds: the mean to 3 sd/√n, the deviation to 3 of its own standard errors, 1/√(2n)."""
    log_g = profiles(200, **case)[:, 0]
    mean, sd = predicted(**case)
    assert log_g.mean() == pytest.approx(mean, abs=3 * sd / math.sqrt(200))
    assert log_g.std(ddof=1) / sd == pytest.approx(1, abs=3 / math.sqrt(400))


@pytest.mark.slow
def test_one_map_that_is_the_same_everywhere_is_a_fully_connected_network():
    """v = 5.1 of a single sample, to 12 %: a simulation of 200 seeds knows it to 10 %."""
    log_g = profiles(200, head="mean", size=4, samples=1, alike=True)[:, 0]
    assert 4 * log_g.var(ddof=1) * 64 / 19 == pytest.approx(5.1, rel=0.12 + 3 * 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["reflect", "replicate"])
def test_a_gradient_that_is_the_same_everywhere_grows_at_a_border_that_repeats(padding):
    """One tap reads one input for several outputs; their gradients add. At infinite width: 3.5 % and 4.7 % a block.

    The scatter is not known there; one seed's was simulated to be 0.30.
    """
    form = BlockForm(RELU, 2.0, 64, (8, 8), padding=padding)
    network = ConvolutionNetwork((plain_block(form),) * 20, Batch(2), "mean")
    profile = convolution_profile(network, forward_pass(network))
    log_g = profiles(24, samples=2, padding=padding, head="mean")[:, 0]
    assert log_g.mean() == pytest.approx(profile.log_grad_norm[0], abs=3 * 0.30 / math.sqrt(24))


def test_zero_padding_before_the_eigenvector():
    log_g = profiles(8, depth=21, samples=4, padding="zeros").mean(0)[::-1]
    for k, sd, value in ((1, 0.04, 0.9167), (5, 0.05, 0.7387), (10, 0.12, 0.5942), (20, 0.17, 0.3932)):
        assert log_g[k] == pytest.approx(math.log(value), abs=3 * sd / math.sqrt(8) + 0.8 / (4 * 64) * k)


@pytest.mark.parametrize(("groups", "sd"), [(1, 0.009), (8, 0.009), (64, 0.003)])
def test_group_and_instance_norm(groups, sd):
    log_g = profiles(4, norm=lambda h: F.group_norm(h, groups, eps=0.0))
    expected = np.log(group_norm_chi(64, 64, groups, 20)[1:]).mean() / 2
    assert log_g[:, 0].mean() / 19 == pytest.approx(expected, abs=3 * sd / math.sqrt(4))
    if groups == 64:  # but for the block at the top, which no norm stands above
        assert expected == pytest.approx(math.log(instance_norm_chi(64)) / 2, abs=1 / (64 * 19))


@pytest.mark.parametrize("smooth", [False, True])
def test_batch_norm(smooth):
    """Over samples, height and width: √(π/(π-1)), whatever the images."""
    torch.manual_seed(0)
    blocks, logs = 20, []
    for _ in range(4):
        noise = torch.randn(16, 3, 3, 3) if smooth else torch.randn(16, 3, 8, 8)
        x = F.interpolate(noise, size=(8, 8), mode="bicubic").double()
        outputs: list[Tensor] = []
        h = x
        for at in range(blocks):
            w = torch.randn(64, 3 if at == 0 else 64, 3, 3, dtype=torch.float64)
            h = F.conv2d(F.pad(h, (1, 1, 1, 1), mode="circular"), w)
            h = torch.relu(F.batch_norm(h, None, None, training=True, eps=1e-12)).requires_grad_()
            outputs.append(h)
        gradients = torch.autograd.grad((h * torch.randn_like(h)).sum(), outputs)
        logs.append((math.log(gradients[0].norm()) - math.log(gradients[-1].norm())) / (blocks - 1))
    form = BlockForm(RELU, 2.0, 64, (8, 8), padding="circular", norm="batch")
    network = ConvolutionNetwork((plain_block(form),) * 3)
    chi = convolution_profile(network, forward_pass(network)).chi[-1]
    assert np.mean(logs) == pytest.approx(math.log(chi) / 2, abs=3 * 0.003 / math.sqrt(4))


def residual_profile(seed: int, blocks: int, norm: bool, last_gain: float, samples: int) -> list[float]:
    draw = torch.Generator().manual_seed(seed)

    def convolution(x: Tensor, gain: float) -> Tensor:
        w = torch.randn(64, 64, 3, 3, generator=draw, dtype=torch.float64) * math.sqrt(gain / (64 * 9))
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), w)

    def active(x: Tensor) -> Tensor:
        return torch.relu(F.batch_norm(x, None, None, training=True, eps=1e-12) if norm else x)

    x = torch.randn(samples, 64, 8, 8, generator=draw, dtype=torch.float64).requires_grad_()
    outputs = []
    for _ in range(blocks):
        x = x + convolution(active(convolution(active(x), 2.0)), last_gain)
        outputs.append(x)
    top = torch.randn(x.shape, generator=draw, dtype=torch.float64)
    norms = [math.log(g.norm()) for g in torch.autograd.grad((x * top).sum(), outputs)]
    return [value - norms[-1] for value in norms]


def test_a_pre_activation_resnet_with_batch_norm():
    log_g = np.mean([residual_profile(seed, 16, True, 2.0, 16)[0] for seed in range(4)])
    assert log_g == pytest.approx(1.9326, abs=3 * 0.0094 / math.sqrt(4) + 0.01 * 1.9326)


def test_a_residual_network_without_norm():
    """One seed scatters by 0.14 over the 15 blocks (50 seeds; their mean was 3.040 ± 0.020)."""
    log_g = np.mean([residual_profile(seed, 16, False, 1.0, 8)[0] for seed in range(8)])
    form = BlockForm(RELU, 2.0, 64, (8, 8), padding="circular")
    network = ConvolutionNetwork((residual_block(form, last_gain=1.0),) * 16, Batch(8))
    profile = convolution_profile(network, forward_pass(network))
    assert log_g == pytest.approx(profile.log_grad_norm[0], abs=3 * 0.14 / math.sqrt(8))


@pytest.mark.parametrize(("depth", "survival", "sd"), [(30, 0.15480, 0.035), (100, 0.08446, 0.052)])
def test_delta_orthogonal_tanh(depth, survival, sd):
    logs = []
    for seed in range(5):
        torch.manual_seed(seed)
        x = torch.randn(4 * 16, 128, dtype=torch.float64)
        x = (x / x.square().mean(1, keepdim=True).sqrt()).requires_grad_()
        h = x
        for _ in range(depth):  # a kernel of one orthogonal matrix at its middle does the same at every position
            w = nn.init.orthogonal_(torch.empty(128, 128, dtype=torch.float64))
            h = torch.tanh(h @ w)
        top = torch.randn_like(h)
        (below,) = torch.autograd.grad((h * top).sum(), x)
        logs.append(math.log(below.norm() / top.norm()))
    assert np.mean(logs) == pytest.approx(math.log(survival), abs=3 * sd / math.sqrt(5))


@pytest.mark.parametrize(("kind", "factor"), [("average", 0.5), ("max", 1.0), ("global", 1 / 8)])
def test_pooling(kind, factor):
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64).requires_grad_()
    pools = {
        "average": lambda x: F.avg_pool2d(x, 2),
        "max": lambda x: F.max_pool2d(x, 2),
        "global": lambda x: x.mean((2, 3)),
    }
    y = pools[kind](x)
    top = torch.randn_like(y)
    (below,) = torch.autograd.grad((y * top).sum(), x)
    assert float(below.norm() / top.norm()) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(("mode", "factor"), [("fan_in", 1.0), ("fan_out", math.sqrt(0.5))])
def test_stride_and_width(mode, factor):
    logs = []
    for seed in range(12):
        torch.manual_seed(seed)
        layer = nn.Conv2d(16, 32, 3, stride=2, padding=1, padding_mode="circular", bias=False, dtype=torch.float64)
        nn.init.kaiming_normal_(layer.weight, mode=mode)
        x = torch.randn(8, 16, 8, 8, dtype=torch.float64).requires_grad_()
        y = torch.relu(layer(x))
        top = torch.randn_like(y)
        (below,) = torch.autograd.grad((y * top).sum(), x)
        logs.append(math.log(below.norm() / top.norm()))
    assert np.mean(logs) == pytest.approx(math.log(factor), abs=3 * 0.014 / math.sqrt(12))
