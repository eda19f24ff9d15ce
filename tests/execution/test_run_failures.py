"""Banks of a run that fail: kept, told, remembered, tried again, halved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from fake_runs import TEXT, Listening, run, same, tables
from tables import TABLE, write

from gradlab import __version__, spec
from gradlab.api.options import PlanOptions
from gradlab.api.plan import prepare
from gradlab.api.run import execute
from gradlab.cell import Cell
from gradlab.errors import DataError
from gradlab.execution import circumstances
from gradlab.execution.base import Cause, Outcome, cause_of
from gradlab.execution.inline import InlineExecutor


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
        assert len(prepare(spec.loads(TEXT), PlanOptions(out=tmp_path, device="cpu")).failed) == known
    note.write_text(whole.replace(f"gradlab {__version__}", "gradlab 0.0.1"))
    again, _ = run(tmp_path)
    assert (again.computed, again.failures) == (6, ())


def test_only_what_the_work_itself_raised_is_remembered(tmp_path: Path) -> None:
    """Also where a worker that died, or a task that could not begin, left the same message."""
    causes: list[Cause] = ["death", "exception", "timeout", "start", "surroundings"]

    class Failing(InlineExecutor):
        def outcomes(self) -> Iterator[Outcome]:
            while self._waiting:
                bank, _ = self._waiting.popleft()
                yield Outcome(bank, None, "no luck", "", 0.1, "worker 1", causes[bank.cells[0].depth - 1])

    plan = prepare(spec.loads("name: demo\ngrid: {depth: 1..5}\nseeds: 1\n"), PlanOptions(out=tmp_path, device="cpu"))
    result = execute(plan, Failing("", ""), Listening(), command=[], device="cpu", retries=0)
    assert len(result.failures) == 5
    assert [failure.cell.depth for failure in prepare(plan.spec, PlanOptions(out=tmp_path, device="cpu")).failed] == [2]


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
        assert all(failure.error.startswith("out of memory: MemoryError: Unable to") for failure in result.failures)
        fake()
        assert run(tmp_path)[0].computed == 3  # there may be memory now


class TestCircumstances:
    """A remembered failure ends with its cause."""

    def failed(self, tmp_path: Path, device: str = "cpu") -> int:
        return len(prepare(spec.loads(TEXT), PlanOptions(out=tmp_path, device=device)).failed)

    @pytest.fixture
    def one_kind_failed(self, tmp_path: Path, fake: Callable[..., list[str]]) -> Path:
        fake(fail=8)
        run(tmp_path)
        fake()
        assert self.failed(tmp_path) == 6
        return tmp_path

    def test_another_device(self, one_kind_failed: Path) -> None:
        assert self.failed(one_kind_failed, "auto") == 0

    @pytest.mark.parametrize("name", ["CUDA_VISIBLE_DEVICES", "PYTHONPATH", "GRADLAB_WORK"])
    def test_another_environment(self, one_kind_failed: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv(name, "elsewhere")
        assert self.failed(one_kind_failed) == 0

    def test_another_package(self, one_kind_failed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = one_kind_failed / "packages" / "zstandard-1.0.dist-info"
        package.mkdir(parents=True)
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: zstandard\nVersion: 1.0\n")
        monkeypatch.syspath_prepend(str(package.parent))
        assert self.failed(one_kind_failed) == 0

    def test_a_note_of_another_form(self, one_kind_failed: Path) -> None:
        (note,) = one_kind_failed.glob("*/failures.jsonl")
        note.write_text(note.read_text().replace('"circumstances": {', '"circumstances": {"more": "", '))
        assert self.failed(one_kind_failed) == 0
        note.write_text(note.read_text().replace("circumstances", "versions"))
        assert self.failed(one_kind_failed) == 0

    def test_another_name_of_the_same_data(self, tmp_path: Path, fake: Callable[..., list[str]]) -> None:
        def text(name: str) -> str:
            write(tmp_path, TABLE, name)
            return (
                f"name: demo\ntask: {{name: table, path: {tmp_path / name}, target: y, kind: regression}}\ndepth: 8\n"
            )

        fake(fail=8)
        assert len(run(tmp_path, text("a.csv"))[0].failures) == 1
        fake()
        assert len(prepare(spec.loads(text("a.csv")), PlanOptions(out=tmp_path, device="cpu")).failed) == 1
        result, listener = run(tmp_path, text("b.csv"))
        assert (result.computed, result.failures) == (1, ())
        assert not any("failed before" in line for line in listener.said)


@pytest.mark.parametrize(
    ("error", "cause"),
    [(FileNotFoundError(2, "gone"), "surroundings"), (ModuleNotFoundError("zstandard"), "surroundings"),
     (ValueError("no"), "exception"), (EOFError(), "exception"), (MemoryError(), "memory")],
)  # fmt: skip
def test_what_is_about_files_and_packages_is_not_about_the_cell(error: Exception, cause: str) -> None:
    assert cause_of(error) == cause


def test_a_mistake_in_the_data_is_never_remembered(tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    fake()
    path = write(tmp_path, TABLE.replace("a,b,y", "a,a,y"))
    text = f"name: demo\ntask: {{name: table, path: {path}, target: y, kind: regression}}\n"
    with pytest.raises(DataError):
        run(tmp_path, text)
    assert not (tmp_path / "demo").exists()


def test_the_source_of_a_clone_counts_as_its_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = circumstances.circumstances(Cell(), "cpu")
    assert circumstances.circumstances(Cell(), "cpu") == before
    (tmp_path / "mended.py").write_text("MENDED = True\n")
    monkeypatch.setattr("gradlab.__file__", str(tmp_path / "__init__.py"))
    circumstances._source.cache_clear()
    try:
        assert circumstances.circumstances(Cell(), "cpu") != before
    finally:
        circumstances._source.cache_clear()
