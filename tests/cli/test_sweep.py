"""`gradlab sweep`: the grid it makes of flags, its defaults, its name, and the file it saves."""

from __future__ import annotations

import pytest

from gradlab import grid, spec
from gradlab.api.defaults import USUAL_INIT
from gradlab.api.sweep import sweep_spec
from gradlab.cli import invoke
from gradlab.components import ACTIVATIONS, INITS
from gradlab.errors import SpecError


def cells(settings: dict[str, str]):
    return grid.expand(sweep_spec(settings)).cells


def test_depth_alone_compares_the_classical_activations_with_their_usual_inits():
    found = cells({"depth": "2..4"})
    pairs = {(str(cell.activation), str(cell.init)) for cell in found}
    assert pairs == {("sigmoid", "xavier_normal"), ("tanh", "xavier_normal"), ("relu", "he_normal")}
    assert {cell.depth for cell in found} == {2, 3, 4}
    assert {cell.seed for cell in found} == {0, 1, 2}
    assert len(found) == 27


def test_every_flag_of_the_manual_becomes_an_axis():
    found = cells({
        "depth": "2..8*2", "activation": "sigmoid,relu", "lr": "1e-3..1e-1*10", "norm": "none,batch", "seeds": "2",
    })  # fmt: skip
    assert len(found) == 3 * 2 * 3 * 2 * 2
    assert sorted({cell.lr for cell in found}) == [0.001, 0.01, 0.1]


def test_an_activation_brings_its_usual_init_and_parameters():
    found = cells({"activation": "leaky_relu(negative_slope=0.2),selu,erf"})
    pairs = {(str(cell.activation), str(cell.init)) for cell in found}
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
    found = cells({"seq_len": "10..40*2"})
    assert {(str(cell.model), str(cell.activation), str(cell.init)) for cell in found} == {
        ("rnn", "tanh", "orthogonal"), ("lstm", "tanh", "orthogonal"), ("gru", "tanh", "orthogonal")
    }  # fmt: skip
    assert {cell.seq_len for cell in found} == {10, 20, 40}
    assert {(cell.task.name, cell.depth, cell.optimizer.name, cell.lr) for cell in found} == {
        ("adding", 1, "adam", 0.01)
    }
    assert len(found) == 27
    assert {str(cell.model) for cell in cells({"task": "copy_memory"})} == {"rnn", "lstm", "gru"}


def test_a_recurrent_model_is_swept_with_defaults_that_learn():
    found = cells({"model": "lstm", "seq_len": "10..80*2"})
    assert len(found) == 12
    assert {(cell.activation.name, cell.init.name, cell.steps) for cell in found} == {("tanh", "orthogonal", 300)}
    found = cells(
        {"model": "rnn", "activation": "tanh,relu", "init": "orthogonal,identity", "optimizer": "sgd", "lr": "1"}
    )
    assert {(cell.activation.name, cell.init.name) for cell in found} == {
        (activation, init) for activation in ("tanh", "relu") for init in ("orthogonal", "identity")
    }  # fmt: skip
    assert {(cell.optimizer.name, cell.lr) for cell in found} == {("sgd", 1.0)}


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
        "--depth abc: depth must be a whole number of at least 1, found 'abc'",
        "--activation rleu: unknown activation 'rleu'",
        "    did you mean 'relu'?",
    ]


def test_a_saved_sweep_is_the_same_cells_and_nothing_is_overwritten(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    flags = ["sweep", "--depth", "2..4", "--train.steps", "5", "--weight-decay", "0,1e-4", "--save", str(path)]
    assert invoke(flags) == 0
    assert f"gradlab run {path}" in capsys.readouterr().out
    expected = cells({"depth": "2..4", "train.steps": "5", "weight_decay": "0,1e-4"})
    assert set(grid.expand(spec.load(path)).cells) == set(expected)
    before = path.read_text()
    assert invoke(flags) == 2
    assert "there is such a file already" in capsys.readouterr().err
    assert path.read_text() == before
    assert invoke([*flags[:-1], str(tmp_path / "no" / "such" / "folder.yaml")]) == 2


@pytest.mark.slow
def test_the_command_runs_its_grid(tmp_path, capsys):
    flags = ["sweep", "--depth", "1,2", "--activation", "tanh", "--seeds", "2", "--steps", "2", "--width", "4"]
    assert invoke([*flags, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "4 cells" in shown
    assert [path.name for path in tmp_path.iterdir()] == [sweep_spec({
        "depth": "1,2", "activation": "tanh", "seeds": "2", "train.steps": "2", "width": "4",
    }).name]  # fmt: skip
    assert invoke([*flags, "--dry-run", "--out", str(tmp_path)]) == 0
    assert "0 new, 4 done" in capsys.readouterr().out
