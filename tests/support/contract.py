"""The contract of the bank, for every kind of network: a cell's numbers do not depend on its bank-mates."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gradlab.cell import Cell
from gradlab.columns import field_names
from gradlab.components import INITS, NORMS, RESIDUALS, Component, Named
from gradlab.record import Record
from gradlab.training.loop import train_bank

__all__ = [
    "CLIPPED",
    "FEED_FORWARD_NORMS",
    "FORMS",
    "SMALL",
    "STARTS",
    "STEP_BY_STEP",
    "assert_independent",
    "assert_same",
    "named",
]

# As many inputs as units: the identity init would otherwise make units that are constant over the batch, for which
# batch norm and then Adam amplify mere rounding, and no two orders of summation agree on rounding.
# For the same reason Adam's eps is not 1e-8: a bias before batch norm has no gradient but rounding, of about 1e-17.
SMALL = Cell(
    task=Named("teacher", (("inputs", 6), ("samples", 64))), depth=3, width=6, lr=0.05, bias_std=0.1,
    precision=Named("float64"), steps=3, batch_size=8, probe_batch_size=8,
    optimizer=Named("adam", (("eps", 1e-6),)),
)  # fmt: skip
"""One small network in float64."""

STEP_BY_STEP = dataclasses.replace(
    SMALL, steps=12, activation=Named("tanh"), norm=Named("layer"), init=Named("xavier_normal"),
    probe_at=tuple(range(13)),
)  # fmt: skip
"""Measured at every step, for comparisons with loops of torch.optim."""

CLIPPED = [
    Named("none"),
    Named("norm", (("max", 0.3),)),
    Named("each", (("max", 0.05),)),
    Named("value", (("max", 0.02),)),
    Named("agc", (("factor", 0.03),)),
]
"""Every clip, tight enough to bite in the small networks of these tests."""


def named(registry: Mapping[str, Component], name: str) -> Named:
    """A component, its parameters without a default one half, or two of what is counted."""
    required = {key: param for key, param in registry[name].params.items() if param.required}
    return Named(name, tuple((key, 2 if param.kind is int else 0.5) for key, param in required.items()))


FORMS, FEED_FORWARD_NORMS = (
    {name: known for name, known in registry.items() if not known.models} for registry in (RESIDUALS, NORMS)
)
"""The residual forms and norms of the feed-forward network."""

STARTS = [named(INITS, name) for name in INITS if name not in ("constant", "delta_orthogonal")]
"""Every init but the one that makes units alike: a norm over them then amplifies mere rounding, see `SMALL`."""


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
