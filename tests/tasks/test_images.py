"""Images of noise: independent or smooth normal pixels, and classes that a shift does not change."""

from __future__ import annotations

import math

import pytest
import torch
from task_data import drawn
from torch import nn

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.training.loop import train_bank


def correlation(x: torch.Tensor, distance: int) -> float:
    """Mean product of two pixels of one row that far apart; `x` is `[M, C, H, W]`."""
    return float((x[..., distance:] * x[..., : x.shape[-1] - distance]).mean())


def test_white_images_have_independent_pixels():
    data = drawn("images")
    assert data.shape == (3, 8, 8)
    x = data.train_x[0].double().view(-1, 3, 8, 8)
    pixels = x.flatten(1)
    assert len(pixels) == 2048
    # each element of the covariance of n draws scatters by 1/sqrt(n), on the diagonal by sqrt(2/n)
    covariance = pixels.T @ pixels / len(pixels)
    off = covariance - torch.eye(192)
    assert float(off.fill_diagonal_(0).square().mean().sqrt()) == pytest.approx(1 / math.sqrt(2048), rel=0.05)
    assert float(pixels.square().mean()) == pytest.approx(1, abs=3 * math.sqrt(2 / pixels.numel()))


def test_smooth_images_are_interpolated_noise_of_variance_one_at_every_pixel():
    data = drawn("images", smooth=3, samples=8000)
    x = data.train_x[0].double().view(-1, 3, 8, 8)
    # 3x3 values stand behind the 8x8 pixels of a channel
    assert torch.linalg.matrix_rank(x[:, 0].flatten(1).float(), rtol=1e-4) == 9
    variance = x.square().mean((0, 1))
    assert float((variance - 1).abs().max()) < 5 * math.sqrt(2 / 24000)
    assert correlation(x, 1) > 0.8
    assert abs(correlation(x, 7)) < 3 * math.sqrt(1 / (24000 * 3))


def test_a_shift_leaves_the_class_as_it_is():
    """The teacher by torch.nn, its weights out of the same stream, on shifted images."""
    from gradlab.streams import generator

    data = drawn("images", samples=64, classes=5)
    rng = generator(0, "images")
    teacher = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1, padding_mode="circular", bias=False), nn.ReLU()).double()
    own, common = (torch.randn(32, 3, n, n, generator=rng, dtype=torch.float64) for n in (3, 1))
    teacher[0].weight.data = (own + common) / math.sqrt(54)
    readout = torch.randn(5, 32, generator=rng, dtype=torch.float64)
    x = torch.cat([data.train_x[0], data.test_x[0]]).double().view(-1, 3, 8, 8)
    y = torch.cat([data.train_y[0], data.test_y[0]])
    for shift in (0, 3):
        with torch.no_grad():
            outputs = teacher(x.roll((shift, 2 * shift), (2, 3))).mean((2, 3)) @ readout.T
        scores = (outputs - outputs[:64].mean(0)) / outputs[:64].std(0, correction=0)
        assert torch.equal(scores.argmax(1), y)


@pytest.mark.parametrize(("size", "smooth"), [(1, 1), (2, 5), (5, 2)])
def test_images_of_any_size(size, smooth):
    data = drawn("images", size=size, smooth=smooth, channels=2, samples=16)
    assert data.train_x.shape == (1, 16, 2 * size**2)
    assert torch.isfinite(data.train_x).all()


def test_an_mlp_learns_smooth_images():
    """Those that change over 3 pixels have 27 values each, few enough for its 2,048 samples."""
    task = Named("images", (("smooth", 3),))
    cells = [
        Cell(task=task, depth=2, width=64, activation=Named("relu"), init=Named("he_normal"), seed=seed, lr=3e-3,
             optimizer=Named("adam"), steps=300, batch_size=64)
        for seed in range(2)
    ]  # fmt: skip
    assert all(record.learned for record in train_bank(cells))
