"""The real digits as sequences (after Le 2015, arXiv 1504.00941): an image in reading order, a piece at each step."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gradlab.streams import generator
from gradlab.tasks import digits
from gradlab.tasks.base import Data, classification

__all__ = ["load"]


def load(seeds: Sequence[int], seq_len: int, permuted: bool) -> Data:
    """Return the images of the task `digits` as `[1, M, T, 64/T]`: T = 64 is pixel by pixel, 8 row by row.

    The same images whatever the length, so that only the way from the first pixel to the answer grows. `permuted`
    puts the pixels into one fixed random order for all images, which takes the neighbourhoods away. Learned: a test
    accuracy of at least 0.8, as `digits`.
    """
    images = digits.load(seeds)
    pixels = images.in_features
    order = torch.randperm(pixels, generator=generator(0, "permuted_digits")) if permuted else torch.arange(pixels)
    train, test = (x[:, :, order].view(1, -1, seq_len, pixels // seq_len) for x in (images.train_x, images.test_x))
    return classification((train, test), (images.train_y, images.test_y), images.out_features, images.criterion)
