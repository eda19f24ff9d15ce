"""A file of ratings: who gave what to which item, as indices and numbers in a fixed random order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.components import nearest
from gradlab.datafiles.checks import Checked
from gradlab.datafiles.files import guarded
from gradlab.datafiles.samples import TEST_SHARE
from gradlab.datafiles.scaling import constant
from gradlab.datafiles.source import Floats, Source, listed, quoted
from gradlab.datafiles.table import read
from gradlab.datafiles.text_table import Reading
from gradlab.errors import shorten

__all__ = ["Ratings", "check", "ratings"]

_HEADLESS = (("user", "item", "rating"), ("user", "item", "rating", "timestamp"))
"""The columns of files without a header, in the order of MovieLens (https://files.grouplens.org/datasets/movielens/)."""
_USUAL = {
    "user": ("userid", "user_id", "uid", "user-id", "user id", "customer_id", "reviewerid"),
    "item": ("itemid", "item_id", "iid", "movieid", "movie_id", "movie", "bookid", "book_id", "isbn", "productid",
             "product_id", "asin", "songid", "anime_id"),
    "rating": ("ratings", "score", "book-rating", "overall"),
}  # fmt: skip
"""What the columns are called elsewhere, in lower case; where a spec names none."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """M ratings of U users and I items."""

    pairs: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
    """Index of the user and of the item, `[M, 2]`."""
    ratings: Floats
    """`[M]`."""
    vocabulary: tuple[int, int]
    """U, I."""
    checked: Checked


def check(path: str | None, user: str, item: str, rating: str, **params: Any) -> Checked | None:
    """Return what there is to say of a file; None for drawn ratings. Raises what `ratings` raises."""
    if path is None:
        return None
    names = ("separator", "decimal", "header", "encoding", "missing")
    return ratings(path, user, item, rating, Reading(**{name: params[name] for name in names})).checked


def ratings(path: str, user: str, item: str, rating: str, reading: Reading) -> Ratings:
    """Return the ratings of a file; `user`, `item` and `rating` name its columns.

    Raises:
        DataError: the file, a column or a value is not usable.
    """
    source = read(path, reading, headless=_HEADLESS)
    with guarded(source.name):
        return _ratings(source, {"user": user, "item": item, "rating": rating}, reading)


def _ratings(source: Source, roles: dict[str, str], reading: Reading) -> Ratings:
    places = [_place(source, role, column.strip()) for role, column in roles.items()]
    if len(set(places)) < len(places):
        raise source.refuse(f"user, item and rating are {len(set(places))} columns only: each needs its own")
    dropped = ""
    if reading.words is not None:
        source, dropped = source.without_missing(reading.words, places)
    source.require_rows(dropped)
    for place in places[:2]:
        source.require_filled(place)
    values = source.values(places[2])
    names = [str(source.frame.columns[place]) for place in places]
    if constant(values):
        raise source.refuse(f"column {quoted(names[2])} has one value only; there is nothing to predict")
    codes = [
        np.unique(source.frame.iloc[:, place].astype(str).to_numpy(dtype=object), return_inverse=True)
        for place in places[:2]
    ]
    notes = [
        f"{source.name}: column {quoted(name)} has one value only"
        for name, (known, _) in zip(names[:2], codes, strict=True)
        if len(known) < 2
    ]
    order = np.random.default_rng(0).permutation(len(values))
    held_out = max(round(TEST_SHARE * len(values)), 2)
    for part, rows in (("training", order[held_out:]), ("held-out", order[:held_out])):
        if constant(values[rows]):
            raise source.refuse(
                f"column {quoted(names[2])} has one value only in the {part} part", "it takes more ratings"
            )
    pairs = np.stack([index.reshape(-1)[order] for _, index in codes], 1).astype(np.int32)
    short = [shorten(name) for name in names]
    users, items = (len(known) for known, _ in codes)
    sizes = f"{len(values):,} ratings ({short[2]}), {users:,} users ({short[0]}), {items:,} items ({short[1]})"
    read_as = "; ".join(filter(None, [f"{source.name}: {sizes}", source.read_as, dropped]))
    return Ratings(pairs, values[order], (users, items), Checked(read_as, (*source.warnings, *notes)))


def _place(source: Source, role: str, column: str) -> int:
    """Return the place of the column for a role; where a spec leaves it at its default, also under a usual name."""
    names = list(map(str, source.frame.columns))
    if column in names:
        return names.index(column)
    if column == role:
        usual = [place for place, name in enumerate(names) if name.lower() in (role, *_USUAL[role])]
        if len(usual) == 1:
            return usual[0]
    if "no header" in source.read_as and column.isdecimal() and 1 <= int(column[:9]) <= len(names):
        return int(column) - 1  # columns without a header are numbered too
    close = nearest(column, names)
    hint = f"did you mean {role}: {shorten(close)}?" if close else f"name it: {role}: one of {listed(names)}"
    raise source.refuse(f"there is no column {quoted(column)} for the {role}", hint)
