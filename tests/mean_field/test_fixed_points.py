"""The numbers that mean-field theory must reproduce: fixed points, factors, the order-to-chaos line, depth scales."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradlab.components import Named
from gradlab.mean_field import critical_bias, critical_weight, fixed_point, jacobian_spread
from gradlab.mean_field.activations import NUMPY_ACTIVATIONS, numpy_activation
from gradlab.mean_field.maps import chi, correlation_map, variance_map
from gradlab.mean_field.quadrature import normal_nodes

LEAKY = Named("leaky_relu", (("negative_slope", 0.2),))


def named(activation: str | Named) -> Named:
    return activation if isinstance(activation, Named) else Named(activation)


# The factor sqrt(chi) per block at the fixed point, sigma_b = 0, for sigma_w^2 = 2, 1 and 1/3. elu and selu at 1/3 end
# at q = 0, where the factor is sqrt(1/3 * (slope(0-)^2 + slope(0+)^2)/2).
SELU_AT_0 = math.sqrt((1.0507009873554805**2 + (1.0507009873554805 * 1.6732632423543772) ** 2) / 6)
FACTORS = [
    ("linear", 1.414214, 1.000000, 0.577350), ("relu", 1.000000, 0.707107, 0.408248),
    ("leaky_relu", 1.000050, 0.707142, 0.408269), (LEAKY, 1.019804, 0.721110, 0.416333),
    ("prelu", 1.030776, 0.728869, 0.420813), ("tanh", 1.051441, 1.0, 0.577350),
    ("erf", 1.094242, 1.008416, 0.651470), ("sigmoid", 0.317769, 0.236052, 0.141449),
    ("softplus", None, 0.537328, 0.294792), ("elu", None, 1.0, 0.577350),
    ("selu", None, 1.035169, SELU_AT_0), ("gelu", None, 0.500000, 0.288675), ("silu", None, 0.500000, 0.288675),
]  # fmt: skip


@pytest.mark.parametrize(("activation", "he", "xavier", "torch_default"), FACTORS, ids=lambda value: str(value))
def test_factor_per_block(activation, he, xavier, torch_default):
    for sigma_w2, expected in ((2.0, he), (1.0, xavier), (1 / 3, torch_default)):
        end = fixed_point(named(activation), sigma_w2, 0.0)
        if expected is None:
            assert end.factor is None
        else:
            assert end.factor == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(
    ("activation", "sigma_w2", "status", "q"),
    [
        ("relu", 2.0, "scale free", None), ("tanh", 1.0, "power law", 0.0), ("elu", 1.0, "power law", 0.0),
        ("softplus", 2.0, "drifts", None), ("elu", 2.0, "drifts", None), ("selu", 2.0, "diverges", None),
        ("gelu", 2.0, "unstable per seed", None), ("silu", 2.0, "unstable per seed", None),
        ("tanh", 2.0, "converges", 0.617965), ("sigmoid", 2.0, "converges", 0.555290),
        ("sigmoid", 1.0, "converges", 0.264687), ("softplus", 1.0, "converges", 0.856305),
        ("selu", 1.0, "converges", 1.0), ("tanh", 25 / 9, "converges", 1.178480), ("tanh", 1 / 3, "vanishes", 0.0),
    ],
)  # fmt: skip
def test_where_the_variance_ends(activation, sigma_w2, status, q):
    end = fixed_point(named(activation), sigma_w2, 0.0)
    assert end.status == status
    assert (end.q is None) == (q is None)
    if q is not None:
        assert end.q == pytest.approx(q, abs=6e-7)


def test_the_gain_that_torch_recommends_for_tanh_explodes_slowly():
    end = fixed_point(Named("tanh"), (5 / 3) ** 2, 0.0)
    assert end.factor == pytest.approx(1.099923, abs=6e-7)
    assert end.phase == "chaotic"


G30 = {
    "linear": 1.0, "relu": 3.05176e-5, "leaky_relu": 3.05634e-5, "prelu": 7.57677e-5, "tanh": 0.154802,
    "erf": 0.587118, "sigmoid": 1.38227e-19, "softplus": 8.19638e-9, "elu": 0.0963850, "selu": 2.82058,
    "gelu": 1.94463e-9, "silu": 1.37736e-9,
}  # fmt: skip


@pytest.mark.parametrize("name", G30)
def test_survival_over_thirty_maps(name):
    phi, q, log_g2 = numpy_activation(Named(name)), 1.0, 0.0
    for _ in range(30):
        log_g2 += math.log(chi(phi, q, 1.0))
        q = variance_map(phi, q, 1.0, 0.0)
    assert math.exp(log_g2 / 2) == pytest.approx(G30[name], rel=6e-6)


@pytest.mark.parametrize(
    ("sigma_b2", "sigma_w2", "q"), [(0.05, 1.760955, 0.570048), (0.1, 1.986073, None), (0.2, 2.285152, None)]
)
def test_the_order_to_chaos_line_of_tanh_both_ways(sigma_b2, sigma_w2, q):
    point = critical_weight(Named("tanh"), sigma_b2)
    assert point.sigma_w2 == pytest.approx(sigma_w2, abs=6e-7)
    if q is not None:
        assert point.q == pytest.approx(q, abs=6e-7)
    back = critical_bias(Named("tanh"), point.sigma_w2)
    assert back.sigma_b2 == pytest.approx(sigma_b2, rel=1e-9)
    assert fixed_point(Named("tanh"), point.sigma_w2, sigma_b2).phase == "critical"


def test_erf_is_critical_at_a_quarter_of_pi():
    assert critical_weight(Named("erf"), 0.0).sigma_w2 == pytest.approx(math.pi / 4, rel=1e-12)


@pytest.mark.parametrize(
    ("sigma_w2", "xi_c"), [(1.0, 3.6270), (1.3, 7.8341), (1.5, 15.7910), (2.0, 25.2134), (3.0, 9.0515), (4.0, 6.9803)]
)
def test_depth_scale_of_correlations_in_tanh(sigma_w2, xi_c):
    assert fixed_point(Named("tanh"), sigma_w2, 0.05).xi_c == pytest.approx(xi_c, abs=6e-5)


@pytest.mark.parametrize(
    ("activation", "orthogonal", "spread"),
    [("linear", False, 10), ("linear", True, 0), ("relu", False, 20), ("relu", True, 10)],
)
def test_spread_of_the_jacobians_singular_values(activation, orthogonal, spread):
    assert jacobian_spread(Named(activation), 10, orthogonal=orthogonal) == pytest.approx(spread, abs=1e-10)


@pytest.mark.parametrize("q", [1e-10, 1e-3, 0.1, 1.0, 30.0, 1e4])
def test_quadrature_against_closed_forms(q):
    """erf: Williams 1997; ReLU: the arc-cosine kernels of Cho & Saul 2009, at correlation c."""
    erf, relu = numpy_activation(Named("erf")), numpy_activation(Named("relu"))
    assert variance_map(erf, q, 1.0, 0.0) == pytest.approx(2 / math.pi * math.asin(2 * q / (1 + 2 * q)), rel=1e-10)
    assert chi(erf, q, 1.0) == pytest.approx(4 / (math.pi * math.sqrt(1 + 4 * q)), rel=1e-10)
    assert variance_map(relu, q, 1.0, 0.0) == pytest.approx(q / 2, rel=1e-10)
    assert chi(relu, q, 1.0) == pytest.approx(0.5, rel=1e-10)
    for c in (-0.9, -0.2, 0.3, 0.8, 0.999):
        value, slope = correlation_map(relu, q, c, 2.0, 0.0)
        angle = math.acos(c)
        assert value == pytest.approx((math.sin(angle) + (math.pi - angle) * c) / math.pi, abs=1e-9)
        assert slope == pytest.approx((math.pi - angle) / math.pi, abs=1e-9)
        product = 2 / math.pi * math.asin(2 * q * c / (1 + 2 * q)) / variance_map(erf, q, 1.0, 0.0)
        assert correlation_map(erf, q, c, 1.0, 0.0)[0] == pytest.approx(product, abs=1e-9)


def test_expectations_are_normalised():
    for name in NUMPY_ACTIVATIONS:
        for q in (1e-12, 1.0, 2500.0 if name == "sine" else 1e6):  # beyond, a sine's periods are not resolved
            nodes = normal_nodes(numpy_activation(Named(name)), q)
            assert nodes.mean(np.ones_like(nodes.h)) == pytest.approx(1, abs=1e-12)
            assert nodes.mean(nodes.h**2) == pytest.approx(q, rel=1e-11)
