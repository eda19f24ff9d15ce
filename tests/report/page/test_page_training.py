"""What the report page has of training: other quantities along the blocks, curves, and the map at every step."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from math import inf, log10, nan
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest
from drawn import cells_of
from fake_work import record
from page_runs import Parsed, column, number, rows_of, run_directory

from gradlab.cell import Cell
from gradlab.record import Record
from gradlab.report.page import build_page
from gradlab.report.page.configurations import configurations
from gradlab.report.page.histories import survival_by_step
from gradlab.report.page.source import read_source
from gradlab.results.run import Run


def varied(cell: Cell) -> Record:
    """A record in which everything differs from block to block, step to step and seed to seed."""
    plain = record(cell)
    steps, blocks = np.indices(plain.log_grad_norm.shape)
    wave = np.sin(1.3 * blocks + 0.7 * steps + cell.seed)
    return plain.with_values(
        log_grad_norm=plain.log_grad_norm * (1 - 0.2 * steps) + 0.1 * wave,
        log_weight_grad_norm=-1.0 - 0.3 * blocks + wave,
        act_std=np.exp(0.2 * wave),
        dead=np.clip(0.5 + 0.4 * wave, 0, 1),
        grad_norm_total=np.exp(wave[:, 0]),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_directory(tmp_path_factory.mktemp("results") / "trained", cells_of((2, 8), ("sigmoid", "selu")), varied)


@pytest.fixture(scope="module")
def data(trained: Path) -> Any:
    return Parsed(build_page([trained]).html).data


def members(run: Path) -> dict[tuple[str, str], list[str]]:
    cells = defaultdict(list)
    for row in rows_of(run, "cells"):
        cells[row["activation"], row["depth"]].append(row["cell"])
    return cells


@pytest.mark.parametrize(
    ("key", "name", "log"),
    [("weights", "weight_grad_norm", True), ("deviation", "act_std", True), ("dead", "dead", False)],
)
def test_quantities_are_means_of_the_table_over_the_seeds(
    trained: Path, data: Any, key: str, name: str, *, log: bool
) -> None:
    values: dict[tuple[str, int, int], float] = {
        (row["cell"], int(row["step"]), int(row["layer"])): number(row[name]) for row in rows_of(trained, "layers")
    }
    for row, (activation, depth) in enumerate(zip(column(data, "activation"), column(data, "length"), strict=True)):
        cells = members(trained)[activation, str(depth)]
        profile = data["profiles"][str(row)]
        assert profile["blocks"]["steps"] == [0, 1, 300]
        for place, step in enumerate(profile["blocks"]["steps"]):
            wanted = []
            for block in range(1, depth + 1):
                seeds = [values[cell, step, block] for cell in cells]
                wanted.append(mean(map(log10, seeds)) if log else mean(seeds))
            assert profile["blocks"][key][place] == pytest.approx(wanted, abs=6e-4)
            if key != "weights":
                assert profile["courses"][key][place] == pytest.approx(mean(wanted), abs=6e-4)


def test_curves_are_means_of_the_steps_over_the_seeds(trained: Path, data: Any) -> None:
    rows = {(row["cell"], int(row["step"])): row for row in rows_of(trained, "steps")}
    for row, pair in enumerate(zip(column(data, "activation"), map(str, column(data, "length")), strict=True)):
        history = data["profiles"][str(row)]["history"]
        for place, step in enumerate(history["step"]):
            seeds = [rows[cell, step] for cell in members(trained)[pair]]
            for name in ("loss", "metric", "log10_survival"):
                assert history[name][place] == pytest.approx(mean(float(seed[name]) for seed in seeds), abs=6e-4)
            norms = [log10(float(seed["grad_norm_total"])) for seed in seeds]
            assert history["log10_grad_norm_total"][place] == pytest.approx(mean(norms), abs=6e-4)


def test_the_map_at_the_first_and_last_step_is_that_before_and_after_training(data: Any) -> None:
    by_step = data["survival_by_step"]
    assert by_step["steps"] == [0, 1, 300]
    for place, ending in ((0, ""), (-1, "_final")):
        marks = [by_step["levels"][code] for code in by_step["codes"][place]]
        wanted = zip(*(column(data, f"{name}{ending}") for name in ("text", "mark", "shade")), strict=True)
        assert [tuple(mark) for mark in marks] == list(wanted)
    assert by_step["codes"][0] != by_step["codes"][1] != by_step["codes"][2]


def test_the_map_at_a_step_has_no_number_where_half_of_the_seeds_have_none(tmp_path: Path) -> None:
    def lost(cell: Cell) -> Record:
        plain = record(cell)
        values = plain.log_grad_norm.copy()
        values[1, 0] = {0: -inf, 1: -inf, 2: values[1, 0]}[cell.seed] if cell.depth == 2 else values[1, 0]
        values[1, 0] = nan if cell.depth == 8 and cell.seed else values[1, 0]
        return plain.with_values(log_grad_norm=values)

    run = run_directory(tmp_path / "lost", cells_of((2, 8, 32), ("relu",)), lost)
    source = read_source(Run(run), "lost")
    by_step = survival_by_step(configurations([source]), [source])
    assert by_step is not None
    marks = [[by_step["levels"][code] for code in codes] for codes in by_step["codes"]]
    assert [mark[2] for mark in marks[0]] == ["", "", ""]
    assert [mark[2] == "lost" for mark in marks[1]] == [False, True, False]
    assert marks[1][0][1] == "∅"  # exactly zero
    short = survival_by_step(configurations([source]), [source], most=1)
    assert short is not None
    assert short["steps"] == [0, 300]  # both ends, however little there is room for


def test_where_nothing_was_probed_in_training_there_are_no_steps(trained: Path) -> None:
    source = read_source(Run(trained), "still")
    steps = source.tables.steps
    still = replace(source, tables=replace(source.tables, steps=steps[steps["step"] == 0]))
    assert survival_by_step(configurations([still]), [still]) is None
