"""The contract of the bank, for every kind of network: a cell's numbers do not depend on its bank-mates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gradlab.cell import Cell
from gradlab.columns import field_names
from gradlab.components import INITS, Named
from gradlab.record import Record
from gradlab.training.loop import train_bank

__all__ = ["CLIPPED", "STARTS", "assert_independent", "assert_same"]

CLIPPED = [
    Named("none"),
    Named("norm", (("max", 0.3),)),
    Named("value", (("max", 0.02),)),
    Named("agc", (("factor", 0.03),)),
]
"""Every clip, tight enough to bite in the small networks of these tests."""

STARTS = [
    Named(name, tuple((key, 0.5) for key, param in init.params.items() if param.required))
    for name, init in INITS.items()
]
"""Every init, half of whatever it must be told."""


def assert_same(one: Record, other: Record) -> None:
    """Two records of one cell are the same in float64, but for the order of sums."""
    for name in field_names("step", "layer"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=1e-8, atol=1e-11, err_msg=f"{name} of {one.cell}"
        )
    assert one.cell == other.cell
    assert one.learned == other.learned


def assert_independent(cells: Sequence[Cell], alone: Iterable[int]) -> None:
    """The bank permuted gives every cell the same numbers, and so does each of the cells `alone` by itself."""
    order = np.random.default_rng(0).permutation(len(cells))
    together = train_bank(cells)
    permuted = train_bank([cells[i] for i in order])
    for place, i in enumerate(order):
        assert_same(permuted[place], together[i])
    for i in alone:
        assert_same(train_bank([cells[i]])[0], together[i])
