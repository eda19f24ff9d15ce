"""What the values of a table are: numbered rows, copies of the target, classes, units, constant columns."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tables import ROWS, TABLE, read, write

from gradlab.datafiles.scaling import constant, standardised
from gradlab.errors import DataError

EVERY = np.arange(40)


@pytest.mark.parametrize("order", ["up", "from one", "shuffled"])
def test_a_column_that_numbers_the_rows_is_named(tmp_path: Path, order: str) -> None:
    numbers = np.arange(12) + (order == "from one")
    if order == "shuffled":
        numbers = np.random.default_rng(0).permutation(numbers)
    text = "id,a,b,y\n" + "".join(f"{i},{row}\n" for i, row in zip(numbers, ROWS.split(), strict=True))
    (warning,) = read(write(tmp_path, text)).checked.warnings
    assert "column 'id' only numbers the rows" in warning


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (lambda i: i % 3, "column 'c' is a copy of the target 'y'"),
        (lambda i: 100 * (i % 3) - 7, "column 'c' is a linear function of the target 'y'"),
        (lambda i: -0.1 * (i % 3), "column 'c' is a linear function of the target 'y'"),
    ],
)  # fmt: skip
def test_a_column_that_copies_the_target_is_named(tmp_path: Path, column: object, words: str) -> None:
    assert callable(column)
    text = "c,a,b,y\n" + "".join(f"{column(i)},{row}\n" for i, row in enumerate(ROWS.split()))
    (warning,) = read(write(tmp_path, text)).checked.warnings
    assert words in warning
    (warning,) = read(write(tmp_path, text), kind="classification").checked.warnings
    assert "column 'c' tells the class in 'y' by itself" in warning


def test_classes_that_cannot_be_learned_are_named(tmp_path: Path) -> None:
    text = "a,y\n" + "".join(f"{i * i % 11},{'rare' if i == 4 else 'xz'[i % 2]}\n" for i in range(20))
    (warning,) = read(write(tmp_path, text), kind="classification").checked.warnings
    assert warning == "t.csv: column 'y': class 'rare' with one row only, which is trained or tested, never both"
    test = read(write(tmp_path, text), kind="classification").test
    text = "a,y\n" + "".join(f"{i * i % 11},{'late' if i in test[:2] else 'xz'[i % 2]}\n" for i in range(20))
    (warning,) = read(write(tmp_path, text), kind="classification").checked.warnings
    assert warning == "t.csv: column 'y': class 'late' with no row in the training part"


def test_a_target_that_is_constant_in_one_part(tmp_path: Path) -> None:
    data = read(write(tmp_path, TABLE))
    held_out = "".join(f"{i % 7},{i % 5 if i in data.train else 2}\n" for i in range(12))
    (warning,) = read(write(tmp_path, "a,y\n" + held_out)).checked.warnings
    assert warning.endswith("column 'y' has one value only in the held-out part: r2 has no meaning")
    trained = "".join(f"{i % 7},{2 if i in data.train else i}\n" for i in range(12))
    with pytest.raises(DataError, match="one value only in the training part; there is nothing to predict"):
        read(write(tmp_path, "a,y\n" + trained))
    rounding = "".join(f"{i % 7},{0.1 + 0.2 if i % 2 else 0.3!r}\n" for i in range(12))
    with pytest.raises(DataError, match="one value only; there is nothing to predict"):
        read(write(tmp_path, "a,y\n" + rounding))


@pytest.mark.parametrize("exponent", [-1070, -600, -300, 0, 300, 600, 1020])
def test_standardising_does_not_depend_on_the_unit(exponent: int) -> None:
    rng = np.random.default_rng(0)
    plain = np.ldexp(np.rint(np.ldexp(rng.normal(size=(40, 3)), 12)), 0)  # whole numbers: exact in every unit
    other, flat = standardised(np.ldexp(plain, exponent - 12 if exponent > 0 else exponent), EVERY[:30])
    expected = (plain - plain[:30].mean(0)) / plain[:30].std(0)
    np.testing.assert_array_equal(other, expected)
    assert not flat.any()


@pytest.mark.parametrize("outlier", [1e300, -1e300, 5e-324])
def test_a_held_out_row_of_another_size_changes_nothing_for_the_others(outlier: float) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    plain, _ = standardised(x, EVERY[:30])
    changed = x.copy()
    changed[35, 0] = outlier
    other, flat = standardised(changed, EVERY[:30])
    assert not flat.any()
    assert np.isfinite(other).all()
    np.testing.assert_array_equal(np.delete(other, 35, 0), np.delete(plain, 35, 0))


@pytest.mark.parametrize(
    ("values", "is_constant"),
    [
        (np.full(40, 14.62), True),
        (np.full(40, 0.0), True),
        (14.62 + 1e-15 * (EVERY % 3), True),
        (1e15 + 0.125 * (EVERY % 2), True),
        (1e-200 * (1 + 2e-16 * (EVERY % 5)), True),
        (0.1 * EVERY - 0.1 * EVERY + (0.1 + 0.2), True),
        (np.float32(14.62) + np.float32(1e-6) * (EVERY % 2).astype(np.float32), True),
        (np.where(EVERY % 2, 1.0, 1 + 1e-9), False),
        (1.7e9 + EVERY, False),
        (16777200.0 + EVERY % 2, False),
        (EVERY * 5e-324, False),
        (np.where(EVERY % 2, 1e308, -1e308), False),
        (1e-300 * (EVERY % 2), False),
    ],
)  # fmt: skip
def test_constant_up_to_rounding(values: np.ndarray, is_constant: bool) -> None:
    values = values.astype(np.float64)
    assert constant(values) is is_constant
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result, flat = standardised(values[:, None], EVERY)
    assert flat.tolist() == [is_constant]
    if is_constant:
        assert not result.any()
    else:
        assert float(result.std()) == pytest.approx(1)
        assert math.isclose(float(result.mean()), 0, abs_tol=1e-6)


def test_a_constant_column_is_named_and_left_at_zero_in_both_parts(tmp_path: Path) -> None:
    train = read(write(tmp_path, TABLE)).train
    text = "valve,a,b,y\n" + "".join(
        f"{14.62 if i in train else 14.63},{row}\n" for i, row in enumerate(ROWS.split())
    )  # fmt: skip
    data = read(write(tmp_path, text))
    assert data.checked.warnings == (
        "t.csv: column 'valve' is constant in the training part: left at 0, it tells nothing",
    )
    assert not data.inputs[:, 0].any()
    np.testing.assert_array_equal(data.inputs[:, 1:], read(write(tmp_path, TABLE)).inputs)


@pytest.mark.parametrize(("standardize", "x", "y"), [(False, 0, 0), ("inputs", 1, 0), ("target", 0, 1), (True, 1, 1)])
def test_what_is_standardised_is_set(tmp_path: Path, standardize: object, x: int, y: int) -> None:
    data = read(write(tmp_path, TABLE), standardize=standardize)
    raw = np.array([[float(field) for field in row.split(",")] for row in ROWS.split()])
    scaled = (raw - raw[data.train].mean(0)) / raw[data.train].std(0)
    np.testing.assert_array_equal(data.inputs, (scaled if x else raw)[:, :2])
    np.testing.assert_array_equal(data.targets, (scaled if y else raw)[:, 2:])


def test_numbers_that_single_precision_cannot_hold_are_named(tmp_path: Path) -> None:
    rows = "".join(f"{i}e300,{i}e-300,{i % 3}\n" for i in range(1, 13))
    path = write(tmp_path, "big,small,y\n" + rows)
    large, small = read(path, standardize=False).checked.warnings
    assert "column 'big' is beyond 3.4e+38 in size, out of the range of float32" in large
    assert "column 'small' is below 1.2e-38 in size" in small
    assert not read(path, standardize=True).checked.warnings


@pytest.mark.parametrize(
    ("text", "target", "kind", "words"),
    [
        (TABLE, "z", "regression", "t.csv: there is no column 'z'\n  columns: a, b, y"),
        (TABLE.replace("a,", "alpha,", 1), "alhpa", "regression", "did you mean 'alpha'?"),
        ("y\n1\n2\n", "y", "regression", "'y' is the only column; a task needs at least one input beside it"),
        ("a,y\n1,2\n3,4\n", "y", "regression", "2 rows are too few; a task needs at least 8"),
        ("a,y\n" + "1,2\n" * 10, "y", "regression", "column 'y' has one value only; there is nothing to predict"),
        ("a,y\n" + "1,2\n" * 10, "y", "classification", "column 'y' has one class only; there is nothing to predict"),
        (TABLE, "a", "classification", "column 'a' has 12 different values in 12 rows\n"
                                       "  these look like numbers rather than classes: use kind: regression"),
        (TABLE.replace("0.740,4,2", "0.740,4,"), "y", "classification", "column 'y' is empty in data row 3"),
        (TABLE.replace("0.740,4,2", "0.740,4,x"), "y", "regression", "classes have kind: classification"),
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_used(tmp_path: Path, text: str, target: str, kind: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(write(tmp_path, text), target, kind)
    assert words in str(caught.value)


def test_csv_and_parquet_are_the_same(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(3, 5, (100, 3)), columns=["a", "b", "y"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    of_text, of_parquet = read(tmp_path / "t.csv"), read(tmp_path / "t.parquet")
    np.testing.assert_allclose(of_text.inputs, of_parquet.inputs, rtol=1e-14)
    assert (len(of_text.train), len(of_text.test)) == (75, 25)
    np.testing.assert_allclose(of_text.inputs[of_text.train].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(of_text.targets[of_text.train].std(), 1)
