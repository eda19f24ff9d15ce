"""The contract of the bank for transformers: numbers of a cell do not depend on its bank-mates, nor on a stop."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from contract import CLIPPED, assert_independent
from transformer_cells import BASE, SHAPES, VARIANTS, bank, transformer

from gradlab.components import OPTIMIZERS, Named

CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_a_cell_does_not_depend_on_its_bank_mates(shape: tuple[str, str, str]) -> None:
    """Bank = alone, permuted = not permuted, after training with Adam. float64: what is left is the order of sums."""
    cells = bank(shape)
    assert_independent(cells, [len("".join(shape)) % len(cells)])


LONG = ("images, pixels", "a target for each token, seen from both sides", "dropout, images, sandwich")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in VARIANTS])
def test_nor_does_one_with_other_options(name: str) -> None:
    """With several activations, rates and optimisers beside it."""
    cell = dataclasses.replace(BASE, **VARIANTS[name])
    names = ("relu", "gelu") if name != "gated, learned" else ("prelu",)
    several = itertools.product((Named(name) for name in names), (Named("sgd"), Named("muon")), (0, 1))
    cells = [
        dataclasses.replace(cell, activation=activation, optimizer=optimizer, seed=seed, lr=0.01)
        for activation, optimizer, seed in several
    ]
    assert_independent(cells, [1])


@pytest.mark.slow
def test_nor_does_one_with_any_optimizer_and_clip() -> None:
    rules = list(itertools.product(OPTIMIZERS, CLIPPED))
    cells = [
        dataclasses.replace(
            BASE, model=transformer(), optimizer=Named(optimizer), lr=OPTIMIZERS[optimizer].params["lr"].default,
            clip=clip, seed=i % 3, l2=1e-3 * (i % 2),
        )
        for i, (optimizer, clip) in enumerate(rules)
    ]  # fmt: skip
    assert_independent(cells, range(3, len(cells), 7))
