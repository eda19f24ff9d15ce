"""The cost model against the banks that were measured, and what it counts against counts by hand."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import math

import numpy as np
import pytest
import torch
from places import ROOT

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.families import FAMILIES
from gradlab.planning import cost
from gradlab.training.loop import Trainer

BENCHMARKS = ROOT / "benchmarks"


def measured() -> list[tuple[list[Cell], dict[str, float]]]:
    """Every bank of benchmarks/cost_model.csv with its times in seconds."""
    module_spec = importlib.util.spec_from_file_location("cost_model", BENCHMARKS / "cost_model.py")
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    with module.TABLE.open() as file:
        rows = list(csv.DictReader(file))
    return [
        (module.cells_of(row["settings"], int(row["replicas"])), {key: 1e-6 * float(row[key]) for key in module.TIMES})
        for row in rows
    ]


@pytest.mark.parametrize("column", ["step_us", "probe_us", "bank_us"])
def test_most_of_the_measured_banks_are_within_half_as_much_again(column: str) -> None:
    features = {"step_us": cost.step_features, "probe_us": cost.probe_features, "bank_us": cost.bank_features}[column]
    off = [abs(math.log(cost.seconds(features(cells)) / times[column])) for cells, times in measured()]
    assert len(off) > 90
    assert np.mean(np.array(off) < math.log(1.5)) > 0.9
    assert max(off) < math.log(2.5)


def test_an_estimate_is_the_sum_of_its_steps_its_probes_and_what_is_done_once() -> None:
    cells = [Cell(lr=0.1, seed=seed, steps=10) for seed in range(3)]  # probes at 0, 1, 2, 4, 8, 10
    parts = [(cost.bank_features, 1), (cost.step_features, 10), (cost.probe_features, 6)]
    assert cost.estimate(cells).seconds == pytest.approx(sum(n * cost.seconds(of(cells)) for of, n in parts))


def test_probes_of_the_profile_alone_cost_less_and_all_else_as_much() -> None:
    cells = [Cell(lr=0.1, seed=seed, steps=10) for seed in range(3)]
    profile = [dataclasses.replace(cell, probe_record="profile") for cell in cells]
    probe, cheaper = (cost.seconds(cost.probe_features(bank)) for bank in (cells, profile))
    assert 0 < cheaper < probe
    saved = cost.estimate(cells).seconds - cost.estimate(profile).seconds
    assert saved == pytest.approx(6 * (probe - cheaper))


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("depth", [3, 8])
def test_parameters_are_about_those_of_the_network(model: str, depth: int) -> None:
    recurrent = "sequences" in FAMILIES[model].inputs
    cell = Cell(
        model=Named(model), task=Named("adding" if recurrent else "digits"), depth=depth, width=64, lr=0.1, steps=1,
        seq_len=5 if recurrent else None, activation=Named("tanh"),
    )  # fmt: skip
    exact = Trainer([cell], torch.device("cpu")).model.layout.size
    assert cost.parameters(cell) == pytest.approx(exact, rel=0.35)


def test_what_has_no_rate_costs_nothing() -> None:
    custom, plain = Cell(activation=Named("my_own"), lr=0.1), Cell(activation=Named("relu"), lr=0.1)
    assert cost.estimate([custom]).seconds == cost.estimate([plain]).seconds


def test_runs_of_activations_and_rules_are_counted() -> None:
    cells = [Cell(activation=Named(name), lr=lr) for name in ("relu", "tanh") for lr in (0.1, 0.2)]
    counted = cost.step_features(cells)
    assert (counted["run"], counted["rule"], counted["step"], counted["block"]) == (8, 4, 1, 8)
    assert counted["tanh_unit"] == 2 * 8 * 64 * 64
