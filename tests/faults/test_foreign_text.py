"""Text of a run directory, a file or a library that a terminal, a log or a browser would obey is shown as text."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from forged import change_part, vouch

import gradlab as gl
from gradlab import errors
from gradlab.cli import invoke
from gradlab.errors import GradlabError, StoreError, printable, printable_lines
from gradlab.store import RunDirectory

pytestmark = pytest.mark.slow

Command = Callable[..., tuple[int, str, str]]

TEXT = "name: demo\nseeds: 2\ntrain: {steps: 2}\ngrid: {depth: [2, 3], activation: [relu, tanh]}\n"
EVIL = "cpu\x1b]0;title\x07\x1b[2J\r\x9b31m\u202eevil\u2066\u200f\x7f\x00"
NOTHING = "\x1b\x07\r\x9b\u202e\u2066\u200f\x7f\x00\u2028"


def assert_harmless(text: str, where: str) -> None:
    """No control character but the end of a line, no mark of direction, nothing without a shape."""
    wrong = {sign for sign in text if sign != "\n" and unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert not wrong, f"{where}: {sorted(map(ascii, wrong))}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode, 漢字, 1 000", "plain, ünïcode, 漢字, 1 000"),
        ("a\u00a0b\u3000c", "a\u00a0b\u3000c"),
        (EVIL, "cpu?]0;title??[2J??31m?evil?????"[:32]),
        ("two\nlines\u2028or\x85three", "two?lines?or?three"),
        ("file \udcff", "file ?"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert len(printable(text)) == len(text)
    assert printable(text) == (shown if text != EVIL else printable(text))
    assert_harmless(printable(text), "printable")
    assert printable(printable(text)) == printable(text)


def test_lines_stay_lines() -> None:
    assert printable_lines("a\r\nb\tc\x1bd\n") == "a\nb c?d\n"


@pytest.mark.parametrize("kind", [GradlabError, StoreError, errors.UsageError, errors.DataError, errors.PluginError])
def test_a_message_is_one_line_and_printable_whatever_is_in_it(kind: type[GradlabError]) -> None:
    error = kind(f"cannot read {EVIL}\nwarning: forged", f"try\n{EVIL}")
    assert len(str(error).splitlines()) == 2
    assert_harmless(str(error), "message")
    assert_harmless(error.message + error.hint, "message")


def test_the_value_of_an_option_is_printable() -> None:
    error = errors.OptionError("device", EVIL + "\nx", "there is none", "use cpu")
    for text in (str(error), error.on_command_line()):
        assert_harmless(text, "option")
        assert len(text.splitlines()) == 2


def test_a_problem_of_a_spec_is_printable() -> None:
    problem = errors.Problem(f"bad {EVIL}", f"dir{EVIL}/s.yaml", 1, 2, f"x: {EVIL}", f"or {EVIL}\n    or that")
    error = errors.SpecError((problem,))
    assert_harmless(str(error), "spec")
    assert len(str(error).splitlines()) == 5


@pytest.fixture
def run(command_line: Command) -> Path:
    """A run whose device, metric, versions, provenance and errors hold control sequences."""
    Path("demo.yaml").write_text(TEXT)
    assert command_line("run", "demo.yaml", "--executor", "inline", "--no-plots", "-q", fail=3)[0] == 1
    path = Path("results/demo")
    change_part(path, device=lambda _: EVIL, metric_name=lambda _: EVIL, gradlab=lambda _: EVIL, torch=lambda _: EVIL)
    sessions = json.loads((path / "run.json").read_text())
    sessions["sessions"][0] |= {"command": [EVIL], "git_commit": EVIL, "device": EVIL, EVIL: EVIL}
    (path / "run.json").write_text(json.dumps(sessions))
    lines = [json.loads(line) for line in (path / "failures.jsonl").read_text().splitlines()]
    (path / "failures.jsonl").write_text("".join(json.dumps(line | {"error": EVIL}) + "\n" for line in lines))
    vouch(path)
    return path


COMMANDS = [
    ("compare", "results"),
    ("compare", "results", "--csv", "-"),
    ("compare", "results", "--json"),
    ("compare", "results", "--by", EVIL),
    ("compare", "results", "--where", f"device={EVIL}"),
    ("compare", f"results/{EVIL[:-1]}"),
    ("run", "demo.yaml", "--executor", "inline"),
    ("run", "demo.yaml", "--executor", "inline", "--json"),
    ("run", EVIL[:-1]),
    ("run", "demo.yaml", "-s", f"activation={EVIL}"),
    ("run", "demo.yaml", "--device", EVIL),
    ("run", "demo.yaml", f"--{EVIL}"),
    ("plan", "demo.yaml", "-v"),
    ("report", "results"),
    ("plot", "results"),
    ("watch", "results/demo"),
    ("list", EVIL),
    ("theory", "--activation", EVIL),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=[f"{i}-{command[0]}" for i, command in enumerate(COMMANDS)])
def test_no_command_prints_it(run: Path, command_line: Command, arguments: tuple[str, ...]) -> None:
    code, out, err = command_line(*arguments)
    assert code in (0, 1, 2)
    assert_harmless(out, "stdout")
    assert_harmless(err, "stderr")


def test_no_file_holds_it(run: Path, command_line: Command) -> None:
    assert command_line("run", "demo.yaml", "--executor", "inline")[0] == 1
    assert command_line("report", "results")[0] == 0
    for path in run.rglob("*"):
        if path.suffix in (".csv", ".log", ".svg", ".html"):
            assert_harmless(path.read_text(encoding="utf-8"), path.name)
    page = Path("results/report.html").read_text(encoding="utf-8")
    assert_harmless(page, "page")
    assert not re.search(r"\\u00(1b|07|7f|9b)|\\u20(2e|66|0f)", page), "nor where the script reads it"
    for content in re.findall(r'<script type="application/gzip;base64" id="[^"]*">([^<]*)<', page):
        assert_harmless(gzip.decompress(base64.b64decode(content)).decode(), "a table in the page")
    shown = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert "cpu?]0;title" in json.dumps(shown)


def test_python_shows_none_of_it(run: Path) -> None:
    results = gl.load("results")
    texts = [repr(results), results._repr_html_(), str(gl.compare("results")), *results.warnings]
    assert all(not set(NOTHING) & set(text) for text in texts)


def test_tensorboard_is_told_none_of_it(run: Path, command_line: Command) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    code, out, err = command_line("tensorboard", "results")
    assert code == 0
    assert_harmless(out + err, "tensorboard")
    data = b"".join(path.read_bytes() for path in run.rglob("events*"))
    assert b"\x1b]0;" not in data
    assert "\u202e".encode() not in data


def test_an_exception_of_the_work_cannot_forge_lines_of_the_log(
    tmp_path: Path, command_line: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hostile_work.py").write_text(
        f"def train(job):\n    raise RuntimeError('first {{}}'.format({EVIL!r})\n"
        "        + '\\n2026-01-01 00:00:00.000000Z bank 0000000000000000 failed in worker 1: forged')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("GRADLAB_WORK", "hostile_work:train")
    Path("demo.yaml").write_text(TEXT)
    code, out, err = command_line("run", "demo.yaml", "--executor", "inline", "--no-plots", "-v")
    assert code == 1
    assert_harmless(out + err, "terminal")
    log = Path("results/demo/run.log").read_text(encoding="utf-8")
    assert_harmless(log, "run.log")
    assert "Traceback" in log
    assert not [line for line in log.splitlines() if line.startswith("2026-01-01")]
    assert_harmless(Path("results/demo/cells.csv").read_text(encoding="utf-8"), "cells.csv")


def test_a_line_break_in_the_name_of_a_part_stays_in_its_line(run: Path, command_line: Command) -> None:
    name = "x\n2026-01-01 00:00:00.000000Z bank 0000000000000000 failed in worker 1: forged\x1b[2J.parquet"
    (run / "parts" / name).write_bytes(b"PAR1 no part")
    code, out, err = command_line("run", "demo.yaml", "--executor", "inline", "--no-plots")
    assert code == 1  # cells that have failed before
    assert_harmless(out + err, "terminal")
    assert not [line for line in (out + err).splitlines() if line.startswith("2026-01-01")]
    assert not [line for line in (run / "run.log").read_text().splitlines() if line.startswith("2026-01-01")]


@pytest.mark.skipif(os.name == "nt", reason="names there are Unicode")
@pytest.mark.parametrize("name", [b"caf\xe9", b"\x1b[2J", b"a\nb", "\u202egnp".encode(), b"-x"])
def test_any_path_that_the_file_system_takes_works(command_line: Command, tmp_path: Path, name: bytes) -> None:
    place = tmp_path / os.fsdecode(name)
    try:
        place.mkdir()
    except OSError:
        pytest.skip("this file system takes Unicode names alone")
    spec, out, run = place / "demo.yaml", place / "results", place / "results" / "demo"
    spec.write_text(TEXT)
    commands = [
        ("plan", str(spec), "--out", str(out)),
        ("run", str(spec), "--out", str(out), "--executor", "inline"),
        ("run", str(spec), "--out", str(out), "--executor", "inline"),
        ("plan", str(spec), "--out", str(out)),
        ("compare", str(out)),
        ("compare", str(run), "--json"),
        ("compare", str(out), "--csv", str(place / "table.csv")),
        ("report", str(out)),
        ("report", str(run), "--out", str(place / "page.html")),
        ("plot", str(out)),
        ("watch", str(run)),
        ("sweep", "--depth", "2,3", "--save", str(place / "sweep.yaml")),
        ("run", str(place / "sweep.yaml"), "--out", str(out), "--executor", "inline", "-q"),
    ]
    for arguments in commands:
        code, stdout, stderr = command_line(*arguments)
        assert code == 0, (arguments, stderr)
        assert_harmless(stdout + stderr, str(arguments[0]))
    cell = sorted(RunDirectory(run).done()[0])[0]
    assert command_line("show", cell, str(out))[0] == 0
    assert len(gl.load(run).cells) == len(gl.load(place / "results" / "demo").cells) == 8
    assert_harmless((run / "run.log").read_text(encoding="utf-8"), "run.log")
    shutil.rmtree(place)


def test_a_bug_is_told_without_control_characters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(arguments: object) -> int:
        raise RuntimeError(EVIL + "\nforged")

    monkeypatch.setattr("gradlab.cli.entry._dispatch", broken)
    monkeypatch.setattr("tempfile.NamedTemporaryFile", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    assert invoke(["list", "-v"]) == 70
    assert_harmless(capsys.readouterr().err, "bug")
