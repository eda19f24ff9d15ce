"""Shaped activations by the maps of mean-field theory, whose quadrature is not the one that shapes them."""

from __future__ import annotations

import dataclasses
import math

import pytest

from gradlab import grid, spec
from gradlab.cell import Cell
from gradlab.components import ACTIVATIONS, Named
from gradlab.mean_field import predict
from gradlab.mean_field.activations import numpy_activation
from gradlab.mean_field.maps import chi, correlation_map, variance_map, variance_slope
from gradlab.shaping import deep_kernel_shape, rectifier_slope

DIGITS = {"in_features": 64, "out_features": 10, "input_mean_square": 1.0}


def after(phi, blocks: int, c: float) -> float:
    for _ in range(blocks):
        c = correlation_map(phi, 1.0, c, 1.0, 0.0)[0]
    return c


@pytest.mark.parametrize("length", [1, 8, 64])
@pytest.mark.parametrize("zeta", [1.05, 1.5])
@pytest.mark.parametrize("of", ACTIVATIONS["dks"].params["of"].choices)
def test_deep_kernel_shaping_meets_its_four_conditions(of, zeta, length):
    phi = numpy_activation(Named("dks", (("of", of), ("zeta", zeta), ("length", length))))
    assert variance_map(phi, 1.0, 1.0, 0.0) == pytest.approx(1, rel=1e-9)
    assert variance_slope(phi, 1.0, 1.0) == pytest.approx(1, rel=1e-9)
    assert correlation_map(phi, 1.0, 0.0, 1.0, 0.0)[0] == pytest.approx(0, abs=1e-9)
    assert chi(phi, 1.0, 1.0) ** max(length, 2) == pytest.approx(zeta, rel=1e-7)


@pytest.mark.parametrize("length", [16, 50, 200])
def test_a_tailored_rectifier_takes_orthogonal_inputs_to_eta(length):
    for eta in (0.5, 0.9):
        phi = numpy_activation(Named("tat", (("eta", eta), ("length", length))))
        assert variance_map(phi, 1.0, 1.0, 0.0) == pytest.approx(1, rel=1e-12)
        assert chi(phi, 1.0, 1.0) == pytest.approx(1, rel=1e-12), "critical"
        assert after(phi, length, 0.0) == pytest.approx(eta, abs=1e-6)


def test_a_short_network_keeps_relu_and_a_long_one_is_nearly_linear():
    assert rectifier_slope(0.9, 3) == 0
    assert 0.9 < rectifier_slope(0.9, 10_000) < 1
    with pytest.raises(ValueError, match="no shift and scale"):
        deep_kernel_shape(lambda x: x, lambda x: 0 * x + 1, 1.5)


@pytest.mark.parametrize("activation", [Named("tat", (("length", 50),)), Named("dks", (("length", 50),))], ids=str)
def test_theory_says_that_the_network_is_critical(activation):
    """Against relu and tanh with the same weights, which lose five decades and one."""
    cell = Cell(depth=50, width=256, lr=0.1, init=Named("lecun_normal"), activation=activation)
    shaped = predict(cell, **DIGITS)
    expected = 0.0 if activation.name == "tat" else 49 / 50 * math.log(1.5) / 2
    assert shaped.decay == pytest.approx(math.exp(expected / 49), abs=0.003)
    plain = predict(dataclasses.replace(cell, activation=Named("relu")), **DIGITS)
    assert plain.decay < 0.72


def test_the_length_is_that_of_the_network_where_a_spec_is_silent():
    text = "name: x\ngrid: {depth: [8, 30], activation: [tat, {dks: silu}, {name: tat, length: 5}]}"
    cells = grid.expand(spec.loads(text)).cells
    lengths = [(cell.depth, cell.activation.name, dict(cell.activation.params).get("length", 8)) for cell in cells]
    assert lengths == [
        (8, "tat", 8), (8, "dks", 8), (8, "tat", 5), (30, "tat", 30), (30, "dks", 30), (30, "tat", 5)
    ]  # fmt: skip
    (along,) = grid.expand(spec.loads("name: x\nmodel: rnn\nseq_len: 40\nactivation: dks")).cells
    assert dict(along.activation.params) == {"length": 40}
