"""The steps of docs/derivations.md against random networks in plain torch: the rows of benchmarks/derivations.py.

A row is simulated with its standard error; |z| < 4.5 is what one in some hundred thousand misses. The seeds are fixed.
"""

from __future__ import annotations

import pytest
from derivations import (
    DROPOUT,
    NORMS,
    PLAIN,
    SKIPS,
    Form,
    deep_network,
    means_of_units,
    one_block,
    radial,
    top_gradient,
    two_samples,
    whole_network,
)

pytestmark = pytest.mark.slow

EVERY = [*PLAIN, *SKIPS, *DROPOUT, *NORMS]
FEW = [
    Form("relu"), Form("tanh", orthogonal=True, sigma_b2=0.5), Form("relu", skip=True),
    Form("tanh", norm="layer", place="pre_activation"), Form("relu", norm="layer", place="input", skip=True),
    Form("tanh", norm="rms", place="stream", skip=True),
]  # fmt: skip
"""Each section's formulas with both activations, both kinds of weights, a skip and three places of a norm."""


def agree(rows) -> None:
    for row in rows:
        if not row.limit:
            assert abs(row.z) < 4.5, f"{row.what}: {row.simulated:.4f} ±{row.error:.4f}, theory {row.theory:.4f}"


@pytest.mark.parametrize("form", FEW, ids=str)
def test_the_noise_of_one_block(form):
    agree(one_block(form, 2000))


@pytest.mark.parametrize("form", [*FEW[:3], DROPOUT[0]], ids=str)
def test_gradients_of_two_samples(form):
    agree(two_samples(form, 2000))


@pytest.mark.parametrize("form", PLAIN[2:6], ids=str)
def test_means_over_units(form):
    agree(means_of_units(form, 3000))


@pytest.mark.parametrize("form", FEW[:4], ids=str)
def test_noise_along_the_depth(form):
    agree(deep_network(form, 400, width=32))


@pytest.mark.parametrize("form", FEW, ids=str)
def test_the_radial_component(form):
    agree(radial(form, 400))


@pytest.mark.parametrize(("outputs", "q"), [(1, 0.2), (2, 1.0), (10, 2.0)])
def test_the_gradient_of_the_loss(outputs, q):
    agree(top_gradient(outputs, q, 500))


@pytest.mark.parametrize("form", [*FEW, Form("relu", norm="rms", place="post_activation", skip=True)], ids=str)
def test_whole_networks(form):
    """Width 64 and depth 8: what the next order in 1/n leaves is below what 200 networks tell."""
    agree(whole_network(form, 200))


@pytest.mark.slow
@pytest.mark.parametrize("form", EVERY, ids=str)
def test_every_form_of_block(form):
    agree(one_block(form, 1500))
    agree(radial(form, 300))
    if form.norm == "none":
        agree(two_samples(form, 1500))


@pytest.mark.slow
@pytest.mark.parametrize("form", EVERY, ids=str)
def test_every_form_of_network(form):
    """The mean within 0.02 beside its error, and the scatter within a tenth: width 64 leaves the order 1/n²."""
    mean, scatter = whole_network(form, 300)
    assert abs(mean.simulated - mean.theory) < 4 * mean.error + 0.02
    assert abs(scatter.simulated / scatter.theory - 1) < 4 * scatter.error / scatter.theory + 0.1
