"""Any run has a report page: several at once, recurrent, failed, too large, or of an older gradlab."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from drawn import cells_of, with_profile
from fake_work import record
from page_runs import DIGITS, Parsed, column, number, rewrite, rows_of, run_directory

from gradlab import grid, spec
from gradlab.cell import Cell, Named
from gradlab.record import Record
from gradlab.report.page import build_page
from gradlab.report.page.configurations import configurations
from gradlab.report.page.document import document
from gradlab.report.page.embed import as_json, attach
from gradlab.report.page.profiles import profiles
from gradlab.report.page.source import read_source
from gradlab.results.run import Run


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
    assert [(axis["name"], axis["unit"]) for axis in data["axes"]] == [("seq_len", "time step")]
    assert data["runs"][0]["map"]["columns"] == ["5", "20"]
    assert len(data["profiles"]["1"]["mean"]) == 20
    assert data["profiles"]["1"]["mean"][0] == pytest.approx(column(data, "log10_survival")[1], abs=6e-4)
    run_directory(tmp_path / "plain", cells_of(depths=(3,)))
    both = Parsed(build_page([tmp_path]).html).data
    assert [[both["axes"][axis]["unit"] for axis in run["axes"]] for run in both["runs"]] == [["time step"], ["block"]]
    assert column(both, "length") == [5, 20, 3, 3, 3]


def test_expectations_about_the_blocks_are_judged_though_the_page_reads_few_of_their_columns(tmp_path: Path) -> None:
    text = (
        "name: few\nlr: 0.1\nseeds: 2\ngrid: {depth: [2, 4]}\n"
        "expect: ['dead_units[depth=2] < 0.6', 'saturated_final > 0.6']\n"
    )
    (tmp_path / "spec.yaml").write_text(text)
    cells = grid.expand(spec.load(tmp_path / "spec.yaml")).cells
    data = Parsed(build_page([run_directory(tmp_path / "few", cells, spec=text)]).html).data
    assert [one["outcome"] for one in data["runs"][0]["expected"]] == ["held", "did not hold"]


@pytest.mark.parametrize("value", [-np.inf, np.nan])
def test_zeros_and_nans_are_counted_and_not_drawn(tmp_path: Path, value: float) -> None:
    data = Parsed(build_page([run_directory(tmp_path / "r", cells_of(), with_profile(value, "relu"))]).html).data
    row = column(data, "activation").index("relu")
    assert column(data, "mark")[row] == ("∅" if value == -np.inf else "!")
    assert column(data, "shade")[row] == "lost"
    assert data["profiles"][str(row)]["lost"] == 3
    assert set(data["profiles"][str(row)]["mean"]) == {None}


def test_what_became_of_each_configuration_stands_in_words_and_healthy_is_what_has_no_mark(tmp_path: Path) -> None:
    """Of relu, whose survival is 1: one depth each that diverged, never moved, lost its gradient later, and learned."""

    def spoiled(cell: Cell) -> Record:
        plain = record(cell, learned=cell.depth == 16)
        if cell.depth == 2:
            lost = {"metric": np.full_like(plain.metric, np.nan), "loss": np.full_like(plain.loss, np.nan)}
            return plain.with_values(
                status="diverged", diverged_at=3 + cell.seed, loss_last_finite=2e8 * (1 + cell.seed), **lost
            )
        if cell.depth == 4:
            return plain.with_values(displacement=np.zeros_like(plain.displacement))
        log_g = plain.log_grad_norm.copy()
        if cell.depth == 8:
            log_g[-1] += np.linspace(-20, 0, cell.blocks)
        return plain.with_values(log_grad_norm=log_g)

    run = run_directory(tmp_path / "r", cells_of((2, 4, 8, 16), ("relu",), seeds=2), spoiled)
    data = Parsed(build_page([run]).html).data
    assert column(data, "training") == [
        "diverged at steps 3 to 4, last finite loss 2.00e+08 to 4.00e+08", "weights never moved", "still falling",
        "learned",
    ]  # fmt: skip
    assert column(data, "verdict_name") == [*["healthy before training"] * 3, "healthy"]
    assert data["counts"]["healthy"] == 1
    said = "\n".join(data["conclusions"])
    assert "diverged: the plain network at depth 2 at steps 3 to 4 (2 of 2 seeds; last finite loss 2.00e+08 to" in said
    assert "the weights never moved: the plain network at depth 4 (not one bit in 300 steps" in said
    assert "healthy before training, not after it: the plain network at depth 8 (vanishing" in said
    assert "fading (<0.1)" in [each["name"] for each in data["legend"]["before"]]


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
    assert found[1]["detail"].endswith("; not in 2 of 2")
    one = list(zip(column(data, "activation"), column(data, "length"), strict=True)).index(("sigmoid", 32))
    measured = float(found[0]["detail"].split(";")[0].split(" ")[0])
    assert measured == pytest.approx(10 ** column(data, "log10_survival")[one], rel=5e-3)
    assert found[0]["selection"]["text"] == "activation=sigmoid and depth=32"
    other = run_directory(tmp_path / "s", cells_of(names=("gelu",)), spec=text)  # cells of another spec
    judgements = Parsed(build_page([other]).html).data["runs"][0]["expected"]
    assert [(one["outcome"], one["detail"]) for one in judgements] == [("not judged", "not judged: no such cell")] * 2


def test_what_does_not_fit_is_left_out_and_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = read_source(Run(run), "small")
    found = configurations([source])
    whole, nothing = profiles(found, [source])
    assert (len(whole), nothing) == (9, [])
    less, notes = profiles(found, [source], budget=3_000)
    assert 0 < len(as_json(less)) < 5_000
    assert len(notes) == 2
    assert all("profile" in note for note in notes)
    few = attach([source], "block", budget=5_000)
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
    assert len(page.html.encode()) < 170_000
    assert page.notes == ()


def test_a_table_of_an_older_gradlab_lacks_settings(tmp_path: Path) -> None:
    path = run_directory(tmp_path / "r", cells_of(seeds=2))

    def without(head: list[str], row: list[str]) -> list[str]:
        gone = {head.index("seq_len"), head.index("precision")}
        return [one for at, one in enumerate(row) if at not in gone]

    rewrite(path, without)
    assert column(Parsed(build_page([path]).html).data, "length") == [2, 8, 32] * 3


def test_a_configuration_that_occurs_in_two_runs_has_two_ids(tmp_path: Path) -> None:
    cells = cells_of((2, 8), ("relu",), 2)
    paths = [run_directory(tmp_path / name, cells) for name in ("first", "second")]
    data = Parsed(build_page(paths).html).data
    ids = data["configurations"]["id"]
    assert len(ids) == len(set(ids)) == 4
    names = [row["cell"] for row in rows_of(paths[0], "cells") if row["seed"] == "0"]
    assert ids == [names[0][:10], names[1][:10], f"{names[0][:10]}.2", f"{names[1][:10]}.2"]
