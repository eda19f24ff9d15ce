"""Initial weights against torch.nn.init and against the moments of the papers."""

from __future__ import annotations

import math

import pytest
import torch

from gradlab.components import INITS, Named
from gradlab.families.mlp.network import MLP
from gradlab.families.network import Architecture
from gradlab.nn.inits import initial_bias, initial_weight
from gradlab.nn.parameters import Start
from gradlab.streams import generator

ROWS, COLUMNS = 300, 500
REQUIRED = {"normal": {"std": 0.3}, "uniform": {"bound": 0.3}}
VARIANCE = {
    "xavier_uniform": 2 / (ROWS + COLUMNS), "xavier_normal": 2 / (ROWS + COLUMNS), "he_uniform": 2 / COLUMNS,
    "he_normal": 2 / COLUMNS, "lecun_normal": 1 / COLUMNS, "torch_default": 1 / (3 * COLUMNS),
    "orthogonal": 1 / COLUMNS, "normal": 0.09, "uniform": 0.03, "identity": 1 / COLUMNS,
    # of a matrix that is not square the largest singular value is scaled, for large ones sqrt(rows) + sqrt(columns)
    "spectral": 1 / (math.sqrt(ROWS) + math.sqrt(COLUMNS)) ** 2,
}  # fmt: skip
UNIFORM = ("xavier_uniform", "he_uniform", "torch_default", "uniform")


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
