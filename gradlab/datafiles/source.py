"""A table as it was read, and its columns as numbers; errors name the file, the column and the row."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gradlab.components import nearest
from gradlab.datafiles.dialect import is_number
from gradlab.errors import DataError, shorten

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEWEST_ROWS", "Floats", "Source", "listed", "numbers_rows", "quoted"]

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

FEWEST_ROWS = 8

_MISSING = (
    "?", "-", "--", ".", "*", "missing", "unknown", "n.a.", "na", "nan", "null", "none", "n/a", "#n/a", "\\n", "",
)  # fmt: skip
_DATE = re.compile(
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([ T]\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2}(\.\d*)?)?|"
    r"\d{1,2}[-/ .]+(jan|feb|ma[ryi]|apr|jun|jul|aug|sep|o[ck]t|nov|de[cz])\w*\.?[-/ ,]+\d{2,4}( .*)?",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([,.' ]\d{3})+([.,]\d*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_UNIT = re.compile(r"[$€£¥]\s*[\d.,]+|[\d.,]+\s*[%$€£¥]")
_YES_NO = ("yes", "no", "y", "n", "t", "f", "true", "false")
_DROP = "drop the column, or turn it into numbers first"
_ALONE = "every other row has a number there: correct it, or delete the row"
_UNITS = "every other row has a number there: if these are units below the header, delete the row"


@dataclass(frozen=True, slots=True)
class Source:
    """A table of the user, its columns under their names, its rows under their number in the file, from 0."""

    name: str
    """Of the file."""
    frame: pd.DataFrame
    read_as: str
    """How it was read, in words."""
    field: Callable[[int, int], str]
    """A field as the file has it, for a column and a row of the file from 0."""
    warnings: tuple[str, ...] = ()
    decimal: str = "point"
    """The sign in the numbers of columns that pandas has left as text."""

    def refuse(self, problem: str, hint: str = "") -> DataError:
        """Return an error that names the file."""
        return DataError(f"{self.name}: {problem}", hint)

    def position(self, column: str, purpose: str = "") -> int:
        """Return the place of a column. Raises DataError for one that there is not; `purpose` says what it is for."""
        names = list(map(str, self.frame.columns))
        if column in names:
            return names.index(column)
        close = nearest(column, names)
        hint = f"did you mean {quoted(close)}?" if close else f"columns: {listed(names)}"
        if "cp1252" in self.read_as or "latin-1" in self.read_as:
            hint += f"; it was read as {self.read_as.rpartition(', ')[2]}, encoding: … sets another"
        if f"'{column}'" in names:
            hint = "its fields stand in single quotation marks: write double ones, or none"
        if len(names) == 1:
            hint += "; separator: … sets what stands between the fields: comma, semicolon, tab, whitespace, pipe"
        raise self.refuse(f"there is no column {quoted(column)}{purpose}", hint)

    def require_rows(self, left_out: str = "") -> None:
        """Raise DataError for fewer rows than a task needs; `left_out` says why others are not there."""
        if len(self.frame) < FEWEST_ROWS:
            rows = "1 row is" if len(self.frame) == 1 else f"{len(self.frame)} rows are"
            raise self.refuse(f"{rows} too few; a task needs at least {FEWEST_ROWS}", left_out)

    def without_missing(self, words: list[str], columns: list[int] | None = None) -> tuple[Source, str]:
        """Return the rows without a missing value in these columns, and how many were left out, in words.

        `words` are those that mean missing in this file; pandas has read them as such in columns of text too.
        """
        frame = self.frame if columns is None else self.frame.iloc[:, columns]
        missing = frame.isna().any(axis=1).to_numpy()
        if not missing.any():
            return self, ""
        rows = f"{int(missing.sum()):,} of {len(missing):,} rows have missing values and are left out"
        return replace(self, frame=self.frame[~missing]), rows

    def values(self, column: int, hint: str = "") -> Floats:
        """Return a column as float64; `hint` says what else it could be where it holds text.

        Raises:
            DataError: it holds text, dates, an empty field or an infinity; the message names the first one.
        """
        import pandas as pd

        series = self.frame.iloc[:, column]
        self.require_filled(column)
        kind = series.dtype.kind
        if kind in "mM" or isinstance(series.dtype, pd.PeriodDtype):
            raise self._no_number(
                column, self._row(0), "dates: turn them into numbers first, days since the first perhaps"
            )
        if kind == "c":
            raise self._no_number(column, self._row(0), "complex numbers: give real and imaginary part a column each")
        if kind not in "biuf":
            series = series.astype(object)
            if self.decimal == "comma":
                series = series.map(_with_point)
        try:
            numbers = pd.to_numeric(series, errors="coerce")
        except OverflowError:  # of whole numbers with hundreds of digits
            numbers = pd.to_numeric(series.map(_with_finite_range), errors="coerce")
        wrong = numbers.isna().to_numpy(dtype=bool)
        if numbers.dtype.kind in "mM" or wrong.any():
            row = self._row(wrong.argmax())
            if not hint and wrong.sum() == 1:
                hint = _ALONE if row else _UNITS
            raise self._no_number(column, row, "", hint)
        values = numbers.to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            row = self._row(np.argmin(np.isfinite(values)))
            raise self.refuse(
                f"column {self._name(column)} is infinite in data row {row + 1:,}",
                "give it a number, or leave it out",
            )
        return values

    def require_filled(self, column: int) -> None:
        """Raise DataError for a column with a missing value."""
        missing = self.frame.iloc[:, column].isna().to_numpy(dtype=bool)
        if not missing.any():
            return
        row = self._row(missing.argmax())
        text = self.field(column, row)
        problem = f"is missing ({shorten(text, 30)!r})" if text else "is empty"
        also = "" if missing.sum() == 1 else f", and in {int(missing.sum()) - 1:,} others"
        everywhere = ", as all are" if missing.all() and len(missing) > 1 else also
        words = sorted({self.field(column, self._row(i)) or "empty" for i in np.flatnonzero(missing)[:3]})
        raise self.refuse(
            f"column {self._name(column)} {problem} in data row {row + 1:,}{everywhere}",
            f"fill it in; missing: '{' '.join(words)}' leaves such rows out",
        )

    def _no_number(self, column: int, row: int, reason: str, hint: str = "") -> DataError:
        text = self.field(column, row)
        return self.refuse(
            f"column {self._name(column)} must hold numbers, found {shorten(text, 60)!r} in data row {row + 1:,}",
            f"these are {reason}" if reason else _hint(text.strip(), self.decimal, hint or _DROP),
        )

    def _row(self, place: int | np.intp) -> int:
        return int(self.frame.index[int(place)])

    def _name(self, column: int) -> str:
        return quoted(str(self.frame.columns[column]))


def quoted(name: str) -> str:
    """Return the name of a column for a message."""
    return repr(shorten(name))


def listed(names: Sequence[str]) -> str:
    """Return some names of columns for a message."""
    remainder = f", … ({len(names):,} in all)" if len(names) > 12 else ""
    return ", ".join(shorten(name, 40) for name in names[:12]) + remainder


def _with_finite_range(value: object) -> object:
    """Return infinity for a whole number that no float can hold, a text or an int of Python; others as they are."""
    is_whole = isinstance(value, int) or (isinstance(value, str) and is_number(value))
    return float(str(value)) if is_whole and not isinstance(value, bool) else value


def _with_point(value: object) -> object:
    """Return the text of a number with a decimal point for that with a comma; other text is no number."""
    if not isinstance(value, str):
        return value
    return value.replace(",", ".") if is_number(value, "comma") else "no number"


def _hint(text: str, decimal: str, otherwise: str) -> str:
    """Return what to do about a text where a number belongs."""
    if text.lower() in _MISSING:
        return f"if it means a missing value: missing: '{text or 'empty'}' leaves such rows out"
    if _DATE.fullmatch(text):
        return "these look like dates or times: turn them into numbers first, days since the first perhaps"
    if text.lower() in _YES_NO:
        return "write 1 and 0 instead"
    dashed = text.replace("\u2212", "-").replace("\u2013", "-")
    if dashed != text and is_number(dashed, decimal):
        return "its sign is a dash: write -"
    joined = "".join(text.split())
    if joined != text and (is_number(joined) or is_number(joined, "comma")):
        return "remove the spaces inside of the number"
    if _UNIT.fullmatch(text):
        return "leave the unit out"
    if _DECIMAL_COMMA.fullmatch(text) and not _THOUSANDS.fullmatch(text):
        return "it has a decimal comma: write decimal: comma in the task, where another separator stands between fields"
    if _THOUSANDS.fullmatch(text):
        if decimal == "comma" or text.count(",") != 1 or "." in text:
            also = "" if decimal == "comma" or text.rfind(",") < text.rfind(".") else ", and write decimal: comma"
            return f"remove the signs of thousands{also}"
        return "is its comma a decimal sign, write decimal: comma in the task; is it one of thousands, remove it"
    if decimal == "comma" and is_number(text):
        return "it has a decimal point, the table was read with decimal commas: write one sign in all rows"
    return otherwise


def numbers_rows(column: pd.Series[float]) -> bool:
    """Return whether a column only numbers the rows: from any number in their order, from 0 or 1 in another."""
    if column.dtype.kind not in "iuf" or len(column) < FEWEST_ROWS or column.isna().any():
        return False
    values = column.to_numpy(dtype=np.float64)
    ranks = np.sort(values)
    in_order = bool((values == ranks).all()) or ranks[0] in (0.0, 1.0)
    return in_order and bool((np.diff(ranks) == 1).all())
