"""Initial weights against torch.nn.init and against the moments of the papers."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from gradlab.components import INITS, Named
from gradlab.families.mlp.network import MLP
from gradlab.families.network import Architecture
from gradlab.mean_field import NoPrediction
from gradlab.mean_field.inits import _VARIANCES as VARIANCES
from gradlab.mean_field.inits import weight_variance
from gradlab.nn.inits import CUT_DEVIATION, initial_bias, initial_weight
from gradlab.nn.parameters import Start
from gradlab.streams import generator

ROWS, COLUMNS = 300, 500
REQUIRED = {
    "normal": {"std": 0.3}, "uniform": {"bound": 0.3}, "truncated_normal": {"std": 0.3}, "constant": {"value": -0.3},
}  # fmt: skip
CUT = 0.7737413  # variance of a standard normal number between -2 and 2
VARIANCE = {
    "xavier_uniform": 2 / (ROWS + COLUMNS), "xavier_normal": 2 / (ROWS + COLUMNS), "he_uniform": 2 / COLUMNS,
    "he_normal": 2 / COLUMNS, "lecun_normal": 1 / COLUMNS, "torch_default": 1 / (3 * COLUMNS),
    "orthogonal": 1 / COLUMNS, "lecun_uniform": 1 / COLUMNS, "truncated_normal": 0.09 * CUT, "constant": 0.09,
    "normal": 0.09, "uniform": 0.03, "identity": 1 / COLUMNS,
    "delta_orthogonal": 1 / COLUMNS,
    # of a matrix that is not square the largest singular value is scaled, for large ones sqrt(rows) + sqrt(columns)
    "spectral": 1 / (math.sqrt(ROWS) + math.sqrt(COLUMNS)) ** 2,
}  # fmt: skip
UNIFORM = ("xavier_uniform", "he_uniform", "torch_default", "uniform", "lecun_uniform")


def draws(rows: int = ROWS, columns: int = COLUMNS) -> torch.Tensor:
    return torch.randn(rows, columns, generator=generator(3, "test"), dtype=torch.float64)


@pytest.mark.parametrize("gain", [1.0, 1.7])
@pytest.mark.parametrize("name", INITS)
def test_variance_and_shape_of_the_distribution(name, gain):
    """Mean square as stated; 150,000 draws put its relative error below 0.4 % (normal), so 2 % is five sigma."""
    params = tuple({**REQUIRED.get(name, {}), "gain": gain}.items())
    weight = initial_weight(Named(name, params), draws())
    assert float(weight.square().mean()) == pytest.approx(gain**2 * VARIANCE[name], rel=0.02)
    if name in UNIFORM:
        bound = math.sqrt(3 * VARIANCE[name]) * gain
        assert 0.999 * bound < float(weight.abs().max()) <= bound


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("xavier_normal", torch.nn.init.xavier_normal_),
        ("he_normal", torch.nn.init.kaiming_normal_),
        ("orthogonal", torch.nn.init.orthogonal_),
    ],
)
@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (50, 50)])
def test_equal_to_torch_nn_init_on_the_same_draws(name, theirs, shape):
    expected = theirs(torch.empty(shape, dtype=torch.float64), generator=generator(3, "test"))
    torch.testing.assert_close(initial_weight(Named(name), draws(*shape)), expected, rtol=1e-12, atol=1e-12)


KAIMING = {"relu": 0.0, "leaky_relu": 0.3, "tanh": 0.0, "selu": 0.0, "sigmoid": 0.0, "linear": 0.0}


@pytest.mark.parametrize("shape", [(40, 60), (60, 40)])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize(("nonlinearity", "a"), KAIMING.items())
def test_he_normal_is_kaiming_normal_of_torch_in_every_mode(nonlinearity, a, mode, shape):
    named = Named("he_normal", (("mode", mode), ("nonlinearity", nonlinearity), ("a", a)))
    expected = torch.nn.init.kaiming_normal_(
        torch.empty(shape, dtype=torch.float64),
        a=a,
        mode=mode,
        nonlinearity=nonlinearity,
        generator=generator(3, "test"),
    )
    torch.testing.assert_close(initial_weight(named, draws(*shape)), expected, rtol=1e-12, atol=0)
    uniform = initial_weight(Named("he_uniform", named.params), draws(*shape))
    bound = math.sqrt(3) * float((expected / draws(*shape))[0, 0])
    assert 0.99 * bound < float(uniform.abs().max()) < bound


WITH_A_FAN = [name for name, init in INITS.items() if "mode" in init.params]
NORMAL = [name for name, init in INITS.items() if "truncated" in init.params]


def test_every_init_with_a_fan_takes_a_mode_and_every_normal_one_a_truncation():
    assert set(WITH_A_FAN) == {
        f"{law}_{kind}" for law in ("xavier", "he", "lecun") for kind in ("normal", "uniform")
    } | {"torch_default"}
    assert set(NORMAL) == {"xavier_normal", "he_normal", "lecun_normal", "normal"}


@pytest.mark.parametrize("name", WITH_A_FAN)
def test_a_mode_changes_the_fan_alone(name):
    z = draws(40, 60)
    by_mode = {mode: initial_weight(Named(name, (("mode", mode),)), z) for mode in ("fan_in", "fan_out", "fan_avg")}
    torch.testing.assert_close(by_mode["fan_out"], math.sqrt(60 / 40) * by_mode["fan_in"], rtol=1e-12, atol=0)
    torch.testing.assert_close(by_mode["fan_avg"], math.sqrt(60 / 50) * by_mode["fan_in"], rtol=1e-12, atol=0)
    own = INITS[name].params["mode"].default
    assert torch.equal(initial_weight(Named(name), z), by_mode[own])


@pytest.mark.parametrize("name", NORMAL)
def test_a_truncated_init_has_the_variance_of_the_plain_one_and_nothing_far_out(name):
    """Keras' VarianceScaling: cut at two deviations of what is drawn, which are 2/0.8796 of what is left."""
    params = tuple(REQUIRED.get(name, {}).items())
    plain, cut = (initial_weight(Named(name, (*params, *more)), draws()) for more in ((), (("truncated", True),)))
    deviation = math.sqrt(VARIANCE[name])
    assert float(cut.square().mean()) == pytest.approx(VARIANCE[name], rel=0.01)
    assert 2.26 * deviation < float(cut.abs().max()) <= 2.2737 * deviation < float(plain.abs().max())
    assert torch.equal(cut.flatten().argsort(), plain.flatten().argsort()), "the same draws in the same order"


def test_truncated_normal_has_the_distribution_of_torch_and_scipy():
    """torch.nn.init.trunc_normal_ by the Kolmogorov-Smirnov distance (1 % level), and the exact moments of the law."""
    from scipy.stats import ks_2samp, kstest, truncnorm

    ours = initial_weight(Named("truncated_normal", (("std", 0.3),)), draws()).flatten()
    theirs = torch.nn.init.trunc_normal_(torch.empty(150_000), std=0.3, a=-0.6, b=0.6, generator=generator(4, "test"))
    assert ks_2samp(ours.numpy(), theirs.numpy()).pvalue > 0.01
    assert kstest(ours.numpy(), truncnorm(-2, 2, scale=0.3).cdf).pvalue > 0.01
    assert float(ours.abs().max()) <= 0.6
    assert truncnorm(-2, 2).std() == pytest.approx(CUT_DEVIATION, rel=1e-12)


@pytest.mark.parametrize("name", VARIANCES)
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
def test_theory_has_the_variance_of_every_init_that_it_knows(name, mode):
    """From 150,000 draws, to 2 %: five sigma."""
    params = REQUIRED.get(name, {}) | ({"mode": mode} if name in WITH_A_FAN else {})
    for more in [{}] + ([{"truncated": True}] if name in NORMAL else []) + (
        [{"nonlinearity": kind, "a": a} for kind, a in KAIMING.items()] if "a" in INITS[name].params else []
    ):  # fmt: skip
        named = Named(name, tuple({**params, **more}.items()))
        measured = float(initial_weight(named, draws()).square().mean())
        assert weight_variance(named, COLUMNS, ROWS) == pytest.approx(measured, rel=0.02)


def test_a_constant_init_is_torchs_and_is_not_random():
    weight = initial_weight(Named("constant", (("value", -0.25),)), draws(3, 5))
    assert torch.equal(weight, torch.nn.init.constant_(torch.empty(3, 5, dtype=torch.float64), -0.25))
    with pytest.raises(NoPrediction, match="constant weights are not random"):
        weight_variance(Named("constant", (("value", -0.25),)), 5, 5)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (50, 50)])
def test_orthogonal_is_orthonormal(shape):
    w = initial_weight(Named("orthogonal"), draws(*shape))
    gram = w @ w.T if shape[0] <= shape[1] else w.T @ w
    torch.testing.assert_close(gram, torch.eye(min(shape), dtype=torch.float64), rtol=0, atol=1e-12)


def test_torch_default_is_the_distribution_of_torch_nn_linear():
    """Weights and biases against torch.nn.Linear by the Kolmogorov-Smirnov distance (1 % level)."""
    from scipy.stats import ks_2samp

    torch.manual_seed(0)
    layer = torch.nn.Linear(100, 400)
    z = draws(400, 100)
    ours = initial_weight(Named("torch_default"), z)
    bias = initial_bias(Named("torch_default"), "auto", z[:, 0], 100)
    assert ks_2samp(ours.flatten().numpy(), layer.weight.detach().flatten().numpy()).pvalue > 0.01
    assert ks_2samp(bias.numpy(), layer.bias.detach().numpy()).pvalue > 0.01


def test_biases():
    z = draws()[0]
    assert not initial_bias(Named("he_normal"), "auto", z, 10).any()
    torch.testing.assert_close(initial_bias(Named("he_normal"), 0.2, z, 10), 0.2 * z)
    torch.testing.assert_close(initial_bias(Named("torch_default"), 0.2, z, 10), 0.2 * z)


def architecture(depth: int, width: int = 6) -> Architecture:
    return Architecture(
        Named("mlp"), 4, 3, depth, width, Named("tanh"), Named("none"), "pre_activation", "none", 1.0, 0.0
    )


def test_common_random_numbers():
    """One seed: inits are functions of the same draws; a deeper network starts with a shallower one's blocks."""
    starts = [
        Start(7, Named("he_normal"), 0.5),
        Start(7, Named("lecun_normal"), 0.5),
        Start(8, Named("he_normal"), 0.5),
    ]
    deep, shallow = MLP(architecture(5)), MLP(architecture(3))
    flat, less = deep.layout.initial(starts), shallow.layout.initial(starts)
    he, lecun, other = (deep.layout.views(flat)[2]["weight"][r] for r in range(3))
    torch.testing.assert_close(he, math.sqrt(2) * lecun)
    assert not torch.isclose(he, other).any()
    for block in range(3):
        for name in ("weight", "bias"):
            assert torch.equal(deep.layout.views(flat)[block][name], shallow.layout.views(less)[block][name])
    readout = deep.layout.views(flat)[5]["weight"]
    assert torch.equal(readout, shallow.layout.views(less)[3]["weight"])


def test_the_global_random_stream_is_left_alone():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    MLP(architecture(3)).layout.initial([Start(0, Named("orthogonal"), "auto")])
    assert torch.equal(torch.get_rng_state(), state)


KERNEL = (12, 8, 3, 3)


@pytest.mark.parametrize(
    ("name", "params", "reference"),
    [
        ("xavier_normal", {}, torch.nn.init.xavier_normal_),
        ("he_normal", {"mode": "fan_out"}, partial(torch.nn.init.kaiming_normal_, mode="fan_out")),
        ("he_normal", {}, torch.nn.init.kaiming_normal_),
    ],
)
def test_the_fans_of_a_convolution_are_those_of_torch(name, params, reference):
    z = torch.randn(64, 32, 3, 3, generator=generator(3, "test"), dtype=torch.float64)
    weight = initial_weight(Named(name, tuple(params.items())), z)
    expected = reference(torch.empty_like(z), generator=generator(4, "test"))
    # 18,432 normal numbers each: their deviations have a relative sd of 1/sqrt(2 n)
    assert float(weight.std() / expected.std()) == pytest.approx(1, abs=4 / math.sqrt(18432))


def test_an_orthogonal_convolution_is_torchs_of_the_same_draws():
    z = torch.randn(KERNEL, generator=generator(3, "test"), dtype=torch.float64)
    weight = initial_weight(Named("orthogonal"), z).flatten(1)
    torch.testing.assert_close(weight @ weight.T, torch.eye(12, dtype=torch.float64))


@pytest.mark.parametrize("kernel", [(3,), (3, 3), (5, 5)])
def test_a_delta_orthogonal_convolution_keeps_every_length(kernel):
    z = torch.randn(12, 8, *kernel, generator=generator(3, "test"), dtype=torch.float64)
    weight = initial_weight(Named("delta_orthogonal"), z)
    convolve = torch.nn.functional.conv1d if len(kernel) == 1 else torch.nn.functional.conv2d
    x = torch.randn(2, 8, *[7] * len(kernel), generator=generator(4, "test"), dtype=torch.float64)
    y = convolve(x, weight, padding=kernel[0] // 2)
    torch.testing.assert_close(y.square().sum(1), x.square().sum(1))


@pytest.mark.parametrize("kernel", [(3,), (3, 3)])
def test_the_identity_of_a_convolution_is_dirac(kernel):
    z = torch.zeros(8, 8, *kernel, dtype=torch.float64)
    torch.testing.assert_close(initial_weight(Named("identity"), z), torch.nn.init.dirac_(torch.empty_like(z)))
