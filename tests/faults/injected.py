"""A server that runs ``gradlab`` in forked children and kills them, or lets their disk fail, at a given system call.

Run as a script. Each line on its standard input is one `Request` as JSON, each line on its standard output one
`Answer`. Every call that changes the directory of the request counts, once before and once after it; a write is two
calls with half of the bytes each. Forking makes a run cost tenths of a second, as everything is imported already.
"""

from __future__ import annotations

import builtins
import errno
import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

SUPPORT = Path(__file__).parents[1] / "support"
IMPORTED = (
    "gradlab.api.run", "gradlab.api.exports", "gradlab.cli.run", "gradlab.cli.signals", "gradlab.terminal.progress",
    "gradlab.report.terminal.expectations", "gradlab.report.terminal.run", "gradlab.store.csvfile",
    "gradlab.store.loading", "gradlab.results.run", "gradlab.results.tables", "gradlab.mean_field", "fake_work",
)  # fmt: skip
CALLS = ("fsync", "replace", "rename", "unlink", "mkdir", "rmdir", "ftruncate", "pwrite")


class Points:
    """Counts the system calls and does the mischief at one of them."""

    def __init__(self, at: int, mischief: str) -> None:
        self.at, self.mischief, self.names = at, mischief, list[str]()

    def pass_by(self, name: str) -> None:
        self.names.append(name)
        if self.at != len(self.names):
            return
        if self.mischief == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self.mischief)
        raise OSError(number, os.strerror(number))


def _named(arguments: Sequence[Any]) -> str:
    """The name of the file that a call is about, without the number of the process."""
    paths = [os.fspath(one) for one in arguments if isinstance(one, str | os.PathLike)]
    return re.sub(r"\.\d+\.tmp$", ".tmp", Path(paths[-1]).name) if paths else ""


def inject(points: Points) -> None:
    """Put `points` around every call of this process that changes a file."""

    def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            what = f"{name} {_named(arguments)}".rstrip()
            points.pass_by(f"before {what}")
            found = call(*arguments, **options)
            points.pass_by(f"after {what}")
            return found

        return called

    for name in CALLS:
        setattr(os, name, around(name, getattr(os, name)))
    os_open, io_open = os.open, io.open
    created: dict[Any, Any] = {}
    """What this process has made by `os.open`, by descriptor."""

    def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        call = around("open", os_open) if flags & os.O_CREAT else os_open
        descriptor = int(call(path, flags, *arguments, **options))
        if flags & os.O_CREAT:
            created[descriptor] = path
        return descriptor

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            view = memoryview(data).cast("B")
            what = _named([created.get(self.name, self.name)])
            points.pass_by(f"before write {what}")
            written = super().write(view[: len(view) // 2])
            points.pass_by(f"within write {what}")
            written += super().write(view[written:])
            points.pass_by(f"after write {what}")
            return written

    def io_opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        place = created.get(file, file)
        ours = isinstance(place, int) or "opener" in options or Path(place).name == "calls"  # of the tests
        if ours or not set(mode) & set("wa+x"):
            return io_open(file, mode, *arguments, **options)
        points.pass_by(f"before open {_named([place])}")
        raw = Raw(file if isinstance(file, int) else os.fspath(file), mode.replace("b", "").replace("t", ""))
        points.pass_by(f"after open {_named([place])}")
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding=options.get("encoding"))

    os.open = opened  # type: ignore[assignment]
    io.open = io_opened  # type: ignore[assignment]


def child(request: dict[str, Any], streams: Sequence[int], answer: int) -> None:
    """Run the command of a request; never returns."""
    os.dup2(streams[0], 1)
    os.dup2(streams[1], 2)
    os.chdir(request["cwd"])
    os.environ.update(request["environment"])
    sys.argv = ["gradlab", *request["arguments"]]
    from gradlab.cli import invoke

    points = Points(request["at"], request["mischief"])
    inject(points)
    code = invoke(request["arguments"])
    sys.stderr.flush()
    os.write(answer, json.dumps(points.names).encode())
    os._exit(code)


def serve() -> None:
    # all that a run imports, so that a child begins with it; nothing here may start a thread
    sys.path.insert(0, str(SUPPORT))
    for name in IMPORTED:
        importlib.import_module(name)

    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as names:
            pid = os.fork()
            if not pid:
                try:
                    child(request, (out.fileno(), err.fileno()), names.fileno())
                except BaseException as error:
                    os.write(2, f"{type(error).__name__}: {error}".encode())
                os._exit(99)
            _, status = os.waitpid(pid, 0)
            texts = []
            for file in (out, err, names):
                file.seek(0)
                texts.append(file.read().decode())
        found = {"code": os.waitstatus_to_exitcode(status), "out": texts[0], "err": texts[1]}
        builtins.print(json.dumps({**found, "names": json.loads(texts[2] or "[]")}), flush=True)


class Server:
    """The other end, for tests."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(
        self,
        cwd: Path,
        *arguments: str,
        at: int = 0,
        mischief: str = "kill",
        wishes: Mapping[str, Any] | None = None,
        work: str = "fake_work:train",
    ) -> dict[str, Any]:
        """Run ``gradlab`` with `arguments` in `cwd`; at the system call number `at`, from 1, comes the mischief.

        That is ``kill`` (SIGKILL) or the name of an errno. The answer has `code` (negative: killed by that signal),
        `out`, `err` and, unless it was killed, the `names` of the calls.
        """
        environment = {"GRADLAB_FAKE": json.dumps(wishes or {}), "GRADLAB_WORK": work}
        request = {
            "cwd": str(cwd), "arguments": arguments, "environment": environment, "at": at, "mischief": mischief,
        }  # fmt: skip
        pipes = self._process.stdin, self._process.stdout
        assert pipes[0] is not None
        assert pipes[1] is not None
        pipes[0].write(json.dumps(request) + "\n")
        pipes[0].flush()
        found: dict[str, Any] = json.loads(pipes[1].readline())
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


if __name__ == "__main__":
    serve()
