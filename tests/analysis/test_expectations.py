"""Statements about results: what they may say, and how they are judged."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from judged import FACTORS, HEAD, judged, results
from places import ROOT

from gradlab import grid, spec
from gradlab.analysis.expectations import judge
from gradlab.cell import Cell, cell_id
from gradlab.errors import SpecError
from gradlab.report.model.expectations import document
from gradlab.results.tables import Tables

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
    found = spec.load(ROOT / "experiments" / f"{name}.yaml")
    assert len(found.expect) >= 5


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
