"""A run from spec to tables: what it leaves, and what it reuses of what is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_runs import TEXT, Listening, run, same, tables

from gradlab import spec
from gradlab.api.options import PlanOptions
from gradlab.api.plan import prepare
from gradlab.api.run import execute
from gradlab.errors import StoreError
from gradlab.execution.base import BankResult, Outcome
from gradlab.planning.banks import Bank


def test_a_run_leaves_its_tables_and_where_they_come_from(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    result, listener = run(tmp_path)
    assert (result.cells, result.computed, result.reused, result.missing) == (12, 12, 0, 0)
    assert sorted(path.name for path in result.path.iterdir()) == sorted(
        [
            "spec.yaml",
            "run.json",
            "SHA256SUMS",
            "parts",
            "tables.json",
            "cells.csv",
            "layers.csv",
            "steps.csv",
            "summary.csv",
        ]
    )
    written = tables(result.path)
    assert len(written["cells"]) == 12
    assert len(written["summary"]) == 6
    assert len(written["layers"]) == 3 * 2 * 3 * (2 + 8)
    assert spec.load(result.path / "spec.yaml").name == "demo"
    session = json.loads((result.path / "run.json").read_text())["sessions"][0]
    assert session["command"] == ["gradlab", "run"]
    assert session["device"] == "cpu"
    assert (session["computed"], session["failed"], session["interrupted"]) == (12, 0, False)
    assert {"gradlab", "python", "numpy", "torch", "os"} <= session["versions"].keys()
    assert session["finished"] > session["started"]
    assert [step.cells for step in listener.steps][0 :: len(listener.steps) - 1] == [0, 12]


def test_the_same_again_computes_nothing_and_leaves_the_same_bytes(
    tmp_path: Path, fake: Callable[..., list[str]]
) -> None:
    first, _ = run(tmp_path)
    before = {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()}
    second, listener = run(tmp_path)
    assert (second.computed, second.reused) == (0, 12)
    assert len(fake()) == 12
    assert listener.said == ["12 of 12 cells were already there"]
    assert {path: path.read_bytes() for path in before} == before


def test_two_places_give_the_same_bytes_but_for_the_times(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    first, _ = run(tmp_path / "a")
    second, _ = run(tmp_path / "b")
    for name in ("layers", "steps", "summary"):
        assert first.files[name].read_bytes() == second.files[name].read_bytes()
    same(tables(first.path), tables(second.path))


def test_an_interrupt_keeps_what_is_finished_and_writes_the_tables(
    tmp_path: Path, fake: Callable[..., list[str]]
) -> None:
    fake(interrupt=2)
    result, _ = run(tmp_path / "broken")
    assert result.interrupted
    assert result.computed == len(fake(interrupt=2)) == 6
    assert len(tables(result.path)["cells"]) == result.computed
    assert result.missing == 12 - result.computed
    fake()
    whole, _ = run(tmp_path / "whole")
    resumed, _ = run(tmp_path / "broken")
    assert resumed.reused == result.computed
    same(tables(resumed.path), tables(whole.path))


def test_a_changed_spec_reuses_what_is_valid_and_says_so(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    run(tmp_path)
    text = TEXT.replace("seeds: 2", "seeds: 3").replace("[sigmoid, relu, selu]", "[sigmoid, relu]")
    result, listener = run(tmp_path, text)
    assert listener.said == [
        "8 of 12 cells were already there",
        "4 stored cells are not part of this spec any more and stay aside",
    ]
    assert (result.computed, result.reused) == (4, 8)
    calls = fake()
    assert len(calls) == len(set(calls)) == 16
    fresh, _ = run(tmp_path / "fresh", text)
    same(tables(result.path), tables(fresh.path), without=("bank",))
    back, _ = run(tmp_path)
    assert (back.computed, back.reused) == (0, 12)


def test_a_damaged_part_is_said_kept_and_run_again(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    first, _ = run(tmp_path)
    before = tables(first.path)
    part = sorted((first.path / "parts").iterdir())[0]
    whole = part.read_bytes()
    part.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    second, listener = run(tmp_path)
    assert listener.said[0].startswith(f"{part.name} is damaged (its checksum does not fit its content): kept as ")
    assert part.with_name(f"{part.name}.damaged").exists()
    assert second.computed > 0
    assert second.computed + second.reused == 12
    same(tables(second.path), before)


def test_fresh_starts_over_and_keeps_the_old_parts(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    run(tmp_path)
    result, listener = run(tmp_path, fresh=True)
    assert result.computed == 12
    assert listener.said == [f"starting over: what was done before lies in {result.path / 'parts.old'}"]
    assert len(list((result.path / "parts.old").iterdir())) == len(list((result.path / "parts").iterdir()))


def test_a_seed_offset_gives_other_cells(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    run(tmp_path)
    result, _ = run(tmp_path, seed_offset=1)
    assert (result.reused, result.computed) == (6, 6)
    assert set(tables(result.path)["cells"]["seed"]) == {1, 2}


def test_preparing_touches_nothing(tmp_path: Path) -> None:
    prepared = prepare(spec.loads(TEXT), PlanOptions(out=tmp_path / "results", device="cpu"))
    assert sum(len(bank.cells) for bank in prepared.banks) == 12
    assert prepared.estimate.seconds > 0
    assert list(tmp_path.iterdir()) == []


def test_records_of_other_cells_are_a_bug_and_publish_nothing(tmp_path: Path) -> None:
    class Liar:
        workers = 1

        def __init__(self) -> None:
            self.banks: list[Bank] = []

        def submit(self, bank: Bank, checkpoint: str = "") -> None:
            self.banks.append(bank)

        def drain(self) -> int:
            return 0

        def outcomes(self) -> Any:
            yield Outcome(self.banks[0], BankResult((), "cpu", ""), "", "", 0.1, "liar")

        def close(self) -> None:
            self.banks.clear()

    liar = Liar()
    prepared = prepare(spec.loads(TEXT), PlanOptions(out=tmp_path, device="cpu"))
    with pytest.raises(ValueError, match="the records of 0 cells are not those"):
        execute(prepared, liar, Listening(), command=[], device="cpu")
    assert liar.banks == []
    assert prepared.directory.done() == ({}, ())


def test_a_place_that_is_taken_stops_before_anything_runs(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    (tmp_path / "demo").write_text("x")
    with pytest.raises(StoreError, match="is a file, where the run directory should be"):
        run(tmp_path)
    assert fake() == []


def test_banks_for_a_gpu_are_packed_for_one(tmp_path: Path) -> None:
    """The same grid in fewer, larger banks; the kind of device alone decides, not what is free on it."""
    grid = spec.loads("name: large\nwidth: 128\ngrid: {depth: [16], activation: [tanh]}\nseeds: 40\n")
    on_cpu = prepare(grid, PlanOptions(out=tmp_path, device="cpu"))
    on_gpu = prepare(grid, PlanOptions(out=tmp_path, device="cuda"))
    assert len(on_cpu.banks) > len(on_gpu.banks) == 1
    assert {cell for bank in on_cpu.banks for cell in bank.cells} == set(on_gpu.banks[0].cells)
