"""The spec of a sweep: its grid, its defaults and its name."""

from __future__ import annotations

import pytest

from gradlab import grid
from gradlab.api.defaults import USUAL_INIT
from gradlab.api.sweep import sweep_spec
from gradlab.components import ACTIVATIONS, INITS
from gradlab.errors import SpecError


def cells(settings: dict[str, str]):
    return grid.expand(sweep_spec(settings)).cells


def test_depth_alone_compares_the_classical_activations_with_their_usual_inits():
    swept = cells({"depth": "2..4"})
    pairs = {(str(cell.activation), str(cell.init)) for cell in swept}
    assert pairs == {("sigmoid", "xavier_normal"), ("tanh", "xavier_normal"), ("relu", "he_normal")}
    assert {cell.depth for cell in swept} == {2, 3, 4}
    assert {cell.seed for cell in swept} == {0, 1, 2}
    assert len(swept) == 27


def test_every_flag_of_the_manual_becomes_an_axis():
    swept = cells({
        "depth": "2..8*2", "activation": "sigmoid,relu", "lr": "1e-3..1e-1*10", "norm": "none,batch", "seeds": "2",
    })  # fmt: skip
    assert len(swept) == 3 * 2 * 3 * 2 * 2
    assert sorted({cell.lr for cell in swept}) == [0.001, 0.01, 0.1]


def test_an_activation_brings_its_usual_init_and_parameters():
    swept = cells({"activation": "leaky_relu(negative_slope=0.2),selu,erf"})
    pairs = {(str(cell.activation), str(cell.init)) for cell in swept}
    assert pairs == {
        ("leaky_relu(negative_slope=0.2)", "he_normal"), ("selu", "lecun_normal"), ("erf", "xavier_normal")
    }  # fmt: skip


def test_named_inits_are_crossed_with_the_activations():
    assert len(cells({"init": "he_normal,orthogonal", "seeds": "1"})) == 6


def test_an_optimizer_brings_its_own_learning_rate():
    assert {(cell.optimizer.name, cell.lr) for cell in cells({"optimizer": "adam,sgd"})} == {
        ("adam", 0.001),
        ("sgd", 0.1),
    }


def test_a_seq_len_alone_compares_the_classical_recurrent_networks():
    swept = cells({"seq_len": "10..40*2"})
    assert {(str(cell.model), str(cell.activation), str(cell.init)) for cell in swept} == {
        ("rnn", "tanh", "orthogonal"), ("lstm", "tanh", "orthogonal"), ("gru", "tanh", "orthogonal")
    }  # fmt: skip
    assert {cell.seq_len for cell in swept} == {10, 20, 40}
    assert {(cell.task.name, cell.depth, cell.optimizer.name, cell.lr) for cell in swept} == {
        ("adding", 1, "adam", 0.01)
    }
    assert len(swept) == 27
    assert {str(cell.model) for cell in cells({"task": "copy_memory"})} == {"rnn", "lstm", "gru"}


def test_a_recurrent_model_is_swept_with_defaults_that_learn():
    swept = cells({"model": "lstm", "seq_len": "10..80*2"})
    assert len(swept) == 12
    assert {(cell.activation.name, cell.init.name, cell.steps) for cell in swept} == {("tanh", "orthogonal", 300)}
    swept = cells(
        {"model": "rnn", "activation": "tanh,relu", "init": "orthogonal,identity", "optimizer": "sgd", "lr": "1"}
    )
    assert {(cell.activation.name, cell.init.name) for cell in swept} == {
        (activation, init) for activation in ("tanh", "relu") for init in ("orthogonal", "identity")
    }  # fmt: skip
    assert {(cell.optimizer.name, cell.lr) for cell in swept} == {("sgd", 1.0)}


def test_a_sweep_that_does_not_fit_together_is_told():
    with pytest.raises(SpecError, match="rnn needs a task of sequences, digits is none"):
        sweep_spec({"seq_len": "10", "task": "digits"})
    with pytest.raises(SpecError, match="unknown model 'lstn'"):
        sweep_spec({"model": "lstn", "seq_len": "10"})


def test_usual_inits_are_names_of_the_registry():
    assert set(USUAL_INIT) <= set(ACTIVATIONS)
    assert set(USUAL_INIT.values()) <= set(INITS)


def test_the_same_sweep_has_the_same_name_however_it_is_written():
    one, other = sweep_spec({"depth": "2..4", "lr": "0.1"}), sweep_spec({"lr": "1e-1", "depth": "2,3,4"})
    assert one.name == other.name
    assert one.name.startswith("sweep-depth-activation-")
    assert sweep_spec({"depth": "2..5", "lr": "0.1"}).name != one.name
    assert sweep_spec({"depth": "2..4"}, name="mine").name == "mine"


def test_problems_name_the_flag():
    with pytest.raises(SpecError) as caught:
        sweep_spec({"depth": "abc", "activation": "rleu"})
    assert str(caught.value).splitlines() == [
        "--depth abc: must be a whole number of at least 1, found 'abc'",
        "--activation rleu: unknown activation 'rleu'",
        "    did you mean 'relu'?",
    ]
