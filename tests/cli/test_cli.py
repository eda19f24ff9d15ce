from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from math import exp, log10
from pathlib import Path
from typing import Any

import pytest
from places import SUPPORT

from gradlab import __version__
from gradlab.cell import Cell, Named
from gradlab.mean_field import predict

TEXT = """
name: demo
seeds: 2
train: {steps: 5}
grid: {depth: [2, 8], activation: [sigmoid, relu, selu]}
"""


@pytest.fixture
def gradlab(command_line: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in a directory with demo.yaml."""
    Path("demo.yaml").write_text(TEXT)

    def call(*arguments: str, **wishes: Any) -> tuple[int, str, str]:
        draws = arguments[:1] in (("run",), ("sweep",))  # which has its own tests and takes long
        return command_line(*arguments, *["--no-plots"] * draws, **wishes)

    return call


def environment(**wishes: Any) -> dict[str, str]:
    path = os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])])
    fake = {"GRADLAB_WORK": "fake_work:train", "GRADLAB_FAKE": json.dumps(wishes), "PYTHONPATH": path}
    return {**os.environ, **fake, "OMP_NUM_THREADS": "1"}


def process(*arguments: str, cwd: Path, **wishes: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gradlab", *arguments],
        cwd=cwd, env=environment(**wishes), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_run_prints_its_report_on_stdout_and_nothing_else(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("run", "demo.yaml")
    assert code == 0
    assert out.startswith("demo · mlp on digits · width 64 ")
    assert "Tables: results/demo/summary.csv" in out
    assert err == ""
    code, out, err = gradlab("run", "demo.yaml")
    assert (code, err) == (0, "12 of 12 cells were already there\n")
    assert "12 cells, all there already" in out


def test_json_is_one_strict_document_on_stdout(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = gradlab("run", "demo.yaml", "--json")
    document = json.loads(out, parse_constant=pytest.fail)
    (only,) = document["runs"]
    assert code == 0
    assert (only["name"], only["cells"], only["computed"], only["failed"]) == ("demo", 12, 12, 0)
    assert len(only["summary"]) == 6
    flat = [row for row in only["summary"] if row["activation"] == "selu" and row["depth"] == 8]
    assert flat[0]["log10_survival"] == pytest.approx(7 * (log10(2) + log10(2.02)) / 2)
    seen = {"in_features": 64, "out_features": 10, "input_mean_square": 1.0}
    expected = predict(Cell(depth=8, activation=Named("selu"), init=Named(flat[0]["init"]), lr=0.1), **seen)
    assert flat[0]["theory_survival"] == pytest.approx(exp(expected.log_survival))
    assert Path(only["tables"]["cells"]).exists()
    code, out, _ = gradlab("plan", "demo.yaml", "--json")
    assert json.loads(out)["plans"][0]["done"] == 12
    code, out, _ = gradlab("list", "activations", "--json")
    assert json.loads(out)["names"][0]["name"] == "linear"


def test_failed_cells_are_exit_code_1_and_are_said_on_stderr(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("run", "demo.yaml", fail="relu")
    assert code == 1
    assert err.count("failed (6 cells): RuntimeError: no such luck with relu\n") == 2
    assert "Traceback" not in err
    assert "Failed: 12 cells" in out
    assert "--rerun-failed tries them again" in out
    code, _, err = gradlab("run", "demo.yaml", "--verbose")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("12 cells failed before and stay so (RuntimeError: no such luck with relu);")
    assert "12 failed before and left alone (run with --rerun-failed)" in gradlab("plan", "demo.yaml")[1]
    code, _, err = gradlab("run", "demo.yaml", "--verbose", "--rerun-failed", fail="relu")
    assert code == 1
    assert "Traceback" in err
    assert gradlab("run", "demo.yaml", "--rerun-failed")[0] == 0


def test_a_run_in_which_nothing_works_stops_and_explains_itself(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("run", "demo.yaml", "-s", "depth=1..9", "--workers", "1", fail="relu")
    assert code == 1
    assert "stopped: 24 of 54 not run" in out
    assert err.endswith(
        "gradlab: stopped, as all of the first 5 banks failed for one reason: RuntimeError: no such luck with relu\n"
        "  what happened is in results/demo/run.log; fix the cause, then run the same command again\n"
    )
    assert gradlab("run", "demo.yaml", "-s", "depth=1..9")[0] == 0


def test_run_and_sweep_have_the_same_flags_of_the_machine(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    run_flags, sweep_flags = (set(re.findall(r"--[a-z-]+", gradlab(name, "--help")[1])) for name in ("run", "sweep"))
    machine = {"--workers", "--executor", "--address", "--bank-timeout", "--retries", "--rerun-failed", "--device"}
    assert machine < run_flags
    assert run_flags - {"--set"} < sweep_flags


def test_several_specs_share_the_workers(gradlab: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """The second spec has more banks than the first, and one of its own that kills a worker."""
    Path("first.yaml").write_text("name: first\ndepth: 3\n")
    code, out, err = gradlab("run", "first.yaml", "demo.yaml", "--workers", "2", kill=8, once=str(tmp_path))
    assert code == 0
    assert "killed by signal 9 (SIGKILL); it is tried again" in err
    assert "12 cells in" in out


def test_quiet_says_nothing(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    assert gradlab("run", "demo.yaml", "-q") == (0, "", "")
    assert gradlab("run", "demo.yaml", "-q", "--fresh", fail="relu") == (1, "", "")


def test_an_interrupt_is_130_with_the_report_of_what_is_done(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("run", "demo.yaml", "--executor", "inline", interrupt=2)  # the longest are first
    assert code == 130
    assert "interrupted; what is finished is kept, the same command goes on from there" in err
    assert "interrupted: 6 of 12 not run" in out
    assert gradlab("run", "demo.yaml")[0] == 0


def test_a_bug_is_one_message_and_a_file(
    gradlab: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr("gradlab.api.plan.prepare", broken)
    code, out, err = gradlab("plan", "demo.yaml")
    assert (code, out) == (70, "")
    assert err.startswith("gradlab: this is a bug in gradlab: ZeroDivisionError: nobody thought of this\n")
    assert "Traceback" not in err
    assert "nobody thought of this" in Path(err.split()[-1]).read_text()
    assert "Traceback" in gradlab("plan", "demo.yaml", "--verbose")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "gradlab: missing argument 'SPEC...'\n  see gradlab run --help\n"),
        (["fly"], "gradlab: no such command 'fly'\n  see gradlab --help\n"),
        (["run", "demo.yaml", "--colour"], "gradlab: no such option: --colour"),
        (["run", "demo.yaml", "--limit", "many"], "gradlab: --limit many: must be a whole number of at least 1\n"),
        (["run", "demo.yaml", "--workers", "0"], "gradlab: --workers 0: must be a whole number of at least 1 or auto"),
        (["run", "demo.yaml", "--executor", "slurm"], "gradlab: --executor slurm: must be local, inline or ray"),
        (["run", "demo.yaml", "--address", "a:1"], "gradlab: --address a:1: only a Ray cluster has"),
        (["run", "demo.yaml", "--bank-timeout", "-1"], "gradlab: --bank-timeout -1: must be a number above 0"),
        (["run", "demo.yaml", "--executor", "inline", "--workers", "2"], "gradlab: --workers 2: the executor inline"),
        (["run", "demo.yaml", "--device", "cuda:0,x"], "gradlab: --device cuda:0,x: there is no such device"),
        (["run", "demo.yaml", "--device", "tpu"], "gradlab: --device tpu: there is no such device\n  use auto, cpu,"),
        (["run", "demo.yaml", "demo.yaml"], "gradlab: demo.yaml and demo.yaml both have the name 'demo'"),
        (["run", "demo.yaml", "--out", "demo.yaml"], "cannot create demo.yaml/demo: a part of that path is a file"),
        (["list", "actvations"], "gradlab: there is no list of 'actvations'; did you mean activations?\n  choose from"),
        (["run", "missing.yaml"], "missing.yaml"),
        (["plan", "demo.yaml", "-s", "activation=rleu"], "rleu"),
        (["plan", "demo.yaml", "--limit", "11"], "12"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_message_and_exit_code_2(
    gradlab: Callable[..., tuple[int, str, str]], arguments: list[str], message: str
) -> None:
    code, out, err = gradlab(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_a_directory_that_is_not_ours_is_left_alone(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    Path("results/demo").mkdir(parents=True)
    Path("results/demo/thesis.tex").write_text("x")
    code, _, err = gradlab("run", "demo.yaml")
    assert code == 2
    assert "is not a run directory of gradlab" in err
    assert [path.name for path in Path("results/demo").iterdir()] == ["thesis.tex"]


def test_a_plan_says_what_is_new_and_touches_nothing(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("plan", "demo.yaml", "-s", "seeds=3")
    assert (code, err) == (0, "")
    assert "cells   18: 18 new, 0 done" in out
    assert not Path("results").exists()
    gradlab("run", "demo.yaml")
    assert "cells   18: 6 new, 12 done" in gradlab("run", "demo.yaml", "-s", "seeds=3", "--dry-run")[1]
    assert "nothing to do" in gradlab("plan", "demo.yaml")[1]
    assert "depth 8, activation relu selu sigmoid" in gradlab("plan", "demo.yaml", "--fresh", "-v")[1]


def test_a_dry_run_says_what_would_run_on_the_device(
    gradlab: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = ("demo.yaml", "-s", "seeds=80", "-s", "width=256", "-s", "depth=8", "-s", "activation=relu")
    for command in (("run", *many, "--dry-run"), ("plan", *many)):
        on_cpu, on_gpu = (gradlab(*command, "--device", device)[1].splitlines() for device in ("cpu", "cuda:0,1"))
        assert on_cpu[2:4] == ["  banks   12, R = 6 to 7", "  device  cpu"]
        assert on_gpu[2:4] == ["  banks   1, R = 80", "  device  cuda:0,1"]  # the fake work has every device
        assert on_gpu[4].endswith("in one process of a CPU")


def test_a_device_that_this_machine_does_not_have_is_one_message(
    gradlab: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADLAB_WORK")
    code, out, err = gradlab("run", "demo.yaml", "--dry-run", "--device", "cuda:97")
    assert (code, out) == (2, "")
    assert re.fullmatch(
        r"gradlab: --device cuda:97: torch finds (no|\d+) CUDA devices? on this machine\n"
        r"  leave --device out, or use --device cpu\n",
        err,
    )
    assert gradlab("run", "demo.yaml", "--dry-run", "--device", "cuda", "--executor", "ray")[0] == 0


def test_several_specs_run_one_after_the_other(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    Path("other.yaml").write_text("name: other\ndepth: 3\n")
    code, out, _ = gradlab("run", "demo.yaml", "other.yaml")
    assert code == 0
    assert out.index("demo ·") < out.index("\nother ·")
    assert Path("results/other/summary.csv").exists()


def test_lists_name_everything_with_its_parameters(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    assert "train.batch_size" in gradlab("list")[1]
    out = gradlab("list", "activations")[1]
    assert "x, or negative_slope*x below 0 [negative_slope=0.01]; also lrelu" in out
    assert "also swish" in out
    assert gradlab("list", "optimisers")[1] == gradlab("list", "optimizer")[1]
    assert "normal with the given std [std, gain=1" in gradlab("list", "inits")[1]


def test_version_and_help(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    assert gradlab("--version") == (0, f"gradlab {__version__}\n", "")
    code, out, _ = gradlab("--help")
    assert code == 0
    assert all(command in out for command in ("run", "plan", "list"))


def test_columns_folds_and_a_pipe_has_120(
    gradlab: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = gradlab("run", "demo.yaml", "-s", "depth=2..12:2")[1]
    assert 80 < max(map(len, piped.splitlines())) <= 120
    monkeypatch.setenv("COLUMNS", "80")
    narrow = gradlab("run", "demo.yaml", "-s", "depth=2..12:2")[1]
    assert max(map(len, narrow.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "demo.yaml"], ["plan", "bad.yaml"], ["list", "inits"]])
def test_neither_torch_nor_pandas_is_imported_without_need(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "demo.yaml").write_text(TEXT)
    (tmp_path / "bad.yaml").write_text("name: x\ndepht: 3\n")
    code = (
        "import sys\nfrom gradlab.cli import invoke as run\n"
        f"run({arguments!r})\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'matplotlib', 'scipy'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_process_that_plans_and_reports_never_loads_torch(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text("name: demo\ndepth: 2\nwidth: 4\ntrain: {steps: 2}\nseeds: 2\n")
    code = (
        "import sys\nfrom gradlab.cli import invoke as run\n"
        "code = run(['run', 'demo.yaml', '--workers', '1'])\n"
        "sys.exit(code or ('torch' in sys.modules and 'torch was imported'))"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GRADLAB")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_an_empty_path_is_no_path(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    """As ``--out "$WHERE"`` without the variable: not the working directory."""
    code, _, err = gradlab("run", "demo.yaml", "--out", "")
    assert code == 2
    assert "--out" in err
    assert not Path("demo").exists()


def test_a_closed_pipe_is_nothing_to_speak_of(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text(TEXT)
    running = process("run", "demo.yaml", cwd=tmp_path, sleep=0.05)
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    err = running.stderr.read()
    running.wait(timeout=60)
    running.stderr.close()
    assert "Traceback" not in err
    assert "Exception" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams as a POSIX shell does")
@pytest.mark.parametrize(
    ("arguments", "closed", "code"),
    [
        ("run demo.yaml -q --no-plots --executor inline", ">&- 2>&- <&-", 0),
        ("plan demo.yaml --json", ">&-", 0),
        ("list actvations", "2>&-", 2),
        ("list actvations", ">&- 2>&-", 2),
    ],
)
def test_streams_that_are_closed_lead_nowhere(tmp_path: Path, arguments: str, closed: str, code: int) -> None:
    (tmp_path / "demo.yaml").write_text(TEXT)
    command = f"exec {sys.executable} -m gradlab {arguments} {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == code
    if arguments.startswith("run"):
        assert len((tmp_path / "results" / "demo" / "cells.csv").read_text().splitlines()) == 13


@pytest.mark.parametrize("columns", ["0", "-3", "abc", "²", "9" * 5000, ""])
def test_a_width_that_is_none_is_not_taken(
    gradlab: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    usual = gradlab("list", "norms")
    monkeypatch.setenv("COLUMNS", columns)
    assert gradlab("list", "norms") == usual


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")
def test_output_that_finds_no_room_is_one_message():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gradlab", "list", "activations"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "gradlab: cannot write the output: No space left on device"
    assert len(done.stderr.splitlines()) == 2
