"""`probe.record: profile` against `all`: the same numbers to the bit where it has any, and fewer operations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from contract import SMALL, STEP_BY_STEP
from torch.utils.flop_counter import FlopCounterMode

from gradlab.cell import Cell, Named
from gradlab.columns import field_names
from gradlab.families import FAMILIES
from gradlab.training.loop import Trainer, train_bank

PROFILE = {"log_grad_norm", "log_cell_grad_norm", "log_grad_norm_by_layer"}
"""Fields of each block that a profile has; every other one is missing."""
ALONG_TIME = dataclasses.replace(
    SMALL, task=Named("adding", (("samples", 32),)), depth=1, width=5, seq_len=6, activation=Named("tanh"),
    init=Named("orthogonal"),
)  # fmt: skip
NETWORKS: dict[str, Cell] = {
    "plain": SMALL,
    "every step": dataclasses.replace(STEP_BY_STEP, clip=Named("norm", (("max", 0.3),)), precision=Named("float32")),
    "batch norm and dropout": dataclasses.replace(SMALL, norm=Named("batch"), dropout=0.3),
    "learned scale": dataclasses.replace(SMALL, residual=Named("add"), residual_scale="learned_zero"),
    "sandwich": dataclasses.replace(SMALL, residual=Named("sandwich"), norm=Named("layer")),
    "weight norm": dataclasses.replace(SMALL, norm=Named("weight")),
    "learned slope": dataclasses.replace(SMALL, activation=Named("prelu")),
    "embedded indices": dataclasses.replace(SMALL, task=Named("ratings", (("samples", 64),))),
    "half precision": dataclasses.replace(SMALL, precision=Named("bfloat16")),
    "one block": dataclasses.replace(SMALL, depth=1),
    "a dead network": dataclasses.replace(SMALL, bias_std=0.0, init=Named("constant", (("value", 0.0),))),
    **{
        f"{model}, {kind}": dataclasses.replace(ALONG_TIME, model=Named(model), **more)
        for model, family in FAMILIES.items()
        if family.axis.along == "seq_len"
        for kind, more in {
            "one layer": {},
            "stacked": {"depth": 3},
            "a target at every step": {"task": Named("char_lm"), "seq_len": 5, "depth": 2},
        }.items()
    },
    **{
        f"transformer, {kind}": dataclasses.replace(
            ALONG_TIME, model=Named("transformer"), width=8, depth=2, residual=Named("sandwich"), norm=Named("layer"),
            **more,
        )
        for kind, more in {
            "one target": {}, "a target for each token": {"task": Named("char_lm"), "seq_len": 5}
        }.items()
    },
    "truncated": dataclasses.replace(ALONG_TIME, model=Named("rnn", (("truncate", 2),)), depth=2),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_a_profile_has_the_numbers_of_all_to_the_bit_and_no_others(name: str) -> None:
    cells = [dataclasses.replace(NETWORKS[name], seed=seed, lr=0.01 * (seed + 1)) for seed in range(2)]
    every = train_bank(cells)
    profiles_only = train_bank([dataclasses.replace(cell, probe_record="profile") for cell in cells])
    along = {*field_names("layer", "stacked")}
    missing = along - PROFILE | {"grad_norm_total", "spectral_radius", "recurrent_norm"}
    for all_of_it, profile in zip(every, profiles_only, strict=True):
        assert all_of_it.cell != profile.cell
        assert np.isfinite(all_of_it.weight_norm).all()  # the fields that are missing have values otherwise
        for field in field_names():
            if field in missing:
                assert getattr(profile, field).shape == getattr(all_of_it, field).shape
                assert np.isnan(getattr(profile, field)).all(), field
            elif field != "cell":
                np.testing.assert_array_equal(getattr(profile, field), getattr(all_of_it, field), err_msg=field)


def test_no_gradient_of_a_parameter_and_no_more_products_than_the_chain_needs() -> None:
    """A product of N x I with I x O is 2NIO operations: one a map forward, one back, none to the inputs."""
    depth, width, batch, inputs, outputs = 5, 16, 8, 6, 1
    cell = dataclasses.replace(SMALL, depth=depth, width=width, probe_batch_size=batch)
    products = {}
    for record in ("all", "profile"):
        trainer = Trainer([dataclasses.replace(cell, probe_record=record)], torch.device("cpu"))
        held_out = len(trainer.test_x[0])
        with FlopCounterMode(display=False) as counter:
            trainer.measure(0)
        judged = 2 * held_out * (inputs * width + (depth - 1) * width**2 + width * outputs)
        products[record] = counter.get_total_flops() - judged
    hidden, first, readout = ((depth - 1) * width**2, inputs * width, width * outputs)
    assert products["profile"] == 2 * batch * (2 * hidden + first + 2 * readout)
    assert products["all"] >= 2 * batch * 3 * (hidden + readout)
