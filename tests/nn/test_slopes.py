"""The magnitude of an activation's slope against plain autograd, to the bit: probes count where it is zero."""

from __future__ import annotations

import pytest
import torch

from gradlab.components import ACTIVATIONS, Named
from gradlab.nn.activations import Activation, Mixture, activations

ONE_EACH = [["tanh", "relu", "sigmoid", "linear"], ["tanh", "gelu", "relu", "elu"]]


def inputs(replicas: int) -> torch.Tensor:
    """Ordinary values, saturated ones, zeros, infinities and NaN."""
    ordinary = torch.randn(replicas, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    values = [0.0, -0.0, 18.5, -18.9, 40, -800, torch.inf, -torch.inf, torch.nan, 1e-310]
    special = torch.tensor(values, dtype=torch.float64)
    return torch.cat([3 * ordinary, special.expand(replicas, 6, -1).mT], 1)


def expected(function: Activation | Mixture, x: torch.Tensor, learned: torch.Tensor | None) -> torch.Tensor:
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(function(leaf, learned).sum(), leaf)[0].abs()


@pytest.mark.parametrize("names", [*([name] for name in ACTIVATIONS), *ONE_EACH], ids=lambda names: " and ".join(names))
def test_the_magnitude_of_the_slope_is_autograds_to_the_bit(names):
    function = activations([Named(name) for name in names])
    x = inputs(len(names)).requires_grad_()
    learned = None if function.start is None else torch.full((len(names), 1), function.start, dtype=torch.float64)
    out = torch.empty_like(x)
    y = function(x, learned)
    magnitude = function.slope_magnitude(x, y, out)
    assert magnitude is out
    assert not magnitude.requires_grad
    torch.testing.assert_close(magnitude, expected(function, x.detach(), learned), rtol=0, atol=0, equal_nan=True)
    (again,) = torch.autograd.grad(y.sum(), x)  # the graph is still there for the gradient
    torch.testing.assert_close(again.abs(), magnitude, rtol=0, atol=0, equal_nan=True)
