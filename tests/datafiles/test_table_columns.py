"""Columns of a table: text where numbers belong, and missing values."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tables import ROWS, TABLE, read, write

from gradlab.errors import DataError


def changed(field: str) -> str:
    """The table with another text in the third row of its first column."""
    return TABLE.replace("\n0.740,4", f"\n{field},4")


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("nine", "must hold numbers, found 'nine' in data row 3\n  every other row has a number there: correct it"),
        ("?", "found '?' in data row 3\n  if it means a missing value: missing: '?'"),
        ("-", "found '-' in data row 3\n  if it means a missing value: missing: '-'"),
        ("n.a.", "if it means a missing value: missing: 'n.a.'"),
        ("2020-01-31", "these look like dates or times"),
        ("31.01.2020", "these look like dates or times"),
        ("2020-01-31T12:00:00Z", "these look like dates or times"),
        ("12:30", "these look like dates or times"),
        ("3-Mar-2020", "these look like dates or times"),
        ("1. Mai 2020", "these look like dates or times"),
        ("yes", "write 1 and 0 instead"),
        ("50%", "leave the unit out"),
        ("$50", "leave the unit out"),
        ('"1,234"', "is it one of thousands, remove it"),
        ('"1,5"', "decimal: comma"),
        ('"1,234.50"', "remove the signs of thousands"),
        ("1.234.567", "remove the signs of thousands"),
        ('"1.234.567,8"', "remove the signs of thousands, and write decimal: comma"),
        ("\uff11\uff12", "must hold numbers, found '\uff11\uff12'"),
        ("\u22125", "its sign is a dash: write -"),
        ("1 234", "remove the spaces inside of the number"),
        ("1\xa0234.5", "remove the spaces inside of the number"),
        ("0x1F", "must hold numbers, found '0x1F'"),
        ("1_000", "must hold numbers, found '1_000'"),
        ("\x7f[31m", "must hold numbers, found '?[31m'"),
        ("NA", "column 'a' is missing ('NA') in data row 3\n  fill it in; missing: 'NA' leaves such rows out"),
        ("", "column 'a' is empty in data row 3\n  fill it in; missing: 'empty' leaves such rows out"),
        ("inf", "column 'a' is infinite in data row 3"),
        ("1e999", "column 'a' is infinite in data row 3"),
        ("9" * 400, "column 'a' is infinite in data row 3"),
        ("\\N", "if it means a missing value: missing: '\\N'"),
        ("-1e999", "column 'a' is infinite in data row 3"),
    ],
)  # fmt: skip
def test_a_field_that_is_no_number(tmp_path: Path, field: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(write(tmp_path, changed(field)))
    assert words in str(caught.value)
    assert str(caught.value).startswith("t.csv: column 'a'")


@pytest.mark.parametrize("field", ["nine", "1.5", "?"])
def test_the_row_is_right_also_with_decimal_commas(tmp_path: Path, field: str) -> None:
    text = "a;b;y\n" + ROWS.replace(",", ";").replace(".", ",").replace("\n0,740", f"\n{field}")
    with pytest.raises(DataError, match=rf"found '{re.escape(field)}' in data row 3\n"):
        read(write(tmp_path, text), decimal="comma")


@pytest.mark.parametrize("field", ["NA", "?", "", "null", "-999"])
def test_rows_with_missing_values_are_left_out_where_that_is_said(tmp_path: Path, field: str) -> None:
    left = read(write(tmp_path, changed(field)), missing=field or "empty")
    rows = ROWS.splitlines(keepends=True)
    without = read(write(tmp_path, "a,b,y\n" + "".join(rows[:2] + rows[3:])))
    np.testing.assert_array_equal(left.inputs, without.inputs)
    assert "1 of 12 rows have missing values and are left out" in left.checked.read
    several = read(write(tmp_path, changed(field)), missing=f"empty x {field}")
    np.testing.assert_array_equal(several.inputs, without.inputs)


def test_a_row_is_named_as_the_file_has_it_also_below_rows_left_out(tmp_path: Path) -> None:
    text = changed("NA").replace("\n0.850,4", "\nnine,4")
    row = text.splitlines().index("nine,4,2")
    with pytest.raises(DataError, match=f"found 'nine' in data row {row}"):
        read(write(tmp_path, text), missing="NA")


def test_rows_left_out_are_the_reason_for_too_few(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE.replace(",1\n", ",NA\n").replace(",2\n", ",NA\n"))
    with pytest.raises(DataError, match=r"4 rows are too few.*\n  8 of 12 rows have missing values and are left out"):
        read(path, missing="NA")


@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 400, "1" + "0" * 309])
@pytest.mark.parametrize("others", ["{}", "{}.5", " {} "])
def test_whole_numbers_beyond_any_float(tmp_path: Path, number: str, others: str) -> None:
    rows = "".join(f"{number if i == 3 else others.format(i)},{i % 3}\n" for i in range(20))
    with pytest.raises(DataError, match="column 'a' is infinite in data row 4"):
        read(write(tmp_path, "a,y\n" + rows))


def test_two_decimal_signs_are_named(tmp_path: Path) -> None:
    text = "a;y\n" + "".join(f"{i},5;{i % 3}\n" for i in range(300)) + "7.5;1\n8.25;0\n"
    with pytest.raises(DataError, match=r"found '7.5' in data row 301\n  it has a decimal point, the table was read"):
        read(write(tmp_path, text))


def test_a_row_of_units_is_named(tmp_path: Path) -> None:
    for units in ("m,kg,s", "[m],[kg],[s]", "a.u.,%,-"):
        with pytest.raises(DataError, match=r"in data row 1\n.*units below the header, delete the row|missing: '-'"):
            read(write(tmp_path, TABLE.replace("y\n", f"y\n{units}\n")))
    text = TABLE.replace("0.740", "many").replace("0.370", "few")
    with pytest.raises(DataError, match="found 'few' in data row 2\n  drop the column"):
        read(write(tmp_path, text))


@pytest.mark.parametrize("field", ["?", " ?", "? ", "\t?", " ? ", '" ?"'])
@pytest.mark.parametrize("column", ["a", "y"])
def test_spaces_around_a_word_for_missing(tmp_path: Path, field: str, column: str) -> None:
    """The files of UCI have a space behind each comma."""
    at = "0.740,{},2" if column == "a" else "0.740,4,{}"
    data = read(write(tmp_path, TABLE.replace("0.740,4,2", at.format(field))), kind="classification", missing="?")
    assert len(data.inputs) == 11
    assert len(data.classes) == 3
    assert "1 of 12 rows have missing values" in data.checked.read


def test_spaces_around_usual_words_and_empty_fields(tmp_path: Path) -> None:
    for field, words in ((" NA", "is missing \\('NA'\\)"), ("nan ", "is missing \\('nan'\\)"), ("  ", "is empty")):
        path = write(tmp_path, TABLE.replace("0.740,4,2", f"0.740,4,{field}"))
        with pytest.raises(DataError, match=f"column 'y' {words} in data row 3"):
            read(path, kind="classification")
        assert len(read(path, kind="classification", missing="NA nan empty").inputs) == 11


def test_spaces_around_classes_make_no_classes(tmp_path: Path) -> None:
    rows = "".join(f"{i * i},{['a', ' a', 'b', 'b '][i % 4]}\n" for i in range(16))
    assert read(write(tmp_path, "x,y\n" + rows), kind="classification").classes == ("a", "b")


def test_words_for_missing_in_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": [-999, *range(1, 12)], "b": [0.5, -999.0, *range(10)], "y": ["u", "v", "?", " w", *"uvwuvwuv"]}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet", kind="classification", missing="-999 ?")
    assert "3 of 12 rows have missing values" in data.checked.read
    assert len(data.inputs) == 9
    assert data.classes == ("u", "v", "w")
    assert len(read(tmp_path / "t.parquet", kind="classification").inputs) == 12


def test_a_word_for_missing_can_be_a_class(tmp_path: Path) -> None:
    text = "a,y\n" + "".join(f"{i * i % 7},{'None' if i % 2 else 'x'}\n" for i in range(12))
    with pytest.raises(DataError, match=r"column 'y' is missing \('None'\) in data row 2, and in 5 others"):
        read(write(tmp_path, text), kind="classification")
    assert read(write(tmp_path, text), kind="classification", missing="empty").classes == ("None", "x")


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pd.date_range("2020-01-01", periods=12), "these are dates"),
        (pd.to_timedelta(range(12), unit="D"), "these are dates"),
        ([f"2020-01-{i + 1:02}" for i in range(12)], "these look like dates"),
        ([[1, 2]] * 12, "must hold numbers"),
        ([{"a": 1}] * 12, "must hold numbers"),
        (pd.array([1, None, *range(10)], dtype="Int64"), "is empty in data row 2"),
        (pd.Categorical(["x", "y"] * 6), "must hold numbers, found 'x'"),
        ([b"\x00\xff"] * 12, "must hold numbers"),
    ],
)  # fmt: skip
def test_a_column_of_parquet_that_is_no_number(tmp_path: Path, column: object, words: str) -> None:
    pd.DataFrame({"a": column, "y": np.arange(12.0) % 5}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError) as caught:
        read(tmp_path / "t.parquet")
    assert words in str(caught.value)
    assert str(caught.value).startswith("t.parquet: column 'a'")


def test_booleans_are_one_and_zero(tmp_path: Path) -> None:
    for name, to in (("t.csv", pd.DataFrame.to_csv), ("t.parquet", pd.DataFrame.to_parquet)):
        flags = pd.DataFrame({"a": np.arange(12) % 3 == 0, "y": np.arange(12.0) % 5})
        to(flags, tmp_path / name, index=False)
        np.testing.assert_array_equal(read(tmp_path / name, standardize=False).inputs[:, 0], flags["a"])


def test_parquet_that_names_a_column_twice(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    column = pa.array(np.arange(12.0))
    parquet.write_table(pa.Table.from_arrays([column, column, column], names=["a", "y", "y"]), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t.parquet: it has the column 'y' twice, at 2 and 3"):
        read(tmp_path / "t.parquet")


def test_the_index_of_a_data_frame_is_no_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": range(12), "a": np.arange(12) % 7, "y": np.arange(12) % 5}).set_index("id")
    frame.to_parquet(tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet")
    assert data.inputs.shape == (12, 1)
    assert "the index of the data frame, id, is not read" in data.checked.warnings[0]
