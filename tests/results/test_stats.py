from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from gradlab.results import statistics


@pytest.mark.parametrize("count", [3, 4, 7, 30])
def test_slope_and_its_error_are_those_of_scipy(count: int) -> None:
    y = np.random.default_rng(count).normal(size=(5, count)).cumsum(axis=1)
    slope, error = statistics.slope(y)
    for row in range(5):
        expected = scipy.stats.linregress(np.arange(1, count + 1), y[row])
        assert_allclose([slope[row], error[row]], [expected.slope, expected.stderr], rtol=1e-12)


def test_two_points_have_a_slope_and_no_error_and_one_has_neither() -> None:
    slope, error = statistics.slope(np.array([[1.0, 3.5]]))
    assert slope[0] == 2.5
    assert np.isnan(error[0])
    assert np.isnan(statistics.slope(np.array([[1.0]]))).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_profile_with_one_bad_value_has_no_slope_and_harms_no_other(bad: float) -> None:
    slope, error = statistics.slope(np.array([[1.0, bad, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]]))
    assert np.isnan([slope[0], error[0]]).all()
    assert_allclose([slope[1], error[1]], [1.0, 0.0], atol=1e-15)


def test_the_interval_of_values_near_the_end_of_a_double_is_infinite() -> None:
    interval = statistics.mean_interval(np.array([1e200, 3e200]), np.zeros(2, np.int64), 1)
    assert (interval.mean[0], interval.high[0]) == (2e200, np.inf)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_intervals_are_those_of_scipy_group_by_group(level: float) -> None:
    random = np.random.default_rng(3)
    group = random.integers(0, 4, 40)
    values = random.normal(size=40) * 10.0**group
    estimate = statistics.mean_interval(values, group, 4, level)
    for index in range(4):
        members = values[group == index]
        low, high = scipy.stats.t.interval(level, len(members) - 1, members.mean(), scipy.stats.sem(members))
        assert_allclose(
            [estimate.mean[index], estimate.low[index], estimate.high[index]], [members.mean(), low, high], rtol=1e-9
        )
        assert estimate.count[index] == len(members)


def test_what_is_not_finite_is_left_out_and_small_groups_have_no_interval() -> None:
    values = np.array([1.0, np.nan, 3.0, -np.inf, 5.0, np.nan])
    estimate = statistics.mean_interval(values, np.array([0, 0, 0, 0, 1, 2]), 4)
    assert_allclose(estimate.mean, [2.0, 5.0, np.nan, np.nan])
    assert estimate.count.tolist() == [2, 1, 0, 0]
    assert np.isfinite(estimate.low).tolist() == [True, False, False, False]


def test_the_interval_of_logarithms_covers_the_truth_as_often_as_it_says() -> None:
    """2,000 draws of 5: a 95 % interval covers within three standard deviations (1.5 %) of 95 %."""
    random = np.random.default_rng(11)
    estimate = statistics.mean_interval(random.normal(0.7, 2.0, 10_000), np.repeat(np.arange(2000), 5), 2000)
    assert np.mean((estimate.low < 0.7) & (estimate.high > 0.7)) == pytest.approx(0.95, abs=0.015)


def test_the_deviation_is_that_of_numpy_group_by_group_and_of_finite_values_alone() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 12)
    group = np.repeat([0, 1, 2], [6, 5, 1])
    values[2] = -np.inf
    deviations = statistics.deviation(values, group, 3)
    assert_allclose(deviations[:2], [np.delete(values[:6], 2).std(ddof=1), values[6:11].std(ddof=1)], rtol=1e-12)
    assert np.isnan(deviations[2])
