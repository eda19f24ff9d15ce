"""Whatever befalls a worker costs its own bank at most, and is said in plain words."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import alive, children, workers, zombies
from runs import finished, same_tables

from gradlab import spec
from gradlab.api.options import PlanOptions
from gradlab.api.plan import prepare
from gradlab.api.run import RunResult, execute
from gradlab.errors import GradlabError, UsageError
from gradlab.execution.base import Outcome
from gradlab.execution.processes import machine, pool, worker
from gradlab.execution.processes.pool import LocalExecutor
from gradlab.execution.processes.starting import Programs
from gradlab.execution.progress import Progress

pytestmark = pytest.mark.slow

TEXT = """
name: demo
seeds: 2
train: {steps: 5}
grid: {depth: [2, 4, 8], activation: [sigmoid, relu, selu]}
"""

posix = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")


class Listening:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.last: Progress | None = None

    def say(self, message: str) -> None:
        self.said.append(message)

    def advance(self, progress: Progress, outcome: Outcome | None) -> None:
        self.last = progress

    def rest(self) -> None:
        self.resting = True


def run(
    out: Path,
    text: str = TEXT,
    *,
    work: str = "fake_work:train",
    workers: int = 2,
    timeout_s: float | None = None,
    **how: Any,
) -> tuple[RunResult, Listening]:
    listener = Listening()
    executor = LocalExecutor(work, "cpu", workers=workers, timeout_s=timeout_s)
    prepared = prepare(spec.loads(text), PlanOptions(out=out, device="cpu"))
    result = execute(prepared, executor, listener, command=[], device="cpu", **how)
    assert listener.last is None or listener.last.cells == result.computed + len(result.failures)
    return result, listener


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = {*children(os.getpid()), *zombies(os.getpid())}
    yield
    assert {*children(os.getpid()), *zombies(os.getpid())} <= before


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    return run(tmp_path_factory.mktemp("whole"))[0].path


def wish(monkeypatch: pytest.MonkeyPatch, **wishes: Any) -> None:
    monkeypatch.setenv("GRADLAB_FAKE", json.dumps(wishes))


DEATHS = [
    ("leave", "worker left with exit code 7"),
    pytest.param("segv", "worker killed by signal 11 (SIGSEGV)", marks=posix),
    pytest.param("kill", "worker killed by signal 9 (SIGKILL)", marks=posix),
]


@pytest.mark.parametrize(("fate", "error"), DEATHS)
def test_a_worker_that_dies_is_replaced_and_its_bank_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path, fate: str, error: str
) -> None:
    wish(monkeypatch, **{fate: 4, "once": str(tmp_path)})
    result, listener = run(tmp_path / "out")
    assert (result.computed, result.failures) == (18, ())
    (said,) = listener.said
    assert said.endswith(f": {error}; it is tried again")
    same_tables(result.path, whole)


@pytest.mark.parametrize(("fate", "error"), DEATHS)
def test_workers_that_are_programs_of_their_own_do_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path, fate: str, error: str
) -> None:
    """What starts them where there is no fork server."""
    monkeypatch.setattr(pool, "starter", Programs)
    wish(monkeypatch, **{fate: 4, "once": str(tmp_path)})
    result, listener = run(tmp_path / "out")
    assert [text.partition(": ")[2] for text in listener.said] == [f"{error}; it is tried again"]
    same_tables(result.path, whole)


@posix
def test_the_death_of_what_forks_the_workers_costs_a_retry_of_what_was_in_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path
) -> None:
    (tmp_path / "server_work.py").write_text(
        "import os, pathlib, signal, fake_work\n"
        f"mark = pathlib.Path({str(tmp_path)!r}, 'killed')\n"
        "def train(job):\n"
        "    if job.cells[0].depth == 4 and not mark.exists():\n"
        "        mark.touch()\n        os.kill(os.getppid(), signal.SIGKILL)\n        signal.pause()\n"
        "    return fake_work.train(job)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    result, _ = run(tmp_path / "out", work="server_work:train")
    assert (tmp_path / "killed").exists()
    assert (result.computed, result.failures) == (18, ())
    same_tables(result.path, whole)


@pytest.mark.parametrize(("fate", "error"), DEATHS)
def test_one_that_kills_its_second_worker_too_has_failed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path, fate: str, error: str
) -> None:
    wish(monkeypatch, **{fate: 4})
    result, _ = run(tmp_path)
    assert {(one.cell.depth, one.error) for one in result.failures} == {(4, f"{error}, 2 times")}
    assert (result.computed, len(result.failures)) == (12, 6)
    assert not (result.path / "failures.jsonl").exists()
    wish(monkeypatch)
    again, _ = run(tmp_path)  # what killed it may have been the machine: the same command tries it again
    assert (again.computed, again.failures) == (6, ())
    same_tables(again.path, whole)


def test_the_log_has_the_last_words_of_a_worker_that_crashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wish(monkeypatch, segv=4, say="about to crash")
    result, _ = run(tmp_path, retries=0)
    assert {one.error for one in result.failures} == {"worker killed by signal 11 (SIGSEGV)"}
    log = (result.path / "run.log").read_text()
    assert "about to crash" in log
    assert "fake_work.py" in log  # faulthandler's stack


@pytest.mark.parametrize(
    ("fate", "error"),
    [
        ("fail", "RuntimeError: no such luck with 4"),
        ("quit", "SystemExit: enough"),
        ("interrupt", "KeyboardInterrupt"),
    ],
)
def test_an_exception_fails_its_bank_with_the_traceback_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fate: str, error: str
) -> None:
    wish(monkeypatch, **{fate: 4})
    result, listener = run(tmp_path)
    assert {(one.cell.depth, one.error) for one in result.failures} == {(4, error)}
    assert (result.computed, result.interrupted, listener.said) == (12, False, [])
    assert "Traceback (most recent call last)" in (result.path / "run.log").read_text()


def test_a_bank_that_hangs_is_killed_and_the_log_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_GRACE_S", 3.0)  # for a busy machine: the note of where must come before the end
    wish(monkeypatch, hang=4)
    result, _ = run(tmp_path, timeout_s=6)  # for a busy machine too: the other banks must end by then
    assert {(one.cell.depth, one.error) for one in result.failures} == {(4, "took longer than 6 s (--bank-timeout)")}
    assert result.computed == 12
    assert "in _hang" in (result.path / "run.log").read_text()


def test_a_bank_without_memory_is_halved_down_to_the_cells_that_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path
) -> None:
    wish(monkeypatch, memory=4)
    result, listener = run(tmp_path)
    assert (result.computed, result.failures) == (18, ())
    assert listener.said[0].endswith(": out of memory; its 6 cells go on as 3 and 3")
    assert len(listener.said) == 5
    same_tables(result.path, whole, without=("bank",))
    again, _ = run(tmp_path)
    assert (again.computed, again.reused) == (0, 18)


def test_a_worker_that_the_kernel_kills_for_want_of_memory_is_out_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter(range(1000))
    monkeypatch.setattr(worker, "oom_kills", lambda: next(counts))  # as the kernel's count would grow
    wish(monkeypatch, kill=4)
    result, listener = run(tmp_path)
    assert listener.said[0].endswith(": out of memory; its 6 cells go on as 3 and 3")
    assert len(result.failures) == 6
    assert all("out of memory" in one.error for one in result.failures)


def test_what_is_for_the_user_ends_the_run_and_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish(monkeypatch, usage=2)
    with pytest.raises(UsageError, match="there is no such device") as error:
        run(tmp_path, workers=1)
    assert error.value.hint == "take another"
    wish(monkeypatch)
    assert run(tmp_path)[0].reused == 12


class TestEnvironment:
    """A worker that cannot work at all is one message, not a failure of every bank."""

    def broken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        (tmp_path / "odd_work.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        run(tmp_path / "out", work="odd_work:train")

    def test_a_package_that_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(
            GradlabError, match="the workers cannot load odd_work:train: ModuleNotFoundError: No module named 'tarch'"
        ):
            self.broken(tmp_path, monkeypatch, "import tarch\n")

    def test_a_function_that_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(GradlabError, match="cannot load odd_work:train: AttributeError"):
            self.broken(tmp_path, monkeypatch, "")

    def test_an_import_that_kills_the_process(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        text = "import os, sys\nprint('no AVX here', file=sys.stderr, flush=True)\nos._exit(3)\n"
        with pytest.raises(GradlabError, match=r"it was left with exit code 3, 3 times in a row; .*: no AVX here"):
            self.broken(tmp_path, monkeypatch, text)

    def test_a_worker_that_dies_at_its_start_is_started_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "late_work.py").write_text(
            "import os, pathlib\n"
            "from fake_work import train\n"
            f"mark = pathlib.Path({str(tmp_path)!r}, f'started{{os.getppid()}}')\n"
            "if not mark.exists():\n    mark.touch()\n    os._exit(3)\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        result, listener = run(tmp_path / "out", work="late_work:train", workers=1)
        assert (result.computed, listener.said) == (18, [])

    def test_a_device_that_is_not_there(self) -> None:
        executor = LocalExecutor("gradlab.execution.worker:train", "cuda:99")
        executor.submit(prepare(spec.loads(TEXT), PlanOptions(out=Path("nowhere"), device="cpu")).banks[0])
        with pytest.raises(UsageError, match="--device cuda:99: torch finds"):
            list(executor.outcomes())


def test_gpus_are_found_by_the_first_worker_and_each_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpu_work.py").write_text(
        "import dataclasses, fake_work, os, pathlib, time\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "def devices(device):\n    return ('cuda:0', 'cuda:2', 'cuda:5')\n"
        "def train(job):\n"
        "    here.joinpath(f'{os.getpid()}.mark').touch()\n"
        "    while len(list(here.glob('*.mark'))) < 3:\n        time.sleep(0.01)\n"
        "    return dataclasses.replace(fake_work.train(job), device=job.device)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    executor = LocalExecutor("gpu_work:train", "cuda", timeout_s=60)
    for bank in prepare(spec.loads(TEXT), PlanOptions(out=tmp_path, device="cpu")).banks:
        executor.submit(bank)
    devices = {outcome.worker: outcome.result.device for outcome in executor.outcomes() if outcome.result}
    executor.close()
    assert devices == {"worker 1": "cuda:0", "worker 2": "cuda:2", "worker 3": "cuda:5"}


def test_what_the_work_prints_and_reads_is_not_taken_for_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path
) -> None:
    (tmp_path / "loud_work.py").write_text(
        "import os, sys, fake_work\n"
        "def train(job):\n"
        "    print('x' * 100_000)\n    os.write(1, b'y' * 100_000)\n    assert sys.stdin.read() == ''\n"
        "    return fake_work.train(job)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    same_tables(run(tmp_path, work="loud_work:train")[0].path, whole)


@pytest.mark.parametrize("workers", [1, 8])
def test_any_number_of_workers_leaves_the_same_bytes(tmp_path: Path, whole: Path, workers: int) -> None:
    same_tables(run(tmp_path, workers=workers)[0].path, whole)


@pytest.mark.slow
def test_any_number_of_real_workers_leaves_the_same_bytes(tmp_path: Path) -> None:
    text = TEXT.replace("seeds: 2", "seeds: 3").replace("selu]", "selu, gelu, tanh]")
    (tmp_path / "spec.yaml").write_text(text)
    finished(tmp_path, "--workers", "2", "--out", "two", work="gradlab.execution.worker:train")
    finished(tmp_path, "--executor", "inline", "--out", "one", work="gradlab.execution.worker:train")
    same_tables(tmp_path / "one" / "demo", tmp_path / "two" / "demo")


def test_workers_end_with_the_executor_also_in_the_middle_of_a_bank(tmp_path: Path) -> None:
    before = {*workers(os.getpid()), *children(os.getpid())}  # what other tests of this process have started
    executor = LocalExecutor("fake_work:train", "cpu", workers=3)
    executor.submit(prepare(spec.loads(TEXT), PlanOptions(out=tmp_path, device="cpu")).banks[0])
    next(iter(executor.outcomes()))
    forked = [pid for pid in (*workers(os.getpid()), *children(os.getpid())) if pid not in before]
    assert len(forked) == 4
    executor.close()
    executor.close()
    assert alive(forked) == []
    assert list(executor.outcomes()) == []


class TestMachine:
    def test_cpus_are_cut_by_the_quota_of_a_control_group(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(machine, "_CGROUP", tmp_path)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(16), raising=False)
        groups = {"/proc/self/cgroup": "4:cpu,cpuacct:/box\n0::/job/step\n"}
        read = machine._read
        monkeypatch.setattr(machine, "_read", lambda path: groups.get(str(path)) or read(path))
        assert machine.available_cpus() == 16
        for folder, name, text in (
            ("job", "cpu.max", "250000 100000\n"), ("job/step", "cpu.max", "max 100000\n"),
            ("cpu/box", "cpu.cfs_quota_us", "-1\n"), ("cpu/box", "cpu.cfs_period_us", "100000\n"),
        ):  # fmt: skip
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text(text)
        assert machine.available_cpus() == 3  # 2.5
        (tmp_path / "cpu/box/cpu.cfs_quota_us").write_text("20000\n")
        assert machine.available_cpus() == 1  # never none

    def test_endings_are_said_in_words(self) -> None:
        assert machine.ending(3) == "left with exit code 3"
        assert machine.ending(-6) == "killed by signal 6 (SIGABRT)"
        assert machine.ending(-99) == "killed by signal 99"
