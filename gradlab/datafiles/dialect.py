"""The dialect of a text table: separator, decimal sign, header and comment lines, found by themselves where safe."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gradlab.errors import DataError, shorten

__all__ = ["SEPARATORS", "Dialect", "dialect_of", "is_number"]

SEPARATORS = {
    "comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "double_colon": "::", "whitespace": r"\s+",
}  # fmt: skip
"""By their names in a spec, in the order in which they are preferred."""
_HEAD = 2**16
"""Characters at the beginning of a file that its dialect is told from."""
_FEWEST = 5
"""Lines that are looked at, however long they are."""
_ROWS = 200
_COMMENT = re.compile(r"\s*(#|%|//)")
_POINT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_SEPARATOR_LINE = re.compile(r"sep=(.)")
"""First line that tells Excel the separator."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text is a table."""

    separator: str
    """A name out of `SEPARATORS`."""
    decimal: str
    """``point`` or ``comma``."""
    names: tuple[str, ...] | None
    """Those of the header; None: the first line is data."""
    start: int
    """Characters before the first row of data."""
    line: int
    """Line of the header, from 1, or of the first row."""
    comments: int
    """Lines above, which are left out."""
    data_first: bool
    """Whether the first line looks like data, whatever was said."""
    numbered: bool = False
    """Whether the header numbers the columns."""
    columns: int = 0
    """Fields of a row, as most rows have them."""

    @property
    def character(self) -> str:
        """The separator as pandas takes it."""
        return SEPARATORS[self.separator]

    def split(self, line: str) -> list[str]:
        """Return the fields of a line."""
        return _split(self.separator)(line)


def is_number(field: str, decimal: str = "point") -> bool:
    """Return whether a field is a number with this decimal sign."""
    return bool((_POINT if decimal == "point" else _COMMA).fullmatch(field.strip()))


def dialect_of(
    name: str, text: str, tabs: bool, separator: str | None, decimal: str | None, header: bool | None
) -> Dialect:
    """Return the dialect of a text; what is not None is given. `tabs`: the name of the file says that it has tabs.

    Raises:
        DataError: there is no row of data.
    """
    start = comments = 0
    last_comment = ""
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        line = text[start:end]
        if line.strip() and not _COMMENT.match(line) and not _SEPARATOR_LINE.fullmatch(line.strip()):
            break
        if declared := _SEPARATOR_LINE.fullmatch(line.strip()):
            separator = separator or next((key for key, sign in SEPARATORS.items() if sign == declared.group(1)), None)
        elif line.strip():
            last_comment = line.strip()
        start = end
        comments += 1
    lines = _head(text[start:])
    if not lines:
        raise DataError(f"{name} has no rows", "it holds nothing but comments" if comments else "")
    body = [line for line in lines[: _ROWS + 1] if line.strip()]
    separator = separator or _separator(body, tabs)
    split = _split(separator)
    rows = [split(line) for line in body]
    decimal = decimal or _decimal(separator, rows[1:] or rows)
    first, below = rows[0], rows[1:]
    columns = Counter(map(len, below or rows)).most_common(1)[0][0]
    data_first = _is_data(first, below, decimal)
    numbered = not data_first and _counts(first)
    above = split(_COMMENT.sub("", last_comment, count=1).strip()) if last_comment else []
    if header is not False and data_first and len(above) == len(first) > 1 and not any(map(_either, above)):
        # numpy.savetxt and many instruments write the header as the last comment
        return Dialect(separator, decimal, _clean(above), start, comments, comments - 1, False, columns=columns)
    names = None
    at = comments + 1
    if header is not False:
        names, header_size = _header(name, lines, separator)
        start += header_size
    return Dialect(separator, decimal, names, start, at, comments, data_first, numbered, columns)


def _head(text: str) -> list[str]:
    """Return the first lines, with their ends: as many as there are in `_HEAD` characters, of long ones a few."""
    end = _HEAD
    if text.count("\n", 0, _HEAD) < _FEWEST:
        end = 0
        for _ in range(_FEWEST):
            if (following := text.find("\n", end) + 1) == 0:
                return text.splitlines(keepends=True)
            end = following
    return text[: text.rfind("\n", 0, end) + 1].splitlines(keepends=True) if end < len(text) else text.splitlines(True)


def _header(name: str, lines: Sequence[str], separator: str) -> tuple[tuple[str, ...], int]:
    """Return the names of the header, and its characters: names in quotes may hold ends of lines."""
    if separator in ("whitespace", "double_colon"):
        return _clean(_split(separator)(lines[0])), len(lines[0])
    reader = csv.reader(lines, delimiter=SEPARATORS[separator], strict=True)
    try:
        fields = next(reader)
    except csv.Error:
        raise DataError(f"{name}: the quotation marks of the header do not match", "close or remove them") from None
    return _clean(fields), sum(map(len, lines[: reader.line_num]))


def _clean(fields: Iterable[str]) -> tuple[str, ...]:
    return tuple(" ".join(field.split()) if "\n" in field else field.strip() for field in fields)


def _split(separator: str) -> Callable[[str], list[str]]:
    sign = SEPARATORS[separator]
    if separator == "whitespace":
        return lambda line: [field.strip('"') for field in re.findall(r'"[^"]*"|\S+', line)]
    if separator == "double_colon":
        return lambda line: line.rstrip("\r\n").split(sign)

    def split(line: str) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=sign))
        except (csv.Error, StopIteration):
            return line.rstrip("\r\n").split(sign)

    return split


def _separator(lines: Sequence[str], tabs: bool) -> str:
    """Return the separator with which most rows have equally many fields, at least two, and most fields are numbers.

    Empty fields speak neither for nor against one: a column without any value stays a column.
    """
    best, best_score = "tab" if tabs else "comma", (0.0, 0.0)
    order = ["tab", *(name for name in SEPARATORS if name != "tab")] if tabs else SEPARATORS
    data = lines[1:] or lines
    for name in order:
        rows = list(map(_split(name), data))
        columns, count = Counter(map(len, rows)).most_common(1)[0]
        if columns < 2 or count < 0.8 * len(rows):
            continue
        fields = [field for row in rows for field in row if field.strip()] or [""]
        signs = ("point",) if name == "comma" else ("point", "comma")
        numbers = max(sum(is_number(field, sign) for field in fields) for sign in signs)
        header = len(_split(name)(lines[0])) == columns
        score = (round(numbers / len(fields), 6), float(header))
        if score > best_score:
            best, best_score = name, score
    return best


def _decimal(separator: str, rows: Sequence[Sequence[str]]) -> str:
    """Return the decimal sign: a comma where numbers have one, none has a point, and they are not all in thousands."""
    fields = [field.strip() for row in rows for field in row]
    with_comma = [field for field in fields if "," in field and _COMMA.fullmatch(field)]
    with_point = any("." in field and _POINT.fullmatch(field) for field in fields)
    if with_point or all(map(_THOUSANDS.fullmatch, with_comma)):
        return "point"
    return "comma"


def _either(field: str) -> bool:
    return is_number(field) or is_number(field, "comma")


def _counts(fields: Sequence[str]) -> bool:
    """Return whether fields are 0, 1, 2, … or 1, 2, 3, …: pandas and R number columns without names; an unnamed
    column of row numbers may stand before them."""
    cells = [field.strip() for field in fields]
    if cells[0] == "":
        cells.pop(0)
    return len(cells) > 1 and any(cells == [str(i + first) for i in range(len(cells))] for first in (0, 1))


def _is_data(first: Sequence[str], rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Return whether the first line looks like a row of data, not like a header.

    It does where it has a number with decimals, or where each of its fields is a number or occurs again in its column.
    Of a line of texts that comes again one of them must occur in other rows too.
    """
    sign = "." if decimal == "point" else ","
    numbers = [is_number(field, decimal) for field in first]
    different = [row for row in rows if list(row) != list(first)]
    if _counts(first) and len(different) == len(rows):
        return False
    if any(number and sign in field for number, field in zip(numbers, first, strict=True)):
        return True
    comes_again = len(different) < len(rows) and not any(numbers)  # a header does, in files that were put together
    searched = different if comes_again else rows
    repeated = [
        bool(field.strip()) and any(field == row[i] for row in searched if i < len(row))
        for i, field in enumerate(first)
    ]
    if comes_again:
        return any(repeated)
    return any(first) and all(number or also for number, also in zip(numbers, repeated, strict=True))


def described(dialect: Dialect, encoding: str) -> str:
    """Return how a text was read: ``separated by semicolons, decimal commas, header in line 1``."""
    signs = {"comma": "commas", "tab": "tabs", "semicolon": "semicolons", "pipe": "|", "double_colon": "::"}
    parts = [f"separated by {signs.get(dialect.separator, dialect.separator)}"]
    if dialect.decimal == "comma":
        parts.append("decimal commas")
    parts.append("no header" if dialect.names is None else f"header in line {dialect.line}")
    if dialect.comments:
        lines = "1 line" if dialect.comments == 1 else f"{dialect.comments} lines"
        parts.append(f"{lines} above left out")
    parts.append(encoding if encoding != "utf-8" else "UTF-8")
    return ", ".join(parts)


def shown(fields: Sequence[str]) -> str:
    """Return some fields for a message."""
    return shorten(", ".join(fields[:6]) + (", …" if len(fields) > 6 else ""), 80)
