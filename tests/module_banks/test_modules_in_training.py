"""Modules in the loop: checkpoints, 16 bits, and every kind of inputs."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from user_modules import cell, register, stack

from gradlab.columns import field_names
from gradlab.components import Named
from gradlab.training.checkpoint import Checkpoint
from gradlab.training.loop import Trainer, train_bank


class Stopped(Exception):
    pass


class StopAt(Checkpoint):
    """Keeps the state before the third step and dies."""

    def due(self) -> bool:
        return True

    def save(self, cells: object, step: int, state: object) -> None:
        if step == 3:
            super().save(cells, step, state)  # type: ignore[arg-type]
            raise Stopped


def test_a_bank_that_was_stopped_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    register("stack", stack)
    cells = [cell(seed=seed, norm=True, drop=0.3, steps=6) for seed in range(3)]
    undisturbed = train_bank(cells)
    with pytest.raises(Stopped):
        train_bank(cells, checkpoint=StopAt(tmp_path / "c"))
    second = Checkpoint(tmp_path / "c")
    resumed = train_bank(cells, checkpoint=second)
    assert second.resumed_at == 3
    for one, other in zip(undisturbed, resumed, strict=True):
        for name in field_names():
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_16_bits_train_like_32(precision: str) -> None:
    register("stack", stack)
    narrow, wide = (
        train_bank([cell(norm=True, precision=Named(name), optimizer=Named("sgd"), steps=40, lr=0.05)])[0]
        for name in (precision, "float32")
    )
    assert wide.loss[-1] < wide.loss[0]
    # bfloat16 has 8 bits: a loss of some 0.5 is right to a few hundredths
    assert narrow.loss[-1] == pytest.approx(wide.loss[-1], abs=0.05)


class Picture(nn.Module):
    """Convolutions that keep the shape, and the mean over positions."""

    def __init__(self, shape: tuple[int, ...], out_features: int, depth: int, width: int) -> None:
        super().__init__()
        channels = [shape[0], *[width] * depth]
        pairs = itertools.pairwise(channels)
        self.blocks = nn.ModuleList(nn.Conv2d(low, high, 3, padding=1) for low, high in pairs)
        self.leave = nn.Linear(width, out_features)

    def forward(self, x: Tensor) -> Tensor:
        assert x.ndim == 4
        for block in self.blocks:
            x = block(x).relu_()
        return self.leave(x.mean((2, 3)))


class Language(nn.Module):
    """An embedding, a pre-norm residual MLP at every token, and a readout at every token."""

    def __init__(self, vocabulary: int, out_features: int, seq_len: int, depth: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.register_buffer("places", torch.randn(seq_len, width))
        self.maps = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width)) for _ in range(depth))
        self.leave = nn.Linear(width, out_features)

    def forward(self, x: Tensor) -> Tensor:
        assert x.ndim == 2
        x = self.table(x) + self.places[: x.shape[1]]
        for each in self.maps:
            x = x + each(x).tanh()
        return self.leave(x)


def pairs(vocabulary: tuple[int, ...], out_features: int, depth: int, width: int) -> nn.Module:
    """The vectors of several indices, one after another, through a stack."""

    class Pairs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(size, width) for size in vocabulary)
            self.stack = stack(width * len(vocabulary), out_features, depth, width)

        def forward(self, x: Tensor) -> Tensor:
            return self.stack(torch.cat([table(x[:, i]) for i, table in enumerate(self.tables)], 1))

    return Pairs()


CASES = {
    "images": (Picture, {"task": Named("digits"), "width": 8}, {}),
    "tokens, a target each": (Language, {"task": Named("copy_memory", (("samples", 32),)), "seq_len": 22}, {}),
    "indices": (pairs, {"task": Named("ratings", (("samples", 200),))}, {"inputs": ["indices"]}),
}
"""Factory, settings of the cell, and what is declared."""


@pytest.mark.parametrize("case", CASES)
def test_inputs_of_every_kind(case: str) -> None:
    factory, settings, declared = CASES[case]
    register("own", factory, **declared)
    cells = [cell("own", seed=seed, **settings) for seed in range(2)]
    trainer = Trainer(cells, torch.device("cpu"))
    assert trainer.model.length == 3
    for record in trainer.train():
        assert np.isfinite(record.log_grad_norm).all()
        assert np.isfinite(record.weight_norm).all()
        assert record.loss[-1] != record.loss[0]


def test_buffers_that_are_drawn_belong_to_the_seed() -> None:
    register("own", Language)
    cells = [cell("own", seed=seed, task=Named("copy_memory", (("samples", 32),)), seq_len=22) for seed in (1, 2, 1)]
    (places,) = Trainer(cells, torch.device("cpu")).running
    assert torch.equal(places[0], places[2])
    assert not torch.equal(places[0], places[1])


def test_frozen_and_tied_parameters() -> None:
    def tied(in_features: int, out_features: int, depth: int, width: int) -> nn.Module:
        model = stack(in_features, out_features, depth, width)
        model[0].weight.requires_grad_(False)
        model[4].weight = model[2].weight
        return model

    register("tied", tied)
    trainer = Trainer([cell("tied", seed=seed) for seed in range(2)], torch.device("cpu"))
    names = [slot.name for slot in trainer.model.layout.slots]
    assert "0.weight" not in names
    assert "4.weight" not in names
    frozen = trainer.running[0].clone()
    records = trainer.train()
    assert torch.equal(trainer.running[0], frozen)
    # the first block has no matrix that is trained, the third one shares that of the second
    assert np.isnan(records[0].weight_norm[:, [0, 2]]).all()
    assert np.isfinite(records[0].weight_norm[:, 1]).all()
    assert np.isfinite(records[0].log_grad_norm).all()
