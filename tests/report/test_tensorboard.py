"""What TensorBoard's own reader finds in the event files, against the tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import cells_of, tables_of, with_profile
from fake_work import record

from gradlab.cell import Cell, Named
from gradlab.cli import invoke
from gradlab.errors import UsageError
from gradlab.record import Record
from gradlab.report import events
from gradlab.results.tables import Tables

pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
from gradlab.report.tensorboard import FILE, write

SINGLE = 2**-23
"""TensorBoard's numbers have single precision."""


def drawn(cell: Cell) -> Record:
    """A record with other numbers at every step and block."""
    draw = np.random.default_rng(cell.seed + cell.depth)
    one = record(cell)
    shape = one.log_grad_norm.shape
    changes = {name: draw.uniform(0.5, 2.0, len(one.probe_steps)) for name in ("loss", "metric", "grad_norm_total")}
    return record(cell, log_grad_norm=draw.normal(-3, 2, shape), clip_coef=draw.uniform(0, 1, shape[0]), **changes)


def read(path: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(path), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def scalars(accumulator: Any, tag: str) -> tuple[list[int], list[float]]:
    found = accumulator.Scalars(tag)
    return [one.step for one in found], [one.value for one in found]


def written(tmp_path: Path, tables: Tables, **options: Any) -> dict[str, Any]:
    return {path.parent.name: read(path) for path in write(tables, tmp_path, 1234567890.25, **options)}


def test_every_cell_has_the_numbers_of_the_tables(tmp_path: Path) -> None:
    tables = tables_of(cells_of(depths=(2, 8), names=("sigmoid", "relu"), seeds=2), drawn)
    runs = written(tmp_path, tables, per_cell=True)
    assert len(runs) == 8
    tags = {
        "training/loss": lambda row: row["loss"],
        "training/accuracy": lambda row: row["metric"],
        "survival/log10": lambda row: row["log10_survival"],
        "survival/decay": lambda row: row["decay"],
        "gradient/log10 norm, all parameters": lambda row: np.log10(row["grad_norm_total"]),
        "clip/coefficient": lambda row: row["clip_coef"],
    }
    for _, cell in tables.cells.iterrows():
        run = runs[f"depth={cell['depth']},activation={cell['activation']},seed={cell['seed']}"]
        rows = tables.steps[tables.steps["cell"] == cell["cell"]]
        for tag, value in tags.items():
            steps, values = scalars(run, tag)
            assert steps == rows["step"].tolist()
            np.testing.assert_allclose(values, [value(row) for _, row in rows.iterrows()], rtol=4 * SINGLE)
        start = tables.layers[(tables.layers["cell"] == cell["cell"]) & (tables.layers["step"] == 0)]
        blocks, profile = scalars(run, "profile/log10 gradient along the depth, before training")
        assert blocks == start["layer"].tolist()
        np.testing.assert_allclose(profile, start["log10_grad_norm"], rtol=4 * SINGLE)
        assert run.Scalars("training/loss")[0].wall_time == 1234567890.25


def test_a_configuration_has_the_means_over_its_seeds(tmp_path: Path) -> None:
    tables = tables_of(cells_of(depths=(8,), names=("sigmoid", "relu"), seeds=3), drawn)
    runs = written(tmp_path, tables)
    assert set(runs) == {"activation=sigmoid", "activation=relu"}
    for name, run in runs.items():
        ids = tables.cells["cell"][tables.cells["activation"] == name.partition("=")[2]]
        steps = tables.steps[tables.steps["cell"].isin(ids)]
        layers = tables.layers[tables.layers["cell"].isin(ids)]
        expected = steps.groupby("step")["log10_survival"].mean()
        np.testing.assert_allclose(scalars(run, "survival/log10")[1], expected, rtol=8 * SINGLE)
        np.testing.assert_allclose(
            scalars(run, "training/loss")[1], steps.groupby("step")["loss"].mean(), rtol=8 * SINGLE
        )
        summary = tables.summary[tables.summary["activation"] == name.partition("=")[2]].iloc[0]
        outcome = {tag: scalars(run, f"outcome/{tag}")[1] for tag in ("learned", "log10 survival before training")}
        assert outcome["learned"] == [pytest.approx(summary["learned"])]
        assert outcome["log10 survival before training"] == [pytest.approx(summary["log10_survival"], rel=1e-6)]
        for block in (1, 8):
            found = run.Histograms(f"log10 gradient/block {block}")
            for one in found:
                own = layers[(layers["step"] == one.step) & (layers["layer"] == block)]["log10_grad_norm"]
                value = one.histogram_value
                assert (value.num, sum(value.bucket)) == (3, 3)
                assert (value.min, value.max, value.sum) == pytest.approx((own.min(), own.max(), own.sum()))
                inside = np.searchsorted(value.bucket_limit, own.to_numpy())  # the right edge of the bin of each value
                np.testing.assert_array_equal(
                    np.bincount(np.clip(inside, 1, None), minlength=len(value.bucket)), value.bucket
                )
        assert run.Histograms("log10 gradient/all blocks")[0].histogram_value.num == 24


def test_the_hyper_parameters_are_those_that_vary_or_are_no_defaults(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    slope = Named("leaky_relu", (("negative_slope", 0.2),))
    cells = [*cells_of(depths=(2, 8), names=("relu",), seeds=1, width=16)]
    cells += [Cell(depth=2, activation=slope, lr=0.1, width=16)]
    runs = written(tmp_path, tables_of(cells))
    assert set(runs) == {
        "depth=2,activation=relu", "depth=8,activation=relu", "depth=2,activation=leaky_relu(negative_slope=0.2)"
    }  # fmt: skip
    told = runs["depth=8,activation=relu"].SummaryMetadata(metadata.SESSION_START_INFO_TAG)
    start = metadata.parse_session_start_info_plugin_data(told.plugin_data.content)
    numbers = {key: value.number_value for key, value in start.hparams.items() if value.HasField("number_value")}
    assert numbers == {"depth": 8, "width": 16, "lr": 0.1}
    assert start.hparams["activation"].string_value == "relu"
    ended = runs["depth=8,activation=relu"].SummaryMetadata(metadata.SESSION_END_INFO_TAG)
    assert metadata.parse_session_end_info_plugin_data(ended.plugin_data.content).status == 1


def test_what_is_not_finite_is_left_out(tmp_path: Path) -> None:
    tables = tables_of(cells_of(depths=(8,), seeds=2), with_profile(-np.inf, "relu"))
    runs = written(tmp_path, tables)
    assert "survival/log10" not in runs["activation=relu"].Tags()["scalars"]
    values = [
        one.value for tag in runs["activation=relu"].Tags()["scalars"] for one in runs["activation=relu"].Scalars(tag)
    ]
    assert np.isfinite(values).all()
    assert "log10 gradient/block 1" not in runs["activation=relu"].Tags()["histograms"]
    assert runs["activation=relu"].Histograms("log10 gradient/all blocks")[0].histogram_value.num == 2 * 4


def test_the_same_tables_give_the_same_files_and_others_go_away(tmp_path: Path) -> None:
    cells = cells_of(depths=(2, 8), names=("sigmoid", "relu"), seeds=2)
    first = write(tables_of(cells), tmp_path, 5.0)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in first}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    assert {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in write(tables_of(cells), tmp_path, 5.0)
    } == before
    left = write(tables_of(cells_of(depths=(2, 8), names=("relu",), seeds=2)), tmp_path, 5.0)
    assert {path.parent.name for path in left} == {"depth=2", "depth=8"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["depth=2", "depth=8", "mine"]


def test_recurrent_networks_have_time_steps(tmp_path: Path) -> None:
    fixed = {"model": Named("rnn"), "task": Named("adding"), "activation": Named("tanh"), "lr": 0.1}
    cells = [Cell(depth=1, seq_len=length, **fixed) for length in (5, 200)]
    runs = written(tmp_path, tables_of(cells, drawn))
    assert set(runs) == {"seq_len=5", "seq_len=200"}
    steps, _ = scalars(runs["seq_len=200"], "profile/log10 gradient along time, before training")
    assert steps == list(range(1, 201))
    histograms = runs["seq_len=200"].Tags()["histograms"]
    assert len(histograms) == 1 + 64  # of many, some
    assert {"log10 gradient/all time steps", "log10 gradient/time step 001", "log10 gradient/time step 200"} <= set(
        histograms
    )


def test_odd_labels_become_names_of_directories(tmp_path: Path) -> None:
    cells = [Cell(depth=2, residual=Named("add"), residual_scale=scale, lr=0.1) for scale in ("1/sqrt(depth)", 0.5)]
    paths = write(tables_of(cells), tmp_path, 0.0)
    assert all(path.parent.parent == tmp_path for path in paths)
    assert len({path.parent.name for path in paths}) == 2


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "demo.yaml").write_text("name: demo\nseeds: 2\ntrain: {steps: 5}\ngrid: {depth: [2, 4]}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADLAB_WORK", "fake_work:train")
    return tmp_path / "results"


def test_the_commands(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", "demo.yaml", "--no-plots", "--executor", "inline", "--tensorboard"]) == 0
    assert "TensorBoard: tensorboard --logdir results\n" in capsys.readouterr().out
    files = sorted(results.glob("demo/tensorboard/*/" + FILE))
    assert [path.parent.name for path in files] == ["depth=2", "depth=4"]
    before = [path.read_bytes() for path in files]
    assert invoke(["tensorboard", "results"]) == 0
    assert [path.read_bytes() for path in files] == before  # from the files as from the run itself
    assert invoke(["tensorboard", "results", "--per-cell"]) == 0
    assert len(list(results.glob("demo/tensorboard/*/" + FILE))) == 4
    assert "4 runs of TensorBoard" in capsys.readouterr().out


def test_without_tensorboard_there_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UsageError, match="TensorBoard is not installed") as caught:
        events.require()
    assert "'.[tensorboard]'" in caught.value.hint


def test_writing_loads_no_torch(results: Path) -> None:
    invoke(["run", "demo.yaml", "--no-plots", "--executor", "inline", "-q"])
    code = (
        "import sys\nfrom gradlab.cli import invoke\nassert invoke(['tensorboard', 'results']) == 0\n"
        "assert not {'torch', 'tensorflow'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
