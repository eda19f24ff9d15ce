"""8x8 images of handwritten digits (UCI, E. Alpaydin & C. Kaynak 1998): 1,797 real samples, shipped as package data."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import numpy as np
import torch

from gradlab.tasks.base import ACCURACY, Data, classification

__all__ = ["load"]


def load(seeds: Sequence[int]) -> Data:
    """Return 1,347 training and 450 test images, one fixed stratified split for all seeds, `[1, M, 64]`.

    The mean image of the training part is subtracted and one overall deviation divided out, so that the mean
    square of an input is 1 while the pixels keep their relative scale (per-pixel scaling would blow up the
    border, where a pixel is lit in a handful of images). Samples and split are those of scikit-learn's `load_digits`
    and `train_test_split(test_size=450, random_state=0, stratify=labels)`, see data/README.md.
    """
    with (resources.files("gradlab.tasks") / "data" / "digits.npz").open("rb") as file, np.load(file) as arrays:
        pixels = torch.from_numpy(arrays["pixels"]).to(torch.float64)
        labels = torch.from_numpy(arrays["labels"]).long()
        parts = [torch.from_numpy(arrays[name].astype(np.int64)) for name in ("train", "test")]
    train, test = (pixels[part] for part in parts)
    mean = train.mean(0)
    std = (train - mean).square().mean().sqrt()
    x = tuple(((part - mean) / std).unsqueeze(0) for part in (train, test))
    y = tuple(labels[part].unsqueeze(0) for part in parts)
    return classification((x[0], x[1]), (y[0], y[1]), 10, ACCURACY(0.8), shape=(1, 8, 8))
