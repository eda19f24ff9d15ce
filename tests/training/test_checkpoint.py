"""A bank that was stopped anywhere goes on to the very records it would have had."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from gradlab.cell import Cell, cell_id
from gradlab.columns import field_names
from gradlab.components import CLIPS, OPTIMIZERS, Named
from gradlab.record import Record
from gradlab.training import checkpoint
from gradlab.training.checkpoint import Checkpoint
from gradlab.training.loop import Trainer, train_bank

BASE = Cell(depth=3, width=8, steps=12, batch_size=16, probe_batch_size=16, init=Named("xavier_normal"), lr=0.01)

LIKE = Trainer([BASE], torch.device("cpu")).state()


OTHERS = (
    {**LIKE, "flat_RP": LIKE["flat_RP"][:, :-1]},
    {**LIKE, "flat_RP": LIKE["flat_RP"].double().to(torch.float16)},
    {name: value for name, value in LIKE.items() if name != "dropout"},
    {**LIKE, "of_a_newer_version": 1},
)
"""States of the right kind and another layout."""


class Stopped(Exception):
    pass


class StopAt(Checkpoint):
    """Keeps a state before one step and dies right after."""

    def __init__(self, path: Path, step: int) -> None:
        super().__init__(path)
        self._step, self._asked = step, 0

    def due(self) -> bool:
        self._asked += 1
        return self._asked == self._step

    def save(self, cells, step, state) -> None:
        super().save(cells, step, state)
        raise Stopped


def bank() -> list[Cell]:
    """Every optimiser and every clip, two seeds."""
    limits = {"norm": 0.1, "value": 0.01, "each": 0.05}
    clips = [Named("none"), Named("agc"), *(Named(name, (("max", limit),)) for name, limit in limits.items())]
    assert {clip.name for clip in clips} == set(CLIPS)
    cells = [
        dataclasses.replace(BASE, optimizer=Named(name), clip=clips[i % len(clips)], seed=seed)
        for seed in range(2)
        for i, name in enumerate(OPTIMIZERS)
    ]
    return sorted(cells, key=lambda cell: (cell.optimizer.name, cell.clip.name, cell.seed))


def assert_equal(one: Record, other: Record) -> None:
    for name in ("probe_steps", *field_names()):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("step", [1, 5, 11, 12])
@pytest.mark.parametrize(
    "shared",
    [
        {},
        {"dropout": 0.3},
        {"norm": Named("batch")},
        {"precision": Named("float16")},
        {"lr_schedule": Named("cosine"), "warmup": 3},
    ],
    ids=lambda shared: "-".join(map(str, shared.values())) or "plain",
)
def test_a_bank_stopped_anywhere_goes_on_to_the_same_bits(tmp_path, step, shared):
    cells = [dataclasses.replace(cell, **shared) for cell in bank()]
    undisturbed = train_bank(cells)
    path = tmp_path / "bank.ckpt"
    with pytest.raises(Stopped):
        train_bank(cells, checkpoint=StopAt(path, step))
    second = Checkpoint(path)
    resumed = train_bank(cells, checkpoint=second)
    assert second.resumed_at == step
    for one, other in zip(undisturbed, resumed, strict=True):
        assert_equal(one, other)


def kept(tmp_path: Path, cells: list[Cell]) -> Path:
    path = tmp_path / "bank.ckpt"
    with pytest.raises(Stopped):
        train_bank(cells, checkpoint=StopAt(path, 4))
    return path


def test_a_checkpoint_of_other_cells_or_another_device_counts_as_none(tmp_path):
    path = kept(tmp_path, [BASE])
    assert Checkpoint(path).load([cell_id(BASE), "cpu"], LIKE) is not None
    assert Checkpoint(path).load([cell_id(BASE), "cuda"], LIKE) is None
    assert Checkpoint(path).load([cell_id(dataclasses.replace(BASE, seed=1)), "cpu"], LIKE) is None
    assert Checkpoint(tmp_path / "none.ckpt").load([cell_id(BASE), "cpu"], LIKE) is None


def test_a_checkpoint_of_another_layout_or_version_counts_as_none_and_the_bank_begins_anew(tmp_path, monkeypatch):
    path, key = tmp_path / "bank.ckpt", [cell_id(BASE), "cpu"]
    undisturbed = train_bank([BASE])[0]
    for state in ({"layout_of_another_version": 1}, {**LIKE, "batches": {}}, {**LIKE, "flat_RP": [1.0]}, [], *OTHERS):
        Checkpoint(path).save(key, 1, state)
        again = Checkpoint(path)
        assert_equal(train_bank([BASE], checkpoint=again)[0], undisturbed)
        assert again.resumed_at == 0
    for step in (-1, "3", None, 2.5):
        Checkpoint(path).save(key, step, LIKE)
        assert Checkpoint(path).load(key, LIKE) is None
    kept(tmp_path, [BASE])
    assert Checkpoint(path).load(key, LIKE) is not None
    monkeypatch.setitem(checkpoint._MADE_BY, "gradlab", "0.0.1")
    assert Checkpoint(path).load(key, LIKE) is None


def test_a_damaged_checkpoint_counts_as_none_and_the_bank_begins_anew(tmp_path):
    path = kept(tmp_path, [BASE])
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for at in generator.integers(len(whole), size=60):
        path.write_bytes(whole[:at])
        assert Checkpoint(path).load([cell_id(BASE), "cpu"], LIKE) is None
        flipped = bytearray(whole)
        flipped[at] ^= 1 << int(generator.integers(8))
        path.write_bytes(bytes(flipped))
        assert Checkpoint(path).load([cell_id(BASE), "cpu"], LIKE) is None
    again = Checkpoint(path)
    (resumed,) = train_bank([BASE], checkpoint=again)
    assert again.resumed_at == 0
    assert_equal(resumed, train_bank([BASE])[0])


def test_without_room_on_the_disk_training_goes_on(tmp_path):
    path = tmp_path / "no" / "such" / "directory" / "bank.ckpt"
    (record,) = train_bank([BASE], checkpoint=Checkpoint(path, every_s=0))
    assert_equal(record, train_bank([BASE])[0])
