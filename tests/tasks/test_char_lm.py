"""The task of predicting a text: its windows, its entropies, and the texts that cannot be used."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from task_data import drawn
from torch.nn import functional as F

from gradlab.errors import DataError
from gradlab.tasks import char_lm
from gradlab.training.batches import samples


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
