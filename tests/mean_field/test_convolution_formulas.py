"""Convolutional networks at infinite width: closed forms, and numbers printed in papers and simulations elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradlab.mean_field.activations import NUMPY_ACTIVATIONS
from gradlab.mean_field.convolution_forms import BlockForm, plain_block, residual_block
from gradlab.mean_field.convolution_network import (
    Batch,
    ConvolutionNetwork,
    ConvolutionProfile,
    convolution_profile,
    forward_pass,
)
from gradlab.mean_field.group_norm import group_norm_chi, instance_norm_chi
from gradlab.mean_field.positions import (
    Window,
    gather_pairs,
    padding_factor,
    padding_profile,
    pooling_factor,
    reach,
    scatter_pairs,
)
from gradlab.mean_field.prediction import NoPrediction

RELU = NUMPY_ACTIVATIONS["relu"]()


def profile_of(blocks, **kwargs) -> ConvolutionProfile:
    network = ConvolutionNetwork(tuple(blocks), Batch(8), **kwargs)
    return convolution_profile(network, forward_pass(network))


@pytest.mark.parametrize(
    ("activation", "variance", "factor"),
    [
        ("relu", 2.0, 1.0),
        ("relu", 1.0, 0.707107),
        ("relu", 1 / 3, 0.408248),
        ("linear", 1 / 3, 0.577350),
        ("tanh", 1 / 3, 0.577350),
        ("sigmoid", 1.0, 0.236052),
    ],
)
@pytest.mark.parametrize(("sizes", "kernel"), [((8, 8), 3), ((16,), 3), ((8, 8), 1), ((8,), 5), ((4, 6), 3)])
def test_the_factor_of_a_block_is_that_of_a_fully_connected_one(activation, variance, factor, sizes, kernel):
    form = BlockForm(NUMPY_ACTIVATIONS[activation](), variance, 64, sizes, kernel, "circular")
    chi = profile_of([plain_block(form)] * 40).chi
    assert math.sqrt(chi[-1]) == pytest.approx(factor, abs=1e-6)  # the printed digits


@pytest.mark.parametrize(
    ("sizes", "factor"), [((4, 4), 0.872678), ((8, 8), 0.959795), ((32, 32), 0.996981), ((8,), 0.979691)]
)
def test_the_eigenvalue_of_zero_padding(sizes, factor):
    assert padding_factor(sizes) == pytest.approx(factor, abs=1e-6)
    closed = math.prod((1 + 2 * math.cos(math.pi / (size + 1))) / 3 for size in sizes)
    assert padding_factor(sizes) ** 2 == pytest.approx(closed, rel=1e-12)
    many = padding_profile(sizes, 400 if len(sizes) == 2 and sizes[0] < 32 else 4000)
    assert many[-1] / many[-2] == pytest.approx(closed, rel=1e-9)


def test_the_profile_before_the_eigenvector():
    assert np.sqrt(padding_profile((8, 8), 20))[[1, 5, 10, 20]] == pytest.approx(
        [0.9167, 0.7387, 0.5942, 0.3932], abs=5e-5
    )
    form = BlockForm(RELU, 2.0, 64, (8, 8))
    log_g = profile_of([plain_block(form)] * 21).log_grad_norm
    assert np.exp(2 * log_g)[::-1] == pytest.approx(padding_profile((8, 8), 20), rel=1e-12)


@pytest.mark.parametrize(("sizes", "kernel"), [((5, 3), 3), ((7,), 5), ((4, 4, 3), 3)])
def test_maps_that_are_not_square_and_other_kernels(sizes, kernel):
    """By counting: the taps of an output that fall inside the map, axis by axis."""
    shares = reach(Window(sizes, kernel)).sum(1).reshape(sizes)
    half = kernel // 2
    for at in np.ndindex(*sizes):
        inside = [min(size - 1, i + half) - max(0, i - half) + 1 for i, size in zip(at, sizes, strict=True)]
        assert shares[at] == pytest.approx(math.prod(inside) / kernel ** len(sizes))
    assert padding_profile(sizes, 1, kernel)[1] == pytest.approx(shares.mean())


@pytest.mark.parametrize("padding", ["circular", "reflect", "replicate"])
def test_other_paddings_keep_a_white_gradient(padding):
    form = BlockForm(RELU, 2.0, 64, (6, 5), padding=padding)
    assert profile_of([plain_block(form)] * 10).log_grad_norm == pytest.approx(np.zeros(10), abs=1e-12)


@pytest.mark.parametrize("padding", ["circular", "reflect", "replicate"])
def test_one_tap_that_reads_one_input_twice(padding):
    """A map of 4 positions, kernel 3, the same gradient 1 everywhere, one random weight a tap: (Σ over readers)²."""
    window = Window((4,), 3, 1, padding)
    pairs = scatter_pairs(window, np.ones((1, 4, 4)))[0]
    axis = window.axis(4)
    energy = sum(np.bincount(tap, minlength=4).astype(float) ** 2 for tap in axis) / 3
    assert np.diagonal(pairs) == pytest.approx(energy)
    assert (np.trace(pairs) / 4 > 1) == (padding != "circular")


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["zeros", "circular", "reflect", "replicate"])
@pytest.mark.parametrize("stride", [1, 2])
def test_gather_and_scatter_are_adjoint(padding, stride):
    window = Window((5, 4), 3, stride, padding)
    random = np.random.default_rng(0)
    below, above = math.prod(window.sizes), math.prod(window.above)
    left, right = random.normal(size=(2, below, below)), random.normal(size=(2, above, above))
    assert (gather_pairs(window, left) * right).sum() == pytest.approx((left * scatter_pairs(window, right)).sum())


def test_delta_orthogonal_linear_is_an_isometry():
    form = BlockForm(NUMPY_ACTIVATIONS["linear"](), 1.0, 64, (8, 8), delta_orthogonal=True)
    for padding in ("zeros", "circular", "reflect"):
        profile = profile_of(
            [plain_block(BlockForm(form.phi, 1.0, 64, (8, 8), 3, padding, delta_orthogonal=True))] * 60
        )
        assert profile.log_grad_norm == pytest.approx(np.zeros(60), abs=1e-13 * 60)
        assert profile.variance == pytest.approx(np.zeros(60), abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "survival"), [(30, 0.15480), (100, 0.08446), (1000, 0.02660)])
def test_delta_orthogonal_tanh(depth, survival):
    """Of the data against the last block, as Xiao et al. 2018 measure it: the first block's factor too."""
    form = BlockForm(NUMPY_ACTIVATIONS["tanh"](), 1.0, 128, (2, 2), delta_orthogonal=True)
    profile = profile_of([plain_block(form)] * depth)
    assert math.exp(profile.log_grad_norm[0]) * math.sqrt(profile.chi[0]) == pytest.approx(survival, abs=5e-6)


def test_batch_norm_over_samples_and_positions():
    form = BlockForm(RELU, 2.0, 64, (8, 8), padding="circular", norm="batch")
    assert np.sqrt(profile_of([plain_block(form)] * 10).chi[1:]) == pytest.approx(np.full(9, 1.211174), abs=1e-6)


def test_a_pre_activation_resnet_with_batch_norm():
    form = BlockForm(RELU, 2.0, 64, (8, 8), padding="circular", norm="batch")
    log_g = profile_of([residual_block(form)] * 16).log_grad_norm
    assert log_g[0] == pytest.approx(1.9326, abs=5e-5)
    k = math.pi / (math.pi - 1)
    assert 2 * log_g[0] == pytest.approx(sum(math.log1p(k / (1 + at / k)) for at in range(1, 16)), rel=1e-12)


def test_residual_blocks_without_norm():
    form = BlockForm(RELU, 2.0, 64, (8, 8), padding="circular")
    log_g = profile_of([residual_block(form, last_gain=1.0)] * 16).log_grad_norm
    assert log_g[0] / 15 == pytest.approx(math.log(1.5) / 2, rel=1e-12)


def test_fixup_keeps_the_gradient_exactly():
    form = BlockForm(RELU, 2.0, 64, (8, 8))
    for block in (residual_block(form, last_gain=0.0), residual_block(form, scale=0.0)):  # and SkipInit
        assert profile_of([block] * 16).log_grad_norm == pytest.approx(np.zeros(16), abs=1e-14)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("above", "below"), [(32, 16), (16, 64)])
def test_strides_and_widths(stride, above, below):
    for mode, gain, factor in (("fan_in", 2.0, 1.0), ("fan_out", 2.0 * below / above, math.sqrt(below / above))):
        form = BlockForm(RELU, gain, above, (8, 8), padding="circular", channels_below=below, stride=stride)
        assert math.sqrt(profile_of([plain_block(form)]).chi[0]) == pytest.approx(factor, rel=1e-12), mode


def test_pooling():
    assert pooling_factor("average", 2) == 0.5
    assert pooling_factor("max", 2) == 1.0
    assert pooling_factor("global", 7) == pytest.approx(1 / math.sqrt(49))
    assert pooling_factor("average", 2, dims=1) == pytest.approx(math.sqrt(0.5))
    form = BlockForm(RELU, 2.0, 64, (8, 8), padding="circular", average=2)
    assert math.sqrt(profile_of([plain_block(form)]).chi[0]) == pytest.approx(0.5, rel=1e-12)


def test_norms_over_the_channels_undo_the_size_that_zero_padding_makes():
    """One position more inside the map or not: its activations have variance 1 either way, so χ is that of the MLP."""
    form = BlockForm(RELU, 0.7, 64, (8, 8), padding="circular", norm="layer")
    assert profile_of([plain_block(form)] * 10).log_grad_norm == pytest.approx(np.zeros(10), abs=1e-12)


@pytest.mark.parametrize(("elements", "factor"), [(16, 1.260), (32, 1.233), (64, 1.222)])
def test_instance_norm_is_batch_norm_of_as_many_samples(elements, factor):
    """The factors of batch norm measured on the digits with batches of that size, to their printed digits."""
    assert math.sqrt(instance_norm_chi(elements)) == pytest.approx(factor, abs=1.5e-3)


def test_instance_norm_of_many_positions_is_batch_norm_of_a_large_batch():
    assert instance_norm_chi(10**7) == pytest.approx(math.pi / (math.pi - 1), rel=1e-6)


@pytest.mark.parametrize(("groups", "factor"), [(1, 1.023), (8, 1.093)])
def test_group_norm(groups, factor):
    chi = group_norm_chi(64, 64, groups, 20)[1:]
    assert np.log(chi).mean() / 2 == pytest.approx(math.log(factor), abs=3 * 0.009 / math.sqrt(4))


def test_group_norm_of_groups_of_one_channel_is_instance_norm():
    assert group_norm_chi(64, 25, 64, 4)[1:3] == pytest.approx(np.full(2, instance_norm_chi(25)), rel=1e-12)
    with pytest.raises(NoPrediction, match="has no mean"):
        instance_norm_chi(3)


def test_a_position_alone_is_a_fully_connected_network():
    """n Var η = 5 for relu (Hanin & Nica 2018), behind both heads; its mean falls by half of that."""
    form = BlockForm(RELU, 2.0, 1000, (1, 1), 1, "none")
    for head in ("mean", "flatten"):
        network = ConvolutionNetwork((plain_block(form),) * 11, Batch(1), head)
        profile = convolution_profile(network, forward_pass(network))
        assert 4 * profile.variance[0] == pytest.approx(10 * math.log1p(5 / 1000), rel=5 / 1000)  # the next order
        assert profile.shift[0] == pytest.approx(-profile.variance[0], rel=1e-9)


def test_white_data_scatter_less():
    """v of C Var ln g² a block: 0.7 to 0.8 for white inputs, to 12 %."""
    for size in (4, 8):
        form = BlockForm(RELU, 2.0, 64, (size, size), padding="circular")
        v = 4 * profile_of([plain_block(form)] * 20).variance[0] * 64 / 19
        assert 0.7 * 0.88 < v < 0.8 * 1.12
