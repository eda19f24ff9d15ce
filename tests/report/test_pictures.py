"""The numbers that stand in the pictures, against those of the fake records in closed form."""

from __future__ import annotations

import dataclasses
import itertools
from math import log10

import numpy as np
import pytest
from drawn import NAMES, cells_of, data_of, many_cells, mean_log10, tables_of, texts, with_profile
from fake_work import FACTORS, record
from matplotlib.colors import to_hex

from gradlab.cell import Cell, Named, cell_id
from gradlab.columns import field_names
from gradlab.record import Record
from gradlab.report.model.marks import mark_of
from gradlab.report.plots import effects, heatmap, profiles, style, survival, training
from gradlab.report.plots.data import plot_data, spread
from gradlab.report.plots.survival_intervals import survival_intervals
from gradlab.report.terminal.colours import EXPLODING, VANISHING


def test_a_profile_is_the_geometric_mean_over_the_seeds_relative_to_the_last_block() -> None:
    figure = profiles.picture(data_of(cells_of(depths=(4, 10))))
    for axes, name in zip(figure.axes, NAMES, strict=True):
        assert axes.get_title() == name
        thick = max(axes.lines, key=lambda line: line.get_linewidth())
        expected = [mean_log10(name, 10 - block) for block in range(1, 11)]
        np.testing.assert_allclose(thick.get_xdata(), range(1, 11))
        np.testing.assert_allclose(thick.get_ydata(), expected, atol=1e-12)
        thin = [line.get_ydata()[0] for line in axes.lines if line.get_linewidth() == 0.5]
        np.testing.assert_allclose(sorted(thin), sorted(9 * log10(FACTORS[name] * (1 + s / 100)) for s in range(3)))
    assert {axes.get_ylim() for axes in figure.axes} == {figure.axes[0].get_ylim()}


def test_theory_is_drawn_where_there_is_one_with_its_band() -> None:
    made = tables_of(cells_of(depths=(9,)))
    relu = set(made.cells["cell"][made.cells["activation"] == "relu"])
    blocks = np.arange(1, 10)
    layers = made.layers.assign(theory_log10_grad_norm=np.nan)
    chosen = layers["cell"].isin(relu)
    layers.loc[chosen, "theory_log10_grad_norm"] = 0.1 * (9 - layers["layer"][chosen])
    summary = made.summary.assign(theory_log10_sd=0.2, theory_log10_survival=[np.nan, 0.8, np.nan])
    found = plot_data(dataclasses.replace(made, layers=layers, summary=summary))
    assert found is not None
    figure = profiles.picture(found)
    counts = [len(axes.lines) for axes in figure.axes]
    assert counts == [5, 8, 5]
    theory, low, high = (line.get_ydata() for line in figure.axes[1].lines[-3:])
    np.testing.assert_allclose(theory, 0.1 * (9 - blocks))
    np.testing.assert_allclose(high - low, 2 * 1.96 * 0.2 * np.sqrt((9 - blocks) / 8))
    assert any("mean-field theory" in text for text in texts(figure))
    (diamond,) = [line for line in survival_intervals(found).axes[0].lines if line.get_marker() == "D"]
    assert diamond.get_xdata()[0] == 0.8


def test_survival_against_depth_is_a_line_per_configuration_named_at_its_end() -> None:
    figure = survival.picture(data_of(cells_of()))
    axes = figure.axes[0]
    lines = [line for line in axes.lines if line.get_linewidth() == 1.8]
    for line, name in zip(lines, NAMES, strict=True):
        np.testing.assert_allclose(line.get_xdata(), (2, 8, 32))
        np.testing.assert_allclose(line.get_ydata(), [mean_log10(name, depth - 1) for depth in (2, 8, 32)], atol=1e-12)
    assert len({(line.get_marker(), line.get_color()) for line in lines}) == 3
    assert set(NAMES) <= set(texts(figure))
    assert {"vanished", "exploded"} <= set(texts(figure))
    assert axes.get_xscale() == "linear"
    assert survival.picture(data_of(cells_of(depths=(1, 1000), seeds=1))).axes[0].get_xscale() == "log"


def test_names_at_the_ends_keep_their_distance_and_stay_in_the_picture() -> None:
    generator = np.random.default_rng(0)
    for count in range(1, 9):
        wanted = sorted(generator.uniform(0.7, 1.0, count).tolist())
        moved = survival._apart(wanted, 0.06)
        assert all(after - before > 0.06 - 1e-9 for before, after in itertools.pairwise(moved))
        assert max(moved) <= 1.0
    assert survival._apart([0.1, 0.5], 0.06) == [0.1, 0.5]


def test_the_heat_map_has_the_shades_of_terminal_and_page() -> None:
    data = data_of(cells_of(depths=(2, 8, 32)))
    shades = heatmap.picture(data).axes[0].collections[0].get_array().reshape(len(data.rows), -1)
    expected = [[mark_of(row.points[depth]).shade for depth in (2, 8, 32)] for row in data.rows]
    np.testing.assert_array_equal(shades, expected)
    assert len(np.unique(shades)) > 4
    for shade, look in ((-5, VANISHING[4]), (-1, VANISHING[0]), (1, EXPLODING[0]), (5, EXPLODING[4])):
        assert to_hex(heatmap._SHADES(heatmap._EACH_SHADE(shade))) == look.split()[-1]


def test_the_heat_map_prints_the_numbers_and_what_is_none() -> None:
    cells = cells_of(seeds=2)
    lost = [cell for cell in cells if cell.activation.name == "relu" and cell.depth == 8]
    figure = heatmap.picture(data_of(cells, with_profile(-np.inf, "selu"), lost))
    left, right = figure.axes
    shown = {tuple(text.get_position()): text.get_text() for text in left.texts}
    assert shown[0.5, 0.53] == f"{mean_log10('sigmoid', 1, 2):+.1f}"
    assert shown[2.5, 0.53] == f"{mean_log10('sigmoid', 31, 2):+.1f} ✗"
    assert shown[1.5, 1.5] == "×"
    assert [shown[x + 0.5, 2.5] for x in range(3)] == ["∅"] * 3
    assert {text.get_text() for text in right.texts} >= {"2/2", "0/2", "×"}
    assert [label.get_text() for label in left.get_yticklabels()] == list(NAMES)
    low, high = left.collections[0].get_clim()
    assert low == -high


def test_without_a_second_depth_the_map_has_a_setting_across() -> None:
    cells = [
        dataclasses.replace(cell, init=Named(init), norm=Named(norm))
        for cell in cells_of(depths=(8,), seeds=1)
        for init in ("he_normal", "xavier_normal")
        for norm in ("none", "batch")
    ]
    left = heatmap.picture(data_of(cells)).axes[0]
    assert left.get_xlabel() == "norm"
    assert [label.get_text() for label in left.get_xticklabels()] == ["none", "batch"]
    rows = [f"{name} {init}" for name in NAMES for init in ("he_normal", "xavier_normal")]
    assert [label.get_text() for label in left.get_yticklabels()] == rows


def test_settings_of_the_training_do_not_multiply_what_is_seen_before_it() -> None:
    cells = [dataclasses.replace(cell, lr=lr) for cell in cells_of() for lr in (0.1, 0.2, 0.4)]
    assert len(profiles.picture(data_of(cells)).axes) == 3
    assert len(heatmap.picture(data_of(cells)).axes[0].get_yticklabels()) == 9
    assert "relu lr 0.2" in texts(heatmap.picture(data_of(cells)))

    def unlike(cell: Cell) -> Record:
        one = record(cell)
        factor = 1 + cell.lr if cell.lr is not None else 1
        return one.with_values(log_grad_norm=one.log_grad_norm * factor)

    assert len(profiles.picture(data_of(cells, unlike)).axes) == 9


def test_training_has_a_line_for_each_step_that_is_finite() -> None:
    def make(cell: Cell) -> Record:
        one = record(cell)
        log_g = one.log_grad_norm.copy()
        if cell.activation.name == "selu":
            log_g[1] += 100.0
            log_g[2] = np.nan
            return one.with_values(log_grad_norm=log_g, status="diverged", diverged_at=2)
        return one

    figure = training.picture(data_of(cells_of(depths=(8,)), make))
    assert figure is not None
    assert [len(axes.lines) for axes in figure.axes[:3]] == [3, 3, 2]
    assert "0 of 3 learned, 3 diverged" in texts(figure) or "3 of 3 learned, 3 diverged" in texts(figure)
    assert any("Lines that leave a panel" in text for text in texts(figure))
    assert training.picture(data_of([dataclasses.replace(c, steps=0) for c in cells_of()], _untrained)) is None


def _untrained(cell: Cell) -> Record:
    one = record(dataclasses.replace(cell, steps=1))
    rows = {name: getattr(one, name) for name in ("probe_steps", *field_names("step", "layer", "stacked"))}
    cut = {name: value[:1] for name, value in rows.items()}
    return one.with_values(cell=cell_id(cell), steps=0, **cut)


def test_effects_are_the_differences_of_means_of_a_balanced_grid() -> None:
    figure = effects.picture(data_of(cells_of(depths=(2, 4, 6), seeds=4)))
    assert figure is not None
    left = figure.axes[0]
    y_of = {label.get_text(): y for y, label in zip(left.get_yticks(), left.get_yticklabels(), strict=True)}
    x_at = {line.get_ydata()[0]: line.get_xdata()[0] for line in left.lines if len(line.get_xdata()) == 1}
    each = {name: np.mean([mean_log10(name, depth - 1, 4) for depth in (2, 4, 6)]) for name in NAMES}
    for name in NAMES:
        assert x_at[y_of[name]] == pytest.approx(each[name] - np.mean(list(each.values())))
    assert effects.picture(data_of(cells_of(depths=(4,), names=("relu",)))) is None


def test_what_is_left_out_is_said() -> None:
    many = data_of(many_cells())
    for picture in (profiles.picture, survival.picture, heatmap.picture, training.picture):
        figure = picture(many)
        assert figure is not None
        assert any(" of 200 configurations" in " ".join(text.get_text().split()) for text in figure.texts)
    cells = cells_of()
    lost = [cell for cell in cells if cell.activation.name == "relu"]
    said = " ".join(texts(survival.picture(data_of(cells, lost=lost)))).replace("\n", " ")
    assert "1 configuration failed and cannot be shown." in said
    dead = texts(profiles.picture(data_of(cells, with_profile(-np.inf, "selu"))))
    assert "3 of 3 seeds exactly zero ∅" in dead


def test_a_choice_of_rows_has_both_extremes() -> None:
    many = data_of(many_cells())
    chosen = spread(many.rows, 7)
    values = [row.points[8]["log10_survival"] for row in chosen]
    assert len(chosen) == 7
    assert values == sorted(values)
    assert values[0] == pytest.approx(mean_log10("sigmoid", 7, 1))
    assert values[-1] == pytest.approx(mean_log10("selu", 7, 1))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (style.power_of_ten(-12), "10⁻¹²"), (style.power_of_ten(0), "1"), (style.amount(-19.5), "3.2×10⁻²⁰"),
        (style.amount(0.0), "1"), (style.amount(-1.7), "0.02"), (style.amount(2.5), "316"),
        (style.amount(-4.0), "1.0×10⁻⁴"), (style.amount(-600.5), "3.2×10⁻⁶⁰¹"), (style.amount(float("nan")), ""),
        (style.amount(-3.000001), "1.0×10⁻³"),
    ],
)  # fmt: skip
def test_numbers_of_any_size(found: str, expected: str) -> None:
    assert found == expected
