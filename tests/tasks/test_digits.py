"""The digits shipped with the package are those of scikit-learn, to the bit."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from gradlab.components import Named
from gradlab.tasks import load


def test_the_shipped_digits_and_their_split_are_those_of_scikit_learn() -> None:
    data = load(Named("digits"), (0, 1))
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(pixels, labels, test_size=450, random_state=0, stratify=labels)
    train, test, train_y, test_y = (torch.as_tensor(part) for part in parts)
    mean = train.mean(0)
    std = (train - mean).square().mean().sqrt()
    assert torch.equal(data.train_x, ((train - mean) / std).unsqueeze(0))
    assert torch.equal(data.test_x, ((test - mean) / std).unsqueeze(0))
    assert torch.equal(data.train_y, train_y.long().unsqueeze(0))
    assert torch.equal(data.test_y, test_y.long().unsqueeze(0))
    assert data.train_x.shape == (1, 1347, 64)
    assert float(data.train_x.square().mean()) == 1
    assert torch.bincount(data.test_y[0]).min() >= 43  # stratified: every digit is a tenth of the test part
