"""The user's table as the task `table` takes it: inputs, targets and a fixed held-out quarter, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gradlab.datafiles import parquet, text_table
from gradlab.datafiles.checks import Checked
from gradlab.datafiles.files import guarded, suffixes
from gradlab.datafiles.scaling import Rows, constant, standardised
from gradlab.datafiles.source import Floats, Source, numbers_rows
from gradlab.datafiles.text_table import Reading
from gradlab.errors import DataError, shorten

__all__ = ["Standardize", "Table", "check", "read", "table"]

Standardize = bool | Literal["inputs", "target"]

TEST_SHARE = 0.25
_SINGLE = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)
AS_FOUND = Reading()
"""Nothing said: all of it is found."""
_NAMED = 8
"""Columns that a warning names."""


@dataclass(frozen=True, slots=True)
class Table:
    """M rows with I inputs, C classes or one number each."""

    inputs: Floats
    """`[M, I]`."""
    targets: np.ndarray[tuple[int, ...], np.dtype[Any]]
    """Class indices int64 `[M]`, or numbers float64 `[M, 1]`."""
    classes: tuple[str, ...]
    """Empty for numbers."""
    train: Rows
    test: Rows
    checked: Checked


def read(path: str, reading: Reading, *, headless: tuple[tuple[str, ...], ...] = ()) -> Source:
    """Read a text (`.csv`, `.tsv`, `.data`, `.txt` …, also compressed) or Parquet file.

    Raises:
        DataError: there is no such file, or it is not what its name says.
    """
    file = Path(path)
    endings = suffixes(file)
    if endings and endings[-1] in parquet.ENDINGS:
        return parquet.read_parquet(file)
    if not set(endings) & set(text_table.ENDINGS):
        if not file.is_file():
            raise DataError(f"there is no data file {file}")
        hint = "save the sheet as a CSV file" if endings[-1:] in ((".xlsx",), (".xls",), (".ods",)) else ""
        raise DataError(f"{file.name}: a table must be .csv, .tsv, .data, .txt or .parquet", hint)
    return text_table.read_text(file, reading, headless=headless)


def check(path: str, target: str, kind: str, standardize: Standardize, **reading: Any) -> Checked:
    """Return what there is to say of a table; see `table` for the parameters and what is raised."""
    return table(path, target, kind, standardize, Reading(**reading)).checked


def table(path: str, target: str, kind: str, standardize: Standardize = True, reading: Reading = AS_FOUND) -> Table:
    """Return the rows of a file, a fixed quarter of them held out.

    `standardize` says what has mean 0 and deviation 1 on the training part: inputs and target (true), one of them, or
    neither; classes have no scale.

    Raises:
        DataError: the file, a column or a value is not usable; the message names the column and the row.
    """
    source = read(path, reading)
    with guarded(source.name):
        return _table(source, reading, target.strip(), kind, standardize)


def _table(source: Source, reading: Reading, target: str, kind: str, standardize: Standardize) -> Table:
    at = source.position(target)
    names = list(map(str, source.frame.columns))
    others = [i for i in range(len(names)) if i != at]
    if not others:
        raise source.refuse(f"{target!r} is the only column; a task needs at least one input beside it",
                            "separator: … sets what stands between the fields: comma, semicolon, tab, whitespace, pipe"
                            )  # fmt: skip
    warnings = list(source.warnings)
    warnings += [
        f"{source.name}: column {names[i]!r} only numbers the rows: delete it, as an input it may tell the answer"
        for i in others
        if numbers_rows(source.frame.iloc[:, i])
    ]
    dropped = ""
    if reading.words is not None:
        source, dropped = source.without_missing(reading.words)
    source.require_rows()
    x = np.stack([source.values(i) for i in others], axis=1)
    input_names = [names[i] for i in others]
    shuffled = np.random.default_rng(0).permutation(len(x))
    test, train = np.split(shuffled, [max(round(TEST_SHARE * len(x)), 2)])
    classes: tuple[str, ...] = ()
    y: np.ndarray[tuple[int, ...], np.dtype[Any]]
    if kind == "regression":
        y, notes = _numbers(source, at, train, test)
    else:
        y, classes, notes = _classes(source, at, train)
    warnings += [f"{source.name}: {note}" for note in notes]
    warnings += [f"{source.name}: {note}" for note in _copies(x, input_names, target, y.reshape(-1), len(classes))]
    if standardize in (True, "inputs"):
        x, flat = standardised(x, train)
        if flat.any():
            listed = _listed([name for name, is_flat in zip(input_names, flat, strict=True) if is_flat])
            warnings.append(f"{source.name}: {listed} constant in the training part: left at 0, it tells nothing")
    else:
        warnings += [f"{source.name}: {note}" for note in _range(x, input_names)]
    if kind == "regression":
        if standardize in (True, "target"):
            y = standardised(y, train)[0]
        else:
            warnings += [f"{source.name}: {note}" for note in _range(y, [target])]
    what = f"{len(classes)} classes of {target}" if classes else f"target {target}"
    parts = [f"{len(x):,} rows", f"{len(others)} inputs" if len(others) > 1 else "1 input", what]
    read_as = "; ".join(filter(None, [f"{source.name}: {', '.join(parts)}", source.how, dropped]))
    return Table(x, y, classes, train, test, Checked(read_as, tuple(warnings)))


def _numbers(source: Source, at: int, train: Rows, test: Rows) -> tuple[Floats, list[str]]:
    """Return the targets `[M, 1]` of a regression, and what to say of them."""
    y = source.values(at)
    name = str(source.frame.columns[at])
    if constant(y[train]):
        within = "" if constant(y) else " in the training part"
        raise source.refuse(f"column {name!r} has one value only{within}; there is nothing to predict")
    notes = []
    if constant(y[test]):
        notes.append(f"column {name!r} has one value only in the held-out part: r2 has no meaning")
    return y[:, None], notes


def _classes(
    source: Source, at: int, train: Rows
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[Any]], tuple[str, ...], list[str]]:
    """Return the indices of the classes `[M]`, their names in order, and what to say of them."""
    column, name = source.frame.iloc[:, at], str(source.frame.columns[at])
    if column.isna().any():
        source.require_filled(at)
    labels, index = np.unique(column.astype(str).to_numpy(dtype=object), return_inverse=True)
    if len(labels) < 2:
        raise source.refuse(f"column {name!r} has one class only; there is nothing to predict")
    if len(labels) > len(index) // 2:
        raise source.refuse(
            f"column {name!r} has {len(labels)} different values in {len(index)} rows",
            "these look like numbers rather than classes: use kind: regression",
        )
    trained = np.bincount(index[train], minlength=len(labels))
    counts = np.bincount(index, minlength=len(labels))
    notes = []
    if (trained > 0).sum() < 2:
        notes.append(f"column {name!r} has one class only in the training part: there is nothing to learn")
    for rare, problem in (
        (counts == 1, "one row only, which is trained or tested, never both"),
        ((trained == 0) & (counts > 1), "no row in the training part"),
    ):
        if rare.any():
            listed = ", ".join(repr(shorten(str(label), 30)) for label in labels[rare][:_NAMED])
            notes.append(f"column {name!r}: {_plural('class', int(rare.sum()))} {listed} with {problem}")
    return index.reshape(-1), tuple(map(str, labels)), notes


def _copies(x: Floats, names: list[str], target: str, y: Floats, classes: int) -> list[str]:
    """Return warnings of inputs `[M, I]` that tell the target `[M]` by themselves.

    That is a number for each class, and for numbers a linear function of the target.
    """
    notes = []
    if classes:
        for name, column in zip(names, x.T, strict=True):
            values, index = np.unique(column, return_inverse=True)
            if len(values) == classes == len(np.unique(index * classes + y)):
                notes.append(f"column {name!r} tells the class in {target!r} by itself")
    else:
        every = np.arange(len(x))
        correlation = standardised(x, every)[0].T @ standardised(y[:, None], every)[0][:, 0] / len(x)
        for place in np.flatnonzero(np.abs(correlation) > 1 - 1e-12):
            what = "a copy" if (x[:, place] == y).all() else "a linear function"
            notes.append(f"column {names[place]!r} is {what} of the target {target!r}")
    return [f"{note}: delete it if it is no true input" for note in notes]


def _range(x: Floats, names: list[str]) -> list[str]:
    """Return warnings of columns that single precision cannot hold as they are."""
    largest, smallest = _SINGLE
    size = np.abs(x).max(0)
    notes = []
    for problem, wrong in (
        (f"beyond {largest:.2g}", size > largest),
        (f"below {smallest:.2g}", (size > 0) & (size < smallest)),
    ):
        if wrong.any():
            listed = _listed([name for name, is_wrong in zip(names, wrong, strict=True) if is_wrong])
            notes.append(f"{listed} {problem} in size, out of the range of float32; standardize it, or scale it")
    return notes


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{count} {noun}es" if noun.endswith("s") else f"{count} {noun}s"


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(shorten(name, 40)) for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"column {shown} is" if len(names) == 1 else f"columns {shown}{more} are"
