"""Every file of a run directory cut short and with bits turned over: noticed, said, mended; never a wrong number."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from places import SUPPORT

from gradlab.analysis.compare.collect import collect
from gradlab.cli import invoke
from gradlab.results.run import Run
from gradlab.store import RunDirectory, checksums
from gradlab.training.checkpoint import Checkpoint

pytestmark = pytest.mark.slow

TEXT = """
name: demo
seeds: 2
train: {steps: 2}
grid: {depth: [2, 3], activation: [relu, tanh]}
"""
TABLES = ("cells.csv", "layers.csv", "steps.csv", "summary.csv")
FILES = ("spec.yaml", "run.json", "tables.json", *TABLES, checksums.SUMS)
LONG = bool(os.environ.get("GRADLAB_LONG"))
FLIPS = 2000 if LONG else 200
Damage = Callable[[bytes], bytes]


def cuts(data: bytes) -> list[bytes]:
    """The data at every length, or at some 300 where it is longer than 2 kB."""
    lengths = range(len(data)) if len(data) <= 2000 or LONG else sorted({*range(0, len(data), len(data) // 250), 1, 2})
    return [data[:length] for length in lengths]


def flips(data: bytes) -> list[bytes]:
    """The data with one bit turned over, at every byte or at a sample of them."""
    rng = random.Random(0)
    found = []
    for position in rng.sample(range(len(data)), min(len(data), FLIPS)):
        changed = bytearray(data)
        changed[position] ^= 1 << rng.randrange(8)
        found.append(bytes(changed))
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with demo.yaml and the finished run of it."""
    place = tmp_path_factory.mktemp("finished")
    (place / "demo.yaml").write_text(TEXT)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SUPPORT)
        patch.setenv("GRADLAB_WORK", "fake_work:train")
        patch.setenv("GRADLAB_FAKE", "{}")
        patch.chdir(place)
        assert invoke(["run", "demo.yaml", "--executor", "inline", "--no-plots", "-q"]) == 0
    return place


@pytest.fixture
def gradlab(
    finished: Path, tmp_path: Path, command_line: Callable[..., tuple[int, str, str]]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in a copy of the finished run."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)

    def call(*arguments: str, **wishes: Any) -> tuple[int, str, str]:
        return command_line(*arguments, *["--executor", "inline", "--no-plots"] * (arguments[0] == "run"), **wishes)

    return call


@pytest.fixture
def directory(finished: Path, tmp_path: Path) -> RunDirectory:
    shutil.copytree(finished / "results" / "demo", tmp_path / "demo")
    return RunDirectory(tmp_path / "demo")


@pytest.mark.parametrize("damage", [cuts, flips])
@pytest.mark.parametrize("name", FILES)
def test_no_damage_to_a_file_goes_unnoticed(
    directory: RunDirectory, name: str, damage: Callable[[bytes], list[bytes]]
) -> None:
    path = directory.path / name
    whole = path.read_bytes()
    for number, data in enumerate(damage(whole)):
        path.write_bytes(data)
        changed = checksums.changed(directory.path)
        told = f"{name}, damage {number}"
        if name != checksums.SUMS:
            assert changed == (name,), told
            assert directory.read_bytes(name) is None, told
        else:  # a sum that is not there vouches for nothing; the newline at the very end is no loss
            assert changed or data.strip() == whole.strip(), told
        assert isinstance(directory.sessions(), list), told
        assert name != "run.json" or directory.sessions() == [], told


def theory(directory: RunDirectory) -> list[bytes]:
    cells = collect([Run(directory.path)]).cells
    return [cells[name].to_numpy().tobytes() for name in ("theory_log10_survival", "theory_decay", "theory_z")]


def test_a_comparison_takes_no_prediction_from_a_damaged_table(directory: RunDirectory) -> None:
    path = directory.path / "cells.csv"
    whole, right = path.read_bytes(), theory(directory)
    assert not collect([Run(directory.path)]).cells["theory_decay"].isna().any()
    for data in [*cuts(whole)[::25], *flips(whole)[::10]]:
        path.write_bytes(data)
        found = collect([Run(directory.path)])
        assert list(map(str, found.runs[0].unreadable)) == ["cells.csv is damaged (it does not fit its checksum)"]
        assert len(found.cells) == 8
        assert theory(directory) == right  # those of theory.json
    path.write_bytes(whole)
    (directory.path / "theory.json").unlink()
    assert theory(directory) == right  # those of cells.csv
    path.write_bytes(whole.replace(b"0.", b"1."))
    assert collect([Run(directory.path)]).cells["theory_decay"].isna().all()


@pytest.mark.parametrize("damage", [cuts, flips])
def test_no_damage_to_a_part_goes_unnoticed(directory: RunDirectory, damage: Callable[[bytes], list[bytes]]) -> None:
    path = sorted(directory.parts.iterdir())[0]
    cells = {cell for cell, bank in directory.done()[0].items() if bank == path.stem}
    for number, data in enumerate(damage(path.read_bytes())):
        path.write_bytes(data)
        done, damaged = directory.done(verify=True)
        assert [name for name, _ in damaged] == [path.name], f"damage {number}"
        assert not cells & done.keys()


@pytest.mark.parametrize("damage", [cuts, flips])
def test_no_damaged_checkpoint_is_gone_on_from(tmp_path: Path, damage: Callable[[bytes], list[bytes]]) -> None:
    import torch

    path = tmp_path / "bank.ckpt"
    kept = Checkpoint(path)
    state = {"flat": torch.arange(50.0)}
    kept.save(["a", "b"], 7, state)
    found = kept.load(["a", "b"], state)
    assert found is not None
    assert found[0] == 7
    for number, data in enumerate(damage(path.read_bytes())):
        path.write_bytes(data)
        assert kept.load(["a", "b"], state) is None, f"damage {number}"


def state() -> dict[str, Any]:
    """What the run directory here holds, times aside; of the texts that carry times only that they are there."""
    path = Path("results/demo")
    found: dict[str, Any] = {name: (path / name).read_bytes() for name in ("spec.yaml", *TABLES[1:])}
    found["cells.csv"] = pd.read_csv(path / "cells.csv", dtype=str).drop(columns="wall_s").to_csv()
    for part in sorted((path / "parts").glob("*.parquet")):
        found[part.name] = repr(pd.read_parquet(part).drop(columns="wall_s").to_dict("list"))
    found["names"] = sorted(one.name for one in path.iterdir() if one.suffix not in (".damaged", ".log"))
    return found


MANGLED: dict[str, Damage] = {
    "cut to nothing": lambda data: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "one bit": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 4]) + data[len(data) // 2 + 1 :],
    "another file": lambda data: b"\xff\xfe\x00 not that at all \n" * 9,
}


@pytest.mark.parametrize("damage", MANGLED if LONG else ["cut in half", "one bit"])
@pytest.mark.parametrize("name", [*FILES, "part"])
def test_the_same_command_says_what_was_damaged_and_mends_it(
    gradlab: Callable[..., tuple[int, str, str]], name: str, damage: str
) -> None:
    before = state()
    place = Path("results/demo")
    path = sorted((place / "parts").iterdir())[0] if name == "part" else place / name
    path.write_bytes(MANGLED[damage](path.read_bytes()))
    code, _, err = gradlab("compare", "results")
    if name in ("cells.csv", "part"):  # the only ones it reads, beside their sums
        assert code == 1
        assert str(path) in err
    elif name != checksums.SUMS:
        assert (code, err) == (0, "")
    code, _, err = gradlab("run", "demo.yaml", calls="calls")
    assert (code, "Traceback" in err) == (0, False)
    assert state() == before
    trained = Path("calls").read_text().split() if Path("calls").exists() else []
    if name == "part":
        assert f"{path.name} is damaged (" in err
        assert len(trained) == len(set(trained)) == len(pd.read_parquet(path))
        assert path.with_name(path.name + ".damaged").exists()
    else:
        assert trained == []
        if name == checksums.SUMS:
            assert "does not fit its checksum" in err
        else:
            aside = path.with_name(path.name + ".damaged")
            assert f"{name} does not fit its checksum: kept as {aside.name}, written anew" in err
            assert aside.exists()
    assert gradlab("compare", "results")[0] == 0
    code, _, err = gradlab("run", "demo.yaml")
    assert (code, err.strip()) == (0, "8 of 8 cells were already there")


def test_what_is_damaged_is_said_and_the_rest_drawn(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    def drawn() -> bytes:
        return Path("results/demo/plots/heatmap.svg").read_bytes()

    command = ("plot", "results/demo", "--only", "heatmap", "--format", "svg")
    assert gradlab(*command)[0] == 0
    right = drawn()
    table = Path("results/demo/cells.csv")
    table.write_bytes(table.read_bytes().replace(b"relu", b"tanh"))
    code, _, err = gradlab(*command)
    assert (code, drawn()) == (0, right)
    assert err.startswith(f"warning: {table} does not fit its checksum: made anew from parts/")
    part = sorted(Path("results/demo/parts").iterdir())[0]
    part.write_bytes(part.read_bytes()[:-9])
    code, _, err = gradlab(*command)
    assert code == 1
    assert f"warning: {part} is damaged (it is not a Parquet file): left out" in err or "cut short" in err
    assert drawn() != right


def test_a_log_that_was_cut_off_is_continued_on_a_line_of_its_own(
    gradlab: Callable[..., tuple[int, str, str]],
) -> None:
    log = Path("results/demo/run.log")
    log.write_bytes(b"2026-01-01 00:00:00Z some\xff")
    assert gradlab("run", "demo.yaml")[0] == 0
    lines = log.read_bytes().splitlines()
    assert lines[0] == b"2026-01-01 00:00:00Z some\xff"
    assert lines[1].endswith(b"Z 8 of 8 cells were already there")


def test_the_sums_are_those_of_sha256sum(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("there is no sha256sum here")
    check = ["sha256sum", "--check", "--strict", "--quiet", checksums.SUMS]
    subprocess.run(check, cwd="results/demo", check=True)
    assert gradlab("run", "demo.yaml", "--fresh")[0] == 0
    subprocess.run(check, cwd="results/demo", check=True)
    Path("results/demo/steps.csv").write_text("x\n")
    assert subprocess.run(check, cwd="results/demo", check=False, capture_output=True).returncode == 1


def test_a_directory_of_a_version_without_sums_is_taken_as_it_is(
    gradlab: Callable[..., tuple[int, str, str]],
) -> None:
    Path("results/demo", checksums.SUMS).unlink()
    before = theory(RunDirectory(Path("results/demo")))
    assert gradlab("compare", "results")[0] == 0
    code, _, err = gradlab("run", "demo.yaml")
    assert (code, err.strip()) == (0, "8 of 8 cells were already there")
    assert theory(RunDirectory(Path("results/demo"))) == before
    assert checksums.changed(Path("results/demo")) == ()
    Path("results/demo", checksums.SUMS).unlink()
    table = Path("results/demo/cells.csv")
    table.write_bytes(table.read_bytes().replace(b"0.", b"zero."))
    code, _, err = gradlab("compare", "results")
    assert code == 1
    assert "results/demo/cells.csv is damaged" in err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sessions": 3}', '{"sessions": [3]}', "null", "\x00"])
def test_provenance_that_cannot_be_read_stops_nothing(directory: RunDirectory, text: str) -> None:
    (directory.path / checksums.SUMS).unlink()
    (directory.path / "run.json").write_text(text)
    assert directory.sessions() == []
