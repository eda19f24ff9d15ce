from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from math import exp, log10
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gradlab import __version__
from gradlab.cell import Cell, Named
from gradlab.cli import invoke as run
from gradlab.theory import predict

TEXT = """
name: demo
seeds: 2
train: {steps: 5}
grid: {depth: [2, 8], activation: [sigmoid, relu, selu]}
"""

HERE = Path(__file__).parent


@pytest.fixture
def gradlab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process, in an empty directory with demo.yaml, with the fake work."""
    (tmp_path / "demo.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADLAB_WORK", "fake_work:train")
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*arguments: str, **wishes: Any) -> tuple[int, str, str]:
        monkeypatch.setenv("GRADLAB_FAKE", json.dumps(wishes))
        no_plots = ("--no-plots",) * (
            arguments[:1] in (("run",), ("sweep",))
        )  # drawing has its own tests and takes long
        code = run((*arguments, *no_plots))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def environment(**wishes: Any) -> dict[str, str]:
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    fake = {"GRADLAB_WORK": "fake_work:train", "GRADLAB_FAKE": json.dumps(wishes), "PYTHONPATH": path}
    return {**os.environ, **fake, "OMP_NUM_THREADS": "1"}


def process(*arguments: str, cwd: Path, **wishes: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gradlab", *arguments],
        cwd=cwd, env=environment(**wishes), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_parts(directory: Path, number: int) -> None:
    deadline = time.monotonic() + 30
    while len(list(directory.glob("*.parquet"))) < number:
        assert time.monotonic() < deadline, "no part was published in 30 s"
        time.sleep(0.01)


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
    assert "failed (2 cells): RuntimeError: no such luck with relu" in err or "failed (4 cells)" in err
    assert "Traceback" not in err
    assert "Failed: 4 cells" in out
    code, _, err = gradlab("run", "demo.yaml", "--verbose", fail="relu")
    assert code == 1
    assert "Traceback" in err


def test_quiet_says_nothing(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    assert gradlab("run", "demo.yaml", "-q") == (0, "", "")
    assert gradlab("run", "demo.yaml", "-q", "--fresh", fail="relu") == (1, "", "")


def test_an_interrupt_is_130_with_the_report_of_what_is_done(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("run", "demo.yaml", interrupt="selu")
    assert code == 130
    assert "interrupted; what is finished is kept, the same command goes on from there" in err
    assert "interrupted: 8 of 12 not run" in out
    assert gradlab("run", "demo.yaml")[0] == 0


def test_a_bug_is_one_message_and_a_file(
    gradlab: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr("gradlab.run.prepare", broken)
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
        (["run", "demo.yaml", "--limit", "many"], "gradlab: invalid value for '--limit'"),
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
    assert "depth 8, activation sigmoid" in gradlab("plan", "demo.yaml", "--fresh", "-v")[1]


def test_several_specs_run_one_after_the_other(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    Path("other.yaml").write_text("name: other\ndepth: 3\n")
    code, out, _ = gradlab("run", "demo.yaml", "other.yaml")
    assert code == 0
    assert out.index("demo ·") < out.index("\nother ·")
    assert Path("results/other/summary.csv").exists()


def test_lists_name_everything_with_its_parameters(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    assert "train.batch_size" in gradlab("list")[1]
    out = gradlab("list", "activations")[1]
    assert "leaky_relu  x, or negative_slope*x below 0 [negative_slope=0.01]" in out
    assert "also swish" in out
    assert gradlab("list", "optimisers")[1] == gradlab("list", "optimizer")[1]
    assert "normal with the given std [std, gain=1]" in gradlab("list", "inits")[1]


def test_version_and_help(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    assert gradlab("--version") == (0, f"gradlab {__version__}\n", "")
    code, out, _ = gradlab("--help")
    assert code == 0
    assert all(command in out for command in ("run", "plan", "list"))


def test_columns_folds_and_a_pipe_does_not(
    gradlab: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = gradlab("run", "demo.yaml", "-s", "depth=2..12:2")[1]
    assert max(map(len, wide.splitlines())) > 120
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


def test_killed_in_the_middle_and_run_again_the_tables_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text(TEXT)
    calls = tmp_path / "calls"
    broken = process("run", "demo.yaml", "--out", "broken", cwd=tmp_path, sleep=0.2, calls=str(calls))
    wait_for_parts(tmp_path / "broken" / "demo" / "parts", 2)
    os.kill(broken.pid, signal.SIGKILL)
    broken.communicate()
    again = process("run", "demo.yaml", "--out", "broken", cwd=tmp_path, calls=str(calls))
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert "of 12 cells were already there" in err
    whole = process("run", "demo.yaml", "--out", "whole", cwd=tmp_path)
    whole.communicate(timeout=60)
    for name in ("layers", "steps", "summary"):
        left, right = (tmp_path / where / "demo" / f"{name}.csv" for where in ("broken", "whole"))
        assert left.read_bytes() == right.read_bytes()
    left, right = (pd.read_csv(tmp_path / where / "demo" / "cells.csv") for where in ("broken", "whole"))
    pd.testing.assert_frame_equal(left.drop(columns="wall_s"), right.drop(columns="wall_s"), check_exact=True)
    counted = calls.read_text().split()
    assert len(counted) - len(set(counted)) <= 2  # only the bank that was in work when the kill came


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_ends_with_130_and_keeps_what_is_done(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text(TEXT)
    running = process("run", "demo.yaml", cwd=tmp_path, sleep=0.3)
    wait_for_parts(tmp_path / "results" / "demo" / "parts", 1)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert "not run" in out
    assert (tmp_path / "results" / "demo" / "summary.csv").exists()


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
