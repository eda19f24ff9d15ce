"""The hyperbolic tangent of training: within two units in the last place, whatever lies beside a number."""

from __future__ import annotations

import math

import pytest
import torch

from gradlab.components import Named
from gradlab.nn.activations import activation
from gradlab.nn.hyperbolic import tanh

EDGES = [0.0, -0.0, 1e-45, 1e-38, 1e-8, 1e-4, 0.5, 1.0, 8.9, 9.1, 20.0, 1e30, math.inf, -math.inf, math.nan]


def test_float32_is_within_two_units_in_the_last_place() -> None:
    x = torch.cat([torch.tensor(EDGES), torch.randn(100_000, generator=torch.Generator().manual_seed(0)) * 4])
    y, exact = tanh(x, torch.empty_like(x)), torch.tanh(x.double())
    spacing = torch.nextafter(exact.float().abs(), torch.tensor(math.inf)).double() - exact.float().abs().double()
    assert bool(((y.double() - exact).abs() <= 2 * spacing)[~exact.isnan()].all())
    assert torch.equal(y.isnan(), x.isnan())
    assert torch.equal(y[0:1].signbit(), torch.tensor([False]))
    assert torch.equal(y[1:2].signbit(), torch.tensor([True]))


def test_a_number_does_not_depend_on_its_neighbours() -> None:
    x = torch.randn(3, 7, 33, generator=torch.Generator().manual_seed(1))
    whole = tanh(x, torch.empty_like(x))
    assert torch.equal(torch.stack([tanh(part, torch.empty_like(part)) for part in x]), whole)
    single = [tanh(value.reshape(1), torch.empty(1)) for value in x.flatten()]
    assert torch.equal(torch.cat(single).view_as(x), whole)
    padded = torch.full((3, 7, 50), 5.0)
    padded[..., 3:36] = x
    assert torch.equal(tanh(padded[..., 3:36], torch.empty_like(x)), whole)
    out = torch.zeros(3, 7, 40)
    tanh(x, out[..., 2:35])
    assert torch.equal(out[..., 2:35], whole)
    assert torch.equal(tanh(x, x), whole)
    assert torch.equal(x, whole)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_formats_are_torchs_to_the_bit(dtype: torch.dtype) -> None:
    x = torch.tensor(EDGES, dtype=dtype)
    torch.testing.assert_close(tanh(x, torch.empty_like(x)), torch.tanh(x), rtol=0, atol=0, equal_nan=True)


def test_an_activation_in_a_graph_is_torchs() -> None:
    x = torch.randn(2, 3, 4, requires_grad=True)
    y = activation(Named("tanh"))(x, None)
    assert torch.equal(y, torch.tanh(x))
    assert y.grad_fn is not None
    plain = activation(Named("tanh"))(x.detach(), None)
    torch.testing.assert_close(plain, torch.tanh(x.detach()), rtol=2e-7, atol=0)
