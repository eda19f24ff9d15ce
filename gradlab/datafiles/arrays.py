"""Arrays of the user as the tasks `arrays` and `array_sequences` take them: any shape, first axis the samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gradlab.components import nearest
from gradlab.datafiles.checks import Checked
from gradlab.datafiles.containers import Array, named_arrays
from gradlab.datafiles.files import guarded, shown_name
from gradlab.datafiles.samples import Standardize, class_targets, number_targets, out_of_range, split
from gradlab.datafiles.scaling import Rows, constant, constant_columns, standardised, unit_sized
from gradlab.datafiles.source import FEWEST_ROWS, Floats, listed, quoted
from gradlab.errors import DataError, shorten

__all__ = ["Arrays", "Channels", "arrays", "check", "check_sequences"]

Channels = Literal["first", "last"] | None
"""Which axis of a sample has its channels; None: of three or more the first, of two none."""

_USUAL = {
    "x": ("X", "inputs", "data", "features", "images", "x_train", "X_train", "train_x", "train_images"),
    "y": ("Y", "targets", "target", "labels", "label", "y_train", "Y_train", "train_y", "train_labels"),
}
"""What the arrays are called elsewhere; where a spec names none."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """M samples, C classes or C numbers each."""

    inputs: Floats
    """`[M, I]`, of sequences `[M, T, I]`."""
    targets: Array
    """Class indices int64 `[M]`, or numbers float64 `[M, C]`."""
    classes: tuple[str, ...]
    """Empty for numbers."""
    train: Rows
    test: Rows
    checked: Checked
    shape: tuple[int, ...] = ()
    """Of a sample that is no sequence, channels first. Empty: it has one axis."""


def check(path: str, kind: str, standardize: Standardize, x: str, y: str, channels: Channels) -> Checked:
    """Return what there is to say of a file of samples; see `arrays`."""
    return arrays(path, kind, standardize, x, y, channels=channels).checked


def check_sequences(path: str, kind: str, standardize: Standardize, x: str, y: str, seq_len: int) -> Checked:
    """Return what there is to say of a file of sequences; see `arrays`."""
    return arrays(path, kind, standardize, x, y, seq_len).checked


def arrays(
    path: str, kind: str, standardize: Standardize, x: str, y: str, seq_len: int | None = None,
    channels: Channels = None,
) -> Arrays:  # fmt: skip
    """Return the arrays `x` and `y` of a file, a fixed quarter of the samples held out.

    The axes after the first are one: `[M, 28, 28]` is `[M, 784]`, and the shape of a sample stands beside them:
    (1, 28, 28). Channels that stand last, `[M, H, W, C]`, come first in the result. With a `seq_len` the second axis is
    time, and the last so many steps are taken. Inputs `[M, I]` are standardised each by itself, as columns of a table;
    of more axes, images say, the mean of each element is subtracted and one deviation divided out, so that they keep
    their relative scale; of sequences each feature over samples and steps.

    Raises:
        DataError: the file, an array, its shape or a value is not usable; the message names the array and the sample.
    """
    file = Path(path)
    arrays_of_file = named_arrays(file)
    with guarded(shown_name(file)):
        return _arrays(shown_name(file), arrays_of_file, kind, standardize, (x, y), seq_len, channels)


def _arrays(
    file: str, arrays_of_file: dict[str, Array], kind: str, standardize: Standardize, names: tuple[str, str],
    seq_len: int | None, channels: Channels,
) -> Arrays:  # fmt: skip
    x_name, y_name = (_name(file, role, name, arrays_of_file) for role, name in zip(("x", "y"), names, strict=True))
    shape = arrays_of_file[x_name].shape
    x, y = _samples(file, x_name, arrays_of_file[x_name]), arrays_of_file[y_name]
    if y.ndim == 0 or len(y) != len(x):
        shapes = f"{_shape(arrays_of_file[x_name])} and {_shape(y)}"
        raise DataError(
            f"{file}: {quoted(x_name)} and {quoted(y_name)} have {shapes}",
            "they need one sample each along the first axis",
        )
    if len(x) < FEWEST_ROWS:
        raise DataError(f"{file}: {len(x)} samples are too few; a task needs at least {FEWEST_ROWS}")
    sample: tuple[int, ...] = ()
    if seq_len is not None:
        x = _sequences(file, x_name, x, seq_len)
    else:
        x, sample = _images(file, x_name, x, channels)
    if not x[0].size:
        raise DataError(f"{file}: the samples of {quoted(x_name)} are empty: {_shape(arrays_of_file[x_name])}")
    train, test = split(len(x))
    targets, classes, notes = _targets(file, y_name, y, kind, train, test)
    if kind == "regression" and standardize in (True, "target"):
        targets = standardised(targets, train)[0]
    if standardize in (True, "inputs"):
        x, flat = _standardised(file, x_name, x, train, images=len(shape) > 2)
        if flat:
            notes.append(f"{flat:,} of {x[0].size:,} inputs are constant in the training part: they tell nothing")
    else:
        notes += out_of_range(np.abs(x).reshape(len(x), -1).max(1, keepdims=True), [x_name])
    target_text = f"{len(classes)} classes" if classes else f"{targets.shape[1]} numbers"
    sample_text = f"{x.shape[1]} steps of {x.shape[2]} inputs" if seq_len is not None else f"{x.shape[1]:,} inputs"
    source_text = f"{shorten(x_name)} {_shape(arrays_of_file[x_name])}{_in_words(sample)}"
    read_as = f"{file}: {len(x):,} samples, {sample_text} ({source_text}), {target_text} of {shorten(y_name)}"
    if unread := [name for name in arrays_of_file if name not in (x_name, y_name)]:
        read_as += f"; not read: {listed(unread)}"
    checked = Checked(read_as, tuple(f"{file}: {note}" for note in notes), None if seq_len is not None else sample)
    return Arrays(x, targets, classes, train, test, checked, sample)


def _name(file: str, role: str, name: str, arrays_of_file: dict[str, Array]) -> str:
    if name in arrays_of_file:
        return name
    if name == role:
        usual = [other for other in _USUAL[role] if other in arrays_of_file]
        if len(usual) == 1:
            return usual[0]
    close = nearest(name, arrays_of_file)
    listed = ", ".join(shorten(other, 40) for other in list(arrays_of_file)[:12])
    hint = f"did you mean {role}: {close}?" if close else f"name it: {role}: one of {listed}"
    raise DataError(f"{file}: there is no array {quoted(name)}", hint)


def _samples(file: str, name: str, array: Array) -> Floats:
    """Return an array of numbers as float64."""
    if array.ndim < 2:
        hint = "one sample a row: x.reshape(-1, 1) for one number each"
        raise DataError(f"{file}: {quoted(name)} has {_shape(array)}, an array of samples has at least two axes", hint)
    return _numbers(file, name, array)


def _numbers(file: str, name: str, array: Array) -> Floats:
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"{file}: {quoted(name)} must hold numbers, its type is {array.dtype}", "turn them into numbers first"
        )
    values: Floats = np.require(array, np.float64, ["C", "W"])
    finite = np.isfinite(values)
    if not finite.all():
        place = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), values.shape))
        kind = "not a number" if np.isnan(values[place]) else "infinite"
        raise DataError(f"{file}: {quoted(name)} is {kind} at {list(place)}", "fill it in, or leave the sample out")
    return values


def _shape(array: Array) -> str:
    return f"[{', '.join(map(str, array.shape))}]"


def _images(file: str, name: str, x: Floats, channels: Channels) -> tuple[Floats, tuple[int, ...]]:
    """Return samples `[M, I]` with the channels first, and the shape of a sample; none of one axis."""
    if x.ndim == 2:
        if channels is not None:
            raise DataError(f"{file}: the samples of {quoted(name)} have no axis of channels", "leave channels out")
        return x, ()
    if channels == "last":
        x = np.moveaxis(x, -1, 1)
    sample = x.shape[1:] if channels is not None or x.ndim > 3 else (1, *x.shape[1:])
    return x.reshape(len(x), -1), sample


def _in_words(sample: tuple[int, ...]) -> str:
    """Return ``: 3 channels of 32 x 32``; nothing for a sample without a shape."""
    if not sample:
        return ""
    plural = "s" * (sample[0] != 1)
    return f": {sample[0]} channel{plural} of {' x '.join(map(str, sample[1:]))}"


def _sequences(file: str, name: str, x: Floats, seq_len: int) -> Floats:
    """Return the last `seq_len` steps, the axes after time as one."""
    if x.ndim == 2:
        x = x[:, :, None]
    steps = x.shape[1]
    if seq_len > steps:
        raise DataError(
            f"{file}: the sequences of {quoted(name)} have {steps} steps, seq_len is {seq_len}",
            f"write seq_len: {steps}, or less",
        )
    return x.reshape(len(x), steps, -1)[:, steps - seq_len :]


def _targets(
    file: str, name: str, y: Array, kind: str, train: Rows, test: Rows
) -> tuple[Array, tuple[str, ...], list[str]]:
    subject = f"array {quoted(name)}"
    if kind == "regression":
        numbers = _numbers(file, name, y).reshape(len(y), -1)
        if not numbers.shape[1]:
            raise DataError(f"{file}: {subject} is empty: {_shape(y)}")
        targets, notes = number_targets(file, subject, numbers, train, test)
        return targets, (), notes
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(
            f"{file}: {subject} has {_shape(y)}, classes are one a sample", "of one-hot rows take y.argmax(1)"
        )
    if y.dtype.kind not in "biufUS":
        raise DataError(
            f"{file}: {subject} must hold classes, its type is {y.dtype}", "numbers or texts can be classes"
        )
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DataError(
            f"{file}: {subject} is not finite for sample {int(np.argmin(np.isfinite(y)))}", "leave the sample out"
        )
    return class_targets(file, subject, y, train)


def _standardised(file: str, name: str, x: Floats, train: Rows, *, images: bool) -> tuple[Floats, int]:
    """Return inputs of mean 0 and deviation 1 on the training part, and how many of a sample's are constant there."""
    if x.ndim == 3:
        _, steps, features = x.shape
        rows = (train[:, None] * steps + np.arange(steps)).reshape(-1)
        result, flat = standardised(x.reshape(-1, features), rows)
        return result.reshape(x.shape), int(flat.sum()) * steps
    if not images:
        result, flat = standardised(x, train)
        return result, int(flat.sum())
    flat_count = int(constant_columns(x[train]).sum())
    scaled = unit_sized(x.reshape(-1), x[train].reshape(-1)).reshape(x.shape)
    centred = scaled - scaled[train].mean(0)
    deviation = float(np.sqrt(np.square(centred[train]).mean()))
    if constant(scaled[train].reshape(-1)) or deviation == 0 or flat_count == x.shape[1]:
        raise DataError(f"{file}: the samples of {quoted(name)} are all the same in the training part")
    return centred / deviation, flat_count
