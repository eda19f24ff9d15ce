"""The report page as a file: its numbers are those of the tables, no text becomes markup, and it stays small."""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import json
import re
from importlib import resources
from math import inf, isnan, log10, nan
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from drawn import NAMES, cells_of, with_profile
from fake_work import FACTORS, record
from hypothesis import given
from hypothesis import strategies as st
from page_runs import Parsed, column, rows_of, run_directory
from scipy.stats import t as student

from gradlab import grid, spec
from gradlab.cell import Cell, Named
from gradlab.cli import invoke
from gradlab.compare.collect import collect
from gradlab.compare.comparison import Question, compare
from gradlab.errors import StoreError, UsageError
from gradlab.record import Record
from gradlab.report.conclusions import conclusions
from gradlab.report.page import build_page
from gradlab.report.page import configurations as configured
from gradlab.report.page.build import _SCRIPTS
from gradlab.report.page.configurations import NUMBERS, configurations, shade
from gradlab.report.page.document import document
from gradlab.report.page.embed import as_json, attach
from gradlab.report.page.profiles import profiles
from gradlab.report.page.source import TABLES, read_source

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
DIGITS = 1.1e-6
"""Relative: the page keeps seven significant digits of a number."""


def scattered(cell: Cell) -> Record:
    """A record whose seeds differ in more than their factor, so that a mean over them is no seed's value."""
    one = record(cell)
    wobble = 0.3 * np.sin(1.7 * np.arange(cell.blocks) * (cell.seed + 1))
    return dataclasses.replace(one, log_grad_norm=one.log_grad_norm + wobble)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_directory(tmp_path_factory.mktemp("results") / "small", cells_of(), scattered)


@pytest.fixture(scope="module")
def page(run: Path) -> Parsed:
    return Parsed(build_page([run]).html)


def number(text: str) -> float:
    return float(text) if text else nan


def shown(value: Any) -> float:
    return nan if value is None else float(value)


def test_every_number_of_a_configuration_is_that_of_the_summary(run: Path, page: Parsed) -> None:
    rows = rows_of(run, "summary")
    data = page.data
    assert column(data, "activation") == [row["activation"] for row in rows]
    assert column(data, "along") == [int(row["depth"]) for row in rows]
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
    row = list(zip(column(data, "activation"), column(data, "along"), strict=True)).index((activation, depth))
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
    row = list(zip(column(data, "activation"), column(data, "along"), strict=True)).index(("relu", 8))
    history = data["profiles"][str(row)]["history"]
    for index, step in enumerate(history["step"]):
        for name in ("metric", "log10_survival", "loss"):
            wanted = mean(number(one[name]) for one in rows if one["cell"] in cells and int(one["step"]) == step)
            assert history[name][index] == pytest.approx(wanted, abs=6e-4)


def test_the_embedded_tables_are_the_files_byte_for_byte(run: Path, page: Parsed) -> None:
    for table in TABLES:
        assert page.file(f"file-0-{table}") == (run / f"{table}.csv").read_bytes()


def test_effects_and_conclusions_are_those_of_compare(run: Path, page: Parsed) -> None:
    found = compare(collect([run]), Question())
    data = page.data
    assert data["conclusions"] == conclusions(found)
    wanted = {term.factors: term.omega2 for term in found.weights[0].shares.terms}
    terms = {tuple(one["factors"]): one["shares"][0] for one in data["effects"]["terms"] if "factors" in one}
    assert terms[("depth",)] == pytest.approx(wanted[("depth",)])
    assert set(terms) <= set(wanted)
    for one, level in zip(data["effects"]["levels"][0]["rows"], found.weights[0].levels, strict=True):
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
            assert depth == str(column(data, "along")[index])


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
    seen = dict(zip(zip(column(data, "activation"), column(data, "along"), strict=True),
                    zip(column(data, "mark"), column(data, "shade"), strict=True), strict=True))  # fmt: skip
    assert seen["sigmoid", 32][0] == "✗"
    assert seen["selu", 32][0] == "▲"
    assert seen["relu", 2] == ("", "")
    assert [shade("vanishing", value, 1e-3, 1e3) for value in (-0.3, -0.4, -1.5, -3.1, -9.5, -30)] == [
        "", "v1", "v2", "v3", "v4", "v5"
    ]  # fmt: skip
    assert shade("exploding", 4.0, 1e-3, 1e3) == "e3"
    assert shade("dead", nan, 1e-3, 1e3) == "lost"


def hostile(tmp_path: Path) -> Path:
    cells = cells_of(depths=(2, 8), names=("relu", "sigmoid"), seeds=2)
    text = f"name: {EVIL}\ndescription: {EVIL}\n"
    session = {"command": [EVIL], EVIL: EVIL, "started": EVIL, "versions": {EVIL: [EVIL]}}
    path = tmp_path / "<img src=x onerror=alert(1)>"
    run_directory(path, cells, lost=cells[:1], error=EVIL, spec=text, session=session)
    for table in ("cells", "summary"):
        file = path / f"{table}.csv"
        with file.open(newline="", encoding="utf-8") as source:
            rows = list(csv.reader(source))
        place = rows[0].index("activation")
        for row in rows[1:]:
            row[place] = row[place].replace("relu", f"relu {EVIL}\u2028&amp;")
        with file.open("w", newline="", encoding="utf-8") as target:
            csv.writer(target).writerows(rows)
    return path


def test_nothing_of_a_run_becomes_markup(tmp_path: Path) -> None:
    plain = Parsed(build_page([run_directory(tmp_path / "plain", cells_of(depths=(2, 8), names=("relu",)))]).html)
    path = hostile(tmp_path)
    html = build_page([path]).html
    page = Parsed(html)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert EVIL not in html
    assert page.contents["h1"] == path.name
    data = page.data
    assert f"relu {EVIL}\u2028&amp;" in column(data, "activation")
    assert data["runs"][0]["failures"] == [{"error": EVIL, "cells": 1, "bank": "b9"}]
    assert data["runs"][0]["sessions"][0]["command"] == [EVIL]
    assert EVIL in data["runs"][0]["spec"]


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(), lambda one: st.lists(one) | (
    st.dictionaries(st.text(), one)), max_leaves=8))  # fmt: skip
def test_json_in_a_page_reads_back_and_has_no_markup(document: Any) -> None:
    text = as_json(document)
    assert json.loads(text) == document
    assert not set(text) & set("<>&\u2028\u2029")


def test_json_writes_what_strict_json_cannot() -> None:
    assert as_json([inf, -inf, nan, np.float64(0.5), np.int64(3)]) == '["inf","-inf",null,0.5,3]'
    assert as_json("half \ud800") == '"half ?"'


def test_the_page_asks_for_nothing_and_runs_our_script_only(page: Parsed) -> None:
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
    assert policy is not None
    for name, text in (("style", page.contents["style"]), ("script", page.contents["script"])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    for tag, attrs in page.tags:
        assert not {"src", "style"} & set(attrs), tag
        assert attrs.get("href", "#").startswith(("#", "data:,")), tag  # type: ignore[union-attr]
        assert not [name for name in attrs if name.startswith("on")], tag
    assert not re.search(r"url\(|@import", page.contents["style"])
    addresses = re.findall(r"https?://[^\s\"'`]+", page.contents["script"])
    assert addresses == ["http://www.w3.org/2000/svg"]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", page.contents["script"]
    )


def test_every_asset_is_in_the_page() -> None:
    there = {path.name for path in (resources.files("gradlab.report.page") / "assets").iterdir()}
    assert there == {f"{name}.js" for name in _SCRIPTS} | {"page.html", "page.css"}


def test_the_same_run_gives_the_same_bytes(run: Path) -> None:
    assert build_page([run]).html == build_page([run]).html


def test_several_runs_are_one_page_with_a_map_each(tmp_path: Path) -> None:
    one = run_directory(tmp_path / "one", cells_of(seeds=2))
    two = run_directory(tmp_path / "two", cells_of(depths=(2, 4), names=("tanh", "gelu"), width=32))
    data = Parsed(build_page([tmp_path]).html).data
    assert data["title"] == "2 runs"
    assert [run["name"] for run in data["runs"]] == ["one", "two"]
    sizes = [len(rows_of(path, "summary")) for path in (one, two)]
    assert column(data, "run") == [0] * sizes[0] + [1] * sizes[1]
    wanted = [number(row["log10_survival"]) for path in (one, two) for row in rows_of(path, "summary")]
    np.testing.assert_allclose(column(data, "log10_survival"), wanted, rtol=DIGITS)
    fields = [{index for row in run["map"]["rows"] for index in row["fields"]} for run in data["runs"]]
    assert fields == [set(range(sizes[0])), set(range(sizes[0], sum(sizes)))]
    assert data["runs"][1]["fixed"] == {"width": "32"}
    assert data["runs"][1]["map"]["columns"] == ["2", "4"]


def test_recurrent_networks_run_over_time(tmp_path: Path) -> None:
    plain = Cell(model=Named("rnn"), task=Named("adding"), depth=1, activation=Named("tanh"), lr=0.1)
    cells = [dataclasses.replace(plain, seq_len=length, seed=seed) for length in (5, 20) for seed in range(2)]
    data = Parsed(build_page([run_directory(tmp_path / "memory", cells)]).html).data
    assert data["along"]["name"] == "seq_len"
    assert data["along"]["unit"] == "time step"
    assert data["runs"][0]["map"]["columns"] == ["5", "20"]
    assert len(data["profiles"]["1"]["mean"]) == 20
    assert data["profiles"]["1"]["mean"][0] == pytest.approx(column(data, "log10_survival")[1], abs=6e-4)
    run_directory(tmp_path / "plain", cells_of(depths=(3,)))
    both = Parsed(build_page([tmp_path]).html).data
    assert [run["along"]["unit"] for run in both["runs"]] == ["time step", "block"]
    assert column(both, "along") == [5, 20, 3, 3, 3]


@pytest.mark.parametrize("value", [-np.inf, np.nan])
def test_zeros_and_nans_are_counted_and_not_drawn(tmp_path: Path, value: float) -> None:
    data = Parsed(build_page([run_directory(tmp_path / "r", cells_of(), with_profile(value, "relu"))]).html).data
    row = column(data, "activation").index("relu")
    assert column(data, "mark")[row] == ("∅" if value == -np.inf else "!")
    assert column(data, "shade")[row] == "lost"
    assert data["profiles"][str(row)]["lost"] == 3
    assert set(data["profiles"][str(row)]["mean"]) == {None}


def test_a_run_of_which_everything_failed_has_a_page(tmp_path: Path) -> None:
    cells = cells_of(seeds=2)
    data = Parsed(build_page([run_directory(tmp_path / "r", cells, lost=cells)]).html).data
    assert data["counts"]["failed"] == len(cells)
    assert set(column(data, "verdict")) == {"failed"}
    assert data["effects"] is None
    assert data["runs"][0]["failures"][0]["cells"] == len(cells)


def test_expectations_are_judged(tmp_path: Path) -> None:
    text = "name: r\nseeds: 2\ngrid: {activation: [sigmoid, selu], depth: [2, 32]}\nexpect:\n"
    text += "  - survival[activation=sigmoid, depth=32] < 1e-6\n  - survival[activation=selu] < 1\n"
    cells = grid.expand(spec.loads(text)).cells
    data = Parsed(build_page([run_directory(tmp_path / "r", cells, spec=text)]).html).data
    found = data["runs"][0]["expected"]
    assert [one["outcome"] for one in found] == ["held", "did not hold"]
    assert found[1]["failed"] == found[1]["compared"] == 2
    one = list(zip(column(data, "activation"), column(data, "along"), strict=True)).index(("sigmoid", 32))
    assert float(found[0]["numbers"][0]) == pytest.approx(10 ** column(data, "log10_survival")[one], rel=5e-3)
    other = run_directory(tmp_path / "s", cells_of(names=("gelu",)), spec=text)  # cells of another spec
    assert Parsed(build_page([other]).html).data["runs"][0]["expected"] == []


def test_what_does_not_fit_is_left_out_and_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = read_source(run, "small")
    found = configurations([source])
    whole, nothing = profiles(found, [source])
    assert (len(whole), nothing) == (9, [])
    less, notes = profiles(found, [source], budget=3_000)
    assert 0 < len(as_json(less)) < 4_000
    assert len(notes) == 2
    assert all("profile" in note for note in notes)
    few = attach([source], budget=5_000)
    assert 0 < sum(map(len, few.contents.values())) <= 5_000
    assert few.files[0][-1]["id"] is None
    assert "layers.csv" in few.notes[0]
    short = document([run], most=4)
    listed = column(short.content, "log10_survival")
    every = [number(row["log10_survival"]) for row in rows_of(run, "summary")]
    assert len(listed) == 4
    assert {min(every), max(every)} <= set(listed) or np.allclose([min(listed), max(listed)], [min(every), max(every)])
    assert any("4 of 9 configurations" in note for note in short.notes)
    assert {index for row in short.content["runs"][0]["map"]["rows"] for index in row["fields"]} <= {-1, 0, 1, 2, 3}


def test_a_page_without_its_data_is_small(tmp_path: Path) -> None:
    page = build_page([run_directory(tmp_path / "r", cells_of(depths=(2,), names=("relu",), seeds=1))])
    assert len(page.html.encode()) < 120_000
    assert page.notes == ()


def test_a_table_of_an_older_gradlab_lacks_settings(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "r", cells_of(seeds=2))
    for table in ("cells", "summary"):
        file = path / f"{table}.csv"
        with file.open(newline="", encoding="utf-8") as source:
            rows = list(csv.reader(source))
        gone = {rows[0].index("seq_len"), rows[0].index("precision")}
        with file.open("w", newline="", encoding="utf-8") as target:
            csv.writer(target).writerows([[one for at, one in enumerate(row) if at not in gone] for row in rows])
    assert column(Parsed(build_page([path]).html).data, "along") == [2, 8, 32] * 3


def test_the_command_writes_the_page_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = run_directory(tmp_path / "one", cells_of(depths=(2,), seeds=2))
    two = run_directory(tmp_path / "two", cells_of(depths=(4,), seeds=2))
    assert invoke(["report", str(one)]) == 0
    assert capsys.readouterr().out.startswith(f"{one / 'report.html'} (")
    assert (one / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert invoke(["report", str(one), str(two)]) == 0
    assert (tmp_path / "report.html").is_file()
    assert invoke(["report", str(tmp_path), "--out", str(tmp_path / "x.html")]) == 0
    assert (tmp_path / "x.html").read_bytes() == (tmp_path / "report.html").read_bytes()


def test_the_command_opens_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run_directory(tmp_path / "r", cells_of(depths=(2,), seeds=1))
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)) or True)
    assert invoke(["report", str(path), "--open"]) == 0
    assert opened == [(path / "report.html").resolve().as_uri()]


def test_what_cannot_be_done_is_said_in_plain_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_directory(tmp_path / "a" / "r", cells_of(depths=(2,), seeds=1))
    other = run_directory(tmp_path / "b" / "s", cells_of(depths=(2,), seeds=1))
    assert invoke(["report", str(path), str(other)]) == 2
    assert "different directories" in capsys.readouterr().err
    assert invoke(["report", str(path), "--out", str(tmp_path)]) == 2
    assert "is a directory" in capsys.readouterr().err
    assert invoke(["report", str(tmp_path / "nothing")]) == 2
    (path / "steps.csv").write_text("cell,step\nx,1\n", encoding="utf-8")
    with pytest.raises(StoreError, match=r"steps\.csv is not a table of gradlab: it has no column loss"):
        build_page([path])
    (path / "steps.csv").unlink()
    with pytest.raises(StoreError, match=r"steps\.csv is missing"):
        build_page([path])
    with pytest.raises(UsageError):
        build_page([tmp_path / "nothing"])


def test_a_damaged_part_is_named_and_the_exit_code_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_directory(tmp_path / "r", cells_of(seeds=2))
    (path / "parts" / "b1.parquet").write_bytes(b"not a part")
    assert invoke(["report", str(path)]) == 1
    assert "b1.parquet is damaged" in capsys.readouterr().err
    assert any("b1.parquet" in warning for warning in Parsed((path / "report.html").read_text()).data["warnings"])


def test_a_configuration_name_needs_what_varies_only(page: Parsed) -> None:
    data = page.data
    assert data["keys"] == ["activation"]
    assert data["fixed"]["task"] == "digits"
    assert "activation" not in data["fixed"]
    assert configured.label(None) == configured.label(nan) == ""
