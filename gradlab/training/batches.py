"""Which samples each replica sees at each step. Replicas with one seed see the same."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from gradlab.streams import generator
from gradlab.tasks import Data

__all__ = ["Batches", "Dropout", "Samples", "samples"]

CHUNK = 256
"""Steps whose indices are drawn ahead: few enough to forget, many enough to cost nothing a step."""


class Samples:
    """A task's samples for R replicas on one device, gathered by index without a loop over replicas."""

    def __init__(self, x: Tensor, y: Tensor, seed_of_R: Tensor, seeds: int) -> None:
        self.size = int(x.shape[1])
        """M, samples a seed."""
        self._x, self._y = x.flatten(0, 1), y.flatten(0, 1)
        self._seed_of_R, self._seeds = seed_of_R, seeds
        own_samples = x.shape[0] > 1
        self._first_R = (seed_of_R if own_samples else torch.zeros_like(seed_of_R)) * self.size

    def gather(self, index_SN: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs `[R, N, I]` and targets `[R, N, ...]` for indices `[S, N]`, one row a seed."""
        # index_select copies whole rows, indexing goes element by element
        index_RN = index_SN.index_select(0, self._seed_of_R).add_(self._first_R.unsqueeze(1))
        batch = [values.index_select(0, index_RN.flatten()) for values in (self._x, self._y)]
        x, y = (_wide(values).view(*index_RN.shape, *values.shape[1:]) for values in batch)
        return x, y

    def all(self) -> tuple[Tensor, Tensor]:
        """Return every sample, `[R, M, I]` and `[R, M, ...]`."""
        every = torch.arange(self.size, device=self._x.device)
        return self.gather(every.expand(self._seeds, -1))


def _wide(values: Tensor) -> Tensor:
    """Return numbers as they are, and indices, which are kept in as few bytes as they need, as int64."""
    return values if values.is_floating_point() else values.long()


def samples(
    data: Data,
    part: str,
    seed_of_R: Tensor,
    dtype: torch.dtype,
    device: torch.device,
    target_dtype: torch.dtype | None = None,
) -> Samples:
    """Return the "train" or "test" samples of a task on the given device.

    Numbers are brought to `dtype`, those of the targets to `target_dtype` where that is given; indices stay indices.
    """
    x, y = (data.train_x, data.train_y) if part == "train" else (data.test_x, data.test_y)
    x = x.to(dtype) if x.is_floating_point() else x
    y = y.to(target_dtype or dtype) if y.is_floating_point() else y
    return Samples(x.to(device), y.to(device), seed_of_R.to(device), int(seed_of_R.max()) + 1)


class Batches:
    """Batches of `size` indices without replacement, epoch after epoch, each seed from its own stream.

    The batch of a step depends on the seed, the step and the size alone, not on how many steps follow. An
    epoch that does not divide by the size runs on into the next one.
    """

    def __init__(
        self, seeds: Sequence[int], total: int, size: int, device: torch.device, purpose: str = "train"
    ) -> None:
        self._streams = [generator(seed, "batches", purpose) for seed in seeds]
        self._left = [torch.empty(0, dtype=torch.int64) for _ in seeds]
        self._total, self._size, self._device = total, size, device
        self._chunk = torch.empty(0)
        self._at = CHUNK

    def next(self) -> Tensor:
        """Return the indices of the next step, `[S, size]`."""
        if self._at == CHUNK:
            self._chunk = torch.stack([self._draw(s) for s in range(len(self._streams))], 1).to(self._device)
            self._at = 0
        self._at += 1
        return self._chunk[self._at - 1]

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs."""
        streams = [stream.get_state() for stream in self._streams]
        return {"streams": streams, "left": self._left, "chunk": self._chunk, "at": self._at}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        for stream, saved in zip(self._streams, state["streams"], strict=True):
            stream.set_state(saved)
        self._left, self._at = state["left"], state["at"]
        self._chunk = state["chunk"].to(self._device)

    def _draw(self, s: int) -> Tensor:
        """Return the next CHUNK batches of one seed, `[CHUNK, size]`."""
        need = CHUNK * self._size
        parts, have = [self._left[s]], len(self._left[s])
        while have < need:
            parts.append(torch.randperm(self._total, generator=self._streams[s]))
            have += self._total
        indices = torch.cat(parts)
        self._left[s] = indices[need:].clone()
        return indices[:need].view(CHUNK, self._size)


class Dropout:
    """Masks for every place of a network where dropout acts, scaled by 1/(1-p); one stream a seed, on the device."""

    def __init__(
        self, seeds: Sequence[int], seed_of_R: Tensor, p: float, shapes: Sequence[tuple[int, ...]], purpose: str,
        device: torch.device,
    ) -> None:  # fmt: skip
        """`shapes` are those of one sample, by place."""
        self._streams = [generator(seed, "dropout", purpose, device=device) for seed in seeds]
        self._seed_of_R, self._p, self._shapes, self._device = seed_of_R.to(device), p, tuple(shapes), device

    def state(self) -> list[Tensor]:
        """Return what `restore` needs."""
        return [stream.get_state() for stream in self._streams]

    def restore(self, state: Sequence[Tensor]) -> None:
        """Go on from a `state`."""
        for stream, saved in zip(self._streams, state, strict=True):
            stream.set_state(saved)

    def draw(self, n: int, dtype: torch.dtype) -> list[Tensor]:
        """Return masks `[R, n, *shape]` for a batch of n samples, by place; none without dropout."""
        if self._p == 0:
            return []
        keep = 1 - self._p
        sizes = [n * prod(shape) for shape in self._shapes]
        rows = [torch.empty(sum(sizes), device=self._device).bernoulli_(keep, generator=s) for s in self._streams]
        masks_RM = (torch.stack(rows).to(dtype) / keep)[self._seed_of_R]
        pieces = zip(torch.split(masks_RM, sizes, 1), self._shapes, strict=True)
        return [piece.view(-1, n, *shape) for piece, shape in pieces]
