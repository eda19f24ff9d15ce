"""Statements about results: what they may say, what is told when they say something else, and how they are judged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gradlab import grid, spec
from gradlab.cell import Cell, cell_id
from gradlab.cli import invoke
from gradlab.errors import SpecError
from gradlab.expect import COLUMNS, Judgement, judge
from gradlab.report.expected import document, lines, number_text
from gradlab.report.glyphs import ASCII, UNICODE, glyphs_for
from gradlab.survival import Tables

HEAD = """name: x
seeds: 2
optimizer: sgd
grid:
  depth: [2, 8, 32]
  activation: [sigmoid, relu, {leaky_relu: 0.2}]
  norm: [none, batch]
exclude: [{activation: sigmoid, norm: batch}]
expect:
"""

FACTORS = {"sigmoid": 0.25, "relu": 0.9, "leaky_relu": 1.0}


def log10_survival(cell: Cell) -> float:
    """What the tables below say of a configuration: factor^(depth - 1), times 3 with batch norm."""
    return (cell.depth - 1) * math.log10(FACTORS[cell.activation.name]) + (cell.norm.name == "batch") * math.log10(3)


def results(cells: tuple[Cell, ...], lost: tuple[str, ...] = (), **changes: Any) -> Tables:
    """Tables of a run that lost some cells; `changes` are columns of the summary, as functions of a configuration."""
    kept = [cell for cell in cells if cell_id(cell) not in lost]
    frame = pd.DataFrame(
        {
            "cell": [cell_id(cell) for cell in cells],
            "status": ["failed" if cell_id(cell) in lost else "ok" for cell in cells],
            "loss_first": [2.0 + cell.seed for cell in cells],
            "clip_rate": [0.25 if cell.seed else 0.75 for cell in cells],
        }
    )
    configurations = list(dict.fromkeys(cell.configuration() for cell in kept))
    summary = pd.DataFrame({"log10_survival": [log10_survival(one) for one in configurations]})
    summary["survival"] = 10 ** summary["log10_survival"]
    summary["decay"] = [FACTORS[one.activation.name] for one in configurations]
    summary["theory_decay"] = [FACTORS[one.activation.name] * 1.01 for one in configurations]
    summary["theory_note"] = ""
    of_layers = {"dead_units", "dead_units_final", "saturated", "saturated_final"}
    for name in {*COLUMNS} - {"loss_first", "clip_rate"} - of_layers - set(summary):
        summary[name] = 0.5
    for name, function in changes.items():
        summary[name] = [function(one) for one in configurations]
    return Tables(frame, pd.DataFrame(), pd.DataFrame(), summary)


def judged(statement: str, head: str = HEAD, overrides: tuple[str, ...] = (), **wishes: Any) -> Judgement:
    found = spec.loads(f"{head}  - {statement}\n", overrides=overrides)
    cells = grid.expand(found).cells
    lost = tuple(cell_id(cell) for cell in cells if wishes.get("lose", lambda _: False)(cell))
    changes = {name: one for name, one in wishes.items() if name != "lose"}
    (only,) = judge(found.expect, cells, [cell_id(cell) for cell in cells], results(cells, lost, **changes))
    return only


HOLDS = [
    "survival[activation=sigmoid, depth=32] < 1e-18",  # 0.25^31 = 2.2e-19
    "survival[activation=sigmoid,depth=32] > 2.1e-19",
    "survival[activation=sigmoid and depth<=8] >= 6.1e-5",  # 0.25^7 = 6.10e-5
    "1e-18 > survival[activation=sigmoid, depth=32]",
    "log10_survival[activation=sigmoid, depth=2] within 0.001 of -0.602",
    "decay within 1% of theory_decay",
    "decay[activation=leaky_relu] == 1",
    "decay[activation='leaky_relu(negative_slope=0.2)'] = 1.0",
    "decay[activation=leaky_relu(negative_slope=0.2), norm=none] <= theory_decay",
    "decay[activation!=leaky_relu] < 1",
    "decay[activation not in [sigmoid, relu]] == 1",
    "survival[norm=batch] > 2.9 * survival[norm=none]",
    "survival[norm=batch] within 0.1% of survival[norm=none] * 3",
    "survival[norm=none] / 2 < survival[norm=none]",
    "survival[activation=relu] > survival[activation=sigmoid]",
    "survival[activation=leaky_relu, norm=none] > survival[activation=relu, norm=none]",
    "mean(survival[activation=sigmoid]) within 0.1% of 1.490e-8",  # 0.25^((1 + 7 + 31)/3) = 0.25^13 = 1.49e-8
    "min(survival[activation=sigmoid]) < 1e-18",
    "max(survival[norm=none]) == 1",
    "max(survival[activation=sigmoid]) < min(survival[activation=relu, depth=2])",
    "mean(log10_survival[activation=sigmoid]) within 1e-6 of -7.82677981",  # -13 log10 4
    "survival[depth in [2, 8], activation=sigmoid] > 1e-5",
    "survival[depth=2..8:6, activation=sigmoid] > 1e-5",
    "loss_first == 2.5",
    "clip_rate within 1% of 0.5",
    "theory_z[] < 1",
    "metric != 0.4",
]


@pytest.mark.parametrize("statement", HOLDS)
def test_what_holds(statement: str) -> None:
    found = judged(statement)
    assert (found.outcome, found.failed, found.reason) == ("held", 0, "")
    assert found.compared >= 1


FAILS = {  # statement: (measured, against, where, compared, failed)
    "survival[activation=sigmoid] > 1e-6": (0.25**31, 1e-6, "depth=32", 3, 1),
    "survival[depth=2, norm=none] < 0.5": (1.0, 0.5, "activation=leaky_relu(negative_slope=0.2)", 3, 2),
    "decay[activation=relu, norm=none, depth=8] within 10% of 1.01": (0.9, 1.01, "", 1, 1),
    "2 * decay[activation=relu, norm=none, depth=8] == 1.9": (1.8, 1.9, "", 1, 1),
    "survival[norm=batch, activation=relu] > 4 * survival[norm=none]": (2.7, 3.6, "depth=2", 3, 3),
    "max(survival[norm=none]) < 1": (1.0, 1.0, "", 1, 1),
}


@pytest.mark.parametrize("statement", FAILS)
def test_what_does_not_hold_is_shown_at_its_worst(statement: str) -> None:
    found = judged(statement)
    measured, against, where, compared, failed = FAILS[statement]
    assert found.outcome == "did not hold"
    assert (float(found.measured or 0), float(found.against or 0)) == pytest.approx((measured, against))
    assert (found.where, found.compared, found.failed) == (where, compared, failed)


def test_of_what_holds_the_nearest_to_failing_is_shown() -> None:
    found = judged("survival[activation=relu] > survival[activation=sigmoid]")
    assert (found.where, found.compared) == ("depth=2", 3)  # 0.9 against 0.25; further apart at every other depth
    assert float(found.measured or 0) == pytest.approx(0.9)
    assert float(found.against or 0) == pytest.approx(0.25)


def test_numbers_that_no_double_holds_are_compared() -> None:
    deep = HEAD.replace("[2, 8, 32]", "[2, 2000]")
    found = judged("survival[activation=sigmoid, depth=2000] < 1e-1203", deep)
    assert found.outcome == "held"
    assert found.measured is not None
    assert math.isclose(found.measured.log10(), 1999 * math.log10(0.25), rel_tol=1e-12)
    assert judged("survival[activation=sigmoid, depth=2000] < 1e-1204", deep).outcome == "did not hold"
    assert document([found])[0]["measured"] == f"{found.measured:.6e}"


def test_missing_and_failed_cells_make_it_unknown_unless_it_fails_anyway() -> None:
    def lose(cell: Cell) -> bool:
        return cell.activation.name == "relu" and cell.seed == 1 and cell.depth == 8 and cell.norm.name == "none"

    found = judged("survival[activation=relu] > 1e-3", lose=lose)
    assert found.outcome == "not judged"
    assert found.reason == "1 of 2 cells of a configuration it speaks of failed or were not run"
    assert judged("survival[activation=relu, depth!=8] > 1e-3", lose=lose).outcome == "held"
    assert judged("survival[activation=relu] < 1e-9", lose=lose).outcome == "did not hold"
    assert judged("mean(survival[activation=relu]) > 1e-3", lose=lose).outcome == "not judged"
    assert judged("survival > 0", lose=lambda _: True).outcome == "not judged"


def test_an_empty_field_is_unknown_and_theory_says_why() -> None:
    found = judged(
        "decay within 2% of theory_decay",
        theory_decay=lambda one: float("nan") if one.activation.name == "relu" else FACTORS[one.activation.name],
        theory_note=lambda one: "the variance drifts" if one.activation.name == "relu" else "",
    )
    assert (found.outcome, found.reason) == ("not judged", "theory_decay is empty: the variance drifts")
    found = judged("reach > 3", reach=lambda _: math.inf)
    assert (found.outcome, found.measured) == ("held", Decimal("inf"))


def test_units_are_those_of_the_layers() -> None:
    found = spec.loads(
        "name: x\nseeds: 2\nexpect: [dead_units == 0.25, dead_units_final == 0.75, saturated_final < 0.5]\n"
    )
    cells = grid.expand(found).cells
    ids = [cell_id(cell) for cell in cells]
    layers = pd.DataFrame(
        [(cell, step, layer, share, 0.1) for cell, shares in zip(ids, [(0.0, 0.5), (0.5, 1.0)], strict=True)
         for step, share in zip((0, 7), shares, strict=True) for layer in (1, 2)],
        columns=["cell", "step", "layer", "dead", "saturated"],
    )  # fmt: skip
    tables = results(cells)
    whole = judge(found.expect, cells, ids, Tables(tables.cells, layers, tables.steps, tables.summary))
    assert [(one.outcome, float(one.measured or 0)) for one in whole] == [("held", 0.25), ("held", 0.75), ("held", 0.1)]


def test_an_exact_zero_is_a_number() -> None:
    assert judged("survival < 1e-300", log10_survival=lambda _: -math.inf).outcome == "held"
    assert judged("mean(survival) == 0", log10_survival=lambda _: -math.inf).outcome == "held"


def test_an_override_may_take_the_cells_away() -> None:
    found = judged("survival[depth=32, activation=sigmoid] < 1e-6", overrides=("depth=4",))
    assert (found.outcome, found.reason) == ("not judged", "no such cell")
    with pytest.raises(SpecError, match="unknown activation 'sigmod'"):
        judged("survival[activation=sigmod] < 1e-6", overrides=("depth=4",))


def test_an_optimizer_is_compared_with_its_own_learning_rate() -> None:
    head = "name: x\nseeds: 1\ngrid: {optimizer: [sgd, adam], depth: [2, 8]}\nexpect:\n"
    found = judged(
        "metric[optimizer=adam] > metric[optimizer=sgd]", head, metric=lambda one: 1.0 if one.lr < 0.1 else 0.5
    )
    assert (found.outcome, found.compared) == ("held", 2)


def test_sides_without_partners_are_not_judged() -> None:
    head = "name: x\nseeds: 1\nzip: {activation: [sigmoid, relu], width: [8, 16]}\nexpect:\n"
    found = judged("survival[activation=relu] > survival[activation=sigmoid]", head)
    assert found.outcome == "not judged"
    assert "differ only in the settings in brackets" in found.reason
    assert judged("survival[activation=relu, width=16] > survival[activation=sigmoid, width=8]", head).outcome == "held"


def test_expectations_are_no_part_of_a_cell_and_survive_the_resolved_spec() -> None:
    text = HEAD + "  - {that: 'survival[depth=2] > 0', because: a claim}\n  - decay < 2\n"
    found = spec.loads(text)
    assert [(one.text, one.because) for one in found.expect] == [
        ("survival[depth=2] > 0", "a claim"),
        ("decay < 2", ""),
    ]
    without = spec.loads(text.split("expect:")[0])
    assert [cell_id(cell) for cell in grid.expand(found).cells] == [
        cell_id(cell) for cell in grid.expand(without).cells
    ]
    changed = spec.loads(text, overrides=("depth=4",))
    assert [one.text for one in spec.loads(spec.dump(changed)).expect] == ["decay < 2"]
    mapping = {"depth": [2, 8], "expect": ["survival[depth=8] > 0"]}
    assert spec.from_mapping("x", mapping).expect[0].text == "survival[depth=8] > 0"


@pytest.mark.parametrize("name", ["sigmoid_vs_relu", "mean_field"])
def test_the_experiments_say_what_they_expect(name: str) -> None:
    found = spec.load(Path(__file__).parent.parent / "experiments" / f"{name}.yaml")
    assert len(found.expect) >= 5


def test_the_block_of_a_report() -> None:
    held, failed, unknown = (
        judged("survival[activation=sigmoid, depth=32] < 1e-18"),
        judged("survival[activation=sigmoid] > 1e-6"),
        judged("survival[depth=32, activation=sigmoid] < 1e-6", overrides=("depth=4",)),
    )
    block = [line.plain for line in lines([held, failed, unknown], UNICODE, None)]
    assert block == [
        "Expected: 1 of 3 held, 1 did not, 1 not judged",
        "  ✓ survival[activation=sigmoid, depth=32] < 1e-18  2.17e-19",
        "  ✗ survival[activation=sigmoid] > 1e-6             2.17e-19 at depth=32; not in 1 of 3",
        "  ? survival[depth=32, activation=sigmoid] < 1e-6   not judged: no such cell",
    ]
    narrow = [line.plain for line in lines([held, failed], ASCII, 50)]
    assert all(len(line) <= 50 for line in narrow)
    assert "".join(narrow).isascii()
    assert lines([], UNICODE, None) == []
    assert glyphs_for("ascii") is ASCII
    report = document([held, failed, unknown])
    assert [one["outcome"] for one in report] == ["held", "did not hold", "not judged"]
    assert report[0]["measured"] == pytest.approx(0.25**31)
    assert (report[2]["measured"], report[2]["reason"]) == (None, "no such cell")


def test_numbers_in_words() -> None:
    texts = [
        number_text(Decimal(one), UNICODE) for one in ("3.2123e-627", "0.2361", "0", "inf", "-inf", "22883.4", "1e9")
    ]
    assert texts == ["3.21e-627", "0.2361", "0", "∞", "-∞", "22,883", "1.00e9"]


def test_random_statements_agree_with_numpy() -> None:
    """Any comparison of one column with a number is `all` over the chosen rows, which numpy can say as well."""
    draw = np.random.default_rng(0)
    found = spec.loads(HEAD.split("expect:")[0])
    cells = grid.expand(found).cells
    configurations = list(dict.fromkeys(cell.configuration() for cell in cells))
    signs = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
    outcomes = []
    for _ in range(40):
        values = draw.uniform(size=len(configurations)).round(2)
        bound, depth = round(float(draw.uniform()), 2), int(draw.choice([2, 8, 32]))
        sign = str(draw.choice(list(signs)))
        order = str(draw.choice(["<=", "=", ">="]))
        chosen = np.array([{"<=": one.depth <= depth, "=": one.depth == depth, ">=": one.depth >= depth}[order]
                           for one in configurations])  # fmt: skip
        of = dict(zip(configurations, values.tolist(), strict=True))
        got = judged(f"metric[depth{order}{depth}] {sign} {bound}", metric=of.__getitem__)
        expected = signs[sign](values[chosen], bound)
        assert (got.outcome == "held", got.compared, got.failed) == (expected.all(), chosen.sum(), (~expected).sum())
        outcomes.append(got.outcome)
    assert len(set(outcomes)) == 2


RUN = """name: demo
seeds: 2
train: {steps: 5}
grid: {depth: [2, 8], activation: [sigmoid, relu]}
expect:
  - {that: "survival[activation=sigmoid, depth=8] < 1e-4", because: 0.25^7}
  - survival[activation=relu] == 0
"""


@pytest.fixture
def gradlab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    (tmp_path / "demo.yaml").write_text(RUN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADLAB_WORK", "fake_work:train")
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*arguments: str, **wishes: Any) -> tuple[int, str, str]:
        monkeypatch.setenv("GRADLAB_FAKE", json.dumps(wishes))
        code = invoke(["run", "demo.yaml", "--no-plots", "--executor", "inline", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_run_judges_and_fails_only_when_asked_to(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab()
    assert code == 0
    assert "--check" not in err
    block = out[out.index("Expected:") :].splitlines()
    assert block[0] == "Expected: 1 of 2 held, 1 did not"
    assert block[1].startswith("  ✓ survival[activation=sigmoid, depth=8] < 1e-4  6.3")  # (0.25 * 0.2525)^3.5 = 6.32e-5
    assert block[2] == "    0.25^7"
    assert block[3] == "  ✗ survival[activation=relu] == 0                1.035 at depth=8; not in 2 of 2"  # 1.01^3.5
    code, out, err = gradlab("--check")
    assert code == 3
    assert err.endswith("gradlab: --check: 1 of 2 held, 1 did not: survival[activation=relu] == 0\n")
    assert gradlab("--check", "-q")[0] == 3
    Path("demo.yaml").write_text(RUN.replace("== 0", "> 0.5"))
    assert gradlab("--check")[0] == 0


def test_what_cannot_be_judged_fails_the_check_too(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    Path("demo.yaml").write_text(RUN.replace("== 0", "> 0.5"))
    code, out, _ = gradlab("--check", fail="relu")
    assert code == 3
    assert "not judged: " in out
    assert "failed or were not run" in out
    code, out, _ = gradlab("--check", "--rerun-failed")
    assert code == 0
    code, out, _ = gradlab("--check", "-s", "activation=relu")
    assert code == 3
    assert "not judged: no such cell" in out


def test_the_json_of_a_run_has_the_judgements(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = gradlab("--json", "--check")
    assert code == 3
    (run,) = json.loads(out, parse_constant=pytest.fail)["runs"]
    held, failed = run["expected"]
    assert (held["outcome"], held["because"], held["compared"]) == ("held", "0.25^7", 1)
    assert held["measured"] == pytest.approx((0.25 * 0.2525) ** 3.5)
    assert (failed["outcome"], failed["failed"], failed["where"]) == ("did not hold", 2, "depth=8")


def test_the_resolved_spec_keeps_them(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    assert gradlab()[0] == 0
    again = spec.load("results/demo/spec.yaml")
    assert again.expect == spec.load("demo.yaml").expect
