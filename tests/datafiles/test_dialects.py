"""Dialects of text tables: found by themselves where that is safe, said, and set by the parameters of the task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tables import ROWS, TABLE, read, write

from gradlab import grid, spec
from gradlab.cell import cell_id
from gradlab.errors import DataError, SpecError

COMMAS = ROWS.replace(",", ";").replace(".", ",")
QUOTED = "a,b,y\n" + "".join(f'"{row}"\n'.replace(";", '","') for row in COMMAS.split())
FOUND = {
    "tabs": (TABLE.replace(",", "\t"), "t.csv", "separated by tabs, header in line 1"),
    "tabs by the ending": (TABLE.replace(",", "\t"), "t.tsv", "separated by tabs"),
    "commas in a .tsv": (TABLE, "t.tsv", "separated by commas"),
    "semicolons": (TABLE.replace(",", ";"), "t.csv", "separated by semicolons"),
    "semicolons with spaces": (TABLE.replace(",", " ; "), "t.csv", "separated by semicolons"),
    "pipes": (TABLE.replace(",", "|"), "t.txt", "separated by |"),
    "double colons": (TABLE.replace(",", "::"), "t.dat", "separated by ::"),
    "spaces": (TABLE.replace(",", "   "), "t.txt", "separated by whitespace"),
    "spaces around": ("".join(f"  {row}  \n" for row in TABLE.replace(",", " ").splitlines()), "t.data", "whitespace"),
    "decimal commas": ("a;b;y\n" + COMMAS, "t.csv", "separated by semicolons, decimal commas"),
    "decimal commas in quotes": (QUOTED, "t.csv", "separated by commas, decimal commas"),
    "decimal commas and tabs": ("a\tb\ty\n" + COMMAS.replace(";", "\t"), "t.tsv", "separated by tabs, decimal commas"),
    "comments": ("# made by hand, on a Monday\n#\n" + TABLE, "t.csv", "header in line 3, 2 lines above left out"),
    "percent comments": ("% one\n" + TABLE, "t.data", "header in line 2, 1 line above left out"),
    "many lines of comments": ("## about the samples\n" * 5000 + TABLE, "t.csv", "header in line 5001"),
    "many blank lines": ("\n" * 70_000 + TABLE, "t.csv", "header in line 70001"),
    "blank lines": ("\n\n" + TABLE.replace("\n", "\n\n", 3), "t.csv", "header in line 3"),
    "a comment for a header": ("# a,b,y\n" + ROWS, "t.csv", "header in line 1"),
    "numpy.savetxt": ("# a b y\n" + ROWS.replace(",", " "), "t.txt", "separated by whitespace, header in line 1"),
    "the separator of Excel": ("sep=;\n" + TABLE.replace(",", ";"), "t.csv", "separated by semicolons"),
    "quotes": ('"a","b","y"\n' + ROWS, "t.csv", "separated by commas"),
    "quoted numbers": ("a,b,y\n" + "".join(f'"{x}"\n'.replace(",", '","') for x in ROWS.split()), "t.csv", "commas"),
    "a separator at the end": (TABLE.replace("\n", ",\n"), "t.csv", "separated by commas"),
    "a separator at the end of rows": ("a,b,y\n" + ROWS.replace("\n", ",\n"), "t.csv", "separated by commas"),
    "spaces around numbers": (TABLE.replace(",", " , "), "t.csv", "separated by commas"),
    "spaces at the ends": (TABLE.replace("\n", "  \n"), "t.csv", "separated by commas"),
    "Windows": (TABLE.replace("\n", "\r\n"), "t.csv", "separated by commas"),
    "old Mac": (TABLE.replace("\n", "\r"), "t.csv", "separated by commas"),
    "the end of a DOS file": (TABLE + "\x1a", "t.csv", "separated by commas"),
    "no end of line": (TABLE.rstrip("\n"), "t.csv", "separated by commas"),
    "spaces in the header": (TABLE.replace("a,b,y", "a, b , y"), "t.csv", "separated by commas"),
    "a name over two lines": (TABLE.replace("a,", '"a\nlong",'), "t.csv", "header in line 1"),
}  # fmt: skip


@pytest.mark.parametrize("what", FOUND)
def test_a_dialect_is_found_and_said(tmp_path: Path, what: str) -> None:
    text, name, words = FOUND[what]
    plain = read(write(tmp_path, TABLE))
    other = read(write(tmp_path, text, name))
    np.testing.assert_array_equal(other.inputs, plain.inputs)
    np.testing.assert_array_equal(other.targets, plain.targets)
    assert words in other.checked.read
    assert "12 rows, 2 inputs, target y" in other.checked.read
    assert not other.checked.warnings


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16"), ("utf-16-be", "utf-16"),
     ("utf-32", "utf-32"), ("latin-1", "cp1252"), ("cp1252", "cp1252")],
)  # fmt: skip
def test_an_encoding_is_found_and_said(tmp_path: Path, encoding: str, said: str) -> None:
    path = write(tmp_path, TABLE.replace("a,b,y", "é,b,größe").encode(encoding))
    data = read(path, target="größe")
    np.testing.assert_array_equal(data.inputs, read(write(tmp_path, TABLE, "u.csv")).inputs)
    assert data.checked.read.endswith(said)


def test_an_encoding_is_set(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE.replace("a,b,y", "a,b,цена").encode("koi8-r"))
    assert read(path, target="цена", encoding="koi8-r").checked.read.endswith("koi8-r")
    with pytest.raises(DataError, match=r"t.csv is not utf-8 text: byte 5, in line 1"):
        read(path, target="цена", encoding="utf-8")
    with pytest.raises(DataError, match="is not utf-16 text"):
        read(write(tmp_path, TABLE + "1,2,3"), encoding="utf-16")


def test_a_dialect_is_set(tmp_path: Path) -> None:
    plain = read(write(tmp_path, TABLE)).inputs
    ambiguous = TABLE.replace(",", ";").replace("0.740;4", "1,740;4").replace(".", ",")
    data = read(write(tmp_path, ambiguous), separator="semicolon", decimal="comma")
    assert data.inputs.shape == plain.shape
    with pytest.raises(DataError, match="the header in line 1 has 1 names, the rows have 3 fields"):
        read(write(tmp_path, "a;b;y\n" + ROWS))
    with pytest.raises(DataError, match=r"there is no column 'y'\n.*separator: …"):
        read(write(tmp_path, TABLE), separator="semicolon")


def test_thousands_are_not_taken_for_decimals(tmp_path: Path) -> None:
    text = "a\tb\ty\n" + "".join(f"{i + 1},{100 + i}\t{i * i % 7}\t{i % 3}\n" for i in range(12))
    path = write(tmp_path, text, "t.tsv")
    with pytest.raises(DataError, match=r"found '1,100' in data row 1\n.*decimal: comma"):
        read(path)
    assert "decimal commas" in read(path, decimal="comma").checked.read


@pytest.mark.parametrize(("sign", "decimal"), [(".", None), (".", "point"), (",", "comma")])
def test_numbers_of_thousands_beside_others_are_said(tmp_path: Path, sign: str, decimal: str | None) -> None:
    prices = ["1.200", "950", "12.345", "87", "2.010", "640", "1.150", "999", "3.700"]
    text = "a;y\n" + "".join(f"{i * i};{price}\n" for i, price in enumerate(prices)).replace(".", sign)
    (warning,) = read(write(tmp_path, text), decimal=decimal).checked.warnings
    assert f"column 'y' has 1{sign}200 beside 950: it is read as a number below 1,000" in warning
    for other in ("1.25", "0.125", "1.0625", "-"):  # numbers that no thousands have
        path = write(tmp_path, text.replace("87", other.replace(".", sign)))
        assert not read(path, decimal=decimal, missing="-").checked.warnings or other == "-"


def test_thousands_with_decimal_commas_are_refused(tmp_path: Path) -> None:
    for field in ("1.234", "1.234,50", "1.234.567"):
        with pytest.raises(DataError, match=rf"found '{field}' in data row 3\n  remove the signs of thousands$"):
            read(write(tmp_path, "a;b;y\n" + COMMAS.replace("0,740", field)), decimal="comma")


@pytest.mark.parametrize("separator", ["\t", ",", ";", "|"])
def test_a_column_without_any_value_stays_one(tmp_path: Path, separator: str) -> None:
    rows = "".join(f"{i * i}{separator * 2}{i * 7 % 5}.5\n" for i in range(12))
    path = write(tmp_path, f"a{separator}b{separator}y\n{rows}", "t.txt")
    with pytest.raises(DataError, match="column 'b' is empty in data row 1, as all are"):
        read(path)
    with pytest.raises(DataError, match="column '2' is empty in data row 1, as all are"):
        read(write(tmp_path, rows, "t.txt"), target="3", header=False)


def test_how_it_was_read_is_said_where_header_and_rows_do_not_fit(tmp_path: Path) -> None:
    text = "time (s)   mass   y\n" + ROWS.replace(",", "  ")
    with pytest.raises(DataError, match=r"4 names, the rows have 3 fields\n.*it was read as separated by whitespace"):
        read(write(tmp_path, text, "t.txt"))


def test_single_quotation_marks_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'y'\n  its fields stand in single quotation marks"):
        read(write(tmp_path, "".join(f"'{row}'\n".replace(",", "','") for row in TABLE.split())))


IRIS = "".join(f"{5 + i % 7 / 10},{3 + i % 5 / 10},{'setosa' if i % 2 else 'virginica'}\n" for i in range(20))


@pytest.mark.parametrize(
    ("text", "kind"),
    [(ROWS, "regression"), (ROWS.replace("0.", "7."), "regression"), (IRIS, "classification"),
     ("5.1,3.5,setosa\n" * 9 + IRIS, "classification"), ("".join("12,7,1\n5,9,0\n" for _ in range(6)), "regression"),
     (ROWS.replace(",", " "), "regression"), ("e,x,s\np,x,s\n" * 8, "classification")],
)  # fmt: skip
@pytest.mark.parametrize("target", ["y", "3"])
def test_a_header_that_is_data(tmp_path: Path, text: str, kind: str, target: str) -> None:
    path = write(tmp_path, text, "t.data")
    with pytest.raises(DataError, match=r"t.data: the first line looks like a row of data.*\n.*header: false"):
        read(path, target, kind)
    if text.startswith("e,"):  # letters, which are no inputs
        return
    data = read(path, "3", kind, header=False)
    assert len(data.inputs) == text.count("\n")
    assert "no header" in data.checked.read


@pytest.mark.parametrize("header", ["0,1,2", "1,2,3"])
def test_a_header_that_numbers_the_columns_is_one_and_said(tmp_path: Path, header: str) -> None:
    path = write(tmp_path, f"{header}\n{ROWS}")
    data = read(path, "2")
    assert len(data.inputs) == 12
    (warning,) = data.checked.warnings
    assert "is taken for a header that numbers the columns" in warning
    assert len(read(path, "2", header=False).inputs) == 13
    assert not read(path, "2", header=True).checked.warnings


def test_years_as_names_are_a_header(tmp_path: Path) -> None:
    assert len(read(write(tmp_path, "2019,2020,y\n" + ROWS)).inputs) == 12


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TABLE.replace("a,b,y", "y,b,y"), "the header has the column 'y' twice, at 1 and 3"),
        (TABLE.replace("a,b,y", "b,b,y"), "the header has the column 'b' twice, at 1 and 2"),
        (TABLE.replace("a,b,y", "b, b,y"), "the header has the column 'b' twice, at 1 and 2"),
        (TABLE.replace("a,b,y", ",b,y"), "column 1 has no name"),
        (TABLE.replace("a,b,y", "a, ,y"), "column 2 has no name"),
        (",a,b,y\n" + "".join(f"{i},{row}\n" for i, row in enumerate(ROWS.split())), "only numbers the rows"),
        ("a,b,y\n" + "".join(f"{i},{row}\n" for i, row in enumerate(ROWS.split())), "of row names perhaps"),
        (TABLE + TABLE, "data row 13 is the header again"),
        (TABLE + "\ufeff" + TABLE, "data row 13 is the header again"),
        (TABLE + TABLE.replace("a,b", " a,b "), "data row 13 is the header again"),
        ("Report 2020\n" + TABLE, "lines above the header begin with #"),
        (TABLE.replace("0.740,4", "0.740,4,7"), "line 4 has 4 fields, the rows above it have 3"),
        ("# x\n" + TABLE.replace("0.740,4", "0.740,4,7"), "line 5 has 4 fields, the rows above it have 3"),
        (TABLE.replace("0.740,4,2", "0.740,4"), "column 'y' is empty in data row 3"),
        ('a,b,y\n"1,2\n', "a quotation mark in line 2 is never closed"),
        ('a,"b,y\n1,2\n', "the quotation marks of the header do not match"),
        ("a,b,y\n", "has no rows below its header"),
        ("# a\n# b\n", "has no rows"),
        ("\n \n", "has no rows"),
    ],
)  # fmt: skip
def test_a_table_that_would_become_something_else(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(write(tmp_path, text))
    assert words in str(caught.value)
    assert str(caught.value).startswith("t.csv")


@pytest.mark.slow
def test_a_wide_table(tmp_path: Path) -> None:
    names = [f"column_{i}" for i in range(9000)]
    rows = "".join(",".join(str((i * j) % 7 + j / 10) for j in range(9001)) + "\n" for i in range(9))
    data = read(write(tmp_path, ",".join([*names, "y"]) + "\n" + rows))
    assert data.inputs.shape == (9, 9000)


@pytest.mark.parametrize(
    ("written", "parameter", "value"),
    [
        ("separator: ';'", "separator", "semicolon"),
        ("separator: ','", "separator", "comma"),
        ('separator: "\\t"', "separator", "tab"),
        (r"separator: '\t'", "separator", "tab"),
        (r"separator: \s+", "separator", "whitespace"),
        ("separator: '|'", "separator", "pipe"),
        ("separator: '::'", "separator", "double_colon"),
        ("separator: tab", "separator", "tab"),
        ("decimal: ','", "decimal", "comma"),
        ("encoding: utf8", "encoding", "utf-8"),
        ("missing: ''", "missing", "empty"),
        ("missing: -999", "missing", "-999"),
        ("missing: null", "missing", "null"),
        ("header: false", "header", False),
        ("standardize: false", "standardize", False),
        ("standardize: target", "standardize", "target"),
    ],
)  # fmt: skip
def test_how_a_spec_says_it(tmp_path: Path, written: str, parameter: str, value: object) -> None:
    write(tmp_path, TABLE, "a.csv")
    text = f"name: x\ntask: {{name: table, path: a.csv, target: y, kind: regression, {written}}}"
    (cell,) = grid.expand(spec.loads(text, base_dir=tmp_path)).cells
    assert dict(cell.task.params)[parameter] == value
    (again,) = grid.expand(spec.loads(f'name: x\ntask: "{cell.task}"', base_dir=tmp_path)).cells
    assert again == cell
    (dumped,) = grid.expand(spec.loads(spec.dump(spec.loads(text, base_dir=tmp_path)), base_dir=tmp_path)).cells
    assert dumped == cell


def test_what_is_left_out_or_true_changes_no_id(tmp_path: Path) -> None:
    write(tmp_path, TABLE, "a.csv")

    def identity(more: str) -> str:
        text = f"name: x\ntask: {{name: table, path: a.csv, target: y, kind: regression{more}}}"
        (cell,) = grid.expand(spec.loads(text, base_dir=tmp_path)).cells
        return cell_id(cell)

    assert identity("") == identity(", standardize: true")
    assert identity("") != identity(", standardize: false") != identity(", standardize: inputs")


@pytest.mark.parametrize(
    ("written", "words", "hint"),
    [
        ("separator: pip", "must be comma, tab, semicolon, pipe, double_colon or whitespace", "did you mean 'pipe'?"),
        ("standardize: inputss", "must be true, false, inputs or target", "did you mean 'inputs'?"),
        ("header: 3", "header of table must be true or false", ""),
        ("encoding: utf-9", "encoding of table must be utf-8, utf-16", "did you mean 'utf-8'?"),
        ("sep: ';'", "table has no parameter 'sep'", "did you mean 'separator'?"),
        ("na_values: NA", "table has no parameter 'na_values'", "did you mean 'missing'?"),
        ("normalize: false", "table has no parameter 'normalize'", "did you mean 'standardize'?"),
    ],
)  # fmt: skip
def test_how_a_spec_cannot_say_it(tmp_path: Path, written: str, words: str, hint: str) -> None:
    write(tmp_path, TABLE, "a.csv")
    with pytest.raises(SpecError) as caught:
        spec.loads(
            f"name: x\ntask: {{name: table, path: a.csv, target: y, kind: regression, {written}}}", base_dir=tmp_path
        )
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.hint == hint
    assert problem.line == 2
