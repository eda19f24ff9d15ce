"""`gl.theory` and `gl.theory_table` against the command."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import gradlab as gl
from gradlab.cli import invoke
from gradlab.mean_field import predict
from gradlab.report.json_values import json_value


def test_theory_is_that_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    theory = gl.theory(activation="tanh", init="orthogonal", depth=30, width=100)
    expected = predict(theory.cell, in_features=64, out_features=10, input_mean_square=1.0)
    assert expected.log_survival is not None
    assert theory.log10_survival == pytest.approx(expected.log_survival / np.log(10))
    assert theory.survival == pytest.approx(np.exp(expected.log_survival))
    assert theory.log10_grad_norm is not None
    assert len(theory.log10_grad_norm) == 30
    invoke(["theory", "--activation", "tanh", "--init", "orthogonal", "--depth", "30", "--width", "100", "--json"])
    (row,) = json.loads(capsys.readouterr().out)["predictions"]
    assert (theory.decay, theory.reach) == (pytest.approx(row["decay"]), pytest.approx(row["reach"]))
    table = gl.theory_table(activation=["tanh", "sigmoid"], depth="4..16*2", width=100)
    assert table[["activation", "depth"]].drop_duplicates().shape == (6, 2)
    pd.testing.assert_frame_equal(
        gl.theory_table(activation="tanh", depth=np.array([4, 8])), gl.theory_table(activation="tanh", depth=[4, 8])
    )
    sixteen = gl.theory(activation="sigmoid", depth=16, width=100)
    row = table.query("activation == 'sigmoid' and depth == 16").iloc[0]
    assert (row["decay"], row["log10_survival"]) == (sixteen.decay, sixteen.log10_survival)


def rows_of(capsys: pytest.CaptureFixture[str], **settings: object) -> list[dict[str, object]]:
    """The rows of `gradlab theory` with these settings as flags."""
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    assert invoke(["theory", *flags, "--json"]) == 0
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)["predictions"]
    return rows


SETTINGS: dict[str, dict[str, object]] = {
    "nothing": {},
    "a recurrence": {"model": "rnn", "seq_len": 50},
    "a length alone": {"seq_len": 20},
    "a gated one": {"model": "lstm", "seq_len": 12},
    "a stack": {"model": "rnn", "seq_len": 10, "depth": 2, "activation": "tanh"},
    "a recurrence without its length": {"model": "gru"},
    "an init": {"init": "orthogonal"},
    "an activation": {"activation": "selu", "depth": 12},
    "a norm": {"activation": "tanh", "norm": "layer", "width": 32},
    "a skip": {"activation": "relu", "residual": "add", "depth": 16},
    "a task": {"task": "teacher", "activation": "tanh"},
    "biases": {"bias_std": 0.1, "activation": "erf"},
    "no inputs known": {"task": "char_lm", "model": "rnn", "activation": "tanh"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_one_function_decides_what_theory_is_asked(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = SETTINGS[name]
    rows = rows_of(capsys, **settings)
    table = gl.theory_table(**settings)
    columns = ["activation", "init", "depth", "log10_survival", "decay", "reach"]
    mine = json.loads(json.dumps(json_value(table[columns].to_dict("records"))))
    assert mine == [{key: row[key] for key in columns} for row in rows]
    alone = gl.theory(**settings)
    (row,) = [row for row in rows if row["activation"] == str(alone.cell.activation)]
    assert json.loads(json.dumps(json_value(alone.row()))) == row


def test_theory_says_where_it_has_none_and_takes_other_inputs() -> None:
    none = gl.theory(activation="gelu", init="he_normal", width=512, depth=30)
    assert (none.survival, none.decay) == (None, None)
    assert "unstable per seed" in none.reason
    assert "no prediction" in repr(none)
    near, far = (gl.theory(activation="tanh", depth=8, inputs=(64, 10, square)) for square in (0.01, 4.0))
    assert near.log10_survival is not None
    assert far.log10_survival is not None
    assert near.log10_survival > far.log10_survival  # large inputs saturate tanh
    assert gl.theory(depth=3, probe_batch_size=7, steps=0, bias_std=0.1).cell.probe_batch_size == 7
