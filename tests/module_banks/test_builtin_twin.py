"""A stack written with torch.nn has gradients, training and profile of the built-in MLP with its weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from user_modules import cell, register, stack

from gradlab.cell import Cell
from gradlab.columns import field_names
from gradlab.components import Named
from gradlab.probing import weight_norms
from gradlab.record import Record
from gradlab.training.loop import Trainer

CPU = torch.device("cpu")


def trained(cells: list[Cell], twin: list[Cell]) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """The records of modules, and of MLPs that begin with the weights of those."""
    modules, mlp = Trainer(cells, CPU), Trainer(twin, CPU)
    assert [slot.shape for slot in modules.model.layout.slots] == [slot.shape for slot in mlp.model.layout.slots]
    for buffer in (mlp.flat_RP, mlp.initial_RP):
        buffer.copy_(modules.flat_RP)
    mlp.initial_norm_RL = weight_norms(mlp.model, mlp.initial_RP)
    return modules.train(), mlp.train()


@pytest.mark.parametrize("record", ["all", "profile"])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("act", ["tanh", "relu", "sigmoid"])
def test_gradients_training_and_profile(act: str, norm: bool, record: str) -> None:
    register("stack", stack)
    cells = [cell(seed=seed, act=act, norm=norm, probe_record=record) for seed in range(3)]
    twin = [
        dataclasses.replace(
            cell, model=Named("mlp"), activation=Named(act), norm=Named("batch" if norm else "none")
        )
        for cell in cells
    ]  # fmt: skip
    for module, mlp in zip(*trained(cells, twin), strict=True):
        for name in (name for name in field_names("step", "layer") if name != "grad_cosine"):  # modules have none
            # float64, sums in another order; act_std of modules is a difference of squares
            np.testing.assert_allclose(getattr(module, name), getattr(mlp, name), rtol=1e-8, atol=1e-11, err_msg=name)
        assert module.learned == mlp.learned


def test_deep_sigmoids_below_the_range_of_float64() -> None:
    register("stack", stack)
    cells = [cell(act="sigmoid", depth=400, steps=0, width=16)]
    twin = [dataclasses.replace(cells[0], model=Named("mlp"), activation=Named("sigmoid"))]
    (module,), (mlp,) = trained(cells, twin)
    np.testing.assert_allclose(module.log_grad_norm, mlp.log_grad_norm, rtol=1e-9)
    assert mlp.log_grad_norm.min() < np.log(1e-310)
    np.testing.assert_allclose(module.log_weight_grad_norm, mlp.log_weight_grad_norm, rtol=1e-9)
    np.testing.assert_array_equal(module.underflow, mlp.underflow)


@pytest.mark.parametrize(
    "setting",
    [
        {"clip": Named("norm", (("max", 0.3),))}, {"clip": Named("agc", (("factor", 0.03),))}, {"l1": 0.01, "l2": 0.01},
        {"weight_decay": 0.1, "optimizer": Named("adamw", (("decay", "matrices"),))}, {"optimizer": Named("muon")},
        {"precision": Named("float32")}, {"lr_schedule": Named("cosine"), "warmup": 2},
    ],
    ids=str,
)  # fmt: skip
def test_settings_of_training(setting: dict) -> None:
    register("stack", stack)
    # no batch norm: a bias before one has a gradient of rounding alone, which Adam and Muon amplify
    cells = [cell(seed=seed, **setting) for seed in range(2)]
    twin = [dataclasses.replace(cell, model=Named("mlp"), activation=Named("tanh")) for cell in cells]
    # in float32 sums in another order differ by some 1e-7, relative to a gradient that nearly cancels ten times that
    tolerance = 1e-5 if "precision" in setting else 1e-8
    for module, mlp in zip(*trained(cells, twin), strict=True):
        for name in ("loss", "log_grad_norm", "weight_norm", "update_ratio", "displacement", "metric"):
            np.testing.assert_allclose(
                getattr(module, name), getattr(mlp, name), rtol=tolerance, atol=tolerance / 100, err_msg=name
            )
