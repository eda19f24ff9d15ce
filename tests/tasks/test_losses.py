"""Losses and their gradients by hand are those of torch.nn.functional and of autograd."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from gradlab.tasks.losses import cross_entropy, last_step, mse, with_pullback


def normal(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def autograd(loss, output, target, grad_R):
    leaf = output.clone().requires_grad_()
    loss_R = loss(leaf, target)
    return loss_R.detach(), torch.autograd.grad(loss_R, leaf, grad_R)[0]


@pytest.mark.parametrize("steps", [(), (5,)], ids=["one target", "a target a step"])
@pytest.mark.parametrize("classes", [2, 10, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cross_entropy_by_hand(dtype, classes, steps):
    """Against autograd in the same format; and each replica by itself against torch.nn.functional."""
    output = normal(3, 7, *steps, classes, dtype=dtype)
    output[1, 2] *= 100  # a softmax that is all but one-hot
    target = torch.randint(classes, (3, 7, *steps), generator=torch.Generator().manual_seed(2))
    grad_R = torch.tensor([1.0, 1024.0, -0.3], dtype=dtype)
    loss_R, pull = with_pullback(cross_entropy, output, target)
    grad = pull(grad_R)
    tolerance = {"rtol": 1e-5, "atol": 1e-7} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 1e-16}
    expected_R, expected = autograd(cross_entropy, output, target, grad_R)
    torch.testing.assert_close(loss_R, expected_R, **tolerance)
    torch.testing.assert_close(grad, expected, rtol=tolerance["rtol"], atol=1e3 * tolerance["atol"])
    assert grad.is_contiguous()
    for r in range(3):
        alone = F.cross_entropy(output[r].flatten(0, -2), target[r].flatten())
        torch.testing.assert_close(loss_R[r], alone, **tolerance)


@pytest.mark.parametrize("steps", [(), (5,)], ids=["one target", "a target a step"])
def test_mse_by_hand(steps):
    output, target = normal(3, 7, *steps, 2), normal(3, 7, *steps, 2).flip(0)
    grad_R = torch.tensor([1.0, 1024.0, -0.3], dtype=torch.float64)
    loss_R, pull = with_pullback(mse, output, target)
    expected_R, expected = autograd(
        lambda y, t: torch.stack([F.mse_loss(*pair) for pair in zip(y, t, strict=True)]), output, target, grad_R
    )
    torch.testing.assert_close(loss_R, expected_R, rtol=1e-14, atol=0)
    torch.testing.assert_close(pull(grad_R), expected, rtol=1e-14, atol=0)


def test_any_other_loss_by_autograd():
    output, target = normal(3, 7, 5, 4), torch.zeros(3, 7, 5, dtype=torch.int64)
    loss, grad_R = last_step(cross_entropy), torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    with torch.no_grad():
        loss_R, pull = with_pullback(loss, output, target)
        grad = pull(grad_R)
    expected_R, expected = autograd(loss, output, target, grad_R)
    assert torch.equal(loss_R, expected_R)
    assert not loss_R.requires_grad
    assert torch.equal(grad, expected)
    assert not grad[:, :, :-1].any()


def test_a_loss_that_is_not_finite_leaves_the_other_replicas_alone():
    output, target = normal(2, 4, 10), torch.zeros(2, 4, dtype=torch.int64)
    expected = with_pullback(cross_entropy, output, target)[1](torch.ones(2, dtype=torch.float64))[1]
    output[0, 0, 0] = torch.inf
    loss_R, pull = with_pullback(cross_entropy, output, target)
    assert loss_R.isfinite().tolist() == [False, True]
    assert torch.equal(pull(torch.ones(2, dtype=torch.float64))[1], expected)
