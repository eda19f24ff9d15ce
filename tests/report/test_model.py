"""The report model: what every drawing of a report takes from one place."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from drawn import cells_of, tables_of

from gradlab.analysis.compare.comparison import analyse
from gradlab.analysis.compare.design import design_of
from gradlab.analysis.compare.responses import RESPONSES
from gradlab.definitions import reach, reach_interval
from gradlab.report.model.effects import effect_table, variance_table
from gradlab.report.model.heatmap import evenly, heat_map
from gradlab.report.model.marks import reach_text
from gradlab.report.model.profiles import ProfileIndex
from gradlab.report.model.rows import rows_of, shown_lengths


def test_a_heat_map_has_lengths_across_and_a_field_for_each_configuration() -> None:
    labels = [("relu",), ("relu",), ("tanh",)]
    drawn = heat_map(labels, [8, 2, 8], ("activation",), "depth")
    assert (drawn.name, drawn.columns, drawn.rows) == ("depth", ("2", "8"), (("relu",), ("tanh",)))
    assert drawn.fields == ((1, 0), (None, 2))


def test_with_one_length_the_last_setting_that_fills_the_map_stands_across() -> None:
    labels = [(activation, init) for activation in ("relu", "tanh") for init in ("he", "xavier", "orthogonal")]
    drawn = heat_map(labels, [8] * 6, ("activation", "init"), "depth")
    assert (drawn.name, drawn.keys, drawn.columns) == ("init", ("activation",), ("he", "xavier", "orthogonal"))
    assert drawn.fields == ((0, 1, 2), (3, 4, 5))
    sparse = heat_map([("a", "x"), ("b", "y"), ("c", "z")], [8] * 3, ("p", "q"), "depth")
    assert (sparse.name, sparse.columns) == ("depth", ("8",))


def test_a_selection_is_even_by_rank_with_both_ends() -> None:
    values = [3.0, nan, 1.0, 2.0, inf]
    assert evenly(values, 5) == [0, 1, 2, 3, 4]
    assert evenly(values, 3) == [1, 2, 0]


@pytest.mark.parametrize(
    ("decay", "low", "high", "text"),
    [(0.5, 0.4, 0.6, "10.0 [7.5, 13.5]"), (0.99, 0.9, 1.1, ">65.6"), (0.99, nan, nan, "687"), (nan, nan, nan, ""),
     (1.0, 1.0, 1.0, "∞")],
)  # fmt: skip
def test_a_reach_is_a_bound_where_the_decay_may_be_one(decay: float, low: float, high: float, text: str) -> None:
    logarithms = np.log(np.array([decay, low, high]))
    shortest, longest = reach_interval(logarithms[1], logarithms[2])
    point = {"reach": float(reach(logarithms[0])), "reach_lo": float(shortest), "reach_hi": float(longest)}
    assert reach_text(point, "∞") == text


def test_profiles_are_found_by_cell_and_step_in_tables_of_any_order_of_cells() -> None:
    tables = tables_of(cells_of(depths=(2, 8), names=("relu",)))
    index = ProfileIndex(tables.layers)
    cell = tables.cells["cell"].iloc[-1]
    own = tables.layers[(tables.layers["cell"] == cell) & (tables.layers["step"] == 1)]
    np.testing.assert_array_equal(index.of([cell, "unknown"], 1)[0], own["log10_grad_norm"])
    assert index.steps([cell]) == [0, 1, 300]
    assert index.of([cell], 7).shape == (0, 0)
    assert ProfileIndex(tables.layers.iloc[:0]).steps([cell]) == []


def test_of_many_lengths_some_have_a_column() -> None:
    lengths = tuple(range(2, 65))
    assert shown_lengths(lengths, None) == lengths
    assert shown_lengths(lengths[:16], 40) == lengths[:16]
    assert len(shown_lengths(lengths, 80)) <= 7
    assert {2, 64} <= set(shown_lengths(lengths, 80))


def test_shares_of_the_variance_add_up_to_one_in_a_balanced_grid() -> None:
    tables = tables_of(cells_of(depths=(2, 8), names=("relu", "tanh"), seeds=4))
    plan = design_of(tables.cells)
    analysis = analyse(tables.cells, plan, RESPONSES["survival"])
    table = variance_table([analysis], "accuracy")
    assert table.responses == ("log10 survival",)
    factors = [row.factors for row in table.rows if row.factors]
    assert set(factors) >= {("depth",), ("activation",), ("depth", "activation")}
    assert [row.name for row in table.rows if not row.factors][-1] == "residual variance"
    effects = effect_table(analysis, "accuracy", 12)
    assert {level.factor for level in effects.rows} == {"depth", "activation"}
    assert effect_table(analysis, "accuracy", 1).hidden == ("depth", "activation")
    assert rows_of(tables).metric == "accuracy"


def test_before_training_learning_rates_are_one_row_also_where_some_of_their_cells_failed() -> None:
    cells = [cell for rate in (0.01, 0.1, 1.0) for cell in cells_of(names=("relu", "tanh"), depths=(2, 8), lr=rate)]
    deep = [cell for cell in cells if (cell.activation.name, cell.depth) == ("tanh", 8)]
    lost = [cell for cell in cells if cell.lr == 0.01 and (cell.activation.name == "relu" or cell.depth == 8)]
    for failed, ends in (([], [{2, 8}, {2, 8}]), (lost, [{2, 8}, {2, 8}]), (deep, [{2, 8}, {2}])):
        whole = rows_of(tables_of(cells, lost=failed))
        assert len(whole.rows) == 6
        before = whole.before_training
        assert before.keys == ("activation",)
        assert [set(row.points) for row in before.rows] == ends
        assert [row.failed for row in before.rows] == [frozenset(), frozenset({8} if failed is deep else ())]
        assert [max(row.longest_member.points) for row in before.rows] == [max(lengths) for lengths in ends]
    assert rows_of(tables_of(cells_of(depths=(2, 8)))).before_training.rows[0].members == ()
