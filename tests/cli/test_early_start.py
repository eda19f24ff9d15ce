"""The server that workers are forked from begins before the arguments of a run are parsed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradlab.cli import will_probably_train
from gradlab.execution.processes import starting

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forked on Linux only")


@pytest.mark.parametrize("arguments", [["run", "a.yaml"], ["sweep", "--depth", "2..8"]])
def test_commands_that_train(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADLAB_WORK", raising=False)
    assert will_probably_train(arguments)
    assert not will_probably_train([*arguments, "--dry-run"])
    assert not will_probably_train([*arguments, "--executor", "ray"])
    monkeypatch.setattr(sys, "stdin", None)
    assert not will_probably_train(arguments)


@pytest.mark.parametrize("arguments", [[], ["plan", "run"], ["compare", "results"], ["--version"], ["list"]])
def test_commands_that_do_not(arguments: list[str]) -> None:
    assert not will_probably_train(arguments)


def test_a_work_function_of_the_user_is_not_anticipated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADLAB_WORK", "fake_work:train")
    assert not will_probably_train(["run", "a.yaml"])


@linux
def test_the_executor_takes_the_server_that_was_begun_once() -> None:
    starting.begin()
    (begun,) = starting._begun
    first = starting.starter(starting.WORK)
    second = starting.starter(starting.WORK)
    for server in (first, second):
        server.close()
    assert first is begun
    assert second is not begun


@linux
def test_of_gradlab_the_module_that_starts_it_imports_nothing() -> None:
    code = "import gradlab.execution.processes.starting, sys; print(*(m for m in sys.modules if m[:7] == 'gradlab'))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {"gradlab", "gradlab.execution", "gradlab.execution.processes"}
    assert set(answer.stdout.split()) == {*packages, "gradlab.execution.processes.starting"}


@linux
def test_a_server_that_nobody_takes_ends_with_a_refused_command(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\ndepht: 4\n")
    code = (
        "import sys, gradlab.cli\n"
        "from gradlab.execution.processes import starting\n"
        "begin = starting.begin\n"
        "def said():\n"
        "    begin()\n"
        "    print(starting._begun[0]._server.pid, flush=True)\n"
        "starting.begin = said\n"
        "gradlab.cli.main()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GRADLAB_WORK"}
    command = [sys.executable, "-c", code, "run", "bad.yaml"]
    answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 2, answer.stderr
    server = Path("/proc") / answer.stdout.split()[0] / "stat"
    for _ in range(600):  # the kernel kills it, in its own time
        if not server.exists() or server.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.1)
    else:
        pytest.fail("the server outlives the command")
