"""How alike the gradients of samples are, against plain loops and autograd, one sample at a time."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from gradlab.cell import Cell, Named
from gradlab.probing import probe
from gradlab.probing.samples import kept_share, neighbour_cosines
from gradlab.training.loop import Trainer


def draws(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_cosine_of_neighbours_is_that_of_torch_over_all_their_axes() -> None:
    grad = draws(2, 5, 3, 4)
    expected = nn.functional.cosine_similarity(grad.flatten(2)[:, 1:], grad.flatten(2)[:, :-1], dim=2)
    torch.testing.assert_close(neighbour_cosines(grad, torch.empty_like(grad)), expected, rtol=1e-12, atol=1e-14)
    grad[:, 2] = 0
    assert neighbour_cosines(grad, torch.empty_like(grad))[:, 1:3].count_nonzero() == 0


def test_the_share_is_the_slope_through_zero_and_1_at_the_last_link() -> None:
    last = draws(2, 40).clamp(-1, 1)
    share = kept_share([0.25 * last, -last, last])
    torch.testing.assert_close(share, torch.tensor([[0.25, -1.0, 1.0]] * 2, dtype=torch.float64))
    assert kept_share([torch.zeros(1, 3), torch.zeros(1, 3)]).isnan().all()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_probe_measures_what_autograd_gives_for_one_sample_at_a_time(activation: str) -> None:
    cell = Cell(depth=3, width=16, activation=Named(activation), init=Named("xavier_normal"), lr=0.1, steps=0)
    trainer = Trainer([cell], torch.device("cpu"))
    profile = probe(
        trainer.model, trainer.flat_RP, trainer.probe_x, trainer.probe_y, trainer.data.loss, trainer.probe_masks
    )
    layers = [slot.view(trainer.flat_RP)[0].double() for slot in trainer.model.layout.slots]
    weights, biases = [p for p in layers if p.ndim == 2], [p.flatten() for p in layers if p.ndim < 2]
    act = torch.relu if activation == "relu" else torch.tanh
    grads: list[list[Tensor]] = []
    for sample, label in zip(trainer.probe_x[0, :33], trainer.probe_y[0, :33], strict=True):
        states, x = [], sample.double()
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = act(weight @ x + bias).requires_grad_()
            states.append(x)
        loss = nn.functional.cross_entropy((weights[-1] @ x + biases[-1])[None], label[None])
        grads.append(list(torch.autograd.grad(loss, states)))
    cosines = [
        torch.stack([nn.functional.cosine_similarity(a[i], b[i], dim=0) for a, b in itertools.pairwise(grads)])
        for i in range(3)
    ]
    expected = torch.stack([(c * cosines[-1]).sum() / cosines[-1].square().sum() for c in cosines])
    torch.testing.assert_close(profile.grad_cosine_RL[0], expected, rtol=1e-9, atol=1e-12)
