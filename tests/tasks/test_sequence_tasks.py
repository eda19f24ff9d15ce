"""Tasks of sequences: what is drawn is what the papers say, and the baselines are those of its data."""

from __future__ import annotations

import math

import pytest
import torch
from task_data import SEQUENCES, drawn
from torch.nn import functional as F

from gradlab.components import TASKS, Named
from gradlab.tasks import Data, copy_memory, load
from gradlab.tasks.adding import BASELINE
from gradlab.tasks.losses import cross_entropy, mse


@pytest.mark.parametrize("name", ["adding", "copy_memory", "temporal_order", "ratings"])
def test_drawn_tasks_depend_on_the_seed_alone(name: str) -> None:
    one, two = drawn(name, seeds=(3, 5)), drawn(name, seeds=(5,))
    for part in ("train_x", "train_y", "test_x", "test_y"):
        assert torch.equal(getattr(one, part)[1], getattr(two, part)[0])
    assert not torch.equal(one.train_x[0], one.train_x[1])
    assert not torch.equal(one.train_x[1][: one.test_x.shape[1]], one.test_x[1])


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("which", ["shortest", "default"])
def test_sequences_have_the_length_asked_for(name: str, which: str) -> None:
    lengths = TASKS[name].lengths
    assert lengths is not None
    seq_len = lengths.default if which == "default" else min(lengths.only, default=lengths.low)
    assert lengths.allow(seq_len)
    data = drawn(name, seq_len)
    for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        assert x.shape[2] == seq_len
        assert y.shape[:2] == x.shape[:2]
        assert not data.per_step or y.shape[2] == seq_len
        if data.vocabulary:
            assert 0 <= int(x.min()) <= int(x.max()) < sum(data.vocabulary)
        if not y.is_floating_point():
            assert int(y.max()) < data.out_features
    assert TASKS[name].of_indices == bool(data.vocabulary)


def test_adding_is_the_sum_of_two_marked_numbers_one_in_each_half() -> None:
    data = drawn("adding", 11, samples=2000)
    number, mark = data.train_x[0].double().unbind(2)
    assert set(mark.unique().tolist()) == {0.0, 1.0}
    assert bool((mark[:, :5].sum(1) == 1).all())
    assert bool((mark[:, 5:].sum(1) == 1).all())
    torch.testing.assert_close((number * mark).sum(1, keepdim=True), data.train_y[0])
    assert 0 <= float(number.min()) < 0.001
    assert 0.999 < float(number.max()) < 1
    often = mark.mean(0) * 2000  # every place is marked as often as the others of its half, within 5 deviations
    assert bool(((often[:5] - 400).abs() < 5 * math.sqrt(320)).all())
    assert bool(((often[5:] - 2000 / 6).abs() < 5 * math.sqrt(2000 * 5 / 36)).all())


def test_always_answering_one_has_the_error_of_a_sixth() -> None:
    data = drawn("adding", 40, samples=40_000)
    found = float(mse(torch.ones_like(data.train_y), data.train_y))
    # the squared error of the sum of two uniform numbers has mean 1/6 and variance 7/180
    assert found == pytest.approx(BASELINE, abs=4 * math.sqrt(7 / 180 / 40_000))
    assert BASELINE == 1 / 6


def test_remembering_the_later_number_alone_is_not_to_have_learned_to_add() -> None:
    data = drawn("adding", 40)
    x = data.test_x.double()
    later = (x[:, :, 20:, 0] * x[:, :, 20:, 1]).sum(2, keepdim=True) + 0.5
    metric = float(data.criterion.metric(later, data.test_y))
    assert 0.35 < metric < 0.65
    assert metric < data.criterion.learned_from


def by_last_symbol(data: Data, known: int) -> float:
    """The loss on the training data of the best predictor that sees the current symbol and the step, nothing else."""
    x, y = data.train_x[0, :, :, 0].long(), data.train_y[0].long()
    total = 0.0
    for t in range(x.shape[1]):
        counts = torch.zeros(known, data.out_features, dtype=torch.float64)
        counts.index_put_((x[:, t], y[:, t]), torch.ones(len(x), dtype=torch.float64), accumulate=True)
        chance = counts / counts.sum(1, keepdim=True).clamp(min=1)
        total -= float(torch.special.xlogy(counts, chance).sum()) / len(x)
    return total / x.shape[1]


@pytest.mark.parametrize(("blanks", "expected"), [(30, 0.415888), (100, 0.173287)])
def test_copying_without_a_memory_costs_what_the_paper_says(blanks: int, expected: float) -> None:
    data = drawn("copy_memory", blanks + 20)
    assert copy_memory.baseline(blanks + 20) == pytest.approx(expected, abs=5e-7)
    # fitted to M samples a table of 8 frequencies lies (8 - 1)/2M nats below the truth, at each of 10 steps
    below = 10 * 7 / (2 * 4096) / (blanks + 20)
    assert by_last_symbol(data, 10) == pytest.approx(expected - below, abs=3 * below)
    guess = torch.zeros(1, 256, blanks + 20, 9, dtype=torch.float64)
    guess[:, :, :-10, copy_memory.BLANK] = 50.0
    guess[:, :, -10:, copy_memory.BLANK] = -50.0
    assert float(cross_entropy(guess, data.test_y.long())) == pytest.approx(expected, abs=5e-7)
    assert float(data.criterion.metric(guess, data.test_y.long())) == pytest.approx(0, abs=1e-6)


def test_copying_asks_for_the_first_ten_symbols_at_the_end() -> None:
    data = drawn("copy_memory", 35, seeds=(0, 1), samples=50)
    for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        assert torch.equal(y[..., -10:], x[:, :, :10, 0])
        assert set(y[..., :-10].unique().tolist()) == {8}
        assert set(x[:, :, 10:, 0].unique().tolist()) == {8, 9}
        assert bool((x[:, :, -11, 0] == 9).all())
        assert int((x == 9).sum()) == x.shape[0] * x.shape[1]
    perfect = 50.0 * F.one_hot(data.test_y.long(), 9).double()
    assert bool((data.criterion.metric(perfect, data.test_y.long()) > 0.999).all())


def test_temporal_order_is_told_by_two_letters_in_their_spans() -> None:
    data = drawn("temporal_order", 100)
    x, y = data.train_x[0, :, :, 0], data.train_y[0]
    late = (x == 4) | (x == 5)
    assert bool((late.sum(1) == 2).all())
    where = late.nonzero()[:, 1].view(-1, 2)
    assert (int(where[:, 0].min()), int(where[:, 0].max())) == (10, 19)
    assert (int(where[:, 1].min()), int(where[:, 1].max())) == (50, 59)
    letters = x.gather(1, where).long() - 4
    assert torch.equal(y, 2 * letters[:, 0] + letters[:, 1])
    assert bool((x[:, 0] == 6).all())
    assert bool((x[:, -1] == 7).all())
    assert torch.bincount(y).min() > 900  # 4096 in 4 classes: 4 deviations are 111
    later_only = F.one_hot(data.test_y % 2, 4).double() + F.one_hot(data.test_y % 2 + 2, 4)
    assert float(data.criterion.metric(later_only, data.test_y)) < 0.65 < data.criterion.learned_from


@pytest.mark.parametrize("seq_len", [1, 8, 64])
def test_sequential_digits_are_the_digits(seq_len: int) -> None:
    flat, data = load(Named("digits"), (0,)), drawn("sequential_digits", seq_len)
    assert torch.equal(data.train_x.flatten(2), flat.train_x)
    assert torch.equal(data.test_y, flat.test_y)
    mixed = drawn("sequential_digits", seq_len, permuted=True)
    assert torch.equal(mixed.train_y, flat.train_y)
    assert not torch.equal(mixed.train_x, data.train_x)
    pairs = set(map(tuple, torch.stack([mixed.test_x.flatten(2)[0].sort(1).values.sum(0)])))
    assert len(pairs) == 1
    torch.testing.assert_close(mixed.test_x.flatten(2).sort(2).values, flat.test_x.sort(2).values)
    assert torch.equal(mixed.train_x, drawn("sequential_digits", seq_len, permuted=True, seeds=(7,)).train_x)
