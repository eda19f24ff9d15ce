"""How the values of a spec make cells: lists, zip, include, exclude, sub-grids."""

from __future__ import annotations

import pytest
from short_specs import cells, values

from gradlab import spec
from gradlab.components import Named
from gradlab.errors import SpecError


def test_lists_mix_with_ranges_and_seeds_may_be_either() -> None:
    assert values("grid: {depth: [1, 2..8*2, 20]}", "depth") == [1, 2, 4, 8, 20]
    assert values("seeds: [7, 1..3]", "seed") == [7, 1, 2, 3]
    assert values("seeds: 2..4", "seed") == [2, 3, 4]
    assert values("grid: {seeds: 2}", "seed") == [0, 1]


def test_anchors_and_nothing_after_a_key_are_fine() -> None:
    assert values(
        "width: &n 16\ngrid:\n  train.batch_size: [*n, 32]\nexclude:\ninclude:\ntrain:", "train.batch_size"
    ) == [16, 32]


def test_zip_varies_together_and_multiplies_with_grid() -> None:
    paired = cells("grid: {activation: [relu, tanh]}\nzip: {depth: [2, 4], width: [64, 32]}")
    assert [(c.activation.name, c.depth, c.width) for c in paired] == [
        ("relu", 2, 64), ("relu", 4, 32), ("tanh", 2, 64), ("tanh", 4, 32)
    ]  # fmt: skip
    two = cells("zip:\n- {depth: [2, 4], width: [64, 32]}\n- {l1: [0, 1], l2: [1, 0]}")
    assert [(c.depth, c.width, c.l1, c.l2) for c in two] == [(2, 64, 0, 1), (2, 64, 1, 0), (4, 32, 0, 1), (4, 32, 1, 0)]


def test_include_adds_single_configurations_on_what_is_fixed() -> None:
    text = "width: 16\nseeds: 2\ngrid: {depth: [2, 4]}\ninclude:\n- {depth: 9}\n- {activation: tanh, width: 8}"
    assert [(c.depth, c.width, c.activation.name, c.seed) for c in cells(text)] == [
        (2, 16, "relu", 0), (2, 16, "relu", 1), (4, 16, "relu", 0), (4, 16, "relu", 1),
        (9, 16, "relu", 0), (9, 16, "relu", 1), (8, 8, "tanh", 0), (8, 8, "tanh", 1),
    ]  # fmt: skip
    assert [c.depth for c in cells("include: [{depth: 3}, {depth: 5}]")] == [3, 5]


def test_exclude_drops_what_matches_and_not_what_is_included() -> None:
    text = (
        "grid: {depth: [2, 4], activation: [relu, leaky_relu, {leaky_relu: 0.2}]}\n"
        "exclude:\n- {depth: 4, activation: leaky_relu}\n- {activation: {leaky_relu: 0.2}, depth: [2, 3]}\n"
        "include: [{depth: 4, activation: leaky_relu}]"
    )
    assert [(c.depth, str(c.activation)) for c in cells(text)] == [
        (2, "relu"), (2, "leaky_relu"), (4, "relu"), (4, "leaky_relu")
    ]  # fmt: skip
    explicit = "grid: {activation: [leaky_relu, {leaky_relu: 0.2}]}\nexclude: [{activation: {leaky_relu: 0.01}}]"
    assert [str(c.activation) for c in cells(explicit)] == ["leaky_relu(negative_slope=0.2)"]


def test_exclude_compares_values_not_texts_and_knows_defaults() -> None:
    assert values("grid: {lr: [0.1, 0.2]}\nexclude: [{lr: 1e-1}]", "lr") == [0.2]
    assert values("grid: {depth: [2, 4]}\nexclude: [{depth: 2, train.steps: 300, seed: 0}]", "depth") == [4]
    assert values("grid: {optimizer: [sgd, adam]}\nexclude: [{lr: 0.001}]", "lr") == [0.1]
    assert values("grid: {init: [he_normal, {normal: 1}]}\nexclude: [{init: normal}]", "init") == [Named("he_normal")]


def test_an_exclude_that_matches_nothing_is_a_warning() -> None:
    text = (
        "name: x\ngrid: {depth: [2, 4]}\nexclude:\n- {depth: 3}\n- {depth: 4}\n- {activation: [tanh, gelu], depth: 2}\n"
    )
    assert spec.loads(text, "a.yaml").warnings == (
        "a.yaml:4: this exclude matches no cell: depth=3",
        "a.yaml:6: this exclude matches no cell: activation in [tanh, gelu] and depth=2",
    )


def test_sub_grids_take_over_what_is_around_them() -> None:
    text = (
        "width: 16\nseeds: 2\ngrid: {depth: [2, 4]}\nexclude: [{depth: 4, activation: relu}]\ngrids:\n"
        "- {activation: sigmoid, init: xavier_normal}\n"
        "- {activation: relu, grid: {l2: [0, 1]}}\n"
        "- {include: [{activation: tanh, depth: 3}], exclude: [{depth: [2, 4]}]}\n"
    )
    settings = [(c.activation.name, c.depth, c.l2) for c in cells(text) if c.seed == 0]
    assert settings == [("sigmoid", 2, 0), ("sigmoid", 4, 0), ("relu", 2, 0), ("relu", 2, 1), ("tanh", 3, 0)]
    assert {c.width for c in cells(text)} == {16}
    assert [c.seed for c in cells("grids:\n- {depth: 2, seeds: 2}\n- {depth: 3, seeds: [9]}")] == [0, 1, 9]


def test_rules_between_settings_look_at_what_occurs_together() -> None:
    fine = "zip: {train.steps: [10, 100], train.warmup: [5, 50]}"
    assert len(cells(fine)) == 2
    excluded = "grid: {train.steps: [10, 100], train.warmup: [5, 50]}\nexclude: [{train.steps: 10, train.warmup: 50}]"
    assert len(cells(excluded)) == 3
    with pytest.raises(SpecError, match="a warm-up of 50 steps does not fit into 10 steps"):
        cells("grid: {train.steps: [10, 100], train.warmup: [5, 50]}")
