"""Tasks of sequences and ratings: what is drawn is what the papers say, and the baselines are those of its data."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from gradlab.batches import samples
from gradlab.cell import Cell
from gradlab.errors import DataError
from gradlab.models.base import Architecture, Start
from gradlab.models.mlp import MLP
from gradlab.registry import TASKS, Named
from gradlab.tasks import Data, char_lm, copy_memory, load, ratings
from gradlab.tasks.adding import BASELINE
from gradlab.tasks.base import cross_entropy, last_step, mse
from gradlab.train import train_bank

SEQUENCES = [name for name, task in TASKS.items() if task.recurrent]


def drawn(name: str, seq_len: int | None = None, seeds: tuple[int, ...] = (0,), **params: object) -> Data:
    lengths = TASKS[name].lengths
    return load(Named(name, tuple(params.items())), seeds, seq_len or (lengths.default if lengths else None))


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
    assert TASKS[name].indices == bool(data.vocabulary)


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


def test_the_text_that_ships_is_the_novel() -> None:
    text = char_lm.NOVEL.read_text(encoding="ascii")
    assert text.startswith("Persuasion\n\n\nby\n\nJane Austen\n")
    assert "Sir Walter Elliot, of Kellynch Hall, in Somersetshire" in text
    assert len(text) == 466_854  # stored results stand for this text
    assert "Persuasion" in (char_lm.NOVEL.parent / "README.md").read_text()


def test_char_lm_windows_are_the_text_one_character_on(tmp_path: Path) -> None:
    text = "abcdefghij" * 30
    (tmp_path / "t.txt").write_text(text)
    data = drawn("char_lm", 7, path=str(tmp_path / "t.txt"))
    train = text[:270]
    letters = np.array(sorted(set(text)))
    assert ["".join(letters[row]) for row in data.train_x[0, :, :, 0]] == [train[i : i + 7] for i in range(263)]
    assert ["".join(letters[row]) for row in data.train_y[0]] == [train[i + 1 : i + 8] for i in range(263)]
    held_out = ["".join(letters[row]) for row in data.test_x[0, :, :, 0]]
    assert held_out == [text[270:][i : i + 7] for i in range(0, 23, 7)]
    assert data.train_x.untyped_storage().nbytes() == len(text)  # windows share the text's memory
    gathered, _ = samples(data, "train", torch.tensor([0, 0]), torch.float32, torch.device("cpu")).gather(
        torch.tensor([[3, 200]])
    )
    assert gathered.dtype == torch.int64
    assert torch.equal(gathered[1], data.train_x[0, [3, 200]].long())


def test_entropies_of_a_text_are_those_of_its_frequencies() -> None:
    counts = torch.tensor([[0.0, 6.0], [2.0, 2.0]])
    x, y = torch.tensor([[[0], [1]]]), torch.tensor([[1, 0]])
    # single characters: (2 + 1)/12 and (8 + 1)/12; pairs: (6 + 9/12)/7 after the first, (2 + 3/12)/5 after the second
    assert char_lm.single_entropy(counts, y) == pytest.approx(-(math.log(9 / 12) + math.log(3 / 12)) / 2)
    assert char_lm.pair_entropy(counts, x, y) == pytest.approx(-(math.log(6.75 / 7) + math.log(2.25 / 5)) / 2)


def test_the_novel_is_learned_only_by_more_than_its_pairs_of_letters() -> None:
    data = drawn("char_lm")
    train, test = data.train_x[0, :, 0, 0].long(), data.test_y.long()
    kinds = data.out_features
    after = torch.zeros(kinds, kinds).index_put_((train[:-1], train[1:]), torch.ones(len(train) - 1), accumulate=True)
    by_pairs = (after + 0.1).log()[data.test_x[..., 0].long()]
    metric = float(data.criterion.metric(by_pairs.double(), test))
    # log2 entropies of English: 4.3 bits a character by itself, 3.3 to 3.5 after another one (Shannon 1951)
    assert 0.15 < metric < data.criterion.learned_from < 0.35
    perfect = 50.0 * F.one_hot(test, kinds).double()
    assert float(data.criterion.metric(perfect, test)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("content", "seq_len", "message"),
    [
        (b"abc" * 10, 5, "t.txt: 30 characters are too few for sequences of 5\n"
                         "  it takes 61, a tenth of which is held out"),
        (b"a" * 100, 5, "t.txt: has one kind of character only; there is nothing to predict"),
        (b"ab\xff" * 100, 5, "t.txt: is not UTF-8 text (byte 3)\n  save it as UTF-8"),
    ],
)  # fmt: skip
def test_texts_that_cannot_be_used(tmp_path: Path, content: bytes, seq_len: int, message: str) -> None:
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(DataError) as caught:
        drawn("char_lm", seq_len, path=str(tmp_path / "t.txt"))
    assert str(caught.value) == message


def test_a_text_of_many_characters_counts_the_rarest_as_one(tmp_path: Path) -> None:
    text = "".join(chr(0x4E00 + i) * (2 if i < 255 else 1) for i in range(400)) + "ab" * 500
    (tmp_path / "t.txt").write_text(text, encoding="utf-8")
    data = drawn("char_lm", 4, path=str(tmp_path / "t.txt"))
    assert data.vocabulary == (256,)
    assert int(data.train_x.max()) == 255


def rated(frame: pd.DataFrame, tmp_path: Path, **params: str) -> Data:
    frame.to_csv(tmp_path / "r.csv", index=False)
    return drawn("ratings", path=str(tmp_path / "r.csv"), **params)


def test_ratings_are_read_whoever_rates_what(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"userId": rng.integers(100, 110, 60), "movie": rng.choice(list("wxyz"), 60)})
    frame["stars"] = rng.integers(1, 6, 60).astype(float)
    data = rated(frame, tmp_path, user="userId", item="movie", rating="stars")
    assert data.vocabulary == (frame["userId"].nunique(), 4)
    x, y = torch.cat([data.train_x, data.test_x], 1)[0], torch.cat([data.train_y, data.test_y], 1)[0, :, 0]
    stars = frame["stars"].to_numpy()
    held_out = 15
    spread = float(data.train_y.std(correction=0))
    assert spread == pytest.approx(1)
    assert data.test_x.shape[1] == held_out
    users, movies = sorted(frame["userId"].astype(str).unique()), sorted(frame["movie"].unique())
    scale = (np.ptp(stars)) / float(y.max() - y.min())
    found = sorted(
        (users[u], movies[i], round(scale * (float(r) - float(y.min())) + 1)) for (u, i), r in zip(x, y, strict=True)
    )
    assert found == sorted(zip(frame["userId"].astype(str), frame["movie"], stars, strict=True))


def test_means_of_users_and_items_are_a_ridge_regression() -> None:
    data = drawn("ratings", users=6, items=5, samples=64, seeds=(2,))
    x, y = data.train_x[0].long(), data.train_y[0]
    design = torch.cat([F.one_hot(x[:, 0], 6), F.one_hot(x[:, 1], 5)], 1).double()
    penalty = ratings.SHRINKAGE * torch.eye(11, dtype=torch.float64)
    deviations = torch.linalg.solve(design.T @ design + penalty, design.T @ (y - y.mean()))
    seen = data.test_x[0].long()
    expected = y.mean() + deviations[seen[:, 0]] + deviations[6 + seen[:, 1]]
    torch.testing.assert_close(
        ratings.by_means((data.train_x[0], y), data.test_x[0], (6, 5)), expected, rtol=0, atol=1e-6
    )


def test_user_and_item_means_are_not_enough_and_the_true_tastes_are() -> None:
    data = drawn("ratings", noise=0.0)
    means = ratings.by_means((data.train_x[0], data.train_y[0]), data.test_x[0], data.vocabulary)
    metric = float(data.criterion.metric(means.unsqueeze(0), data.test_y))
    # variances: 1/4 users, 1/4 items, 1 together: means explain a third, up to what is estimated
    assert 0.2 < metric < data.criterion.learned_from < 0.45
    assert float(data.criterion.metric(data.test_y, data.test_y)) == 1


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("item", None, "r.csv: column 'item' is empty in data row 3"),
        ("rating", "good", "r.csv: column 'rating' must hold numbers, found 'good' in data row 3\n"
                           "  drop the column, or turn it into numbers first"),
        ("rating", None, "r.csv: column 'rating' is empty in data row 3"),
    ],
)  # fmt: skip
def test_ratings_that_cannot_be_used(tmp_path: Path, column: str, value: object, message: str) -> None:
    frame = pd.DataFrame({"user": list("abcabcabc"), "item": list("xyzyzxzxy"), "rating": range(9)}, dtype=object)
    frame.loc[2, column] = value
    with pytest.raises(DataError) as caught:
        rated(frame, tmp_path)
    assert str(caught.value) == message


def test_ratings_columns_are_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"users": list("abcabcabc"), "item": list("xyzyzxzxy"), "stars": range(9)})
    with pytest.raises(DataError) as caught:
        rated(frame, tmp_path)
    assert str(caught.value) == "r.csv: there is no column 'user' for the user\n  did you mean user: users?"
    with pytest.raises(DataError) as caught:
        rated(frame, tmp_path, user="users")
    assert str(caught.value).startswith("r.csv: there is no column 'rating' for the rating\n  ")
    with pytest.raises(DataError, match="7 rows are too few"):
        rated(frame[:7], tmp_path, user="users", rating="stars")
    with pytest.raises(DataError, match="one value only"):
        rated(frame.assign(stars=3), tmp_path, user="users", rating="stars")


def test_losses_over_time_are_those_of_torch() -> None:
    rng = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(3, 8, 6, 5, generator=rng), torch.randint(5, (3, 8, 6), generator=rng)
    expected = torch.stack([F.cross_entropy(a.movedim(-1, 1), b) for a, b in zip(logits, labels, strict=True)])
    torch.testing.assert_close(cross_entropy(logits, labels), expected)
    final = torch.stack([F.cross_entropy(a[:, -1], b[:, -1]) for a, b in zip(logits, labels, strict=True)])
    torch.testing.assert_close(last_step(cross_entropy)(logits, labels), final)
    other = torch.randn(3, 8, 6, 5, generator=rng)
    expected = torch.stack([F.mse_loss(a, b) for a, b in zip(logits, other, strict=True)])
    torch.testing.assert_close(mse(logits, other), expected)


def test_indices_go_through_embeddings_as_in_torch() -> None:
    arch = Architecture(
        Named("mlp", (("embedding", 3),)), 2, 1, 2, 5, Named("tanh"), Named("none"), "pre_activation", "none", 1.0, 0.0,
        vocabulary=(4, 6),
    )  # fmt: skip
    model = MLP(arch)
    flat = model.initial([Start(seed, Named("xavier_normal"), 0.3) for seed in (0, 1)])
    params = model.layout.views(flat)
    index = torch.tensor([[[0, 5], [3, 0], [3, 0]], [[1, 1], [2, 2], [3, 5]]])
    output = model.forward(params, index, "train")
    for r in range(2):
        tables = params[0]["embedding"][r].split([4, 6])
        x = torch.cat([F.embedding(index[r, :, i], table) for i, table in enumerate(tables)], 1)
        for block in params[:-1]:
            x = torch.tanh(F.linear(x, block["weight"][r], block["bias"][r]))
        torch.testing.assert_close(output[r], F.linear(x, params[-1]["weight"][r], params[-1]["bias"][r]))
    assert model.layout.size == 10 * 3 + (6 * 5 + 5) + (5 * 5 + 5) + (5 + 1)
    wide = MLP(Architecture(
        Named("mlp", (("embedding_std", 0.5),)), 2, 1, 1, 5, Named("tanh"), Named("none"), "pre_activation", "none",
        1.0, 0.0, vocabulary=(300, 200),
    ))  # fmt: skip
    table = wide.layout.views(wide.initial([Start(0, Named("he_normal"), "auto")]))[0]["embedding"]
    assert float(table.std()) == pytest.approx(0.5, rel=0.05)  # 4000 draws: 4 deviations are 4.5 %


@pytest.mark.parametrize("name", [*SEQUENCES, "ratings"])
def test_a_cell_of_any_task_does_not_depend_on_its_bank(name: str) -> None:
    lengths = TASKS[name].lengths
    own = {} if lengths is None else {"model": Named("rnn"), "seq_len": min(lengths.only, default=lengths.low)}
    cells = [
        Cell(
            task=Named(name), depth=1, width=3, activation=Named("tanh"), lr=0.1, steps=2, batch_size=4, seed=seed,
            probe_batch_size=8, precision=Named("float64"), **own,
        )
        for seed in (4, 9)
    ]  # fmt: skip
    together = train_bank(cells)
    for cell, one in zip(cells, together, strict=True):
        (alone,) = train_bank([cell])
        np.testing.assert_allclose(one.loss, alone.loss, rtol=1e-12)
        np.testing.assert_allclose(one.metric, alone.metric, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(one.log_grad_norm, alone.log_grad_norm, rtol=0, atol=1e-9)
        assert np.isfinite(one.log_grad_norm).all()
        assert one.log_grad_norm.shape[1] == cell.blocks
    assert together[0].loss[0] != together[1].loss[0]


def test_a_network_learns_tastes_that_means_do_not_know() -> None:
    cells = [
        Cell(task=Named("ratings"), depth=2, width=32, optimizer=Named("adam"), lr=0.01, steps=500, seed=seed)
        for seed in (0, 1)
    ]
    for record in train_bank(cells):
        assert record.learned
        assert record.metric[0] < 0.1


def test_what_a_network_without_inputs_learns_is_the_baseline_of_adding() -> None:
    cell = Cell(
        model=Named("rnn", (("input_gain", 0.0),)), task=Named("adding"), depth=1, width=4, seq_len=6,
        activation=Named("relu"), init=Named("normal", (("std", 0.0),)), optimizer=Named("sgd"), lr=0.1, steps=60,
        probe_batch_size=4096, precision=Named("float64"),
    )  # fmt: skip
    (record,) = train_bank([cell])
    assert float(record.loss[-1]) == pytest.approx(1 / 6, abs=4 * math.sqrt(7 / 180 / 4096))
    assert abs(float(record.metric[-1])) < 0.05
    assert not record.learned
