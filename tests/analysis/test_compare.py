"""The numbers and the sentences of a comparison."""

from __future__ import annotations

import dataclasses
import re
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from compared import FACTORS, GAINS, PROVENANCE, asked, cells_of, made, publish, scatter, text_of
from page_runs import Parsed, column, run_directory

from gradlab import grid, spec
from gradlab.analysis.compare.collect import collect, unlike
from gradlab.analysis.compare.comparison import Question, compare
from gradlab.cell import Cell, Named
from gradlab.cli import invoke
from gradlab.record import Record
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.conclusions import conclusions
from gradlab.report.model.marks import reach_text
from gradlab.report.page import build_page
from gradlab.results.directories import open_runs
from gradlab.results.tables import tables


def test_the_table_has_the_means_and_intervals_of_its_seeds(tmp_path: Path) -> None:
    cells = cells_of()
    found = asked(tmp_path / "r", cells)
    table = found.table.set_index(["activation", "norm", "depth"]).sort_index()
    for key in (("sigmoid", "none", 16), ("selu", "batch", 4)):
        mine = [c for c in cells if (c.activation.name, c.norm.name, c.depth) == key]
        values = [((c.depth - 1) * log(FACTORS[key[0]] * GAINS[key[1]]) + scatter(c)) / log(10) for c in mine]
        low, high = scipy.stats.t.interval(0.95, 4, np.mean(values), scipy.stats.sem(values))
        row = table.loc[key]
        assert row[["log10_survival", "log10_survival_lo", "log10_survival_hi"]].tolist() == pytest.approx(
            [np.mean(values), low, high]
        )
        assert row["survival"] == pytest.approx(10 ** np.mean(values))
        assert (row["n"], row["cells"], row["configurations"]) == (5, 5, 1)
        assert row["metric"] == pytest.approx(0.1 + 0.8 * row["learned"] + 0.002)
    assert table.loc[("sigmoid", "none"), "learns_to"].tolist() == [4, 4]
    assert table.loc[("relu", "none"), "verdict"].tolist() == ["healthy", "healthy"]


def test_rows_asked_for_average_the_rest_and_say_so(tmp_path: Path) -> None:
    found = asked(tmp_path / "r", cells_of(), by="activation")
    assert found.by == ("activation",)
    row = found.table.set_index(["activation", "depth"]).loc[("relu", 16)]
    parts = found.configurations.set_index(["activation", "depth"]).loc[("relu", 16), "log10_survival"]
    assert row["log10_survival"] == pytest.approx(np.mean(parts))
    assert (row["configurations"], row["n"], row["cells"]) == (2, 5, 10)
    assert "averaged" in text_of(found)
    assert "averaged" not in text_of(compare(collect(open_runs([tmp_path / "r"])), Question()))
    by_depth = compare(collect(open_runs([tmp_path / "r"])), Question(by="depth"))
    assert by_depth.table["depth"].tolist() == [4, 16]
    lines = text_of(by_depth).splitlines()
    table = next(at for at, line in enumerate(lines) if line.startswith("Survival before training"))
    assert lines[table + 1].split() == ["depth", "survival", "reach"]
    assert "in every row: averaged 6" in lines


def test_the_same_cells_in_several_directories_count_once(tmp_path: Path) -> None:
    publish(tmp_path / "a", cells_of(("relu", "selu")))
    publish(tmp_path / "b", cells_of(("relu", "sigmoid")))
    found = collect(open_runs([tmp_path, tmp_path / "a"]))
    assert len(found.cells) == 60
    assert [(run.name, run.cells, run.known) for run in found.runs] == [("a", 40, 0), ("b", 40, 20)]


def test_runs_that_are_not_alike_are_named(tmp_path: Path) -> None:
    publish(tmp_path / "a", cells_of(("relu",)))
    publish(tmp_path / "b", cells_of(("selu",), precision=Named("float64")), torch="2.1", device="cuda:0")
    assert unlike(collect(open_runs([tmp_path / "a"])).cells) == ""
    assert unlike(collect(open_runs([tmp_path])).cells) == (
        "torch (2.0: a; 2.1: b), device (cpu: a; cuda:0: b), precision (float32: a; float64: b)"
    )
    publish(tmp_path / "c", cells_of(("tanh",)) + cells_of(("tanh",), precision=Named("float64")))
    assert unlike(collect(open_runs([tmp_path / "c"])).cells) == ""  # an axis of one run is no accident


def test_a_seed_counts_once_whatever_thresholds_it_was_run_with(tmp_path: Path) -> None:
    cells = cells_of(("relu",), norms=("none",), seeds=3)
    publish(tmp_path / "a", cells)
    publish(tmp_path / "b", [dataclasses.replace(cell, vanish=0.99) for cell in cells])
    once = compare(collect(open_runs([tmp_path / "a"])), Question())
    twice = compare(collect(open_runs([tmp_path / "a", tmp_path / "b"])), Question())
    assert twice.warnings == ("cells that differ in thresholds.vanish only count once: 6 left out",)
    columns = ["depth", "n", "cells", "log10_survival", "log10_survival_lo", "log10_survival_hi", "verdict"]
    pd.testing.assert_frame_equal(twice.table[columns], once.table[columns])
    assert "6 of 12 cells" in text_of(twice)


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_of_a_seed_that_was_recorded_twice_the_whole_record_counts(tmp_path: Path, names: str) -> None:
    cells = cells_of(("relu",), norms=("none",), seeds=3)
    publish(tmp_path / names[0], cells)
    publish(tmp_path / names[1], [dataclasses.replace(cell, probe_record="profile") for cell in cells])
    once = compare(collect(open_runs([tmp_path / names[0]])), Question())
    twice = compare(collect(open_runs([tmp_path / name for name in "ab"])), Question())
    assert twice.warnings == ("cells that differ in probe.record only count once: 6 left out",)
    assert twice.cells["cell"].tolist() == once.cells["cell"].tolist()
    assert set(twice.cells["probe.record"]) == {"all"}


def test_every_row_is_marked_by_its_own_thresholds(tmp_path: Path) -> None:
    strict, usual = (
        cells_of(("relu",), norms=("none",), depths=(4,)),
        cells_of(("relu",), norms=("none",), depths=(16,)),
    )
    found = asked(tmp_path / "r", [*usual, *(dataclasses.replace(cell, vanish=0.99, explode=1.01) for cell in strict)])
    assert found.table["verdict"].tolist() == ["vanishing", "healthy"]  # 0.9^3 < 0.99, 0.9^15 > 0.001
    lines = text_of(found).splitlines()
    row = next(line for line in lines if UNICODE.sign("vanished").strip() in line and "vanished" not in line)
    assert row.index(UNICODE.sign("vanished").strip()) < len(row) / 2
    assert "vanished (<" not in "\n".join(lines)  # there is no one threshold


def test_failed_cells_are_said_to_be_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "name: r\nseeds: 5\ngrid:\n  depth: [4, 6]\n"
    cells = grid.expand(spec.loads(text)).cells
    run_directory(tmp_path / "r", cells, lost=cells[:3], spec=text)
    assert collect(open_runs([tmp_path / "r"])).runs[0].failed == 3
    assert invoke(["compare", str(tmp_path / "r")]) == 0
    assert f"3 failed cells of {tmp_path / 'r'} are left out" in " ".join(capsys.readouterr().err.split())


def test_a_known_difference_is_significant_and_none_is_not(tmp_path: Path) -> None:
    cells = cells_of(("sigmoid", "relu", "tanh"), norms=("none",), seeds=6)
    found = asked(tmp_path / "r", cells, baseline="activation=relu")
    by_name = {change.target[0]: change.difference for change in found.paired}
    assert by_name["sigmoid"].sign == "-"
    assert by_name["sigmoid"].mean == pytest.approx((3 + 15) / 2 * np.log10(0.25 / 0.9), abs=0.2)
    assert by_name["tanh"].sign == "~"  # the fake gives it the factor of relu
    assert (by_name["tanh"].seeds, by_name["tanh"].blocks, by_name["tanh"].pairs) == (6, 2, 12)
    report = text_of(found)
    rows = [line.split()[:2] for line in report.splitlines() if re.match(r"(sigmoid|tanh) +[↑↓~] ", line)]
    assert rows == [["sigmoid", "↓"], ["tanh", "~"]]
    assert "against activation=relu, not significant: tanh." in report


def test_a_baseline_of_two_settings_and_one_whose_followers_change_with_it(tmp_path: Path) -> None:
    cells = cells_of(("relu",), depths=(4,))
    adam = [dataclasses.replace(c, optimizer=Named("adam"), lr=0.001) for c in cells]
    found = asked(tmp_path / "r", cells + adam, baseline="optimizer=sgd,norm=none")
    assert found.design.follows == {"lr": "optimizer"}
    assert {frozenset(change.target) for change in found.paired} == {
        frozenset(pair) for pair in (("sgd", "batch"), ("adam", "none"), ("adam", "batch"))
    }
    same = next(change for change in found.paired if set(change.target) == {"adam", "none"})
    assert same.difference.sign == "="
    assert "confounded: lr changes only with optimizer" in text_of(found)


def test_an_improvement_leaves_networks_healthy(tmp_path: Path) -> None:
    cells = cells_of(("sigmoid", "relu"), depths=(4, 16))
    found = asked(tmp_path / "r", cells)
    (best, *_) = found.improvements["vanishing"]
    assert (best.change.settings, best.change.source, best.change.target) == (("activation",), ("sigmoid",), ("relu",))
    assert (best.networks, best.healthy) == (1, 1)
    assert best.change.difference.mean == pytest.approx(15 * np.log10(0.9 / 0.25), abs=0.2)
    said = "\n".join(conclusions(found))
    assert "vanishing: 1 of 8 configurations (by" in said
    assert "activation sigmoid to relu raises survival by a factor 10^8." in said


def test_sentences_come_from_the_numbers(tmp_path: Path) -> None:
    healthy = asked(tmp_path / "h", cells_of(("relu",), norms=("none",), depths=(2, 4)))
    said = "\n".join(conclusions(healthy))
    assert "vanishing" not in said
    assert "exploding" not in said
    assert "learned: 2 of 2 configurations" in said
    few = asked(tmp_path / "f", cells_of(("sigmoid", "relu"), norms=("none",), seeds=2))
    assert "every configuration has fewer than 3 seeds" in "\n".join(conclusions(few))
    stuck = asked(tmp_path / "s", cells_of(("relu",), norms=("none",)), lambda cell: made(cell, learned=cell.seed == 0))
    said = "\n".join(conclusions(stuck))
    assert "not learned: 2 of 2, as relu at depth 4" not in said  # activation does not vary: not named
    assert "not learned, still falling, more steps may do: the plain network at depth 4 (training loss" in said
    assert "1 of 5 seeds)" in said
    assert "whether it learns depends on the seed in 2 configurations" in said


def test_dead_diverged_and_nonfinite_cells_are_left_out_and_said(tmp_path: Path) -> None:
    def spoiled(cell: Cell) -> Record:
        plain = made(cell)
        if cell.activation.name == "relu" and cell.seed == 0:
            log_g = plain.log_grad_norm.copy()
            log_g[:, 0] = -np.inf
            return made(cell, log_grad_norm=log_g)
        if cell.activation.name == "selu":
            return made(cell, status="diverged", diverged_at=2, metric=np.full(3, np.nan), learned=False)
        return plain

    found = asked(tmp_path / "r", cells_of(norms=("none",)), spoiled)
    table = found.table.set_index(["activation", "depth"])
    assert table.loc[("relu", 4), ["n", "n_survival", "dead"]].tolist() == [5, 4, 1]
    assert np.isfinite(table.loc[("relu", 4), "log10_survival"])
    assert table.loc[("selu", 4), "diverged"] == 5
    assert np.isnan(table.loc[("selu", 4), "metric"])
    survival, metric = found.analyses
    assert (survival.shares.left_out, metric.shares.left_out) == (2, 10)
    report = text_of(found, verbose=True)
    assert "2 cells have a gradient that is exactly zero at step 0" in report
    assert "diverged: selu at depth 4 at step 2 (5 of 5 seeds; last finite loss 0.500); selu at depth 16" in report

    def dead(cell: Cell) -> Record:
        log_g = np.full((3, cell.depth), [-np.inf] * (cell.depth - 1) + [0.0])
        return made(cell, log_grad_norm=log_g) if cell.activation.name == "relu" else made(cell)

    cells = cells_of(("relu", "sigmoid"), norms=("none",))
    found = asked(tmp_path / "d", cells, dead, baseline="activation=sigmoid", fail_on=("survival<1e-9",))
    assert "left out: one of the two has no finite value" in text_of(found)
    assert len(found.checks[0].holds) == 2  # a gradient of exactly zero is below every threshold


@pytest.mark.parametrize("error", [0.0, 0.02])
def test_theory_that_misses_is_named(tmp_path: Path, error: float) -> None:
    class Flat:
        log_survival = log(0.9) * 3
        log_survival_sd = 0.2
        log_survival_error = error
        log_cell_survival = None
        decay = 0.9
        log_grad_norm = None
        reason = ""

    directory = publish(tmp_path / "r", cells_of(("sigmoid", "relu"), norms=("none",), depths=(4,)))
    directory.write_tables(tables(directory.load(), predict=lambda cell, **_: Flat()).frames)
    found = compare(collect(open_runs([tmp_path / "r"])), Question())
    z = found.configurations.set_index("activation")["theory_z"]
    mean = found.configurations.set_index("activation")["log10_survival"]["relu"] * log(10)
    assert z["relu"] == pytest.approx((mean - Flat.log_survival) / np.hypot(0.2 / np.sqrt(5), error))
    said = "\n".join(conclusions(found))
    assert "theory does not explain 1 of the 2 configurations that it predicts: sigmoid (" in said


def test_cells_that_left_the_spec_are_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tables hold the cells of the spec; what was published after them belongs to it too."""
    old, new, newer = (cells_of((name,), norms=("none",), depths=(4,)) for name in ("sigmoid", "relu", "selu"))
    directory = publish(tmp_path / "r", old + new)
    frames = tables(directory.load()).frames
    cells = frames["cells"]
    directory.write_tables({**frames, "cells": cells[cells["activation"] == "relu"]})
    found = collect(open_runs([tmp_path / "r"]))
    assert set(found.cells["activation"]) == {"relu"}
    assert found.runs[0].aside == len(old)
    directory.publish("b2", newer, [made(cell) for cell in newer], PROVENANCE)
    assert set(collect(open_runs([tmp_path / "r"])).cells["activation"]) == {"relu", "selu"}
    assert invoke(["compare", str(tmp_path / "r")]) == 0
    assert f"{len(old)} stored cells of {tmp_path / 'r'} are not part of its spec any more" in capsys.readouterr().err


def test_metrics_that_are_not_one_thing_are_not_averaged_for_the_factors(tmp_path: Path) -> None:
    found = asked(
        tmp_path / "r", cells_of(), lambda cell: made(cell, metric_name="R2" if cell.depth == 4 else "accuracy")
    )
    assert [weight.response.name for weight in found.analyses] == ["survival"]
    assert any("not the same thing" in warning for warning in found.warnings)


def test_a_reach_and_its_interval_are_the_same_in_the_summary_the_comparison_and_every_report(tmp_path: Path) -> None:
    cells = cells_of(("sigmoid", "relu", "tanh"), depths=(8, 16))
    answer = asked(tmp_path / "r", cells)
    run = open_runs([tmp_path / "r"])[0]
    summary = run.tables.summary.set_index(["activation", "norm", "depth"]).sort_index()
    table = answer.table.set_index(["activation", "norm", "depth"]).sort_index()
    for name in ("reach", "reach_lo", "reach_hi", "decay", "decay_lo", "decay_hi", "survival", "survival_lo"):
        np.testing.assert_allclose(table[name], summary[name], rtol=1e-10, err_msg=name)
    texts = {reach_text({str(k): v for k, v in row.items()}, "∞") for row in summary.to_dict("records")}
    deepest = [text for text in texts if text in text_of(answer)]
    by_metric = text_of(asked(tmp_path / "again", cells, metric="reach"))
    assert len(deepest) >= 6
    assert all(text in by_metric for text in texts)
    page = Parsed(build_page([tmp_path / "r"]).html)
    assert set(column(page.data, "reach_text")) == texts
