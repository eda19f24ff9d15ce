"""Recommendation: the rating a user gives an item, from the user's file or drawn with a low rank.

The inputs are two indices, a user and an item; the network looks their vectors up (embeddings). Averages of users and
of items explain much of any ratings; what a network adds is who likes what.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.datafiles import ratings as file
from gradlab.datafiles.samples import TEST_SHARE, Standardize
from gradlab.datafiles.scaling import unit_sized
from gradlab.datafiles.text_table import Reading
from gradlab.streams import generator
from gradlab.tasks.base import R2, Data, regression

__all__ = ["by_means", "load"]

CLEARLY = 0.95
MEANS = 0.5
"""Deviation of the drawn users' and items' means; what they make together has deviation 1."""
SHRINKAGE = 5.0
"""Ratings that a mean is pulled towards 0 by: users and items with few ratings count less (Koren 2009)."""


def load(
    seeds: Sequence[int], path: str | None, user: str, item: str, rating: str,
    users: int, items: int, rank: int, samples: int, noise: float, standardize: Standardize, separator: str | None,
    decimal: str | None, header: bool | None, encoding: str | None, missing: str | None,
) -> Data:  # fmt: skip
    """Return indices `[S, M, 2]` (user, item) and ratings `[S, M, 1]`, a quarter of them held out.

    With a `path` its columns `user`, `item` and `rating`, the same for all seeds; without one, for each seed, `samples`
    ratings that are a user's mean + an item's mean + a product of two vectors of `rank` numbers + noise. Learned: a
    squared error on held-out ratings 5 % below that of user and item means (fitted to a file, the true ones of drawn
    ratings). With `standardize` (true or ``target``) the ratings have mean 0 and deviation 1 on the training part; the
    inputs have no scale. The last five are the parameters of `Reading`.

    Raises:
        DataError: the file, a column or a value is not usable.
    """
    scaled = standardize in (True, "target")
    if path:
        rated = file.ratings(path, user, item, rating, Reading(separator, decimal, header, encoding, missing))
        pairs, vocabulary = torch.as_tensor(rated.pairs), rated.vocabulary
        x, y, test_x, test_y = _split(
            pairs,
            torch.as_tensor(unit_sized(rated.ratings, rated.ratings[_held_out(len(rated.ratings)) :])).unsqueeze(1),
            True,
        )
        datasets = [
            (x, y, test_x, test_y) if scaled else _split(pairs, torch.as_tensor(rated.ratings).unsqueeze(1), False)
        ]
        unexplained = float((by_means((x, y), test_x, vocabulary) - test_y).square().mean() / test_y.var(correction=0))
    else:
        vocabulary = (users, items)
        datasets = [_split(*_draw(seed, users, items, rank, samples, noise), scaled) for seed in seeds]
        unexplained = (1 + noise**2) / (
            2 * MEANS**2 + 1 + noise**2
        )  # by the true means, so that seeds are judged alike
    train_x, train_y, test_x, test_y = (torch.stack(part) for part in zip(*datasets, strict=True))
    return regression((train_x, test_x), (train_y, test_y), R2(1 - CLEARLY * unexplained), vocabulary=vocabulary)


def _held_out(total: int) -> int:
    return max(round(TEST_SHARE * total), 2)


def _split(x: Tensor, y: Tensor, scaled: bool) -> tuple[Tensor, ...]:
    """Return training pairs and ratings, test pairs and ratings; `scaled` to mean 0 and deviation 1 on the former."""
    held_out = _held_out(len(x))
    if scaled:
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
            residual = y - deviations[1 - side][x[:, 1 - side]]
            total = torch.zeros(size, dtype=y.dtype).index_add_(0, x[:, side], residual)
            deviations[side] = total / (torch.bincount(x[:, side], minlength=size) + SHRINKAGE)
    predicted = train[1].mean() + sum(deviation[pairs[:, side].long()] for side, deviation in enumerate(deviations))
    return torch.as_tensor(predicted).unsqueeze(1)


def _draw(seed: int, users: int, items: int, rank: int, samples: int, noise: float) -> tuple[Tensor, Tensor]:
    rng = generator(seed, "ratings")

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    pairs = torch.stack([torch.randint(size, (samples,), generator=rng) for size in (users, items)], 1)
    taste, kind = normal(users, rank), normal(items, rank)
    means = MEANS * (normal(users)[pairs[:, 0]] + normal(items)[pairs[:, 1]])
    interaction = (taste[pairs[:, 0]] * kind[pairs[:, 1]]).sum(1) / math.sqrt(rank)
    return pairs.to(torch.int32), (means + interaction + noise * normal(samples)).unsqueeze(1)
