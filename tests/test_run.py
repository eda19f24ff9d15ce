from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gradlab import __version__, plan, spec
from gradlab.cell import Cell, Named, cell_id
from gradlab.errors import DataError, StoreError, UsageError
from gradlab.executor import InlineExecutor, Outcome, Worked
from gradlab.plan import Bank
from gradlab.progress import Progress
from gradlab.run import RunResult, execute, prepare

TEXT = """
name: demo
seeds: 2
train: {steps: 5}
grid: {depth: [2, 8], activation: [sigmoid, relu, selu]}
"""


class Listening:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps: list[Progress] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def advance(self, progress: Progress, outcome: Outcome | None) -> None:
        self.steps.append(progress)

    def rest(self) -> None:
        self.resting = True


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """Give the fake work its wishes; the answer reads the cells it has computed so far."""
    calls = tmp_path / "calls"

    def wish(**wishes: Any) -> list[str]:
        monkeypatch.setenv("GRADLAB_FAKE", json.dumps({"calls": str(calls), **wishes}))
        return calls.read_text().split() if calls.exists() else []

    wish()
    return wish


def run(out: Path, text: str = TEXT, **options: Any) -> tuple[RunResult, Listening]:
    listener = Listening()
    names = ("fail_fast", "predict", "retries")
    chosen = {name: options.pop(name) for name in names if name in options}
    prepared = prepare(spec.loads(text), out, limit=1000, **options)
    executor = InlineExecutor("fake_work:train", "cpu")
    return execute(prepared, executor, listener, command=["gradlab", "run"], device="auto", **chosen), listener


def tables(path: Path) -> dict[str, pd.DataFrame]:
    names = ("cells", "layers", "steps", "summary")
    return {name: pd.read_csv(path / f"{name}.csv").drop(columns="wall_s", errors="ignore") for name in names}


def same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame], without: tuple[str, ...] = ()) -> None:
    for name, frame in left.items():
        drop = [column for column in without if column in frame.columns]
        pd.testing.assert_frame_equal(frame.drop(columns=drop), right[name].drop(columns=drop), check_exact=True)


def test_a_run_leaves_its_tables_and_where_they_come_from(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    result, listener = run(tmp_path)
    assert (result.cells, result.computed, result.reused, result.missing) == (12, 12, 0, 0)
    assert sorted(path.name for path in result.path.iterdir()) == sorted(
        ["spec.yaml", "run.json", "SHA256SUMS", "parts", "cells.csv", "layers.csv", "steps.csv", "summary.csv"]
    )
    found = tables(result.path)
    assert len(found["cells"]) == 12
    assert len(found["summary"]) == 6
    assert len(found["layers"]) == 3 * 2 * 3 * (2 + 8)
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


def test_a_failed_bank_stops_no_other_and_is_tried_again(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    fake(fail=8)
    result, _ = run(tmp_path)
    assert {failure.cell.depth for failure in result.failures} == {8}
    assert (result.computed, len(result.failures), result.missing) == (6, 6, 0)
    cells = tables(result.path)["cells"]
    assert cells["status"].value_counts().to_dict() == {"ok": 6, "failed": 6}
    assert set(cells["error"].dropna()) == {"RuntimeError: no such luck with 8"}
    log = (result.path / "run.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert "no such luck with 8" in log
    fake()
    left, listener = run(tmp_path)
    assert (left.computed, left.reused, len(left.failures)) == (0, 6, 6)
    assert listener.said == [
        "6 of 12 cells were already there",
        "6 cells failed before and stay so (RuntimeError: no such luck with 8); --rerun-failed runs them again",
    ]
    pd.testing.assert_frame_equal(tables(result.path)["cells"], cells)
    again, _ = run(tmp_path, rerun_failed=True)
    assert (again.computed, again.reused, again.failures) == (6, 6, ())
    assert len(fake()) == 12
    assert not (result.path / "failures.jsonl").exists()


def test_other_versions_or_a_lost_note_mean_another_try(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    fake(fail=8)
    note = run(tmp_path)[0].path / "failures.jsonl"
    whole = note.read_text()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 6
    fake()
    for text, known in (("".join(lines[:4]) + lines[4][:50], 4), (whole.replace('"torch', '"flashlight'), 6)):
        note.write_text(text)
        assert len(prepare(spec.loads(TEXT), tmp_path, limit=1000).failed) == known
    note.write_text(whole.replace(f"gradlab {__version__}", "gradlab 0.0.1"))
    again, _ = run(tmp_path)
    assert (again.computed, again.failures) == (6, ())


def test_a_failure_that_is_remembered_is_not_one_of_cells_added_since(
    tmp_path: Path, fake: Callable[..., list[str]]
) -> None:
    fake(fail=8)
    run(tmp_path)
    fake()
    result, _ = run(tmp_path, TEXT.replace("seeds: 2", "seeds: 3"))
    assert (result.computed, result.reused) == (6, 6)
    assert {(failure.cell.depth, failure.cell.seed) for failure in result.failures} == {(8, 0), (8, 1)}


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    fake(fail=8)  # the longest are first
    result, _ = run(tmp_path, fail_fast=True)
    assert result.stopped == "stopped at the first failure"
    assert (len(result.failures), result.computed, result.missing) == (6, 0, 6)
    fake()
    mended, _ = run(tmp_path, fail_fast=True)
    assert (mended.computed, mended.failures) == (12, ())


def test_when_everything_fails_for_one_reason_it_stops_and_says_so(
    tmp_path: Path, fake: Callable[..., list[str]]
) -> None:
    text = TEXT.replace("depth: [2, 8]", "depth: 1..9")
    fake(fail="relu")
    result, _ = run(tmp_path, text)
    assert result.stopped == (
        "stopped, as all of the first 5 banks failed for one reason: RuntimeError: no such luck with relu"
    )
    assert (len(result.failures), result.computed, result.missing) == (5 * 6, 0, 4 * 6)
    fake()
    mended, _ = run(tmp_path, text)
    assert (mended.computed, mended.failures) == (54, ())


def test_failures_that_may_be_of_one_task_do_not_stop_the_others(
    tmp_path: Path, fake: Callable[..., list[str]]
) -> None:
    text = "name: demo\ntrain: {steps: 5}\ngrid: {depth: 1..9, task: [digits, spirals], residual: [none, add]}\n"
    fake(fail="digits")
    result, _ = run(tmp_path, text)
    assert result.stopped == ""
    assert (len(result.failures), result.computed) == (18, 18)


class TestRetries:
    def test_an_error_is_tried_again_when_asked(self, tmp_path: Path, fake: Callable[..., list[str]]) -> None:
        fake(fail=8, once=str(tmp_path))
        result, listener = run(tmp_path, retries=1)
        assert (result.computed, result.failures) == (12, ())
        assert [word for word in listener.said if word.endswith("no such luck with 8; it is tried again")]

    def test_and_no_more_often_than_asked(self, tmp_path: Path, fake: Callable[..., list[str]]) -> None:
        fake(fail=8)
        result, listener = run(tmp_path, retries=2)
        assert len(result.failures) == 6
        assert len([word for word in listener.said if word.endswith("it is tried again")]) == 2

    def test_without_memory_a_bank_is_halved(self, tmp_path: Path, fake: Callable[..., list[str]]) -> None:
        whole, _ = run(tmp_path / "whole")
        fake(memory=8)
        result, listener = run(tmp_path / "halved")
        assert (result.computed, result.failures) == (12, ())
        assert [word.partition("; ")[2] for word in listener.said] == [
            "its 6 cells go on as 3 and 3",
            *["its 3 cells go on as 1 and 2"] * 2,
            *["its 2 cells go on as 1 and 1"] * 2,
        ]
        same(tables(result.path), tables(whole.path), without=("bank",))
        assert listener.steps[-1].cells == 12

    def test_and_only_cells_that_have_none_alone_fail(self, tmp_path: Path, fake: Callable[..., list[str]]) -> None:
        fake(exhaust=8)
        result, _ = run(tmp_path)
        assert {(failure.cell.depth, failure.cell.seed) for failure in result.failures} == {(8, 0)}
        assert result.computed == 9
        assert all(one.error.startswith("out of memory: MemoryError: Unable to") for one in result.failures)
        fake()
        assert run(tmp_path)[0].computed == 3  # there may be memory now


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
    prepared = prepare(spec.loads(TEXT), tmp_path / "results", limit=1000)
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
            yield Outcome(self.banks[0], Worked((), "cpu", ""), "", "", 0.1, "liar")

        def close(self) -> None:
            self.banks.clear()

    liar = Liar()
    prepared = prepare(spec.loads(TEXT), tmp_path, limit=1000)
    with pytest.raises(ValueError, match="the records of 0 cells are not those"):
        execute(prepared, liar, Listening(), command=[], device="cpu")
    assert liar.banks == []
    assert prepared.directory.done() == ({}, ())


def test_a_place_that_is_taken_stops_before_anything_runs(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    (tmp_path / "demo").write_text("x")
    with pytest.raises(StoreError, match="is a file, where the run directory should be"):
        run(tmp_path)
    assert fake() == []


class TestInlineExecutor:
    bank = Bank("b", (Cell(lr=0.1),))

    def test_gives_one_outcome_per_bank_and_a_failure_is_one_of_them(self, fake: Callable[..., list[str]]) -> None:
        fake(fail="relu")
        executor = InlineExecutor("fake_work:train", "cpu")
        other = Bank("c", (Cell(lr=0.1, activation=Named("tanh")),))
        executor.submit(self.bank)
        executor.submit(other)
        bad, good = executor.outcomes()
        assert (bad.bank, bad.worked, bad.error) == (self.bank, None, "RuntimeError: no such luck with relu")
        assert bad.traceback.startswith("Traceback")
        assert good.worked is not None
        assert [one.cell for one in good.worked.records] == [cell_id(other.cells[0])]
        assert list(executor.outcomes()) == []

    def test_a_work_function_that_is_not_there_is_a_failure_too(self) -> None:
        executor = InlineExecutor("no.such:thing", "cpu")
        executor.submit(self.bank)
        assert [one.error for one in executor.outcomes()] == ["ModuleNotFoundError: No module named 'no'"]

    def test_closed_it_forgets_what_waits(self) -> None:
        executor = InlineExecutor("no.such:thing", "cpu")
        executor.submit(self.bank)
        executor.close()
        executor.close()
        assert list(executor.outcomes()) == []

    def test_a_usage_error_ends_the_run(self) -> None:
        executor = InlineExecutor("gradlab.worker:train", "cuda:99")
        executor.submit(self.bank)
        with pytest.raises(UsageError, match="--device cuda:99: torch finds"):
            list(executor.outcomes())

    def test_a_data_file_that_cannot_be_used_ends_the_run(self, tmp_path: Path) -> None:
        (tmp_path / "d.csv").write_text("a,y\n" + "1,2\n" * 9)
        params = (("path", str(tmp_path / "d.csv")), ("target", "z"), ("kind", "regression"))
        executor = InlineExecutor("gradlab.worker:train", "cpu")
        executor.submit(Bank("0" * 16, (Cell(task=Named("table", params), lr=0.1),)))
        with pytest.raises(DataError, match=r"d\.csv: there is no column 'z'"):
            list(executor.outcomes())


def test_banks_for_a_gpu_are_packed_for_one(tmp_path: Path) -> None:
    """The same grid in fewer, larger banks; the kind of device alone decides, not what is free on it."""
    found = spec.loads("name: large\nwidth: 128\ngrid: {depth: [16], activation: [tanh]}\nseeds: 40\n")
    on_cpu = prepare(found, tmp_path, limit=100)
    on_gpu = prepare(found, tmp_path, limit=100, limits=plan.CUDA)
    assert len(on_cpu.banks) > len(on_gpu.banks) == 1
    assert {cell for bank in on_cpu.banks for cell in bank.cells} == set(on_gpu.banks[0].cells)
