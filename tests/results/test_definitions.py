from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gradlab.definitions import fitted_blocks, reach, reach_interval


@pytest.mark.parametrize(
    ("decay", "blocks"),
    [(0.236052, 4.785), (1 / np.sqrt(2), 19.932), (0.1, 3.0), (10.0, 3.0), (1.0, np.inf), (1.0 + 1e-15, np.inf)],
)
def test_reach_counts_blocks_to_a_thousandth_or_a_thousandfold(decay: float, blocks: float) -> None:
    assert_allclose(reach(np.log([decay])), [blocks], rtol=1e-3)


def test_no_decay_has_no_reach() -> None:
    assert np.isnan(reach(np.array([np.nan])))[0]


@pytest.mark.parametrize(("blocks", "fitted"), [(1, 1), (5, 5), (6, 4), (32, 30)])
def test_the_fit_leaves_out_both_ends_from_six_blocks_on(blocks: int, fitted: int) -> None:
    assert fitted_blocks(np.zeros((3, blocks))).shape == (3, fitted)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.1, 0.5, (3.0, 9.966)), (2.0, 10.0, (3.0, 9.966)), (0.5, 10.0, (3.0, np.inf)), (1.0, 1.0, (np.inf, np.inf))],
)
def test_the_reach_has_no_upper_end_where_the_decay_may_be_one(
    low: float, high: float, expected: tuple[float, float]
) -> None:
    shortest, longest = reach_interval(np.log([low]), np.log([high]))
    assert_allclose([shortest[0], longest[0]], expected, rtol=1e-3)
