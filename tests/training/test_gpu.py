"""A CUDA device gives the numbers of the CPU, with and without a CUDA graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from contract import CLIPPED, FEED_FORWARD_NORMS, named

from gradlab.cell import Cell, cell_id
from gradlab.columns import field_names
from gradlab.components import CLIPS, OPTIMIZERS, Named
from gradlab.families import FAMILIES
from gradlab.record import Record
from gradlab.training.checkpoint import Checkpoint
from gradlab.training.loop import Trainer, train_bank

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and torch finds none"),
]
CPU, GPU = "cpu", "cuda"
BASE = Cell(depth=6, width=32, steps=20, lr=0.05, init=Named("he_normal"), clip=Named("norm", (("max", 1.0),)))


def seeds(cell: Cell, count: int = 3, **settings: object) -> list[Cell]:
    """Some seeds of a cell in float64, in which devices differ by the order of their sums alone."""
    settings = {"precision": Named("float64"), "lr": 0.01} | settings
    return [dataclasses.replace(cell, seed=seed, **settings) for seed in range(count)]


def assert_alike(one: Sequence[Record], other: Sequence[Record]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(b.log_grad_norm, a.log_grad_norm, atol=1e-6)
        np.testing.assert_allclose(b.loss, a.loss, rtol=1e-7)
        np.testing.assert_allclose(b.metric, a.metric, atol=0.01)
        for name in ("train_loss_q3", "train_loss_q4", "train_loss_se", "clip_coef_mean", "loss_last_finite"):
            np.testing.assert_allclose(getattr(b, name), getattr(a, name), rtol=1e-6, err_msg=name)
        assert (b.cell, b.status, b.steps) == (a.cell, a.status, a.steps)


@pytest.mark.parametrize("norm", FEED_FORWARD_NORMS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_and_probes_on_a_gpu_are_those_of_the_cpu(norm: str, optimizer: str) -> None:
    cells = seeds(BASE, norm=named(FEED_FORWARD_NORMS, norm), optimizer=Named(optimizer))
    assert_alike(train_bank(cells, CPU), train_bank(cells, GPU))


@pytest.mark.parametrize("clip", CLIPPED, ids=lambda clip: clip.name)
def test_clipping_on_a_gpu_is_that_of_the_cpu(clip: Named) -> None:
    assert {rule.name for rule in CLIPPED} == set(CLIPS)
    cells = seeds(BASE, clip=clip)
    cpu, gpu = train_bank(cells, CPU), train_bank(cells, GPU)
    assert_alike(cpu, gpu)
    assert [record.clip_rate for record in gpu] == pytest.approx([record.clip_rate for record in cpu], nan_ok=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_on_a_gpu_is_as_on_the_cpu(name: str) -> None:
    of_time = {} if FAMILIES[name].axis.along == "depth" else {"task": Named("adding"), "seq_len": 12}
    depth = 2 if FAMILIES[name].axis.along != "depth" else 6
    cells = seeds(BASE, model=named(FAMILIES, name), init=Named("orthogonal"), width=16, depth=depth, **of_time)
    assert_alike(train_bank(cells, CPU), train_bank(cells, GPU))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw", "rmsprop", "nadam"])
def test_a_recorded_step_is_the_step(optimizer: str) -> None:
    cells = seeds(BASE, optimizer=Named(optimizer), lr_schedule=Named("cosine"), warmup=4)
    assert Trainer(cells, torch.device(GPU)).replay is not None
    assert_alike(train_bank(cells, GPU, graph=False), train_bank(cells, GPU, graph=True))


@pytest.mark.parametrize("optimizer", [name for name in ("adam", "muon", "adafactor", "lion") if name in OPTIMIZERS])
@pytest.mark.parametrize("graph", [True, False])
def test_a_checkpoint_of_a_gpu_is_gone_on_from_to_the_same_records(optimizer: str, graph: bool, tmp_path: Path) -> None:
    cells = seeds(BASE, optimizer=Named(optimizer), dropout=0.1)
    whole = train_bank(cells, GPU, graph=graph)
    stopped = Trainer(cells, torch.device(GPU), graph=graph)
    for step in range(9):
        if step in (0, 1, 2, 4, 8):
            stopped.measure(step)
        stopped.step(step, watched=step in (0, 1, 2, 4, 8))
    kept = Checkpoint(tmp_path / "bank.ckpt")
    kept.save([*map(cell_id, cells), torch.device(GPU).type], 9, stopped.state())
    resumed = train_bank(cells, GPU, kept, graph=graph)
    assert kept.resumed_at == 9
    for one, other in zip(whole, resumed, strict=True):
        for name in field_names("step", "layer"):
            np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_stays_near_float32(precision: str) -> None:
    """The probe is float64 at the same weights; after training 16 bits have rounded each of twenty steps."""
    (full,) = train_bank([dataclasses.replace(BASE, depth=3)], GPU)
    (half,) = train_bank([dataclasses.replace(BASE, depth=3, precision=Named(precision))], GPU)
    np.testing.assert_allclose(half.log_grad_norm[0], full.log_grad_norm[0], atol=1e-9)
    np.testing.assert_allclose(half.loss, full.loss, rtol=0.2)


def test_float32_on_a_gpu_is_within_float32_of_the_cpu() -> None:
    """At step 0 the probe is float64 on both sides; after training, rounding has had twenty steps to grow."""
    (cpu,), (gpu,) = train_bank([BASE], CPU), train_bank([BASE], GPU)
    np.testing.assert_allclose(gpu.log_grad_norm[0], cpu.log_grad_norm[0], atol=1e-9)
    np.testing.assert_allclose(gpu.loss, cpu.loss, rtol=1e-3)
