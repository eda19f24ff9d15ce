"""A CUDA device gives the numbers of the CPU."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from contract import named

from gradlab.cell import Cell
from gradlab.components import NORMS, OPTIMIZERS, Named
from gradlab.training.loop import train_bank

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and torch finds none"),
]
BASE = Cell(depth=6, width=32, steps=20, lr=0.05, init=Named("he_normal"), clip=Named("norm", (("max", 1.0),)))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_and_probes_on_a_gpu_are_those_of_the_cpu(norm, optimizer):
    """float64 throughout, where both differ by the order of their sums alone; dropout masks are drawn on the CPU."""
    cells = [
        dataclasses.replace(
            BASE,
            norm=named(NORMS, norm),
            optimizer=Named(optimizer),
            precision=Named("float64"),
            dropout=0.1,
            seed=seed,
            lr=0.01,
        )
        for seed in range(3)
    ]
    for cpu, gpu in zip(train_bank(cells, "cpu"), train_bank(cells, "cuda"), strict=True):
        np.testing.assert_allclose(gpu.log_grad_norm, cpu.log_grad_norm, atol=1e-6)
        np.testing.assert_allclose(gpu.loss, cpu.loss, rtol=1e-7)
        np.testing.assert_allclose(gpu.metric, cpu.metric, atol=0.01)


def test_float32_on_a_gpu_is_within_float32_of_the_cpu():
    """At step 0 the probe is float64 on both sides; after training, rounding has had twenty steps to grow."""
    (cpu,), (gpu,) = train_bank([BASE], "cpu"), train_bank([BASE], "cuda")
    np.testing.assert_allclose(gpu.log_grad_norm[0], cpu.log_grad_norm[0], atol=1e-9)
    np.testing.assert_allclose(gpu.loss, cpu.loss, rtol=1e-3)
