"""The task of ratings: how a file is read, what means of users and items tell, and what a network learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from task_data import drawn
from torch.nn import functional as F

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.datafiles import ratings as file
from gradlab.datafiles.text_table import Reading
from gradlab.errors import DataError
from gradlab.tasks import Data, ratings
from gradlab.training.loop import train_bank


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
    pairs = data.test_x[0].long()
    expected = y.mean() + deviations[pairs[:, 0]] + deviations[6 + pairs[:, 1]]
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
        ("item", None, "r.csv: column 'item' is empty in data row 3\n"
                       "  fill it in; missing: 'empty' leaves such rows out"),
        ("rating", "good", "r.csv: column 'rating' must hold numbers, found 'good' in data row 3\n"
                           "  every other row has a number there: correct it, or delete the row"),
        ("rating", None, "r.csv: column 'rating' is empty in data row 3\n"
                         "  fill it in; missing: 'empty' leaves such rows out"),
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


def test_a_network_learns_tastes_that_means_do_not_know() -> None:
    cells = [
        Cell(task=Named("ratings"), depth=2, width=32, optimizer=Named("adam"), lr=0.01, steps=500, seed=seed)
        for seed in (0, 1)
    ]
    for record in train_bank(cells):
        assert record.learned
        assert record.metric[0] < 0.1


MOVIELENS = {
    "u.data": ("\t".join, None),
    "u1.base": ("\t".join, None),
    "u1.test": ("\t".join, None),
    "ratings.dat": ("::".join, None),
    "ratings.csv": (",".join, "userId,movieId,rating,timestamp"),
    "three.txt": (" ".join, None),
    "book.csv": (";".join, '"User-ID";"ISBN";"Book-Rating"'),
}
"""Files of ratings as they come: how a row is joined, and the header."""


@pytest.mark.parametrize("name", MOVIELENS)
def test_files_of_ratings_are_read_as_they_come(tmp_path: Path, name: str) -> None:
    join, header = MOVIELENS[name]
    rng = np.random.default_rng(0)
    rows = [(int(u), int(i), int(r)) for u, i, r in zip(*(rng.integers(1, 6, 40) for _ in range(3)), strict=True)]
    stamped = name not in ("three.txt", "book.csv")
    lines = [join([*map(str, row), *(["881250949"] if stamped else [])]) for row in rows]
    (tmp_path / name).write_text("\n".join([*([header] if header else []), *lines]) + "\n")
    rated = file.ratings(str(tmp_path / name), "user", "item", "rating", Reading())
    assert rated.vocabulary == (5, 5)
    triples = zip(rated.pairs[:, 0] + 1, rated.pairs[:, 1] + 1, rated.ratings.astype(int), strict=True)
    assert sorted(triples) == sorted(rows)
    assert "40 ratings" in rated.checked.read
    assert ("no header" in rated.checked.read) == (header is None)
    assert not rated.checked.warnings
    if header is None:
        numbered = file.ratings(str(tmp_path / name), "2", "1", "3", Reading(header=False))
        np.testing.assert_array_equal(numbered.pairs, rated.pairs[:, ::-1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1\t2\n" * 10, "the first line looks like a row of data, not like a header: 1, 2"),
        ("1\t2\t3\t4\t5\n" * 10, "the first line looks like a row of data"),
        ("user\titem\trating\trating\n" + "1\t2\t3\t4\n" * 10, "the column 'rating' twice, at 3 and 4"),
        ("1\t2\tx\n" * 10, "must hold numbers, found 'x' in data row 1"),
        ("1::2::3::4\n" * 4, "4 rows are too few"),
        ("1::2::3::4\n" * 10, "column 'rating' has one value only"),
        ("user,item,rating\n" + "".join(f"u,{i},{5 if i == 3 else 2}\n" for i in range(10)), "in the held-out part"),
    ],
)  # fmt: skip
def test_files_of_ratings_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "u.data").write_text(text)
    with pytest.raises(DataError) as caught:
        file.ratings(str(tmp_path / "u.data"), "user", "item", "rating", Reading())
    assert words in str(caught.value)
    assert str(caught.value).startswith("u.data")


def test_missing_ratings_are_left_out_where_that_is_said(tmp_path: Path) -> None:
    text = "user,item,rating,note\n" + "".join(f"{i % 4},{i % 3},{'?' if i == 5 else i % 5},\n" for i in range(20))
    (tmp_path / "r.csv").write_text(text)
    rated = file.ratings(str(tmp_path / "r.csv"), "user", "item", "rating", Reading(missing="?"))
    assert len(rated.ratings) == 19
    assert "1 of 20 rows have missing values and are left out" in rated.checked.read


def test_ratings_can_be_left_as_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": np.arange(40) % 4, "item": np.arange(40) % 5, "rating": np.arange(40) % 7 * 1e6})
    scaled, raw = rated(frame, tmp_path), rated(frame, tmp_path, standardize=False)  # type: ignore[arg-type]
    assert sorted(torch.cat([raw.train_y, raw.test_y], 1).flatten().tolist()) == sorted(frame["rating"])
    mean, deviation = raw.train_y.mean(), raw.train_y.std(correction=0)
    torch.testing.assert_close((raw.test_y - mean) / deviation, scaled.test_y)
    assert raw.criterion.learned_from == pytest.approx(scaled.criterion.learned_from)
    drawn_raw, drawn_scaled = drawn("ratings", standardize=False), drawn("ratings")
    mean, deviation = drawn_raw.train_y.mean(), drawn_raw.train_y.std(correction=0)
    torch.testing.assert_close((drawn_raw.test_y - mean) / deviation, drawn_scaled.test_y)


@pytest.mark.parametrize("unit", [1e-320, 1e-200, 1e200, 1e306])
def test_ratings_of_any_size_are_standardised(tmp_path: Path, unit: float) -> None:
    frame = pd.DataFrame(
        {"user": np.arange(40) % 4, "item": np.arange(40) % 5, "rating": (np.arange(40) * 7 % 11) * unit}
    )
    data = rated(frame, tmp_path)
    assert float(data.train_y.std(correction=0)) == pytest.approx(1)
    assert float(data.train_y.mean()) == pytest.approx(0, abs=1e-9)
