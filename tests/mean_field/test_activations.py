"""The numpy twin of every registered activation against the function that is trained."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from gradlab.cell import Cell
from gradlab.components import ACTIVATIONS, Activation, Named
from gradlab.mean_field import NoPrediction, fixed_point, predict
from gradlab.mean_field.activations import NUMPY_ACTIVATIONS, numpy_activation
from gradlab.mean_field.quadrature import expect_pair, normal_nodes
from gradlab.nn.activations import activation, derivative

DIGITS = {"in_features": 64, "out_features": 10, "input_mean_square": 1.0}
OTHER = [
    Named("leaky_relu", (("negative_slope", 0.2),)), Named("prelu", (("start", -0.3),)),
    Named("elu", (("alpha", 0.5),)), Named("softplus", (("beta", 4.0),)), Named("sine", (("w0", 3.0),)),
    Named("hardtanh", (("min_val", -0.5), ("max_val", 2.0))),
    Named("celu", (("alpha", 0.25),)), Named("squareplus", (("b", 0.2),)), Named("softshrink", (("lambd", 0.1),)),
]  # fmt: skip


def as_named(value: str | Named) -> Named:
    return value if isinstance(value, Named) else Named(value)


@pytest.mark.parametrize("name", [*ACTIVATIONS, *OTHER], ids=str)
def test_a_twin_is_the_function_that_is_trained_or_there_is_no_prediction(name):
    """Value and slope, kinks left out."""
    named = as_named(name)
    if named.name not in NUMPY_ACTIVATIONS:
        prediction = predict(Cell(activation=named, lr=0.1), **DIGITS)
        assert f"activation {named.name}" in prediction.reason
        return
    phi, bound = numpy_activation(named), activation(named)
    x = np.concatenate([np.linspace(-30, 30, 1201) + 0.013, [-1e-6, 1e-6, 1e-3]])
    tensor = torch.tensor(x).view(1, 1, -1).requires_grad_()
    learned = None if bound.start is None else torch.full((1, 1), bound.start, dtype=torch.float64)
    y = bound(tensor, learned)
    np.testing.assert_allclose(phi.value(x), y.detach().numpy().ravel(), rtol=1e-9, atol=1e-9)
    # torch takes softplus for linear beyond 20, where its slope is 1 - 2e-9; its 1/6 of hardsigmoid is in float32
    rtol = 1e-7 if named.name == "hardsigmoid" else 1e-8
    np.testing.assert_allclose(phi.slope(x), derivative(y, tensor).numpy().ravel(), rtol=rtol, atol=1e-9)


@pytest.mark.parametrize("name", [*NUMPY_ACTIVATIONS, *OTHER], ids=str)
@pytest.mark.parametrize("variance", [1e-3, 1.0, 50.0])
def test_kinks_and_scale_are_declared(name, variance):
    """With all kinks at the edges of panels, twice the nodes change nothing."""
    phi = numpy_activation(as_named(name))
    few, many = normal_nodes(phi, variance), normal_nodes(phi, variance, 40)
    for function in (phi.value, phi.slope):
        assert few.mean(function(few.h) ** 2) == pytest.approx(many.mean(function(many.h) ** 2), rel=1e-11)


def test_a_registered_activation_without_a_twin_has_no_prediction(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "mine", Activation(torch.tanh, "my own"))
    cell = Cell(activation=Named("mine"), lr=0.1)
    for model in ("mlp", "rnn"):
        prediction = predict(dataclasses.replace(cell, model=Named(model), depth=1, seq_len=5), **DIGITS)
        assert prediction.reason == "there is no prediction for activation mine: it has no numpy twin"
        assert (prediction.log_grad_norm, prediction.bound) == (None, None)
    with pytest.raises(NoPrediction, match="mine"):
        fixed_point(Named("mine"), 1.0, 0.0)


def test_a_twin_is_all_that_an_activation_needs(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "mine", Activation(torch.tanh, "my own"))
    monkeypatch.setitem(NUMPY_ACTIVATIONS, "mine", NUMPY_ACTIVATIONS["tanh"])
    mine, tanh = (predict(Cell(activation=Named(name), lr=0.1), **DIGITS) for name in ("mine", "tanh"))
    assert mine.log_survival == tanh.log_survival is not None


@pytest.mark.parametrize("variance", [0.01, 1.0, 9.0])
@pytest.mark.parametrize("w0", [1.0, 5.0, 15.0])
def test_a_sine_has_its_closed_forms(w0, variance):
    """E sin²(w0 h) = (1 - e^{-2 w0² q})/2, E cos² with a plus, E sin(a) sin(b) = e^{-w0² q} sinh(w0² q c)."""
    phi, u = numpy_activation(Named("sine", (("w0", w0),))), w0**2 * variance
    nodes = normal_nodes(phi, variance)
    assert nodes.mean(phi.value(nodes.h) ** 2) == pytest.approx(-math.expm1(-2 * u) / 2, rel=1e-11)
    assert nodes.mean(phi.slope(nodes.h) ** 2) == pytest.approx(w0**2 * (1 + math.exp(-2 * u)) / 2, rel=1e-11)
    value, slope = expect_pair(phi, variance, 0.6)
    assert value == pytest.approx((math.exp(-0.4 * u) - math.exp(-1.6 * u)) / 2, rel=1e-9, abs=1e-13)
    assert slope == pytest.approx(w0**2 * (math.exp(-0.4 * u) + math.exp(-1.6 * u)) / 2, rel=1e-9, abs=1e-11)


def test_a_sine_too_fast_for_its_integrals_has_no_prediction():
    reason = predict(Cell(activation=Named("sine", (("w0", 500.0),)), lr=0.1), **DIGITS).reason
    assert reason.startswith("the activation goes through more than 100 periods")


def test_relu6_hardsigmoid_and_relu_squared_have_their_closed_forms():
    """Against P(0 < h < 6) = erf(6/√(2q))/2, P(|h| < 3)/36, and E[4 h²; h > 0] = 2q, 3q²/2."""
    q = 2.5
    for name, expected in (
        ("relu6", math.erf(6 / math.sqrt(2 * q)) / 2),
        ("hardsigmoid", math.erf(3 / math.sqrt(2 * q)) / 36),
        ("relu_squared", 2 * q),
    ):
        phi = numpy_activation(Named(name))
        nodes = normal_nodes(phi, q)
        assert nodes.mean(phi.slope(nodes.h) ** 2) == pytest.approx(expected, rel=1e-11)
    assert nodes.mean(phi.value(nodes.h) ** 2) == pytest.approx(1.5 * q**2, rel=1e-11)
