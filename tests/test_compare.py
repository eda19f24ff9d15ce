from __future__ import annotations

import dataclasses
import io
import json
import time
from collections.abc import Callable, Sequence
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from fake_work import record
from rich.text import Text

from gradlab.cell import Cell, Named
from gradlab.cli import invoke
from gradlab.compare.collect import Collection, collect, unlike
from gradlab.compare.comparison import Comparison, Question, compare
from gradlab.compare.rows import METRICS
from gradlab.errors import GradlabError, StoreError, UsageError
from gradlab.record import Record
from gradlab.report.comparison import comparison_report
from gradlab.report.conclusions import conclusions
from gradlab.report.glyphs import ASCII, UNICODE
from gradlab.store import RunDirectory
from gradlab.survival import tables

PROVENANCE = {"wall_s": 0.5, "device": "cpu", "gradlab": "0.1", "torch": "2.0"}
FACTORS = {"sigmoid": 0.25, "relu": 0.9, "selu": 3.0, "tanh": 0.9}
GAINS = {"none": 1.0, "batch": 3.0}


def scatter(cell: Cell) -> float:
    """Return a seed's own part of ln survival: a common one and one of the activation."""
    name = sum(map(ord, cell.activation.name)) + cell.depth
    return float(
        np.random.default_rng(cell.seed).normal(0, 0.2) + np.random.default_rng([cell.seed, name]).normal(0, 0.1)
    )


def made(cell: Cell, **changes: Any) -> Record:
    """Return a record whose ln survival is (depth - 1) ln(factor of activation and norm) plus `scatter`."""
    per_block = log(FACTORS[cell.activation.name] * GAINS[cell.norm.name]) + scatter(cell) / (cell.depth - 1)
    log_g = np.broadcast_to(per_block * np.arange(cell.depth - 1, -1, -1), (3, cell.depth)).copy()
    learned = bool(abs(log_g[0, 0]) < 6)
    metric = np.full(3, 0.1 + 0.8 * learned + 0.001 * cell.seed)
    return record(cell, **{"log_grad_norm": log_g, "learned": learned, "metric": metric} | changes)


def cells_of(
    activations: Sequence[str] = ("sigmoid", "relu", "selu"),
    depths: Sequence[int] = (4, 16),
    seeds: int = 5,
    **fixed: Any,
) -> list[Cell]:
    norms = fixed.pop("norms", ("none", "batch"))
    return [
        Cell(depth=depth, activation=Named(name), norm=Named(norm), lr=0.1, seed=seed, **fixed)
        for name in activations
        for norm in norms
        for depth in depths
        for seed in range(seeds)
    ]


def publish(path: Path, cells: list[Cell], make: Callable[[Cell], Record] = made, **provenance: str) -> RunDirectory:
    directory = RunDirectory(path)
    directory.create()
    half = len(cells) // 2
    for bank, members in (("b0", cells[:half]), ("b1", cells[half:])):
        directory.publish(bank, members, [make(cell) for cell in members], PROVENANCE | provenance)
    return directory


def asked(path: Path, cells: list[Cell], make: Callable[[Cell], Record] = made, **question: Any) -> Comparison:
    publish(path, cells, make)
    return compare(collect([path]), Question(**question))


def text_of(found: Comparison, width: int | None = None) -> str:
    lines: list[Text] = comparison_report(found, UNICODE, width)
    return "\n".join(line.plain for line in lines)


@pytest.fixture
def gradlab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process, in a directory with results/one and results/two, which share ten cells."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    publish(Path("results/one"), cells_of(("sigmoid", "relu"), norms=("none",)))
    publish(Path("results/two"), cells_of(("relu", "selu"), norms=("none",)))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = invoke(["compare", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


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
    assert "averaged" not in text_of(compare(collect([tmp_path / "r"]), Question()))
    by_depth = compare(collect([tmp_path / "r"]), Question(by="depth"))
    assert by_depth.table["depth"].tolist() == [4, 16]
    assert text_of(by_depth).splitlines()[5].split() == ["depth", "survival", "reach", "averaged", "n"]


def test_the_same_cells_in_several_directories_count_once(tmp_path: Path) -> None:
    publish(tmp_path / "a", cells_of(("relu", "selu")))
    publish(tmp_path / "b", cells_of(("relu", "sigmoid")))
    found = collect([tmp_path, tmp_path / "a"])
    assert len(found.cells) == 60
    assert [(run.name, run.cells, run.known) for run in found.runs] == [("a", 40, 0), ("b", 40, 20)]


def test_runs_that_are_not_alike_are_named(tmp_path: Path) -> None:
    publish(tmp_path / "a", cells_of(("relu",)))
    publish(tmp_path / "b", cells_of(("selu",), precision=Named("float64")), torch="2.1", device="cuda:0")
    assert unlike(collect([tmp_path / "a"]).cells) == ""
    assert unlike(collect([tmp_path]).cells) == (
        "torch (2.0: a; 2.1: b), device (cpu: a; cuda:0: b), precision (float32: a; float64: b)"
    )
    publish(tmp_path / "c", cells_of(("tanh",)) + cells_of(("tanh",), precision=Named("float64")))
    assert unlike(collect([tmp_path / "c"]).cells) == ""  # an axis of one run is no accident


def test_a_known_difference_is_found_and_chance_is_not_taken_for_one(tmp_path: Path) -> None:
    cells = cells_of(("sigmoid", "relu", "tanh"), norms=("none",), seeds=6)
    found = asked(tmp_path / "r", cells, baseline="activation=relu")
    by_name = {change.target[0]: change.difference for change in found.changes}
    assert by_name["sigmoid"].sign == "-"
    assert by_name["sigmoid"].mean == pytest.approx((3 + 15) / 2 * np.log10(0.25 / 0.9), abs=0.2)
    assert by_name["tanh"].sign == "~"  # the fake gives it the factor of relu
    assert (by_name["tanh"].seeds, by_name["tanh"].blocks, by_name["tanh"].pairs) == (6, 2, 12)
    report = text_of(found)
    assert [line.split()[1] for line in report.splitlines() if line.startswith(("tanh   ", "sigmoid  "))][-2:] == [
        "↓",
        "~",
    ]
    assert "against activation=relu, chance alone may explain the difference of tanh." in report


def test_a_baseline_of_two_settings_and_one_whose_followers_change_with_it(tmp_path: Path) -> None:
    cells = cells_of(("relu",), depths=(4,))
    adam = [dataclasses.replace(c, optimizer=Named("adam"), lr=0.001) for c in cells]
    found = asked(tmp_path / "r", cells + adam, baseline="optimizer=sgd,norm=none")
    assert found.plan.follows == {"lr": "optimizer"}
    assert {frozenset(change.target) for change in found.changes} == {
        frozenset(pair) for pair in (("sgd", "batch"), ("adam", "none"), ("adam", "batch"))
    }
    same = next(change for change in found.changes if set(change.target) == {"adam", "none"})
    assert same.difference.sign == "="
    assert "lr follows optimizer" in text_of(found)


def test_what_cures_is_what_leaves_networks_healthy(tmp_path: Path) -> None:
    cells = cells_of(("sigmoid", "relu"), depths=(4, 16))
    found = asked(tmp_path / "r", cells)
    (best, *_) = found.cures["vanishing"]
    assert (best.change.settings, best.change.source, best.change.target) == (("activation",), ("sigmoid",), ("relu",))
    assert (best.networks, best.healthy) == (1, 1)
    assert best.change.difference.mean == pytest.approx(15 * np.log10(0.9 / 0.25), abs=0.2)
    said = "\n".join(conclusions(found))
    assert "vanishing: 1 of 8 configurations (by" in said
    assert "activation sigmoid to relu lifts it by a factor 10^8." in said


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
    assert "2 of 2 healthy ones did not learn, as relu at depth 4" not in said  # activation does not vary: not named
    assert "2 of 2 healthy ones did not learn, as the plain network at depth 4 (1 of 5 cells)" in said
    assert "whether it learns hangs on the seed in 2 configurations" in said


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
    survival, metric = found.weights
    assert (survival.shares.left_out, metric.shares.left_out) == (2, 10)
    report = text_of(found)
    assert "2 cells have a gradient that is exactly zero at step 0" in report
    assert "10 cells diverged in training" in report

    def dead(cell: Cell) -> Record:
        log_g = np.full((3, cell.depth), [-np.inf] * (cell.depth - 1) + [0.0])
        return made(cell, log_grad_norm=log_g) if cell.activation.name == "relu" else made(cell)

    cells = cells_of(("relu", "sigmoid"), norms=("none",))
    found = asked(tmp_path / "d", cells, dead, baseline="activation=sigmoid", fail_on=("survival<1e-9",))
    assert "left out: one of the two has no finite value" in text_of(found)
    assert len(found.checks[0].holds) == 2  # a gradient of exactly zero is below every threshold


def test_theory_that_misses_is_named(tmp_path: Path) -> None:
    class Flat:
        log_survival = log(0.9) * 3
        log_survival_sd = 0.2
        decay = 0.9
        log_grad_norm = None
        reason = ""

    directory = publish(tmp_path / "r", cells_of(("sigmoid", "relu"), norms=("none",), depths=(4,)))
    directory.write_csv("cells.csv", tables(directory.load(), predict=lambda cell, **_: Flat()).cells)
    found = compare(collect([tmp_path / "r"]), Question())
    z = found.configurations.set_index("activation")["theory_z"]
    mean = found.configurations.set_index("activation")["log10_survival"]["relu"] * log(10)
    assert z["relu"] == pytest.approx((mean - Flat.log_survival) / (0.2 / np.sqrt(5)))
    assert "theory did not predict 1 of the 2 configurations it speaks of: sigmoid (" in "\n".join(conclusions(found))


def test_cells_that_left_the_spec_are_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tables hold the cells of the spec; what was published after them belongs to it too."""
    old, new, newer = (cells_of((name,), norms=("none",), depths=(4,)) for name in ("sigmoid", "relu", "selu"))
    directory = publish(tmp_path / "r", old + new)
    table = tables(directory.load()).cells
    directory.write_csv("cells.csv", table[table["activation"] == "relu"])
    found = collect([tmp_path / "r"])
    assert set(found.cells["activation"]) == {"relu"}
    assert found.runs[0].aside == len(old)
    time.sleep(0.02)  # the clock of a file system ticks in milliseconds
    directory.publish("b2", newer, [made(cell) for cell in newer], PROVENANCE)
    assert set(collect([tmp_path / "r"]).cells["activation"]) == {"relu", "selu"}
    assert invoke(["compare", str(tmp_path / "r")]) == 0
    assert f"{len(old)} stored cells of {tmp_path / 'r'} are not part of its spec any more" in capsys.readouterr().err


def test_metrics_that_are_not_one_thing_are_not_averaged_for_the_factors(tmp_path: Path) -> None:
    found = asked(
        tmp_path / "r", cells_of(), lambda cell: made(cell, metric_name="R2" if cell.depth == 4 else "accuracy")
    )
    assert [weight.metric.name for weight in found.weights] == ["survival"]
    assert any("not the same thing" in warning for warning in found.warnings)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    path = tmp_path_factory.mktemp("results") / "r"
    publish(path, cells_of(depths=(2, 4, 8, 16)))
    return collect([path])


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_report_that_keeps_to_its_width(collection: Collection, metric: str) -> None:
    found = compare(collection, Question(metric=metric, baseline="activation=sigmoid"))
    for width in (None, 80, 120, 200):
        for glyphs in (UNICODE, ASCII):
            lines = [line.plain for line in comparison_report(found, glyphs, width)]
            assert max(map(len, lines)) <= (width or 10_000)
            assert any("Which factor matters" in line for line in lines)
            assert glyphs is UNICODE or all(line.isascii() for line in lines)


def test_one_configuration_and_one_cell_still_have_a_report(tmp_path: Path) -> None:
    for name, cells in (("a", cells_of(("relu",), (4,), 1, norms=("none",))), ("b", cells_of(("relu",), (4,), 4))):
        assert "n" in text_of(asked(tmp_path / name, cells), 80)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"metric": "survial"}, "--metric survial: there is no such metric; did you mean survival?"),
        ({"by": "activaton"}, "--by activaton: there is no such setting\n  did you mean activation?"),
        ({"by": "width"}, "--by width: it is the same everywhere\n  what varies: depth, activation, norm"),
        ({"sort": "survivl"}, "--sort survivl: there is no such column\n  did you mean survival?"),
        ({"where": "norm=rms"}, "--where 'norm=rms' fits none of the 60 cells\n  norm is batch, none"),
        ({"where": "norm>3"}, "--where, column 6: norm is text"),
        ({"baseline": "sigmoid"}, "--baseline sigmoid: expected key=value, found 'sigmoid'"),
        ({"baseline": "activation=gelu"}, "--baseline activation=gelu: it does not occur\n  there are sig"),
        ({"baseline": "width=64"}, "--baseline width: it is the same everywhere"),
        ({"baseline": "activations=relu"}, "--baseline activations: there is no such setting\n  did you mean act"),
        ({"fail_on": ("survivel<1",)}, "--fail-on, column 1: there is no column 'survivel'"),
    ],
)  # fmt: skip
def test_a_question_without_an_answer_says_why(tmp_path: Path, question: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        asked(tmp_path / "r", cells_of(), **question)
    assert str(caught.value).startswith(message)


def test_levels_never_run_with_the_same_seeds_cannot_be_paired(tmp_path: Path) -> None:
    cells = cells_of(("relu",)) + [dataclasses.replace(c, seed=c.seed + 50) for c in cells_of(("selu",))]
    with pytest.raises(UsageError, match="no two cells differ in activation alone and share a seed"):
        asked(tmp_path / "r", cells, baseline="activation=relu")


def test_places_without_results_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    RunDirectory(tmp_path / "new").create()
    for name, message in (
        ("nothing", "there is nothing there"),
        ("file", "is a file, not a run directory"),
        ("empty", "is not a run directory (it has no parts/), and none lies in it"),
    ):
        with pytest.raises(UsageError, match=message.replace("(", r"\(").replace(")", r"\)")):
            collect([tmp_path / name])
    with pytest.raises(StoreError, match="no finished cell in"):
        collect([tmp_path / "new"])
    with pytest.raises(GradlabError, match="did you mean"):
        collect([tmp_path / "emptyy"])


def test_a_comparison_is_one_report_on_stdout(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("results", "--baseline", "activation=sigmoid")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "2 runs · 30 cells · 6 configurations · 5 seeds"
    assert lines[1] == "from one (20), two (20, 10 of them counted already)"
    assert "In short" in lines
    assert gradlab("results/one", "results/two", "--baseline", "activation=sigmoid")[1] == out


def test_json_is_one_strict_document(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("results", "--json", "--baseline", "activation=sigmoid", "--fail-on", "depth>100")
    document = json.loads(out, parse_constant=pytest.fail)
    assert (code, err) == (0, "")
    assert (document["cells"], document["seeds"], len(document["rows"])) == (30, 5, 6)
    assert [term["factors"] for term in document["factors"][0]["terms"]]
    assert {change["to"][0] for change in document["comparisons"]} == {"relu", "selu"}
    assert document["checks"] == [{"condition": "depth>100", "failed": False, "holds": [], "unknown": []}]
    assert document["conclusions"]


def test_the_table_as_csv_reads_back(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("results", "--csv", "-")
    table = pd.read_csv(io.StringIO(out))
    assert (code, err, len(table)) == (0, "", 6)
    assert {"activation", "depth", "n", "survival", "survival_lo", "survival_hi", "learns_to"} <= set(table)
    expected = compare(collect([Path("results")]), Question()).table
    np.testing.assert_array_equal(table["log10_survival"], expected["log10_survival"])
    code, shown, _ = gradlab("results", "--csv", "table.csv", "--sort", "-survival", "--top", "1")
    assert "1 of 3 rows" in shown
    assert set(pd.read_csv("table.csv")["activation"]) == {"sigmoid"}
    assert gradlab("results", "--csv", "-", "--json")[0] == 2


def test_rows_are_sorted_by_their_deepest_network(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    orders = {"survival": "selu relu sigmoid", "-survival": "sigmoid relu selu", "activation": "relu selu sigmoid"}
    for flag, order in orders.items():
        table = pd.read_csv(io.StringIO(gradlab("results", "--csv", "-", "--sort", flag)[1]))
        assert " ".join(dict.fromkeys(table["activation"])) == order


def test_a_check_that_fails_is_exit_code_3_with_the_configurations(
    gradlab: Callable[..., tuple[int, str, str]],
) -> None:
    code, _, err = gradlab("results", "--fail-on", "survival<1e-3")
    assert code == 3
    assert err.splitlines()[0] == "--fail-on 'survival<1e-3' holds for 1 configuration:"
    assert err.splitlines()[1].startswith("  depth=16 activation=sigmoid survival=")
    assert gradlab("results", "--fail-on", "survival<1e-3", "--where", "depth<16")[0] == 0
    assert gradlab("results", "--fail-on", "depth>99", "--fail-on", "learned<0.5 and activation=selu")[0] == 3
    code, _, err = gradlab("results", "--fail-on", "theory_z>3.5 and depth=4")
    assert code == 3
    assert "cannot be told, for want of a value, of 3 configurations" in err


def test_damaged_parts_are_named_and_the_rest_compared(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    part = Path("results/one/parts/b0.parquet")
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    code, out, err = gradlab("results")
    assert code == 1
    assert "warning: results/one/parts/b0.parquet is damaged (its checksum does not fit its content)" in err
    assert out.startswith("2 runs · 20 cells ·")
    assert gradlab("results", "--fail-on", "depth=4")[0] == 3
    for path in Path("results").rglob("*.parquet"):
        path.write_bytes(b"PAR1")
    code, out, err = gradlab("results")
    assert (code, out) == (2, "")
    assert "no finished cell in results/one, results/two: damaged are" in err


def test_usage_errors_are_exit_code_2(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    for arguments in (["nowhere"], ["results", "--where", "depth>"], ["results", "--top", "0"], []):
        code, out, err = gradlab(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("gradlab: ")
        assert "Traceback" not in err


def test_an_unlike_run_is_a_warning_on_stderr(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    publish(Path("results/three"), cells_of(("tanh",), norms=("none",)), torch="3.0")
    code, _, err = gradlab("results")
    assert code == 0
    assert err == (
        "warning: the runs differ in torch (2.0: one, two; 3.0: three): "
        "what differs in the numbers may come from that\n"
    )
    assert json.loads(gradlab("results", "--json")[1])["warnings"]
