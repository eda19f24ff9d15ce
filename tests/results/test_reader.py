"""The reader of a run directory: what is stale, edited, damaged or of a newer version reaches nobody, and is said."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from drawn import PROVENANCE, cells_of
from fake_work import record
from page_runs import Parsed, column, run_directory

import gradlab as gl
from gradlab import grid, spec
from gradlab.analysis.compare.collect import collect
from gradlab.cell import Cell, cell_id
from gradlab.cli import invoke
from gradlab.errors import StoreError, UsageError
from gradlab.report.page import build_page
from gradlab.results.directories import open_runs
from gradlab.results.run import Run
from gradlab.store import RunDirectory, parts
from gradlab.store.checksums import SUMS
from gradlab.store.manifest import MANIFEST, Manifest

pytestmark = pytest.mark.slow

TEXT = "name: r\nseeds: 2\ngrid: {depth: [2, 8], activation: [relu, sigmoid]}\nexpect:\n  - survival < 2\n"


def spec_cells(text: str = TEXT) -> tuple[Cell, ...]:
    return grid.expand(spec.loads(text)).cells


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return run_directory(tmp_path / "r", spec_cells(), spec=TEXT)


def survivals(path: Path) -> dict[str, list[float]]:
    """What each reader says of log10 survival of the configurations."""
    page = Parsed(build_page([path]).html)
    compared = collect([Run(path)]).cells.groupby(["activation", "depth"], sort=False)["log10_survival"].mean()
    packed = pd.read_csv(pd.io.common.BytesIO(page.file("file-0-summary")))
    return {
        "page": column(page.data, "log10_survival"),
        "page, attached": packed["log10_survival"].tolist(),
        "python": gl.load(path).summary["log10_survival"].tolist(),
        "compare": compared.tolist(),
    }


@pytest.mark.parametrize("sums", ["kept", "gone", "forged"])
def test_an_edited_value_reaches_no_reader_and_is_said(
    path: Path, sums: str, capsys: pytest.CaptureFixture[str]
) -> None:
    right = survivals(path)
    pictures, events = (lambda: list_of(path / "plots"), lambda: list_of(path / "tensorboard"))
    assert invoke(["plot", str(path), "--format", "svg"]) == 0
    assert invoke(["tensorboard", str(path)]) == 0
    plots, board = pictures(), events()
    table = path / "summary.csv"
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    frame["log10_survival"] = "-77"
    frame.to_csv(table, index=False)
    if sums == "gone":
        (path / SUMS).unlink()
    elif sums == "forged":
        from gradlab.store import checksums

        lines = (path / SUMS).read_text().splitlines()
        new = [f"{checksums.digest(table)}  summary.csv" if line.endswith("  summary.csv") else line for line in lines]
        (path / SUMS).write_text("\n".join(new) + "\n")
    capsys.readouterr()
    for name, values in survivals(path).items():
        np.testing.assert_allclose(values, right[name], rtol=2e-6, err_msg=name)
    warning = f"{table} does not fit its checksum: made anew from parts/"
    assert [name for name, _ in build_page([path]).rebuilt] == [warning]
    loaded = gl.load(path)
    assert loaded.warnings == ()
    assert loaded.expected[0].outcome == "held"
    assert loaded.warnings == (warning,)
    for command in (["plot", str(path), "--format", "svg"], ["tensorboard", str(path)], ["report", str(path)]):
        assert invoke(command) == 0
        assert f"warning: {warning}" in capsys.readouterr().err
    assert (pictures(), events()) == (plots, board)


def list_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def touched(path: Path, order: int) -> None:
    """Give all files of a run times in the order of their names, or against it."""
    for place, file in enumerate(sorted((entry for entry in path.rglob("*") if entry.is_file()), reverse=order < 0)):
        os.utime(file, (1_000_000_000 + 1000 * place,) * 2)


def test_the_same_bytes_give_the_same_answer_whatever_their_times(tmp_path: Path) -> None:
    """Cells that left the spec are told from current ones by what the tables were made from."""
    directory = RunDirectory(run_directory(tmp_path / "r", spec_cells(), spec=TEXT))
    other = cells_of(depths=(4,), names=("gelu",), seeds=2)
    directory.publish("aside", other, [record(cell) for cell in other], PROVENANCE)
    from gradlab.mean_field import predict
    from gradlab.results.tables import tables

    ids = [cell_id(cell) for cell in spec_cells()]
    directory.write_tables(tables(directory.load(ids), predict=predict).frames)
    newest = cells_of(depths=(16,), names=("relu",), seeds=1)
    directory.publish("since", newest, [record(cell) for cell in newest], PROVENANCE)

    def answer() -> tuple[int, set[str], int, list[str]]:
        run = Run(directory.path)
        return run.aside, set(run.current), len(collect([run]).cells), run.tables.cells["cell"].tolist()

    first = answer()
    assert first[0] == 2
    assert first[2] == len(ids) + 1
    assert not {cell_id(cell) for cell in other} & first[1]
    for order in (1, -1):
        touched(directory.path, order)
        assert answer() == first


def test_a_run_cut_off_after_its_spec_changed_shows_the_cells_of_the_new_one(path: Path) -> None:
    directory = RunDirectory(path)
    text = TEXT.replace("[2, 8]", "[2, 16]")
    directory.write_text("spec.yaml", text)
    run = Run(path)
    assert set(run.tables.cells["depth"]) == {2}
    assert run.aside == 4
    assert [warning for warning, _ in run.warnings] == [
        f"{path}/spec.yaml has changed since the tables were written: made anew from parts/"
    ]


def test_tables_in_memory_are_those_on_the_disk(path: Path) -> None:
    texts = {name: Run(path).csv(name) for name in ("cells", "layers", "steps", "summary")}  # type: ignore[arg-type]
    assert texts == {name: (path / f"{name}.csv").read_bytes() for name in texts}
    (path / "tables.json").unlink()
    assert {name: Run(path).csv(name) for name in texts} == texts  # type: ignore[arg-type]
    assert Run(path).current == tuple(cell_id(cell) for cell in spec_cells())


def test_cells_that_failed_stay_in_tables_made_anew(tmp_path: Path) -> None:
    cells = spec_cells()
    path = run_directory(tmp_path / "r", cells, lost=cells[2:4], spec=TEXT)
    before = Run(path).csv("cells")
    (path / "steps.csv").unlink()
    run = Run(path)
    run.table("steps")
    assert run.csv("cells") == before
    assert [warning for warning, _ in run.warnings] == [f"{path}/steps.csv is missing: made anew from parts/"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda setting: setting | {"model": ["mamba", {}]}, "the model 'mamba'"),
        (lambda setting: setting | {"activation": ["relu", {"knee": 2}]}, "the activation relu with knee=2"),
        (lambda setting: setting | {"deepness": 3}, "the setting 'deepness'"),
        (lambda setting: setting | {"depth": "three"}, "depth 'three'"),
        (lambda setting: setting | {"depth": 10**12}, "depth 1000000000000"),
        (lambda setting: setting | {"norm": 3}, "a setting of another form"),
    ],
)
def test_a_part_of_a_newer_version_is_one_message_and_the_others_are_reported(
    tmp_path: Path,
    change: Callable[[dict[str, object]], dict[str, object]],
    what: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_directory(tmp_path / "results" / "plain", cells_of(depths=(2,)))
    newer = run_directory(tmp_path / "results" / "newer", cells_of(depths=(4,)))
    part = newer / "parts" / "b0.parquet"
    table = parts.read(part)
    texts = [json.dumps(change(json.loads(text))) for text in table.column("setting").to_pylist()]
    parts.write(part, table.set_column(table.schema.get_field_index("setting"), "setting", pa.array(texts)))
    for command in ("compare", "report", "plot", "tensorboard"):
        code = invoke([command, str(tmp_path / "results")])
        err = capsys.readouterr().err
        assert (code, err.count("does not know")) == (1, 1), err
        assert f"parts/b0.parquet cannot be read (a stored cell has {what}" in err
        assert str(newer) in err
        assert invoke([command, str(newer)]) == 2
        assert what in capsys.readouterr().err


def test_what_may_not_be_read_is_not_empty(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.scandir

    def refused(place: str | Path = ".") -> object:
        if str(place).endswith("parts"):
            raise PermissionError(13, "Permission denied")
        return listed(place)

    monkeypatch.setattr(os, "scandir", refused)
    monkeypatch.setattr(os, "listdir", refused)
    for read in (lambda: Run(path).stored, lambda: Run(path).tables, lambda: RunDirectory(path).done()):
        with pytest.raises(StoreError, match="permission denied"):
            read()


def test_the_runs_at_some_paths_are_each_there_once(tmp_path: Path, path: Path) -> None:
    shutil.copytree(path, tmp_path / "s")
    assert [run.name for run in open_runs([tmp_path, path])] == ["r", "s"]
    for wrong, message in ((tmp_path / "q", "there is nothing there"), (path / "cells.csv", "is a file")):
        with pytest.raises(UsageError, match=message):
            open_runs([wrong])
    with pytest.raises(UsageError, match="is not a run directory"):
        open_runs([path / "parts"])


def forge(path: Path, **tables: bytes) -> None:
    """Replace tables, and what vouches for them, as somebody does who wants to do harm."""
    (path / SUMS).unlink(missing_ok=True)
    manifest = Manifest.decode((path / MANIFEST).read_bytes())
    assert manifest is not None
    digests = dict(manifest.tables)
    for name, data in tables.items():
        (path / f"{name}.csv").write_bytes(data)
        digests[name] = hashlib.sha256(data).hexdigest()
    (path / MANIFEST).write_bytes(dataclasses.replace(manifest, tables=digests).encode())


@pytest.mark.parametrize("name", ["cells", "steps", "layers", "summary"])
def test_forged_tables_do_no_harm(path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.read_csv(path / f"{name}.csv", dtype=str, keep_default_na=False)
    frame["log10_grad_norm" if name == "layers" else "log10_survival"] = "=cmd()"
    forge(path, **{name: frame.to_csv(index=False, lineterminator="\n").encode()})
    for command in ("report", "plot", "tensorboard", "compare"):
        assert invoke([command, str(path)]) == 0
        err = capsys.readouterr().err
        assert command in ("plot", "compare") or f"{name}.csv has texts for numbers in its column log10_" in err


def test_a_manifest_that_speaks_of_other_files_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("x\n1\n")
    forge(path, **{"../secret": b"x\n1\n"})
    run = Run(path)
    assert set(run.tables.frames) == {"cells", "layers", "steps", "summary"}
    assert [warning for warning, _ in run.warnings] == [
        f"{path}/tables.json speaks of other tables: made anew from parts/"
    ]
