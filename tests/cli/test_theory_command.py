"""`gradlab theory`: predictions and the critical line on the command line, without torch."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from gradlab.cell import Cell
from gradlab.cli import invoke
from gradlab.components import Named
from gradlab.families import FAMILIES
from gradlab.mean_field import predict


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert invoke(["theory", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_is_the_prediction_of_each_configuration(capsys):
    rows = document(capsys, "--activation", "tanh", "--init", "xavier_normal", "--depth", "2..64*2")["predictions"]
    assert [row["depth"] for row in rows] == [2, 4, 8, 16, 32, 64]
    cell = Cell(depth=16, activation=Named("tanh"), init=Named("xavier_normal"), lr=0.1)
    expected = predict(cell, in_features=64, out_features=10, input_mean_square=1.0)
    assert rows[3]["decay"] == pytest.approx(expected.decay, rel=1e-12)
    assert len(rows[3]["log10_grad_norm"]) == 16
    assert (rows[3]["phase"], rows[3]["status"], rows[3]["xi_grad"]) == ("critical", "power law", "inf")


def test_the_table_says_why_there_is_no_prediction(capsys):
    assert invoke(["theory", "--activation", "gelu,relu", "--init", "he_normal", "--norm", "none,batch"]) == 0
    shown = capsys.readouterr().out
    assert "no prediction: unstable per seed" in shown
    assert "1.211" in shown


@pytest.mark.parametrize("std", ["1e25", "1e20", "1e6"])
def test_a_large_decay_is_written_in_scientific_notation(capsys, std):
    """Of relu the factor a block is std * sqrt(width / 2): closed form (He 2015), up to the correction of the width."""
    assert invoke(["theory", "--activation", "relu", "--init", "normal", "--init.std", std, "--depth", "4"]) == 0
    shown = capsys.readouterr().out
    decay = float(shown.splitlines()[4].split()[5])
    assert decay == pytest.approx(float(std) * math.sqrt(64 / 2), rel=0.05)
    assert max(map(len, shown.split())) < 40


def test_the_depths_of_a_network_stand_together(capsys):
    rows = document(capsys, "--depth", "2,4", "--activation", "tanh,relu")["predictions"]
    assert [(row["activation"], row["depth"]) for row in rows] == [("tanh", 2), ("tanh", 4), ("relu", 2), ("relu", 4)]


def test_a_table_of_ones_own_has_inputs_nobody_knows_yet(capsys, tmp_path):
    (tmp_path / "d.csv").write_text("a,y\n1,2\n")
    task = f"{{name: table, path: {tmp_path / 'd.csv'}, target: y, kind: regression}}"
    (row,) = document(capsys, "--task", task, "--activation", "relu")["predictions"]
    assert row["decay"] is None
    assert "known only after a run" in row["note"]


def test_the_critical_line_both_ways(capsys):
    (row,) = document(capsys, "--critical", "--activation", "tanh", "--bias-std", "0.22360679774997896")["critical"]
    assert row["sigma_w2"] == pytest.approx(1.760955, abs=6e-7)
    (back,) = document(capsys, "--critical", "--activation", "tanh", "--init", "{lecun_normal: 1.3270096}")["critical"]
    assert back["sigma_b2"] == pytest.approx(0.05, abs=1e-5)
    (none,) = document(capsys, "--critical", "--activation", "sigmoid", "--init", "lecun_normal")["critical"]
    assert none["sigma_b2"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--critical", "--depth", "3"], "gradlab: the critical line does not depend on --depth"),
        (["--activation", "rleu"], "--activation rleu: unknown activation 'rleu'"),
        (["--depth", "0"], "--depth 0: must be a whole number of at least 1, found 0"),
    ],
)
def test_mistakes(capsys, arguments, message):
    assert invoke(["theory", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_prediction_loads_neither_torch_nor_pandas():
    code = (
        "import sys\nfrom gradlab.cli import invoke\n"
        "assert invoke(['theory', '--activation', 'tanh', '--depth', '2..8']) == 0\n"
        "assert not {'torch', 'pandas', 'sklearn'} & sys.modules.keys(), 'heavy'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_lengths_of_a_recurrent_network_stand_together(capsys):
    arguments = ["--model", "rnn", "--activation", "tanh,linear", "--init", "orthogonal", "--seq-len", "10..80*2"]
    rows = document(capsys, *arguments)["predictions"]
    assert [(row["activation"], row["seq_len"]) for row in rows] == [
        (name, length) for name in ("tanh", "linear") for length in (10, 20, 40, 80)
    ]
    cell = Cell(
        model=Named("rnn"), task=Named("adding"), seq_len=40, depth=1, activation=Named("tanh"),
        init=Named("orthogonal"), lr=0.1,
    )  # fmt: skip
    expected = predict(cell, in_features=2, out_features=1, input_mean_square=(1 / 3 + 2 / 40) / 2)
    row = next(row for row in rows if (row["activation"], row["seq_len"]) == ("tanh", 40))
    assert row["decay"] == pytest.approx(expected.decay, rel=1e-12)
    assert (row["bound"], row["c"]) == (1, None)
    # without training q* is that of the map in which the inputs are a bias of their variance
    assert row["q"] == pytest.approx(0.447680, abs=1e-6)
    assert invoke(["theory", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "decay/step" in shown
    assert "q along time" in shown
    assert "lag T-1" in shown


def test_seq_len_alone_asks_for_the_recurrent_network(capsys):
    rows = document(capsys, "--seq-len", "20", "--init", "identity")["predictions"]
    assert {row["model"] for row in rows} == {"rnn"}
    notes = {row["activation"]: (row["decay"], row["remark"], row["note"]) for row in rows}
    assert notes["relu"][0] == 1
    assert "active at every step" in notes["relu"][1]
    assert "at most 0.25 a time step" in notes["sigmoid"][2]


def test_the_cell_state_of_an_lstm_has_a_column(capsys):
    model = "{name: lstm, forget_bias: 2, input_gain: 0}"
    assert invoke(["theory", "--model", model, "--init", "{normal: 0}", "--seq-len", "11"]) == 0
    shown = capsys.readouterr().out
    assert "of the cell state" in shown
    assert f"{-10 * math.log10(1 + math.exp(-2)):+.6f}" in shown  # log10 of 0.281030


def test_gated_cells_are_asked_for_with_tanh_unless_told_otherwise(capsys):
    def asked(*arguments: str) -> list[tuple[str, str]]:
        assert invoke(["theory", *arguments, "--seq-len", "10", "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)["predictions"]
        return [(row["model"], row["activation"]) for row in rows]

    assert asked("--model", "lstm,gru") == [("lstm", "tanh"), ("gru", "tanh")]
    assert asked() == [("rnn", "sigmoid"), ("rnn", "tanh"), ("rnn", "relu")]


@pytest.mark.parametrize("model", [name for name, family in FAMILIES.items() if family.axis.along == "depth"])
def test_models_along_the_depth_have_a_prediction_where_nothing_else_is_said(model, capsys):
    rows = document(capsys, "--model", model)["predictions"]
    assert any(row["decay"] is not None for row in rows), [row["note"] for row in rows]
