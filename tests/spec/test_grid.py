"""From a spec to cells: folding, order, defaults of recurrent models, limits, probed steps."""

from __future__ import annotations

import pytest
from expanded import expand

from gradlab import grid, spec
from gradlab.cell import Cell, probe_steps
from gradlab.errors import SpecError

FOLDED = {
    "grid: {norm_position: [pre_activation, post_activation]}": 1,
    "norm: layer\ngrid: {norm_position: [pre_activation, post_activation]}": 2,
    "norm: layer\nresidual: pre_norm\ngrid: {norm_position: [pre_activation, post_activation]}": 1,
    "norm: layer\nresidual: post_norm\ngrid: {norm_position: [pre_activation, post_activation]}": 1,
    "norm: layer\nresidual: add\ngrid: {norm_position: [pre_activation, post_activation]}": 2,
    "grid: {residual_scale: [1, 0.5, learned_zero]}": 1,
    "residual: add\ngrid: {residual_scale: [1, 0.5, learned_zero]}": 3,
    "grid: {residual: [none, add], residual_scale: [1, 0.5]}": 3,
    "grids: [{depth: 2}, {grid: {depth: [2, 3]}}]": 2,
    "train.steps: 4\ngrid: {probe.at: [log, [0], [4], [1, 2], [1], [0, 1, 2, 4]]}": 3,
    "grid: {seq_len: 10..40*2}": 1,
    "model: rnn\ngrid: {seq_len: 10..40*2}": 3,
    "grid: {model: [mlp, rnn], seq_len: [10, 20]}": 3,
    "grids: [{model: gru}, {model: gru, task: adding, seq_len: 50, depth: 1}, {model: gru, activation: tanh}]": 1,
    "model: rnn\nnorm: layer\ngrid: {norm_position: [pre_activation, post_activation]}": 1,
    "grid: {model: [mlp, {name: mlp, embedding: 4}]}": 1,
    "task: ratings\ngrid: {model: [mlp, {name: mlp, embedding: 4}]}": 2,
}  # fmt: skip


@pytest.mark.parametrize("text", FOLDED)
def test_settings_that_mean_the_same_are_one_cell(text: str) -> None:
    expansion = expand(text)
    assert len(expansion.cells) == FOLDED[text]
    assert expansion.duplicates == spec.loads(f"name: x\n{text}").size - FOLDED[text]


def test_what_is_folded_away_is_no_axis() -> None:
    assert expand("grid: {norm_position: [pre_activation, post_activation], depth: [2, 3]}").axes == ("depth",)
    assert expand("zip: {width: [2, 3], depth: [4, 4]}\nseeds: 3").axes == ("width",)
    assert expand("grids: [{depth: 2}, {depth: 3, activation: tanh}]").axes == ("depth", "activation")
    assert expand("grid: {optimizer: [sgd, adam]}").axes == ("optimizer", "lr")


def test_the_order_is_as_written_with_seeds_fastest() -> None:
    ordered = expand("seeds: 2\ngrid: {width: [8, 4], depth: [3, 1]}").cells
    assert [(c.width, c.depth, c.seed) for c in ordered] == [
        (8, 3, 0), (8, 3, 1), (8, 1, 0), (8, 1, 1), (4, 3, 0), (4, 3, 1), (4, 1, 0), (4, 1, 1)
    ]  # fmt: skip


RECURRENT = {
    "model: lstm": [("lstm", "adding", 1, 50, "tanh", "orthogonal")],
    "model: lstm\ndepth: 8\nseq_len: 9\nactivation: relu\ninit: he_normal": [
        ("lstm", "adding", 8, 9, "relu", "he_normal")
    ],
    "grid: {model: [mlp, gru]}": [
        ("mlp", "digits", 8, None, "relu", "he_normal"), ("gru", "adding", 1, 50, "tanh", "orthogonal")
    ],
    "include: [{model: rnn, task: sequential_digits}, {width: 3}]": [
        ("rnn", "sequential_digits", 1, 64, "tanh", "orthogonal"), ("mlp", "digits", 8, None, "relu", "he_normal")
    ],
    "model: rnn\ngrid: {task: [temporal_order, sequential_digits, copy_memory, char_lm]}": [
        ("rnn", task, 1, steps, "tanh", "orthogonal")
        for task, steps in (("temporal_order", 50), ("sequential_digits", 64), ("copy_memory", 50), ("char_lm", 64))
    ],
    "model: rnn\nseq_len: none": [("rnn", "adding", 1, 50, "tanh", "orthogonal")],
    "grid: {model: [mlp, lstm], task: [digits, adding]}\nexclude:\n- {model: mlp, task: adding}\n"
    "- {model: lstm, task: digits}": [
        ("mlp", "digits", 8, None, "relu", "he_normal"), ("lstm", "adding", 1, 50, "tanh", "orthogonal")
    ],
    "model: rnn\ntask: sequential_digits\ngrid: {seq_len: 8..64:8}\nexclude: [{seq_len: [24, 40, 48, 56]}]": [
        ("rnn", "sequential_digits", 1, steps, "tanh", "orthogonal") for steps in (8, 16, 32, 64)
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", RECURRENT)
def test_recurrent_models_have_defaults_of_their_own(text: str) -> None:
    read = spec.loads(f"name: x\n{text}")
    cells = grid.expand(read).cells
    assert [
        (c.model.name, c.task.name, c.depth, c.seq_len, c.activation.name, c.init.name) for c in cells
    ] == RECURRENT[text]  # fmt: skip
    assert [cell.blocks for cell in cells] == [cell.seq_len or cell.depth for cell in cells]
    for defaults in (True, False):  # a resolved spec says what was filled in
        assert grid.expand(spec.loads(spec.dump(read, defaults=defaults))).cells == cells


def test_a_seq_len_without_a_recurrent_model_is_warned_of() -> None:
    (warning,) = spec.loads("name: x\ngrid: {seq_len: 10..40*2}", "a.yaml").warnings
    assert warning.startswith("a.yaml: seq_len means nothing to mlp; models of sequences are rnn, lstm")
    assert not spec.loads("name: x\ngrid: {seq_len: 10..40*2, model: [mlp, rnn]}").warnings
    assert not spec.loads("name: x\ninclude: [{depth: 2}, {model: rnn, seq_len: 4}]").warnings
    (warning,) = spec.loads("name: x\nmodel: transformer\nseq_len: 4", "a.yaml").warnings
    assert warning == "a.yaml: seq_len means nothing to digits, whose samples are no sequences"
    assert not spec.loads("name: x\nmodel: transformer\ntask: adding\nseq_len: 4").warnings


def test_transformers_have_defaults_of_their_own_and_fold_what_means_nothing() -> None:
    def cells(text: str) -> list[Cell]:
        return list(grid.expand(spec.loads(f"name: x\nmodel: transformer\n{text}")).cells)

    (plain,) = cells("")
    assert (plain.depth, plain.norm.name, plain.residual.name, plain.init.name, plain.seq_len) == (
        4, "layer", "pre_norm", "xavier_normal", None
    )  # fmt: skip
    assert cells("seq_len: 8") == cells("norm_position: post_activation") == [plain]
    assert {cell.norm.name for cell in cells("residual: add\ngrid: {norm: [none, layer]}")} == {"none"}
    assert cells("model.patch: 2\nmodel.embedding_std: 3") == [plain]
    assert len(cells("model.attention: none\ngrid: {model.heads: [1, 2]}")) == 1
    (sequences,) = cells("model.patch: 4\ntask: adding")
    assert (sequences.seq_len, sequences.blocks, sequences.model.params) == (50, 4, ())


def test_the_limit_can_be_raised_and_counts_every_sub_grid() -> None:
    read = spec.loads("name: x\ngrids: [{grid: {depth: 1..6}}, {width: 3, grid: {depth: 1..5}}]")
    assert read.size == 11
    assert len(grid.expand(read, limit=11).cells) == 11
    with pytest.raises(SpecError, match="the grid has 11 cells, the limit is 10"):
        grid.expand(read, limit=10)


@pytest.mark.parametrize(
    ("steps", "at", "expected"),
    [
        (0, "log", (0,)),
        (1, "log", (0, 1)),
        (8, "log", (0, 1, 2, 4, 8)),
        (9, "log", (0, 1, 2, 4, 8, 9)),
        (9, (3, 5), (0, 3, 5, 9)),
        (4, (), (0, 4)),
    ],
)
def test_the_steps_of_a_probe(steps: int, at: str | tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert probe_steps(steps, at) == expected
