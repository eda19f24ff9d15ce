"""A text table as a data frame: `pandas.read_csv` with the dialect of the file, and the checks of header and rows."""

from __future__ import annotations

import io
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.datafiles.dialect import Dialect, described, dialect_of, shown
from gradlab.datafiles.encoding import decoded
from gradlab.datafiles.files import content, guarded, shown_name, suffixes
from gradlab.datafiles.missing import trimmed
from gradlab.datafiles.source import Source, numbers_rows, quoted
from gradlab.datafiles.thousands import thousands
from gradlab.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ENDINGS", "Reading", "read_text"]

ENDINGS = (".csv", ".tsv", ".tab", ".data", ".dat", ".txt", ".base", ".test")
MOST_COLUMNS = 100_000
_TABS = (".tsv", ".tab")
_FIELDS = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_OWN = "\x1f"
"""What stands for a separator of two characters: the unit separator, which no text has."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a task says of a text table; None: found by itself."""

    separator: str | None = None
    decimal: str | None = None
    header: bool | None = None
    encoding: str | None = None
    missing: str | None = None
    """The words that mean a missing value, with spaces between them, ``empty`` for an empty field. Rows with one are
    left out; None: the usual words, and they are refused."""

    @property
    def words(self) -> list[str] | None:
        """The words that mean a missing value."""
        if self.missing is None:
            return None
        words = self.missing.replace(",", " ").split()
        return ["" if word.lower() == "empty" else word for word in words]


def read_text(path: Path, reading: Reading, *, headless: Sequence[Sequence[str]] = ()) -> Source:
    """Return the table in a text file.

    `headless` are the names of the columns of files that are usual without a header, by the number of columns.

    Raises:
        DataError: it is not a table; the message says what it looks like and which parameter of the task reads it.
    """
    name = shown_name(path)
    tabs = bool(set(suffixes(path)) & set(_TABS))
    with guarded(name):
        text, encoding = decoded(name, content(path), reading.encoding)
        if "\n" not in text and "\r" in text:
            text = text.replace("\r", "\n")
        _foreign(name, text)
        dialect = dialect_of(name, text, tabs, reading.separator, reading.decimal, reading.header)
        usual = next((names for names in headless if len(names) == dialect.columns), None)
        if usual and (dialect.data_first or dialect.numbered) and reading.header is None:
            dialect = dialect_of(name, text, tabs, dialect.separator, dialect.decimal, False)
        if dialect.columns > MOST_COLUMNS:
            raise DataError(f"{name}: {dialect.columns:,} columns are too many; at most {MOST_COLUMNS:,} are possible")
        body = text[dialect.start :]
        names, notes = _names(name, dialect, reading.header, usual, body)
        if not body.strip():
            raise DataError(f"{name} has no rows below its header")
        frame = trimmed(_parsed(name, body, dialect, words=reading.words), reading.words)
        frame, names = _without_empty(frame, names)
        if len(frame.columns) != len(names):
            raise _misfit(name, dialect, len(names), len(frame.columns))
        _check_names(name, frame, names)
        frame.columns = pd_index(names)
        _check_repeated(name, frame, names)
        notes += [f"{name}: {note}" for note in thousands(dialect, body, names)]

    def field(column: int, row: int) -> str:
        parsed = _parsed(name, body, dialect, rows=row + 1, text=True)
        return str(parsed.iloc[row, column]).strip()

    return Source(name, frame, described(dialect, encoding), field, tuple(notes), dialect.decimal)


def pd_index(names: Sequence[str]) -> pd.Index[str]:
    """Return names as an index of columns."""
    import pandas as pd

    return pd.Index(list(names), dtype=object)


def _foreign(name: str, text: str) -> None:
    start = text[:200].lstrip().lower()
    kinds = {"<!doctype": "a web page", "<html": "a web page", "<?xml": "XML", "{": "JSON", "[": "JSON",
             "@relation": "ARFF (Weka)"}  # fmt: skip
    for beginning, kind in kinds.items():
        if start.startswith(beginning):
            raise DataError(f"{name} looks like {kind}, not like a table", "save the table as a CSV file")


def _names(
    name: str, dialect: Dialect, header: bool | None, usual: Sequence[str] | None, body: str
) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of the columns, and what to say of them."""
    if dialect.names is None:
        return tuple(usual or (str(i + 1) for i in range(_width(dialect, body)))), []
    if dialect.data_first and header is None:
        raise DataError(
            f"{name}: the first line looks like a row of data, not like a header: {shown(dialect.names)}",
            "write header: false if the file has none (columns are then named 1, 2, 3), or header: true if it is one",
        )
    notes = []
    if dialect.numbered and header is None:
        message = f"{name}: the first line, {shown(dialect.names)}, is taken for a header that numbers the columns"
        notes.append(f"{message}; write header: false if it is data")
    return dialect.names, notes


def _width(dialect: Dialect, body: str) -> int:
    """Return the fields of the first row of data, which may be longer than most: what is parsed goes by it."""
    first = next((line for line in body.splitlines() if line.strip()), "") if len(body) < 10**6 else body[: 10**6]
    return len(dialect.split(first.split("\n", 1)[0]))


def _parsed(
    name: str, body: str, dialect: Dialect, *, words: Sequence[str] | None = None, rows: int | None = None,
    text: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """Return the rows of a table under the numbers of its columns."""
    import pandas as pd

    separator = dialect.character
    if separator == "::":
        body, separator = body.replace("::", _OWN), _OWN
    options: dict[str, object] = {"dtype": str, "na_filter": False} if text else {}
    if words is not None and not text:
        options = {"na_values": list(words), "keep_default_na": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows that are cut
            frame: pd.DataFrame = pd.read_csv(
                io.StringIO(body),
                sep=separator,
                header=None,
                decimal="," if dialect.decimal == "comma" else ".",
                nrows=rows,
                low_memory=False,
                **options,
            )  # type: ignore[call-overload]
            return frame
    except pd.errors.EmptyDataError:
        raise DataError(f"{name} has no rows") from None
    except pd.errors.ParserError as error:
        raise _unparsed(name, dialect, str(error)) from None


def _unparsed(name: str, dialect: Dialect, problem: str) -> DataError:
    above = dialect.line if dialect.names is not None else dialect.line - 1
    if field_counts := _FIELDS.search(problem):
        expected, line, actual = map(int, field_counts.groups())
        return DataError(
            f"{name}: line {line + above:,} has {actual} fields, the rows above it have {expected}",
            f"{_read_as(dialect)}; separator: … sets another: comma, semicolon, tab, whitespace, pipe",
        )
    if "EOF inside string" in problem:
        start = re.search(r"row (\d+)", problem)
        place = f" in line {int(start.group(1)) + 1 + above:,}" if start else ""
        return DataError(f"{name}: a quotation mark{place} is never closed", "close it, or remove it")
    return DataError(f"{name} cannot be read as a table: {problem.splitlines()[0]}")


def _without_empty(frame: pd.DataFrame, names: tuple[str, ...]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Drop a last column that has neither name nor values: each line ends in a separator."""
    last = len(frame.columns) - 1
    if len(names) in (last, last + 1) and last > 0 and not "".join(names[last:]) and frame[last].isna().all():
        return frame.drop(columns=last), names[:last]
    return frame, names


def _read_as(dialect: Dialect) -> str:
    return f"it was read as {described(dialect, 'utf-8').split(',')[0]}"


def _misfit(name: str, dialect: Dialect, names: int, fields: int) -> DataError:
    hint = "name every column, and no more"
    if fields == names + 1:
        hint = "the first column, of row names perhaps, has none: give it a name, or delete it"
    elif fields == 1 or names == 1:
        hint = "lines above the header begin with #; separator: … sets what stands between the fields: comma, tab, …"
    return DataError(
        f"{name}: the header in line {dialect.line} has {names} names, the rows have {fields} fields",
        f"{hint}; {_read_as(dialect)}",
    )


def _check_names(name: str, frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse names that are missing or stand twice."""
    for column, count in Counter(filter(None, names)).items():
        if count > 1:
            places = " and ".join(str(i + 1) for i, other in enumerate(names) if other == column)
            raise DataError(
                f"{name}: the header has the column {quoted(column)} twice, at {places}", "rename or delete one"
            )
    if "" in names:
        column_at = list(names).index("")
        row_numbers = numbers_rows(frame.iloc[:, column_at])
        numbering = " and only numbers the rows" if row_numbers else ""
        hint = "delete it (pandas: to_csv(index=False), R: row.names=FALSE)" if row_numbers else "name it, or delete it"
        raise DataError(f"{name}: column {column_at + 1} has no name{numbering}", hint)


def _check_repeated(name: str, frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse a header that comes again among the rows, of files that were put together."""
    repeats = None
    for i, column in enumerate(names):
        if frame.iloc[:, i].dtype.kind in "biufc":
            return
        equal = frame.iloc[:, i].astype(object) == column
        repeats = equal if repeats is None else repeats & equal
    if repeats is not None and repeats.any():
        row = int(repeats.to_numpy().argmax()) + 1
        raise DataError(f"{name}: data row {row:,} is the header again", "delete it: files were put together perhaps")
