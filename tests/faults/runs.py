"""Real runs as processes, for tests that kill them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import pandas as pd
from places import SUPPORT
from processes import DEADLINE_S, children, kill, workers

__all__ = ["TABLES", "Run", "finished", "parts", "same_tables", "started"]

TABLES = ("cells", "layers", "steps", "summary")


@dataclass(frozen=True)
class Run:
    """``gradlab run`` as a process; made by `started`."""

    process: subprocess.Popen[bytes]
    files: tuple[IO[bytes], IO[bytes]]
    """What it writes to stdout and stderr."""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def err(self) -> str:
        """What it has written to stderr so far."""
        return os.pread(self.files[1].fileno(), 1 << 20, 0).decode()

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self.process.poll()

    def ends(self, code: int | None = None) -> tuple[str, str]:
        """Wait for its end, with exit code `code` if one is given; return stdout and stderr."""
        self.process.wait(DEADLINE_S)
        assert code in (None, self.process.returncode), self.err
        assert "Traceback" not in self.err
        return os.pread(self.files[0].fileno(), 1 << 20, 0).decode(), self.err


def _signals(ignored: Sequence[int]) -> None:
    """Signals mean what they usually do but for those `ignored`, also where the tests were begun by nohup or in the
    background of a script: a process that is begun by one that ignores a signal ignores it too."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)


@contextmanager
def started(
    directory: Path, *arguments: str, work: str = "fake_work:train", ignored: Sequence[int] = (), **wishes: Any
) -> Iterator[Run]:
    """``gradlab run spec.yaml`` in `directory`, in a session of its own as a terminal would have it.

    `work` is the work function, `wishes` are for `fake_work`; the `ignored` signals are switched off at first. Nothing
    is left of it afterwards.
    """
    own = [str(SUPPORT), str(Path(__file__).parent)]
    path = os.pathsep.join([*own, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "GRADLAB_WORK": work, "GRADLAB_FAKE": json.dumps(wishes)}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "gradlab", "run", "spec.yaml", "--no-plots", *arguments],
            cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            preexec_fn=partial(_signals, ignored) if os.name == "posix" else None,
        )  # fmt: skip
        try:
            yield Run(process, (out, err))
        finally:
            if process.poll() is None:
                for pid in (*workers(process.pid), *children(process.pid), process.pid):
                    kill(pid)
            process.wait()


def finished(directory: Path, *arguments: str, code: int = 0, **options: Any) -> tuple[str, str]:
    """Run to the end and return stdout and stderr."""
    with started(directory, *arguments, **options) as run:
        return run.ends(code)


def parts(run: Path) -> list[Path]:
    """The published parts of a run directory."""
    return sorted((run / "parts").glob("*.parquet"))


def same_tables(left: Path, right: Path, *, without: tuple[str, ...] = ()) -> None:
    """Demand equal bytes of layers, steps and summary; of cells and parts all but times and device."""
    if not without:
        for name in TABLES[1:]:
            assert (left / f"{name}.csv").read_bytes() == (right / f"{name}.csv").read_bytes(), name
        assert [part.name for part in parts(left)] == [part.name for part in parts(right)]
    for name in TABLES:
        drop = [*without, "wall_s", "device"]
        frames = [pd.read_csv(where / f"{name}.csv", dtype=str) for where in (left, right)]
        one, other = (frame.drop(columns=drop, errors="ignore") for frame in frames)
        pd.testing.assert_frame_equal(one, other)
