from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradlab.analysis.compare.where import parse
from gradlab.errors import UsageError

COLUMNS: dict[str, np.ndarray[Any, Any]] = {
    "depth": np.array([4, 16, 32, 64]),
    "norm": np.array(["none", "none", "batch", "layer"], dtype=object),
    "activation": np.array(["relu", "leaky_relu(negative_slope=0.2)", "silu", "tanh"], dtype=object),
    "residual_scale": np.array([0.5, "learned_zero", 1.0, "1/sqrt(depth)"], dtype=object),
    "survival": np.array([1.0, 1e-4, np.nan, 0.0]),
    "learned": np.array([True, False, True, False]),
    "train.steps": np.array([10, 10, 20, 20]),
    "lr": np.array([0.1, 0.1, 1e-3, 0.5]),
    "device": np.array(["cpu", "", "cuda:1", "cpu"], dtype=object),
}


def holds(text: str) -> str:
    """Return one sign a row: 1 holds, 0 does not, ? unknown."""
    truth = parse(text, list(COLUMNS)).evaluate(COLUMNS)
    assert not (truth.holds & truth.unknown).any()
    return "".join("?" if u else "1" if h else "0" for h, u in zip(truth.holds, truth.unknown, strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("depth=16", "0100"),
        ("depth==16", "0100"),
        ("depth!=16", "1011"),
        ("depth<16", "1000"),
        ("depth<=16", "1100"),
        ("depth>16", "0011"),
        ("depth >= 16 and norm = none", "0100"),
        ("depth>=16 AND NOT norm=none", "0011"),
        ("norm=none or norm=layer", "1101"),
        ("norm=none or depth>32 and lr>0.2", "1101"),
        ("(norm=none or depth>32) and lr>0.2", "0001"),
        ("not (depth=4 or depth=64)", "0110"),
        ("not not depth=4", "1000"),
        ("depth in [4, 64]", "1001"),
        ("depth not in [4, 64]", "0110"),
        ("norm in [batch,layer]", "0011"),
        ('activation="leaky_relu(negative_slope=0.2)"', "0100"),
        ("activation in ['leaky_relu(negative_slope=0.2)', tanh]", "0101"),
        ("activation=swish", "0010"),
        ("residual_scale=0.5", "1000"),
        ("residual_scale=learned_zero", "0100"),
        ("residual_scale>=0.5", "1010"),
        ("residual_scale='1/sqrt(depth)'", "0001"),
        ("survival<1e-3", "01?1"),
        ("survival!=1", "01?1"),
        ("not survival<1e-3", "10?0"),
        ("survival<1e-3 and depth<20", "0100"),
        ("survival<1e-3 or depth=32", "0111"),
        ("survival > -inf", "11?1"),
        ("learned=true", "1010"),
        ("learned=False", "0101"),
        ("train.steps=20", "0011"),
        ("lr=1e-3", "0010"),
        ("lr = .1", "1100"),
        ("device='cuda:1'", "0?10"),
    ],
)
def test_a_condition_holds_where_it_should(text: str, expected: str) -> None:
    assert holds(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "expected the name of a column, found 'the end'"),
        ("depth", 6, "expected a comparison after depth, found 'the end'"),
        ("depth>", 7, "expected a value after >, found 'the end'"),
        ("depth>>3", 7, "expected a value after >, found '>'"),
        ("depht>3", 1, "there is no column 'depht'"),
        ("steps=3", 1, "there is no column 'steps'"),
        ("depth>3 norm=none", 9, "expected and, or, or the end, found 'norm'"),
        ("depth>3 and", 12, "expected the name of a column, found 'the end'"),
        ("depth>3 and or norm=none", 13, "expected the name of a column, found 'or'"),
        ("(depth>3", 1, "this parenthesis is never closed"),
        ("depth>3)", 8, "expected and, or, or the end, found ')'"),
        ("depth in 3", 10, "expected a list after in, found '3'"),
        ("depth in [3", 10, "this list is never closed"),
        ("depth in []", 11, "expected a value in the list, found ']'"),
        ("depth in [3,]", 13, "expected a value after the comma, found ']'"),
        ("depth not 3", 11, "expected a comparison after depth, found '3'"),
        ("norm='none", 6, "this quotation mark is never closed"),
        ("depth=3; x", 8, "';' means nothing here"),
        ("__import__('os')=3", 1, "there is no column '__import__'"),
        ("activation=leaky_relu(negative_slope=0.2)", 22, "a value with parameters needs quotation marks"),
        ("depth>deep", 7, "depth is a number, and 'deep' is not"),
        ("depth=many", 7, "depth is a number, and 'many' is not"),
        ("norm<none", 6, "norm is text: it can be =, != or in a list, but not < none"),
        ("norm<3", 6, "norm is text"),
        ("learned=perhaps", 9, "learned is true or false, and 'perhaps' is not"),
        ("3<depth", 1, "expected the name of a column, found '3'"),
    ],
)
def test_a_condition_that_cannot_be_read_says_where_and_why(text: str, column: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        holds(text)
    first, shown, pointer, *_ = str(caught.value).split("\n")
    assert first.startswith(f"--where, column {column}: {message}")
    assert shown == f"    {text}"
    assert pointer == " " * (4 + column - 1) + "^"


@pytest.mark.parametrize(("name", "meant"), [("depht", "depth"), ("steps", "train.steps"), ("Norm", "norm")])
def test_an_unknown_column_names_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(f"{name}=3", list(COLUMNS))
    assert caught.value.hint == f"did you mean {meant}?"


def test_the_names_it_speaks_of_and_the_flag_it_came_from() -> None:
    assert parse("depth>3 and (norm=none or depth<2)", list(COLUMNS)).names == ("depth", "norm")
    with pytest.raises(UsageError, match=r"^--fail-on, column 1"):
        parse("nothing=3", list(COLUMNS), "--fail-on")
