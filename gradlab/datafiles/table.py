"""The user's table as the task `table` takes it: inputs, targets and a fixed held-out quarter, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradlab.datafiles import parquet, text_table
from gradlab.datafiles.checks import Checked
from gradlab.datafiles.files import guarded, shown_name, suffixes
from gradlab.datafiles.samples import (
    Standardize,
    class_targets,
    copies,
    listed_columns,
    number_targets,
    out_of_range,
    split,
)  # fmt: skip
from gradlab.datafiles.scaling import Rows, standardised
from gradlab.datafiles.source import Floats, Source, numbers_rows, quoted
from gradlab.datafiles.text_table import Reading
from gradlab.errors import DataError, shorten

__all__ = ["Table", "check", "read", "table"]

AS_FOUND = Reading()
"""Nothing said: all of it is found."""


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
        return parquet.read_parquet(file, reading.words)
    if not set(endings) & set(text_table.ENDINGS):
        if not file.is_file():
            raise DataError(f"there is no data file {shorten(str(file), 200)}")
        sheet = endings[-1:] in ((".xlsx",), (".xls",), (".ods",))
        hint = "save the sheet as a CSV file" if sheet else "if it is a table in text, rename it: NAME.csv, NAME.txt"
        raise DataError(f"{shown_name(file)}: a table must be .csv, .tsv, .data, .txt or .parquet", hint)
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
    inputs = [i for i in range(len(names)) if i != at]
    if not inputs:
        raise source.refuse(f"{quoted(target)} is the only column; a task needs at least one input beside it",
                            "separator: … sets what stands between the fields: comma, semicolon, tab, whitespace, pipe"
                            )  # fmt: skip
    warnings = list(source.warnings)
    warnings += [
        f"{source.name}: column {quoted(names[i])} only numbers the rows: delete it, as an input it may tell the answer"
        for i in inputs
        if numbers_rows(source.frame.iloc[:, i])
    ]
    dropped = ""
    if reading.words is not None:
        source, dropped = source.without_missing(reading.words)
    source.require_rows(dropped)
    x = np.stack([source.values(i) for i in inputs], axis=1)
    input_names = [names[i] for i in inputs]
    train, test = split(len(x))
    classes: tuple[str, ...] = ()
    y: np.ndarray[tuple[int, ...], np.dtype[Any]]
    subject = f"column {quoted(target)}"
    if kind == "regression":
        numbers = source.values(at, "classes have kind: classification")
        y, notes = number_targets(source.name, subject, numbers[:, None], train, test)
    else:
        source.require_filled(at)
        labels = source.frame.iloc[:, at].astype(str).to_numpy(dtype=object)
        y, classes, notes = class_targets(source.name, subject, labels, train)
    warnings += [f"{source.name}: {note}" for note in notes]
    warnings += [f"{source.name}: {note}" for note in copies(x, input_names, target, y.reshape(-1), len(classes))]
    if standardize in (True, "inputs"):
        x, flat = standardised(x, train)
        if flat.any():
            listed = listed_columns(input_names, flat)
            warnings.append(f"{source.name}: {listed} constant in the training part: left at 0, it tells nothing")
    else:
        warnings += [f"{source.name}: {note}" for note in out_of_range(x, input_names)]
    if kind == "regression":
        if standardize in (True, "target"):
            y = standardised(y, train)[0]
        else:
            warnings += [f"{source.name}: {note}" for note in out_of_range(y, [target])]
    answer = f"{len(classes)} classes of {shorten(target)}" if classes else f"target {shorten(target)}"
    parts = [f"{len(x):,} rows", f"{len(inputs)} inputs" if len(inputs) > 1 else "1 input", answer]
    read_as = "; ".join(filter(None, [f"{source.name}: {', '.join(parts)}", source.read_as, dropped]))
    return Table(x, y, classes, train, test, Checked(read_as, tuple(warnings)))
