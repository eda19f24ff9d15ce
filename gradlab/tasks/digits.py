"""The 8x8 handwritten digits that ship with scikit-learn (UCI, E. Alpaydin & C. Kaynak 1998): 1,797 real images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from gradlab.tasks.base import ACCURACY, Data, classification

__all__ = ["load"]


def load(seeds: Sequence[int]) -> Data:
    """Return 1,347 training and 450 test images, one fixed stratified split for all seeds, `[1, M, 64]`.

    The mean image of the training part is subtracted and one overall deviation divided out, so that the mean
    square of an input is 1 while the pixels keep their relative scale (per-pixel scaling would blow up the
    border, where a pixel is lit in a handful of images).
    """
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(pixels, labels, test_size=450, random_state=0, stratify=labels)
    train, test, train_y, test_y = (torch.as_tensor(part) for part in parts)
    mean = train.mean(0)
    std = (train - mean).square().mean().sqrt()
    x = tuple(((part - mean) / std).to(torch.float64).unsqueeze(0) for part in (train, test))
    y = tuple(part.long().unsqueeze(0) for part in (train_y, test_y))
    return classification((x[0], x[1]), (y[0], y[1]), 10, ACCURACY(0.8))
