"""The numbers in the report page are those of the tables and of the comparison."""

from __future__ import annotations

import dataclasses
from math import isnan, log10, nan
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from drawn import NAMES, cells_of
from fake_work import FACTORS
from page_runs import DIGITS, Parsed, column, number, rows_of, run_directory
from scipy.stats import t as student

from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Question, compare
from gradlab.report.model.conclusions import conclusions
from gradlab.report.model.marks import mark
from gradlab.report.page import build_page
from gradlab.report.page.configurations import NUMBERS, shade
from gradlab.report.page.source import TABLES
from gradlab.results.directories import open_runs


def shown(value: Any) -> float:
    return nan if value is None else float(value)


def test_every_number_of_a_configuration_is_that_of_the_summary(run: Path, page: Parsed) -> None:
    rows = rows_of(run, "summary")
    data = page.data
    assert column(data, "activation") == [row["activation"] for row in rows]
    assert column(data, "length") == [int(row["depth"]) for row in rows]
    assert column(data, "verdict") == [row["verdict"] for row in rows]
    compared = 0
    for name in NUMBERS:
        wanted = [number(row[name]) for row in rows]
        if name not in data["configurations"]:
            assert all(map(isnan, wanted)), name
            continue
        np.testing.assert_allclose([shown(one) for one in column(data, name)], wanted, rtol=DIGITS, err_msg=name)
        compared += not all(map(isnan, wanted))
    assert compared > 18


def log_profiles(run: Path, cells: set[str], step: int, name: str = "log10_grad_norm") -> list[list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows_of(run, "layers"):
        if row["cell"] in cells and int(row["step"]) == step:
            found.setdefault(row["cell"], []).append(number(row[name]))
    return list(found.values())


@pytest.mark.parametrize(("activation", "depth"), [("sigmoid", 32), ("selu", 8)])
def test_a_profile_is_the_geometric_mean_of_the_seeds_with_its_interval(
    run: Path, page: Parsed, activation: str, depth: int
) -> None:
    cells = {
        row["cell"] for row in rows_of(run, "cells") if row["activation"] == activation and int(row["depth"]) == depth
    }
    data = page.data
    row = list(zip(column(data, "activation"), column(data, "length"), strict=True)).index((activation, depth))
    profile = data["profiles"][str(row)]
    relative = [[one - seed[-1] for one in seed] for seed in log_profiles(run, cells, 0)]
    assert len(relative) == 3
    for block in range(depth):
        values = [seed[block] for seed in relative]
        half = student.ppf(0.975, 2) * stdev(values) / 3**0.5
        assert profile["mean"][block] == pytest.approx(mean(values), abs=6e-4)
        assert profile["high"][block] - profile["low"][block] == pytest.approx(2 * half, abs=1.2e-3)
    assert profile["mean"][0] == pytest.approx(column(data, "log10_survival")[row], abs=6e-4)
    assert profile["steps"] == [0, 1, 300]
    last = log_profiles(run, cells, 300)
    assert profile["by_step"][2] == pytest.approx([mean(block) for block in zip(*last, strict=True)], abs=6e-4)
    theory = log_profiles(run, cells, 0, "theory_log10_grad_norm")[0]
    assert profile["theory"] == pytest.approx(theory, abs=6e-4)


def test_a_profile_of_a_known_slope(tmp_path: Path) -> None:
    found = Parsed(build_page([run_directory(tmp_path / "r", cells_of(depths=(9,), seeds=1))]).html).data
    for row, name in enumerate(column(found, "activation")):
        wanted = [log10(FACTORS[name]) * (9 - block) for block in range(1, 10)]
        assert found["profiles"][str(row)]["mean"] == pytest.approx(wanted, abs=6e-4)
        assert found["profiles"][str(row)]["low"] is None  # one seed has no interval


def test_a_long_profile_is_thinned_and_says_at_which_blocks(tmp_path: Path) -> None:
    found = Parsed(
        build_page([run_directory(tmp_path / "r", cells_of(depths=(500,), names=("relu", "tanh"), seeds=2))]).html
    )
    profile = found.data["profiles"]["1"]
    assert len(profile["at"]) == 64
    assert (profile["at"][0], profile["at"][-1]) == (1, 500)
    wanted = [mean(log10(0.8 * (1 + seed / 100)) for seed in (0, 1)) * (500 - block) for block in profile["at"]]
    assert profile["mean"] == pytest.approx(wanted, abs=6e-4)


def test_the_history_is_the_mean_of_the_steps_table(run: Path, page: Parsed) -> None:
    rows = rows_of(run, "steps")
    cells = {row["cell"] for row in rows_of(run, "cells") if row["activation"] == "relu" and row["depth"] == "8"}
    data = page.data
    row = list(zip(column(data, "activation"), column(data, "length"), strict=True)).index(("relu", 8))
    history = data["profiles"][str(row)]["history"]
    for index, step in enumerate(history["step"]):
        for name in ("metric", "log10_survival", "loss"):
            wanted = mean(number(one[name]) for one in rows if one["cell"] in cells and int(one["step"]) == step)
            assert history[name][index] == pytest.approx(wanted, abs=6e-4)


def test_the_embedded_tables_are_the_files_byte_for_byte(run: Path, page: Parsed) -> None:
    for table in TABLES[:4]:
        assert page.file(f"file-0-{table}") == (run / f"{table}.csv").read_bytes()


def test_effects_and_conclusions_are_those_of_compare(run: Path, page: Parsed) -> None:
    found = compare(collect(open_runs([run])), Question())
    data = page.data
    assert data["conclusions"] == conclusions(found)
    wanted = {term.factors: term.omega2 for term in found.analyses[0].shares.terms}
    terms = {tuple(one["factors"]): one["shares"][0] for one in data["effects"]["terms"] if one["factors"]}
    assert terms[("depth",)] == pytest.approx(wanted[("depth",)])
    assert set(terms) <= set(wanted)
    for one, level in zip(data["effects"]["levels"][0]["rows"], found.analyses[0].effects.levels, strict=True):
        assert (one["factor"], one["level"]) == (level.factor, level.level)
        assert (one["effect"], one["low"], one["high"]) == pytest.approx((level.effect, level.low, level.high))


def test_the_map_has_every_configuration_once(page: Parsed) -> None:
    data = page.data
    found = data["runs"][0]["map"]
    assert (found["name"], found["columns"], found["keys"]) == ("depth", ["2", "8", "32"], ["activation"])
    assert sorted(index for row in found["rows"] for index in row["fields"]) == list(range(9))
    for row in found["rows"]:
        for index, depth in zip(row["fields"], found["columns"], strict=True):
            assert row["labels"] == [column(data, "activation")[index]]
            assert depth == str(column(data, "length")[index])


def test_with_one_depth_another_setting_goes_across(tmp_path: Path) -> None:
    cells = [dataclasses.replace(cell, width=width) for cell in cells_of(depths=(8,)) for width in (16, 64)]
    found = Parsed(build_page([run_directory(tmp_path / "r", cells)]).html).data
    made = found["runs"][0]["map"]
    assert (made["name"], made["columns"], made["keys"]) == ("activation", list(NAMES), ["width"])
    for row in made["rows"]:
        for index, name in zip(row["fields"], made["columns"], strict=True):
            assert (column(found, "width")[index], column(found, "activation")[index]) == (row["labels"][0], name)


def test_marks_and_shades_follow_the_thresholds(page: Parsed) -> None:
    data = page.data
    seen = dict(zip(zip(column(data, "activation"), column(data, "length"), strict=True),
                    zip(column(data, "mark"), column(data, "shade"), strict=True), strict=True))  # fmt: skip
    assert seen["sigmoid", 32][0] == "✗"
    assert seen["selu", 32][0] == "▲"
    assert seen["relu", 2] == ("", "")
    assert [shade(mark("vanishing", value, 1e-3, 1e3)) for value in (-0.3, -0.4, -1.5, -3.1, -9.5, -30)] == [
        "", "v1", "v2", "v3", "v4", "v5"
    ]  # fmt: skip
    assert shade(mark("exploding", 4.0, 1e-3, 1e3)) == "e3"
    assert shade(mark("dead", nan, 1e-3, 1e3)) == "lost"


def test_a_configuration_name_needs_what_varies_only(page: Parsed) -> None:
    data = page.data
    assert data["keys"] == ["activation"]
    assert data["fixed"]["task"] == "digits"
    assert "activation" not in data["fixed"]
