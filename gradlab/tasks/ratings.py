"""Recommendation: the rating a user gives an item, from the user's file or drawn with a low rank.

The inputs are two indices, a user and an item; the network looks their vectors up (embeddings). Averages of users and
of items explain much of any ratings; what a network adds is who likes what.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gradlab.components import nearest
from gradlab.errors import DataError
from gradlab.streams import generator
from gradlab.tasks.base import R2, Data, regression
from gradlab.tasks.table import numbers, read

__all__ = ["by_means", "load"]

TEST_SHARE = 0.25
FEWEST_ROWS = 8
CLEARLY = 0.95
MEANS = 0.5
"""Deviation of the drawn users' and items' means; what they make together has deviation 1."""
SHRINKAGE = 5.0
"""Ratings that a mean is pulled towards 0 by: users and items with few ratings count less (Koren 2009)."""


def load(
    seeds: Sequence[int], path: str | None, user: str, item: str, rating: str,
    users: int, items: int, rank: int, samples: int, noise: float,
) -> Data:  # fmt: skip
    """Return indices `[S, M, 2]` (user, item) and standardised ratings `[S, M, 1]`, a quarter of them held out.

    With a `path` its columns `user`, `item` and `rating`, the same for all seeds; without one, for each seed, `samples`
    ratings that are a user's mean + an item's mean + a product of two vectors of `rank` numbers + noise. Learned: a
    squared error on held-out ratings 5 % below that of user and item means (fitted to a file, the true ones of drawn
    ratings).

    Raises:
        DataError: the file, a column or a value is not usable.
    """
    if path:
        pairs, y, vocabulary = _file(path, user, item, rating)
        drawn = [_standardised(pairs, y)]
        x, y, test_x, test_y = drawn[0]
        left = float((by_means((x, y), test_x, vocabulary) - test_y).square().mean() / test_y.var(correction=0))
    else:
        vocabulary = (users, items)
        drawn = [_standardised(*_draw(seed, users, items, rank, samples, noise)) for seed in seeds]
        left = (1 + noise**2) / (2 * MEANS**2 + 1 + noise**2)  # by the true means, so that seeds are judged alike
    train_x, train_y, test_x, test_y = (torch.stack(part) for part in zip(*drawn, strict=True))
    return regression((train_x, test_x), (train_y, test_y), R2(1 - CLEARLY * left), vocabulary=vocabulary)


def _standardised(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """Return training pairs and ratings, test pairs and ratings; mean 0 and deviation 1 on the training part."""
    held_out = max(round(TEST_SHARE * len(x)), 2)
    y = (y - y[held_out:].mean()) / y[held_out:].std(correction=0)
    return x[held_out:], y[held_out:], x[:held_out], y[:held_out]


def by_means(train: tuple[Tensor, Tensor], pairs: Tensor, vocabulary: tuple[int, ...]) -> Tensor:
    """Return what user and item means predict for `pairs` `[M, 2]`, as `[M, 1]`.

    mean + user's + item's deviation, each a least-squares fit with the penalty `SHRINKAGE`, alternately until they
    rest (Koren 2009, "Matrix factorization techniques for recommender systems", eq. 4).
    """
    x, y = train[0].long(), train[1].flatten() - train[1].mean()
    deviations = [torch.zeros(size, dtype=y.dtype) for size in vocabulary]
    for _ in range(20):
        for side, size in enumerate(vocabulary):
            left = y - deviations[1 - side][x[:, 1 - side]]
            total = torch.zeros(size, dtype=y.dtype).index_add_(0, x[:, side], left)
            deviations[side] = total / (torch.bincount(x[:, side], minlength=size) + SHRINKAGE)
    predicted = train[1].mean() + sum(own[pairs[:, side].long()] for side, own in enumerate(deviations))
    return torch.as_tensor(predicted).unsqueeze(1)


def _draw(seed: int, users: int, items: int, rank: int, samples: int, noise: float) -> tuple[Tensor, Tensor]:
    rng = generator(seed, "ratings")

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    pairs = torch.stack([torch.randint(size, (samples,), generator=rng) for size in (users, items)], 1)
    taste, kind = normal(users, rank), normal(items, rank)
    own = MEANS * (normal(users)[pairs[:, 0]] + normal(items)[pairs[:, 1]])
    together = (taste[pairs[:, 0]] * kind[pairs[:, 1]]).sum(1) / math.sqrt(rank)
    return pairs.to(torch.int32), (own + together + noise * normal(samples)).unsqueeze(1)


def _file(path: str, user: str, item: str, rating: str) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Return the pairs and ratings of a file in a fixed random order, and how many users and items there are."""
    frame, name = read(path), Path(path).name
    for role, column in {"user": user, "item": item, "rating": rating}.items():
        if column not in frame.columns:
            listed = [str(column) for column in frame.columns]
            close = nearest(column, listed)
            hint = f"did you mean {role}: {close}?" if close else f"name it: {role}: one of {', '.join(listed[:12])}"
            raise DataError(f"{name}: there is no column {column!r} for the {role}", hint)
        if column != rating and frame[column].isna().any():
            row = int(np.flatnonzero(frame[column].isna().to_numpy())[0]) + 1
            raise DataError(f"{name}: column {column!r} is empty in data row {row}")
    if len(frame) < FEWEST_ROWS:
        raise DataError(f"{name}: {len(frame)} rows are too few; a task needs at least {FEWEST_ROWS}")
    y = numbers(frame[rating], name)
    if np.ptp(y) == 0:
        raise DataError(f"{name}: column {rating!r} has one value only; there is nothing to predict")
    codes = [np.unique(frame[column].astype(str).to_numpy(), return_inverse=True) for column in (user, item)]
    order = np.random.default_rng(0).permutation(len(y))
    pairs = np.stack([code[order] for _, code in codes], 1).astype(np.int32)
    return torch.as_tensor(pairs), torch.as_tensor(y[order]).unsqueeze(1), (len(codes[0][0]), len(codes[1][0]))
