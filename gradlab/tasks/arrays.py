"""The user's own arrays: samples of any shape with one target each, or sequences of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from gradlab.datafiles import arrays as file
from gradlab.datafiles.samples import Standardize
from gradlab.tasks.base import ACCURACY, R2, Data, classification, regression

__all__ = ["load", "load_sequences"]


def load(
    seeds: Sequence[int], path: str, kind: str, standardize: Standardize, x: str, y: str, channels: file.Channels
) -> Data:
    """Return samples `[1, M, I]`, the same for all seeds; see `gradlab.datafiles.arrays.arrays`.

    Learned: half way from always guessing (the commonest class; the mean) to perfect.

    Raises:
        DataError: the file, an array or a value is not usable.
    """
    return _data(file.arrays(path, kind, standardize, x, y, channels=channels))


def load_sequences(
    seeds: Sequence[int], seq_len: int, path: str, kind: str, standardize: Standardize, x: str, y: str
) -> Data:
    """Return sequences `[1, M, T, I]`, the last T = `seq_len` steps of those in the file; otherwise as `load`."""
    return _data(file.arrays(path, kind, standardize, x, y, seq_len))


def _data(samples: file.Arrays) -> Data:
    x, y = torch.as_tensor(samples.inputs).unsqueeze(0), torch.as_tensor(samples.targets).unsqueeze(0)
    train, test = torch.as_tensor(samples.train), torch.as_tensor(samples.test)
    inputs, targets = (x[:, train], x[:, test]), (y[:, train], y[:, test])
    if not samples.classes:
        return regression(inputs, targets, R2(0.5), shape=samples.shape)
    commonest = np.bincount(samples.targets[samples.train]).max() / len(samples.train)
    learned = ACCURACY(float((1 + commonest) / 2))
    return classification(inputs, targets, len(samples.classes), learned, shape=samples.shape)
