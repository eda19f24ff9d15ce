"""Run directories from somebody else: links, pipes, hard links, forged and newer files, files of other people."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from forged import change_part, change_settings, vouch
from places import SUPPORT

import gradlab as gl
from gradlab.api.options import WatchOptions
from gradlab.api.watch import watch
from gradlab.cli import invoke
from gradlab.store import RunDirectory, lock, sessions
from gradlab.store.documents import parse

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="links and pipes are POSIX")]

Command = Callable[..., tuple[int, str, str]]

TEXT = "name: demo\nseeds: 2\ntrain: {steps: 2}\ngrid: {depth: [2, 3], activation: [relu, tanh]}\n"
SECRET = b"what lies outside of the run directory\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("finished")
    (place / "demo.yaml").write_text(TEXT)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SUPPORT)
        patch.setenv("GRADLAB_WORK", "fake_work:train")
        patch.setenv("GRADLAB_FAKE", json.dumps({"fail": 3}))
        patch.chdir(place)
        assert invoke(["run", "demo.yaml", "--executor", "inline", "-q"]) == 1
    return place


@pytest.fixture
def run(finished: Path, tmp_path: Path, command_line: Command) -> Path:
    """A run in the working directory: one part, four cells that have failed, pictures."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return Path("results/demo")


@pytest.fixture
def in_time() -> Iterator[None]:
    """End a test that waits for the other end of a pipe."""

    def ended(number: int, frame: FrameType | None) -> None:
        pytest.fail("it waits for something that never comes")

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


NAMES = [
    "run.log", "run.lock", "failures.jsonl", "spec.yaml", "run.json", "tables.json", "cells.csv", "SHA256SUMS",
    "theory.json", "parts", "parts/PART", "checkpoints", "checkpoints/0123456789abcdef.ckpt", "plots",
    "plots/heatmap.png", "parts.old",
]  # fmt: skip


def put_link(place: Path, outside: Path) -> None:
    place.symlink_to(outside / "file")


def put_directory_link(place: Path, outside: Path) -> None:
    place.symlink_to(outside)


def put_dangling_link(place: Path, outside: Path) -> None:
    place.symlink_to(outside / "not there")


def put_pipe(place: Path, outside: Path) -> None:
    os.mkfifo(place)


def put_hard_link(place: Path, outside: Path) -> None:
    os.link(outside / "file", place)


ALWAYS = (put_link, put_pipe)
PLACED = [(name, put) for name in NAMES for put in ALWAYS] + [
    (name, put)
    for name in ("run.log", "run.lock", "parts", "parts/PART", "checkpoints")
    for put in (put_directory_link, put_dangling_link, put_hard_link)
    if "." in name or put is not put_hard_link
]


@pytest.mark.parametrize(("name", "put"), PLACED, ids=[f"{name}-{put.__name__}" for name, put in PLACED])
@pytest.mark.usefixtures("in_time")
def test_nothing_outside_is_written_or_removed(
    run: Path, command_line: Command, tmp_path: Path, name: str, put: Callable[[Path, Path], None]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    kept = {"file": SECRET, "work.tmp": b"x", "other.parquet": b"y", "a.ckpt": b"z", "cells.csv.1.tmp": b"w"}
    for own, data in kept.items():
        (outside / own).write_bytes(data)
    place = run / name.replace("PART", sorted((run / "parts").iterdir())[0].name)
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(exist_ok=True)
    put(place, outside)
    for arguments in (
        ("compare", "results"),
        ("run", "demo.yaml", "--executor", "inline", *["--no-plots"] * (not name.startswith("plots"))),
        ("watch", "results/demo"),
        ("run", "demo.yaml", "--executor", "inline", "--fresh", "--no-plots"),
    ):
        code, _, err = command_line(*arguments)
        assert code in (0, 1, 2), (arguments, err)
        assert "bug in gradlab" not in err
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == kept


def test_files_of_somebody_else_in_the_directories_of_a_run_stay(run: Path, command_line: Command) -> None:
    (run / "checkpoints").mkdir(exist_ok=True)
    theirs = [
        run / "notes.tmp", run / "thesis.1.tmp", run / "parts" / "x.tmp", run / "checkpoints" / "model.pt",
        run / "checkpoints" / "a.1.tmp",
    ]  # fmt: skip
    ours = [
        run / "cells.csv.12.tmp", run / "parts" / "0123456789abcdef.parquet.12.tmp",
        run / "checkpoints" / "b.ckpt.1.tmp",
    ]  # fmt: skip
    for path in (*theirs, *ours):
        path.write_text("x")
    assert command_line("run", "demo.yaml", "--executor", "inline", "--rerun-failed", "--no-plots")[0] == 0
    assert all(path.exists() for path in theirs)
    assert not any(path.exists() for path in ours)


def test_results_that_are_a_link_work(run: Path, command_line: Command, tmp_path: Path) -> None:
    shutil.move("results", tmp_path / "disk")
    Path("results").symlink_to(tmp_path / "disk")
    assert command_line("run", "demo.yaml", "--executor", "inline", "--rerun-failed")[0] == 0
    assert command_line("compare", "results")[0] == 0
    assert Path("results").is_symlink()


# the lock


def test_a_process_id_that_is_in_use_again_keeps_no_watch_waiting(run: Path) -> None:
    for signature in (
        f"process {os.getpid()} on {socket.gethostname()}, since 2026-01-01 00:00:00 UTC\n",
        f"process 1 on {socket.gethostname()}, since 2026-01-01 00:00:00 UTC\n",
        "process 12 on another-machine, since 2026-01-01 00:00:00 UTC\n",
        "",
    ):
        (run / lock.LOCK).write_text(signature)
        assert not lock.in_use(run)
        assert [state.working for state in watch(run, WatchOptions(every=0.1))] == [False]


def test_the_lock_itself_says_that_somebody_works_there(run: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from gradlab.store import RunDirectory\n"
        "with RunDirectory(pathlib.Path(sys.argv[1])).lock():\n    print(flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert lock.in_use(run)
        (run / lock.LOCK).write_text(f"process 999999 on {socket.gethostname()}, since 2026-01-01 00:00:00 UTC\n")
        assert lock.in_use(run), "though the file names a process that is not there"
        assert holder.stdin is not None
        holder.stdin.close()
    assert not lock.in_use(run)


def test_asking_for_the_lock_keeps_nobody_from_taking_it(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "x")
    asked = 0
    for _ in range(50):
        with directory.lock():
            asked += lock.in_use(directory.path)
        assert not lock.in_use(directory.path)
    assert asked == 50


# documents of other versions, of somebody who means harm, or damaged

DOCUMENTS = [
    "[" * 100_000,
    '{"sessions": ' + "[" * 500 + "]" * 500 + "}",
    '{"sessions": [{"cells": "many", "failed": [], "started": 5, "finished": {}}]}',
    '{"sessions": [{"cells": -1, "failed": true, "started": "0001-01-01T00:00:00"}]}',
    '{"sessions": [{"cells": 1e999, "failed": NaN, "started": "9999-12-31T23:59:59+00:00"}]}',
    '{"sessions": [{"cells": 1' + "0" * 400 + ', "finished": "x"}]}',
    '{"format": 9, "sessions": [{"cells": 8, "future": {"a": [{"b": null}]}}]}',
    '{"sessions": [{"cells": 1' + "0" * 6000 + "}]}",
    '{"sessions": {"0": {}}}',
    "\ufeff{}",
    '"' + "x" * 1_000_000 + '"',
]


@pytest.mark.parametrize("text", DOCUMENTS, ids=range(len(DOCUMENTS)))
@pytest.mark.parametrize("name", ["run.json", "tables.json", "theory.json", "failures.jsonl"])
def test_a_document_of_any_content_stops_nothing(run: Path, command_line: Command, name: str, text: str) -> None:
    (run / name).write_text(text, encoding="utf-8")
    vouch(run)
    for arguments in (
        ("watch", "results/demo"),
        ("compare", "results"),
        ("report", "results"),
        ("run", "demo.yaml", "--executor", "inline", "--no-plots"),
    ):
        code, _, err = command_line(*arguments)
        assert code in (0, 1), (arguments, err)
        assert "Traceback" not in err


@pytest.mark.parametrize("value", [True, -1, "3", 2.0, None, [], 2**63, 10**400])
def test_numbers_of_cells_that_are_none_are_left_out(value: Any) -> None:
    text = json.dumps({"sessions": [{"cells": value, "failed": 2, "device": "cpu"}]})
    assert sessions.decode(text) == [{"failed": 2, "device": "cpu"}]


@pytest.mark.parametrize("depth", [1, 5, 31])
def test_documents_within_the_bound_are_read(depth: int) -> None:
    assert parse("[" * depth + "]" * depth) is not None


@pytest.mark.parametrize("text", ["[" * 40 + "]" * 40, "[" * 10**6, '{"a":' * 40 + "1" + "}" * 40, "1" * 5000, ""])
def test_documents_beyond_it_are_not(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the json module too
        parse(text)


def test_a_line_of_failures_without_an_end_is_never_in_memory(run: Path, command_line: Command) -> None:
    own = (run / "failures.jsonl").read_text()
    with (run / "failures.jsonl").open("w") as file:
        file.write(own)
        for _ in range(100):
            file.write('{"cell": "' + "x" * (1 << 20))
        file.write("\n")
    code, _, err = command_line("run", "demo.yaml", "--executor", "inline", "--no-plots")
    assert code == 1
    assert "4 cells failed before and stay so" in err


PARTS: list[tuple[str, Callable[[Path], Any]]] = [
    ("a newer model", lambda run: change_settings(run, model=["transformer", {}])),
    ("a newer setting", lambda run: change_settings(run, sparsity=0.5)),
    ("a setting that is a text", lambda run: change_settings(run, depth="deep")),
    ("a setting beyond its bound", lambda run: change_settings(run, width=10**30)),
    ("no object", lambda run: change_part(run, setting=lambda _: "[1]")),
    ("nested deeply", lambda run: change_part(run, setting=lambda _: "[" * 100_000)),
    ("no setting", lambda run: change_part(run, setting=lambda _: None)),
    ("no id", lambda run: change_part(run, cell=lambda _: None)),
    ("an id that is a path", lambda run: change_part(run, cell=lambda _: "../../../x")),
    ("no steps", lambda run: change_part(run, probe_steps=lambda _: [])),
    ("steps missing", lambda run: change_part(run, probe_steps=lambda _: None)),
    ("steps before the first", lambda run: change_part(run, probe_steps=lambda steps: [-5 - step for step in steps])),
    ("a short profile", lambda run: change_part(run, log_grad_norm=lambda rows: [row[:-1] for row in rows])),
    ("a long profile", lambda run: change_part(run, log_grad_norm=lambda rows: [[*row, 0.0] for row in rows])),
    ("profiles of other lengths", lambda run: change_part(
        run, log_grad_norm=lambda rows: [rows[0][:1], [*rows[1], rows[0][1]], *rows[2:]])),
    ("a short series", lambda run: change_part(run, loss=lambda values: values[:-1])),
    ("another depth", lambda run: change_settings(run, depth=3)),
    ("a status of its own", lambda run: change_part(run, status=lambda _: "splendid")),
    ("no outputs", lambda run: change_part(run, out_features=lambda _: 0)),
    ("negative sizes", lambda run: change_part(run, in_features=lambda _: -(2**62))),
]  # fmt: skip


@pytest.mark.parametrize("change", [change for _, change in PARTS], ids=[name for name, _ in PARTS])
def test_a_part_of_another_form_hides_no_other_run(
    run: Path, command_line: Command, change: Callable[[Path], Any]
) -> None:
    shutil.copytree(run, "results/sound")
    change(run)
    for arguments in (
        ("compare", "results"),
        ("report", "results"),
        ("plot", "results"),
        ("watch", "results/demo"),
        ("show", "0", "results"),
        ("plan", "demo.yaml"),
    ):
        code, out, err = command_line(*arguments)
        assert code in (0, 1, 2), (arguments, err)
        assert "bug in gradlab" not in err
        if arguments[0] in ("compare", "report", "plot"):
            left_out = "left out" in err or "compared without" in err
            assert code == (1 if left_out else 0), (arguments, err)
            assert "sound" in out or arguments[0] == "report"
    assert gl.load("results").cells is not None
    code, _, err = command_line("run", "demo.yaml", "--executor", "inline", "--no-plots")
    assert code in (0, 1, 2)
    assert "bug in gradlab" not in err
    code, _, err = command_line("run", "demo.yaml", "--executor", "inline", "--no-plots", "--fresh")
    assert code == 0


# one run never hides the others


def unfinished(run: Path) -> None:
    shutil.rmtree(run / "parts")


def begun(run: Path) -> None:
    shutil.rmtree(run / "parts")
    (run / "parts").mkdir()


def cut_short(run: Path) -> None:
    path = sorted((run / "parts").iterdir())[0]
    path.write_bytes(path.read_bytes()[:-100])


def a_file_for_parts(run: Path) -> None:
    shutil.rmtree(run / "parts")
    (run / "parts").write_text("x")


def a_directory_for_a_part(run: Path) -> None:
    path = sorted((run / "parts").iterdir())[0]
    path.unlink()
    path.mkdir()


def unlike_every_other(run: Path) -> None:
    change_part(run, log_grad_norm=lambda rows: rows[:1])


DAMAGES = [unfinished, begun, cut_short, a_file_for_parts, a_directory_for_a_part, unlike_every_other]


@pytest.mark.parametrize("damage", DAMAGES)
def test_one_run_hides_no_other(run: Path, command_line: Command, damage: Callable[[Path], None]) -> None:
    assert command_line("run", "demo.yaml", "--executor", "inline", "--rerun-failed", "--no-plots", "-q")[0] == 0
    shutil.copytree(run, "results/sound")
    damage(run)
    for arguments in (
        ("compare", "results"),
        ("compare", "results/demo", "results/sound"),
        ("report", "results"),
        ("plot", "results", "--only", "heatmap", "--format", "svg"),
    ):
        code, out, err = command_line(*arguments)
        assert code == 1, (arguments, out, err)
        assert "results/demo" in err
        assert "Traceback" not in err
    results = gl.load("results")
    assert len(results.cells) == 8
    assert "sound" in repr(results)
    assert "demo" in "".join(results.warnings) + results.report()
    cell = sorted(RunDirectory(Path("results/sound")).done()[0])[0]
    assert command_line("show", cell, "results")[0] == 0
    assert "demo" in "".join(gl.compare("results").warnings)


other = pytest.mark.skipif(
    not (hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("setpriv")), reason="needs root and setpriv"
)


@other
@pytest.mark.parametrize("closed", ["demo", "demo/parts", "demo/parts/PART", "demo/cells.csv", "demo/spec.yaml"])
def test_what_may_not_be_read_is_named_and_hides_no_other(run: Path, closed: str) -> None:
    shutil.copytree(run, "results/sound")
    place = Path("results", closed.replace("PART", sorted((run / "parts").iterdir())[0].name))
    place.chmod(0)
    os.chown(place, 1234, 1234)
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]

    def gradlab(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*drop, sys.executable, "-m", "gradlab", *arguments]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    alone = gradlab("compare", "results/demo")
    assert alone.returncode in (1, 2)
    assert "permission denied" in alone.stderr or "not readable" in alone.stderr
    assert "results/demo" in alone.stderr
    both = gradlab("compare", "results")
    assert both.returncode == 1, both.stderr
    assert "permission denied" in both.stderr
    assert "sound" in both.stdout
    for command in ("plan", "run") if not place.is_file() or "parts" in closed else ("run",):
        done = gradlab(command, "demo.yaml")
        assert (done.returncode, "permission denied" in done.stderr) == (2, True), (command, done.stderr)


# failed cells in tables that are made anew


def damaged_table(run: Path) -> None:
    (run / "cells.csv").write_bytes((run / "cells.csv").read_bytes()[:-5])


def missing_table(run: Path) -> None:
    (run / "cells.csv").unlink()


def missing_manifest(run: Path) -> None:
    (run / "tables.json").unlink()


def table_of_another_spec(run: Path) -> None:
    (run / "spec.yaml").write_text((run / "spec.yaml").read_text() + "# edited\n")
    vouch(run)


@pytest.mark.parametrize("damage", [damaged_table, missing_table, missing_manifest, table_of_another_spec])
def test_tables_made_anew_have_the_cells_that_failed(run: Path, damage: Callable[[Path], None]) -> None:
    before = gl.load(run).cells
    damage(run)
    after = gl.load(run)
    assert after.cells["cell"].tolist() == before["cell"].tolist()
    assert after.cells["status"].tolist() == before["status"].tolist()
    assert after.cells["error"].fillna("").tolist() == before["error"].fillna("").tolist()
    assert (after.cells["status"] == "failed").sum() == 4
    assert after.warnings
