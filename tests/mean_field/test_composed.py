"""A squashing function in place of a norm is one more nonlinearity: theory composes them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gradlab.cell import Cell
from gradlab.components import ACTIVATIONS, Named
from gradlab.mean_field import predict
from gradlab.mean_field.activations import NUMPY_ACTIVATIONS
from gradlab.mean_field.composed import squashed_activation
from gradlab.mean_field.quadrature import normal_nodes

DIGITS = {"in_features": 64, "out_features": 10, "input_mean_square": 1.0}
CELL = Cell(depth=12, width=64, lr=0.1, init=Named("lecun_normal"), activation=Named("linear"))


@pytest.mark.parametrize(("norm", "twin"), [("dyt", "tanh"), ("derf", "erf")])
@pytest.mark.parametrize("place", ["pre_activation", "post_activation"])
def test_with_a_linear_activation_it_is_the_network_of_the_squashing_function(norm, twin, place):
    squashed = dataclasses.replace(CELL, norm=Named(norm, (("alpha", 1.0),)), norm_position=Named(place))
    one, other = predict(squashed, **DIGITS), predict(dataclasses.replace(CELL, activation=Named(twin)), **DIGITS)
    assert one.log_survival == pytest.approx(other.log_survival, rel=1e-10)
    assert one.log_survival_sd == pytest.approx(other.log_survival_sd, rel=1e-9)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("name", NUMPY_ACTIVATIONS)
def test_kinks_are_declared_and_slopes_are_derivatives(name, before):
    """With all kinks at the edges of panels, twice the nodes change nothing; slopes by differences away from kinks."""
    activation = Named(name)
    assert not ACTIVATIONS[name].learned or name == "prelu"
    phi = squashed_activation(activation, Named("derf", (("alpha", 0.7), ("shift", 0.2))), before=before)
    few, many = normal_nodes(phi, 2.0), normal_nodes(phi, 2.0, 40)
    for function in (phi.value, phi.slope):
        assert few.mean(function(few.h) ** 2) == pytest.approx(many.mean(function(many.h) ** 2), rel=1e-9)
    x = np.linspace(-2, 2, 41) + 0.0137
    np.testing.assert_allclose(phi.slope(x), (phi.value(x + 1e-6) - phi.value(x - 1e-6)) / 2e-6, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("residual", ["pre_norm", "post_norm"])
def test_in_a_stream_there_is_no_prediction(residual):
    cell = dataclasses.replace(CELL, norm=Named("dyt"), residual=Named(residual))
    assert "not in a stream" in predict(cell, **DIGITS).reason
