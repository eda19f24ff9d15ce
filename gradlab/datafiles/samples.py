"""What every task with a file does to its samples: the held-out part, targets, warnings of what may not be meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from gradlab.datafiles.scaling import Flags, Rows, constant, standardised
from gradlab.datafiles.source import Floats, quoted
from gradlab.errors import DataError, shorten

__all__ = [
    "TEST_SHARE", "Standardize", "class_targets", "copies", "listed_columns", "number_targets", "out_of_range", "split",
]  # fmt: skip

Standardize = bool | Literal["inputs", "target"]

TEST_SHARE = 0.25
_SINGLE = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)
_NAMED = 8
"""Columns that a warning names."""


def split(rows: int) -> tuple[Rows, Rows]:
    """Return the rows to train and the fixed quarter that is held out, both in a random order."""
    shuffled = np.random.default_rng(0).permutation(rows)
    test, train = np.split(shuffled, [max(round(TEST_SHARE * rows), 2)])
    return train, test


def number_targets(file: str, subject: str, y: Floats, train: Rows, test: Rows) -> tuple[Floats, list[str]]:
    """Return the targets `[M, C]` of a regression, and what to say of them, as messages of `subject`.

    Raises DataError where one of them does not vary in the training part.
    """
    notes = []
    for column in y.T:
        if constant(column[train]):
            within = "" if constant(column) else " in the training part"
            raise DataError(f"{file}: {subject} has one value only{within}; there is nothing to predict")
        if constant(column[test]):
            notes.append(f"{subject} has one value only in the held-out part: r2 has no meaning")
    return y, notes


def class_targets(
    file: str, subject: str, values: np.ndarray[tuple[int, ...], np.dtype[Any]], train: Rows
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[Any]], tuple[str, ...], list[str]]:
    """Return the indices of the classes `[M]`, their names in order, and what to say of them.

    Raises DataError for one class, and for values that look like numbers rather than classes.
    """
    labels, index = np.unique(values, return_inverse=True)
    if len(labels) < 2:
        raise DataError(f"{file}: {subject} has one class only; there is nothing to predict")
    if len(labels) > len(index) // 2:
        raise DataError(
            f"{file}: {subject} has {len(labels)} different values in {len(index)} rows",
            "these look like numbers rather than classes: use kind: regression",
        )
    trained, counts = (np.bincount(part, minlength=len(labels)) for part in (index[train], index))
    notes = []
    if (trained > 0).sum() < 2:
        notes.append(f"{subject} has one class only in the training part: there is nothing to learn")
    for rare, problem in (
        (counts == 1, "one row only, which is trained or tested, never both"),
        ((trained == 0) & (counts > 1), "no row in the training part"),
    ):
        if rare.any():
            number = int(rare.sum())
            names = ", ".join(repr(shorten(str(label), 30)) for label in labels[rare][:_NAMED])
            remainder = f" and {number - _NAMED} more" if number > _NAMED else ""
            notes.append(
                f"{subject}: {'class' if number == 1 else f'{number} classes'} {names}{remainder} with {problem}"
            )
    return index.reshape(-1), tuple(map(str, labels)), notes


def copies(x: Floats, names: Sequence[str], target: str, y: Floats, classes: int) -> list[str]:
    """Return warnings of inputs `[M, I]` that tell the target `[M]` by themselves.

    That is a number for each class, and for numbers a linear function of the target.
    """
    notes = []
    if classes:
        for name, column in zip(names, x.T, strict=True):
            values, index = np.unique(column, return_inverse=True)
            if len(values) == classes == len(np.unique(index * classes + y)):
                notes.append(f"column {quoted(name)} tells the class in {quoted(target)} by itself")
    else:
        every = np.arange(len(x))
        correlation = standardised(x, every)[0].T @ standardised(y[:, None], every)[0][:, 0] / len(x)
        for place in np.flatnonzero(np.abs(correlation) > 1 - 1e-12).tolist():
            relation = "a copy" if (x[:, place] == y).all() else "a linear function"
            notes.append(f"column {quoted(names[place])} is {relation} of the target {quoted(target)}")
    return [f"{note}: delete it if it is no true input" for note in notes]


def out_of_range(x: Floats, names: Sequence[str]) -> list[str]:
    """Return warnings of columns that single precision cannot hold as they are."""
    largest, smallest = _SINGLE
    size = np.abs(x).max(0)
    too_large, too_small = size > largest, (size > 0) & (size < smallest)
    notes = []
    for problem, wrong in ((f"beyond {largest:.2g}", too_large), (f"below {smallest:.2g}", too_small)):
        if wrong.any():
            listed = listed_columns(names, wrong)
            notes.append(f"{listed} {problem} in size, out of the range of float32; standardize it, or scale it")
    return notes


def listed_columns(names: Sequence[str], flags: Flags) -> str:
    """Return ``column 'a' is``, ``columns 'a', 'b' are`` for the columns that are marked."""
    marked = [name for name, is_marked in zip(names, flags, strict=True) if is_marked]
    listing = ", ".join(repr(shorten(name, 40)) for name in marked[:_NAMED])
    remainder = f" and {len(marked) - _NAMED} more" if len(marked) > _NAMED else ""
    return f"column {listing} is" if len(marked) == 1 else f"columns {listing}{remainder} are"
