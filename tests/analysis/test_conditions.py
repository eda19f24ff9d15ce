"""`--where`, `--fail-on` and `--baseline` over frames: the language itself is tested in tests/query."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gradlab.analysis.compare.conditions import read_condition, truth
from gradlab.errors import UsageError

FRAME = pd.DataFrame(
    {
        "depth": np.array([4, 16, 32, 64]),
        "norm": np.array(["none", "none", "batch", "layer"], dtype=object),
        "activation": np.array(["relu", "leaky_relu(negative_slope=0.2)", "silu", "tanh"], dtype=object),
        "residual_scale": np.array([0.5, "learned_zero", 1.0, "1/sqrt(depth)"], dtype=object),
        "survival": np.array([1.0, 1e-4, np.nan, 0.0]),
        "learned": np.array([True, False, True, False]),
        "seq_len": pd.array([None, 50, None, 8], dtype="Int64"),
        "device": np.array(["cpu", "", "cuda:1", "cpu"], dtype=object),
        "survivors": np.array([1.0, 2.0, np.inf, -np.inf]),
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("depth >= 16 and norm = none", "0100"),
        ("activation=leaky_relu", "0100"),
        ("residual_scale>=0.5", "1010"),
        ("not survival<1e-3", "10?0"),
        ("survival > -inf", "11?1"),
        ("learned=true", "1010"),
        ("seq_len=50", "?1?0"),
        ("device='cuda:1'", "0?10"),
        ("survivors=inf or survivors<0", "0011"),
    ],
)
def test_a_condition_holds_for_rows_of_a_frame(text: str, expected: str) -> None:
    found = truth(read_condition(text, FRAME, "--where"), FRAME)
    assert not (found.holds & found.unknown).any()
    assert "".join("?" if u else "1" if h else "0" for h, u in zip(found.holds, found.unknown, strict=True)) == expected


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("depth>>3", 7, "expected a value after >, found '>'"),
        ("norm<none", 6, "norm is text: it can be =, != or in a list, but not < none"),
        ("learned=perhaps", 9, "learned is true or false, and 'perhaps' is not"),
    ],
)
def test_a_condition_that_cannot_be_read_says_where_and_why(text: str, column: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_condition(text, FRAME, "--fail-on")
    first, shown, pointer, *_ = str(caught.value).split("\n")
    assert first == f"--fail-on, column {column}: {message}"
    assert shown == f"    {text}"
    assert pointer == " " * (4 + column - 1) + "^"


@pytest.mark.parametrize("text", ["depth>=16\x1b[31m", "\x1b[2J", "dep\x07th=3"])
def test_a_terminal_is_not_told_what_to_do(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_condition(text, FRAME, "--where")
    assert str(caught.value).replace("\n", "").isprintable()
