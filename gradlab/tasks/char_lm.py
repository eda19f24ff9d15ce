"""The next character of a text: of a file of the user's, or of the novel that ships with gradlab."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gradlab.datafiles.text import TEST_SHARE, read
from gradlab.tasks.base import Criterion, Data
from gradlab.tasks.losses import cross_entropy, last_step

__all__ = ["NOVEL", "load", "pair_entropy", "single_entropy"]

NOVEL = Path(__file__).parent / "texts" / "persuasion.txt"
"""Jane Austen, Persuasion (1817), in the public domain; `texts/README.md` says where it comes from."""

HELD_OUT = 128
"""Most windows of held-out text."""
CLEARLY = 0.95


def load(seeds: Sequence[int], seq_len: int, path: str | None) -> Data:
    """Return windows of text `[1, M, T, 1]`, the same for all seeds, and the next characters `[1, M, T]`.

    Every place of the first nine tenths begins a window; the rest of the text is held out. The metric is the share of
    a character's entropy that is saved on it: 1 - loss/H, H what the frequencies of single characters predict.
    Learned: the loss is at least 5 % below what each character tells of the next one, so that more than the last
    one was remembered. A probe differentiates the loss of the window's last step.

    Raises:
        DataError: the file is not a text, or too short.
    """
    indices, kinds = read(Path(path) if path else NOVEL, seq_len)
    text = torch.as_tensor(indices)
    train_size = len(text) - int(TEST_SHARE * len(text))
    train, test = text[:train_size], text[train_size:]
    apart = max(seq_len, (len(test) - seq_len - 1) // HELD_OUT)
    train_x, train_y = _windows(train, seq_len, 1)
    test_x, test_y = (part[:, :HELD_OUT] for part in _windows(test, seq_len, apart))
    counts = torch.bincount(kinds * train[:-1].long() + train[1:], minlength=kinds * kinds).view(kinds, kinds).double()
    single = single_entropy(counts, test_y)
    learned_from = 1 - CLEARLY * pair_entropy(counts, test_x, test_y) / single
    return Data(
        train_x, train_y, test_x, test_y, kinds, cross_entropy, Criterion("saved", _saved(single), learned_from),
        last_step(cross_entropy), (kinds,), per_step=True,
    )  # fmt: skip


def _saved(single: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda output, target: 1 - cross_entropy(output, target) / single


def _windows(text: Tensor, seq_len: int, apart: int) -> tuple[Tensor, Tensor]:
    """Return windows `[1, M, T, 1]`, `apart` characters apart, and what follows, `[1, M, T]`; nothing is copied."""
    windows = text.unfold(0, seq_len + 1, apart).unsqueeze(0)
    return windows[:, :, :-1].unsqueeze(3), windows[:, :, 1:]


def single_entropy(counts: Tensor, target: Tensor) -> float:
    """Return the loss in nats of predicting by the frequencies of single characters; one of each kind is added."""
    frequency = counts.sum(0) + 1
    return float(-(frequency / frequency.sum()).log()[target.long()].mean())


def pair_entropy(counts: Tensor, x: Tensor, target: Tensor) -> float:
    """Return the loss in nats of predicting by the last character alone, from `counts` of pairs `[kinds, kinds]`.

    The frequencies of single characters count as one more observation of each first character, so that pairs which
    the training text does not have are possible.
    """
    single = counts.sum(0) + 1
    after = counts + single / single.sum()
    chance = after / after.sum(1, keepdim=True)
    return float(-chance.log()[x.squeeze(-1).long(), target.long()].mean())
