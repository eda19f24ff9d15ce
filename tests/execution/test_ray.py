"""The Ray executor on a real cluster of two nodes on this machine, one of which is lost in the middle of a run."""

from __future__ import annotations

import builtins
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from places import SUPPORT

from gradlab import spec
from gradlab.api.options import PlanOptions
from gradlab.api.plan import prepare
from gradlab.api.run import execute
from gradlab.cell import Cell, Named
from gradlab.errors import DataError, UsageError
from gradlab.execution.base import Outcome
from gradlab.execution.cluster import placement
from gradlab.execution.inline import InlineExecutor
from gradlab.execution.progress import Progress
from gradlab.execution.ray import RayExecutor, _Running
from gradlab.planning.banks import Bank

TEXT = """
name: demo
width: 8
seeds: 2
train: {steps: 3}
grid: {depth: [2, 3, 4, 5, 6, 7], activation: [sigmoid, relu]}
"""


class Listening:
    """A listener that does not listen."""

    def say(self, message: str) -> None: ...

    def advance(self, progress: Progress, outcome: Outcome | None) -> None: ...

    def rest(self) -> None: ...


def test_without_ray_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "ray":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install '\.\[ray\]'"):
        RayExecutor("fake_work:train", "cpu")


def test_an_address_that_does_not_answer_is_said_at_once() -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.raises(UsageError, match=r"--address 127\.0\.0\.1:1: nothing answers there"):
        RayExecutor("fake_work:train", "cpu", address="127.0.0.1:1")
    with pytest.raises(UsageError, match="--address nonsense: no Ray cluster to work with"):
        RayExecutor("fake_work:train", "cpu", address="nonsense")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster of two nodes with one CPU each, whose processes can import the tests."""
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]))
        patch.setenv("GRADLAB_BEGUN", str(tmp_path_factory.mktemp("ray") / "begun"))
        patch.setenv("GRADLAB_FAKE", "{}")
        for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
            patch.setenv(name, "0")
        patch.setenv("RAY_health_check_period_ms", "500")  # a lost node is noticed in a second or two
        patch.setenv("RAY_health_check_failure_threshold", "3")
        from ray.cluster_utils import Cluster

        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 1, "num_gpus": 1, "object_store_memory": 2**28, "include_dashboard": False},
        )
        cluster.second = cluster.add_node(num_cpus=1, object_store_memory=2**28)
        cluster.wait_for_nodes()
        yield cluster
        cluster.shutdown()


@pytest.fixture
def executor(cluster: Any, request: pytest.FixtureRequest) -> Iterator[RayExecutor]:
    work, device, *options = request.param
    executor = RayExecutor(work, device, cluster.address, **dict(*options))
    yield executor
    executor.close()


def begun_on(file: Path, node: str) -> list[str]:
    """The banks begun on a node, or on all with ``""``, each as the ids of its cells."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [cells for found, _, cells in (line.partition(" ") for line in lines) if node in ("", found)]


def columns(path: Path) -> dict[str, pd.DataFrame]:
    """The records as they are stored, times aside: floats by their bits."""
    return {
        part.name: pd.read_parquet(part).drop(columns="wall_s").map(lambda value: repr(value))
        for part in sorted((path / "parts").iterdir())
    }


@pytest.mark.slow
@pytest.mark.parametrize("executor", [("ray_work:spoil", "cpu", {"timeout_s": 10.0})], indirect=True)
def test_failures_are_outcomes_of_their_own_kind(executor: RayExecutor) -> None:
    assert executor.workers == 2
    for depth in (6, 1, 2, 3, 4, 5):
        executor.submit(Bank(str(depth), (Cell(depth=depth, lr=0.1),)))
    found = {outcome.bank.id: outcome for outcome in executor.outcomes()}
    assert {name: (outcome.error, outcome.cause) for name, outcome in found.items()} == {
        "1": ("", ""),
        "2": ("ZeroDivisionError: nothing to divide by", "exception"),
        "3": ("its worker process ended in the middle of it", "death"),
        "4": ("MemoryError", "memory"),
        "5": ("", ""),
        "6": ("took longer than 10 s (--bank-timeout)", "timeout"),
    }
    assert 'raise ZeroDivisionError("nothing to divide by")' in found["2"].traceback
    assert found["1"].result is not None
    assert found["1"].result.records[0].log_grad_norm.shape == (3, 1)
    for depth in range(11, 31):
        executor.submit(Bank(str(depth), (Cell(depth=depth, lr=0.1),)))
    outcomes = executor.outcomes()
    next(outcomes)
    left = executor.drain()
    assert left <= 3  # of twenty: what was handed out comes, what waited does not
    assert len(list(outcomes)) == left
    assert list(executor.outcomes()) == []


@pytest.mark.parametrize(("seconds", "cause"), [(None, "death"), (1.0, "death"), (5.0, "timeout")])
def test_the_time_of_a_bank_is_counted_from_its_begin(seconds: float | None, cause: str) -> None:
    """A worker that dies after its bank has waited long for room has not taken too long."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")

    def crash(_: Any) -> None:
        raise ray.exceptions.WorkerCrashedError

    executor = object.__new__(RayExecutor)
    executor._ray, executor._timeout_s = SimpleNamespace(exceptions=ray.exceptions, get=crash), 4.0
    begun = None if seconds is None else time.monotonic() - seconds
    outcome = executor._fetched(iter([0]), _Running(Bank("b", (Cell(lr=0.1),)), 0, begun))
    assert outcome is not None
    assert outcome.cause == cause


@pytest.mark.slow
@pytest.mark.parametrize("executor", [("gradlab.execution.worker:train", "cpu")], indirect=True)
def test_what_is_for_the_user_passes_through(executor: RayExecutor, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,y\n" + "1,2\n" * 9)
    task = Named("table", (("path", str(tmp_path / "d.csv")), ("target", "z"), ("kind", "regression")))
    executor.submit(Bank("0" * 16, (Cell(task=task, lr=0.1),)))
    with pytest.raises(DataError, match=r"d\.csv: there is no column 'z'") as raised:
        list(executor.outcomes())
    assert raised.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("executor", [("ray_work:where", "auto")], indirect=True)
def test_a_bank_has_a_gpu_of_its_own_where_there_are_some(executor: RayExecutor) -> None:
    assert executor.workers == 1  # the cluster says it has one; nothing here looks for it
    executor.submit(Bank("b", (Cell(lr=0.1),)))
    (outcome,) = executor.outcomes()
    assert outcome.result is not None
    assert outcome.result.device == "cuda on 0"


@pytest.mark.parametrize(
    ("there", "device", "found"),
    [
        ({"CPU": 4.0}, "auto", ("CPU", "cpu")),
        ({"CPU": 4.0, "GPU": 2.0}, "auto", ("GPU", "cuda")),
        ({"CPU": 4.0, "GPU": 2.0}, "cuda", ("GPU", "cuda")),
        ({"CPU": 4.0, "GPU": 2.0}, "cpu", ("CPU", "cpu")),
        ({"CPU": 4.0}, "cuda", "the Ray cluster has no GPU"),
        ({"CPU": 4.0, "GPU": 2.0}, "cuda:1", "the cluster chooses the GPU"),
        ({}, "auto", "no CPU to give"),
    ],
)
def test_a_device_is_a_resource_of_the_cluster(there: dict[str, float], device: str, found: Any) -> None:
    cluster = SimpleNamespace(cluster_resources=lambda: there)
    if isinstance(found, tuple):
        assert placement(cluster, device) == found
    else:
        with pytest.raises(UsageError, match=found):
            placement(cluster, device)


@pytest.mark.slow
@pytest.mark.parametrize("executor", [("ray_work:train", "cpu")], indirect=True)
def test_a_node_that_is_lost_costs_no_bank_and_changes_no_number(
    cluster: Any, executor: RayExecutor, tmp_path: Path
) -> None:
    begun, doomed = Path(os.environ["GRADLAB_BEGUN"]), cluster.second.node_id
    begun.with_suffix(".doomed").write_text(doomed)
    plan = prepare(spec.loads(TEXT), PlanOptions(out=tmp_path / "ray", device="cpu"))
    assert len(plan.banks) >= 6

    def lose() -> None:
        deadline = time.monotonic() + 120
        while not begun_on(begun, doomed) and time.monotonic() < deadline:
            time.sleep(0.05)
        cluster.remove_node(cluster.second, allow_graceful=False)

    losing = threading.Thread(target=lose)
    losing.start()
    result = execute(plan, executor, Listening(), command=[], device="auto")
    losing.join()
    assert (result.computed, result.failures, result.missing) == (24, (), 0)
    lost, everywhere = begun_on(begun, doomed), begun_on(begun, "")
    assert len(lost) == 1
    assert everywhere.count(lost[0]) == 2  # begun again elsewhere, and no other bank was
    assert len(everywhere) == len(plan.banks) + 1
    alone = execute(
        prepare(spec.loads(TEXT), PlanOptions(out=tmp_path / "inline", device="cpu")),
        InlineExecutor("gradlab.execution.worker:train", "cpu"), Listening(), command=[], device="auto",
    )  # fmt: skip
    for name in ("layers", "steps", "summary"):
        assert result.files[name].read_bytes() == alone.files[name].read_bytes()
    left, right = columns(result.path), columns(alone.path)
    assert left.keys() == right.keys()
    for name, frame in left.items():
        pd.testing.assert_frame_equal(frame, right[name])
