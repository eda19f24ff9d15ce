"""Overflow, underflow and division by zero: no exception, no NaN, no warning (they are errors here), but a reason."""

from __future__ import annotations

import contextlib
import dataclasses
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.mean_field import (
    NoPrediction,
    Prediction,
    critical_bias,
    critical_weight,
    fixed_point,
    fixed_point_of,
    jacobian_spread,
    predict,
)
from gradlab.mean_field.activations import NUMPY_ACTIVATIONS
from gradlab.mean_field.inputs import Inputs
from gradlab.mean_field.loss_gradient import loss_gradient

EXTREMES = [
    5e-324, 1e-310, 1e-200, 1e-155, 1e-100, 1e-30, 1e-8, 0.1, 0.5, 1.0, 1.5, 2.0, 30.0, 1e8, 1e30, 1e60, 1e100,
    1e155, 1e200, 1.7e308,
]  # fmt: skip
POSITIVE = st.floats(0.3, 3) | st.floats(0.3, 3) | st.floats(1e-6, 1e6) | st.sampled_from(EXTREMES)
NON_NEGATIVE = POSITIVE | POSITIVE | st.just(0.0)
ANY = NON_NEGATIVE | POSITIVE.map(lambda value: -value)
PARAMETERS = {
    "leaky_relu": {"negative_slope": ANY}, "prelu": {"start": ANY}, "elu": {"alpha": NON_NEGATIVE},
    "softplus": {"beta": POSITIVE},
}  # fmt: skip


@st.composite
def named(draw, name: str, **params: st.SearchStrategy) -> Named:
    return Named(name, tuple(sorted((key, draw(value)) for key, value in params.items())))


ACTIVATIONS = st.sampled_from(sorted(NUMPY_ACTIVATIONS)).flatmap(lambda name: named(name, **PARAMETERS.get(name, {})))
INITS = st.one_of(
    *(named(name, gain=POSITIVE) for name in ("he_normal", "orthogonal", "xavier_uniform", "torch_default")),
    named("normal", std=NON_NEGATIVE, gain=POSITIVE),
    named("uniform", bound=NON_NEGATIVE),
)
RECURRENT_INITS = INITS | named("identity", gain=POSITIVE) | named("spectral", radius=POSITIVE, gain=POSITIVE)
EPS = st.sampled_from([0.0, 1e-5, 1.0, 1e30, 5e-324, 1e200])
NORMS = st.just(Named("none")) | st.sampled_from(["layer", "rms", "batch"]).flatmap(lambda name: named(name, eps=EPS))
SIZES = st.sampled_from([1, 2, 3, 10, 1000, 10**6])
FEED_FORWARD = st.builds(
    Cell,
    activation=ACTIVATIONS, init=INITS, bias_std=NON_NEGATIVE | st.just("auto"), norm=NORMS, depth=st.integers(1, 40),
    norm_position=st.sampled_from([Named("pre_activation"), Named("post_activation")]), width=SIZES,
    residual=st.sampled_from([Named(name) for name in ("none", "add", "pre_norm", "post_norm")]),
    residual_scale=ANY | st.sampled_from(["1/sqrt(depth)", "learned_zero"]), probe_batch_size=SIZES, lr=st.just(0.1),
    dropout=st.sampled_from([0.0, 0.3, 1 - 2**-53, 5e-324]),
)  # fmt: skip
ALONG_TIME = st.builds(
    Cell,
    model=st.one_of(
        named("rnn", input_gain=NON_NEGATIVE), named("gru", input_gain=st.just(0.0)),
        named("lstm", input_gain=st.just(0.0), forget_bias=ANY),
    ),
    activation=ACTIVATIONS, init=RECURRENT_INITS, bias_std=NON_NEGATIVE | st.just("auto"), depth=st.just(1),
    width=st.sampled_from([1, 2, 9]), seq_len=st.integers(1, 40), lr=st.just(0.1),
)  # fmt: skip
INPUTS = st.builds(
    Inputs, SIZES, st.sampled_from([1, 2, 10]), POSITIVE | st.sampled_from([0.0, -1.0, math.nan, math.inf])
)


def check(prediction: Prediction) -> None:
    numbers = {
        field.name: getattr(prediction, field.name)
        for field in dataclasses.fields(prediction)
        if field.name not in ("reason", "note")
    }
    for name, value in numbers.items():
        assert value is None or not np.isnan(value).any(), name
        assert value is None or name == "reach" or np.isfinite(value).all(), name
    assert bool(prediction.reason) == (prediction.log_survival is None)
    assert "Traceback" not in prediction.reason


@given(FEED_FORWARD, INPUTS)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_feed_forward_networks_with_extreme_settings(cell, inputs):
    check(predict(cell, in_features=inputs.in_features, out_features=inputs.out_features,
                  input_mean_square=inputs.mean_square))  # fmt: skip
    fixed_point_of(cell, inputs)


@given(ALONG_TIME, INPUTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_recurrent_networks_with_extreme_settings(cell, inputs):
    check(predict(cell, in_features=inputs.in_features, out_features=inputs.out_features,
                  input_mean_square=inputs.mean_square))  # fmt: skip
    fixed_point_of(cell, inputs)


@pytest.mark.slow
@given(ACTIVATIONS, NON_NEGATIVE, NON_NEGATIVE)
@settings(max_examples=150, deadline=None)
def test_fixed_points_and_critical_lines_at_extreme_variances(activation, sigma_w2, sigma_b2):
    for function, arguments in (
        (fixed_point, (sigma_w2, sigma_b2)), (critical_weight, (sigma_b2,)), (critical_bias, (sigma_w2,)),
    ):  # fmt: skip
        with contextlib.suppress(NoPrediction):
            point = function(activation, *arguments)
            for field in dataclasses.fields(point) if point is not None else ():
                value = getattr(point, field.name)
                assert field.name == "q" or not (isinstance(value, float) and math.isnan(value)), field.name
    with contextlib.suppress(NoPrediction):
        assert math.isfinite(jacobian_spread(activation, 10, orthogonal=True, q=sigma_w2 or 1.0))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bias_std": 1e200}, "leaves the range of float64"),
        ({"bias_std": 1e100}, "variance of the biases is 1e+200"),
        ({"residual": Named("add"), "residual_scale": 1e200}, "leaves the range of float64"),
        ({"init": Named("normal", (("std", 1e300),))}, "leaves the range of float64"),
        ({"init": Named("normal", (("std", 1e-200),))}, "variance of the weights rounds to 0"),
        ({"norm": Named("layer", (("eps", 1e300),))}, "eps of the norm is 1e+300"),
    ],
    ids=str,
)  # fmt: skip
def test_the_reason_names_what_is_out_of_range(settings, words):
    prediction = predict(Cell(lr=0.1, **settings), in_features=64, out_features=10, input_mean_square=1.0)
    assert words in prediction.reason
    assert prediction.log_survival is None


@pytest.mark.parametrize("square", [1e-50, 1e-20, 1.0, 1e20, 1e50])
def test_scale_free_networks_do_not_depend_on_the_scale_of_inputs(square):
    """Between its limits theory loses nothing to underflow: relu without biases at any scale of its inputs.

    With one output of vanishing or overwhelming size the loss sees the target or the output alone, so what is compared
    is the profile at infinite width and the scatter of a wide network.
    """
    cell = Cell(depth=12, width=10**6, lr=0.1)
    inputs = {"in_features": 64, "out_features": 1}
    scaled, unit = (predict(cell, **inputs, input_mean_square=value) for value in (square, 1.0))
    assert scaled.log_survival == pytest.approx(unit.log_survival, abs=1e-4)
    assert scaled.log_survival_sd == pytest.approx(unit.log_survival_sd, rel=0.02)


def test_many_outputs_take_fewer_draws_and_too_many_none(monkeypatch):
    monkeypatch.setattr("gradlab.mean_field.loss_gradient._ELEMENTS", 2**16)
    loss_gradient.cache_clear()
    few, many = (loss_gradient(outputs, 1.0, 0.2, 128, 0.1) for outputs in (4, 900))
    assert (len(few.radial), len(many.radial)) == (512, 36)
    assert many.radial.mean() == pytest.approx(1.97, abs=0.6)  # 512 networks of 32 samples: 1.9688
    with pytest.raises(NoPrediction, match="fewer outputs than 2,000"):
        loss_gradient(2000, 1.0, 0.2, 128, 0.1)
