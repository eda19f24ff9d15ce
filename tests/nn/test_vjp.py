"""Vector-Jacobian products are those of torch.autograd.grad, to the bit."""

from __future__ import annotations

import torch

from gradlab.nn.vjp import vjp


def test_the_product_is_that_of_autograd_with_given_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    x, w, unused = (torch.randn(3, 4, generator=generator, requires_grad=True) for _ in range(3))
    inside = torch.tanh(x * w)
    outputs = [inside, torch.exp(inside), x.double()]
    cotangents = [torch.randn(y.shape, generator=generator, dtype=y.dtype) for y in outputs]
    inputs = [x, w, inside, unused]
    for options in ({"allow_unused": True}, {"allow_unused": True, "materialize_grads": True}):
        expected = torch.autograd.grad(outputs, inputs, cotangents, retain_graph=True, **options)
        with torch.no_grad():  # autograd.grad does not ask either
            products = vjp(outputs, inputs, cotangents, retain_graph=True, **options)
        for product, wanted in zip(products, expected, strict=True):
            assert (product is None) == (wanted is None)
            assert product is None or torch.equal(product, wanted)


def test_a_leaf_may_be_its_own_output() -> None:
    x = torch.ones(2, requires_grad=True)
    assert torch.equal(vjp([x], [x], [torch.tensor([2.0, 3.0])])[0], torch.tensor([2.0, 3.0]))
