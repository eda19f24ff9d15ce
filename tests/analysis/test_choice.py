"""The choice of one value of an axis: what it reads, what it keeps apart, what it is worth."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest
import scipy.stats
from choice_bias import ALIKE, BEST_BY, chosen
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT

from gradlab.analysis.compare.choice import Choice, Trials, choose, scores


def trials(validation: np.ndarray, test: np.ndarray | None = None, *, unbounded: bool = False) -> Trials:
    """Return the trials of scores [configurations, values, seeds]; NaN is a cell that diverged."""
    judged = validation if test is None else test
    shape = validation.shape
    configuration, value, seed = (index.ravel() for index in np.indices(shape))
    lost = np.isnan(validation.ravel())
    floor = np.full(validation.size, -np.inf if unbounded else 0.0)
    return Trials(
        scores(validation.ravel(), lost, floor), scores(judged.ravel(), np.isnan(judged.ravel()), floor), lost,
        np.isneginf(floor), configuration, value, seed,
    )  # fmt: skip


def values_of(choice: Choice, sizes: int) -> list[int]:
    return [int(at) % sizes for at in choice.chosen]


def test_each_configuration_has_the_value_with_the_largest_mean_over_its_seeds() -> None:
    validation = np.random.default_rng(0).uniform(size=(40, 5, 3))
    test = np.random.default_rng(1).uniform(size=(40, 5, 3))
    choice = choose(trials(validation, test))
    best = validation.mean(axis=2).argmax(axis=1)
    assert values_of(choice, 5) == best.tolist()
    chosen = test[np.arange(40), best]
    assert choice.test.mean[choice.chosen] == pytest.approx(chosen.mean(axis=1))
    low, high = scipy.stats.t.interval(0.95, 2, chosen.mean(axis=1), scipy.stats.sem(chosen, axis=1))
    assert choice.test.low[choice.chosen] == pytest.approx(low)
    assert choice.test.high[choice.chosen] == pytest.approx(high)


def test_the_choice_reads_no_score_of_the_test_half_and_the_judgement_none_of_the_validation_half() -> None:
    rng = np.random.default_rng(2)
    validation, test = rng.uniform(size=(2, 30, 4, 3))
    first, other = choose(trials(validation, test)), choose(trials(validation, rng.uniform(size=test.shape)))
    assert first.chosen.tolist() == other.chosen.tolist()
    assert first.ties.tolist() == other.ties.tolist()
    assert first.test.mean.tolist() != other.test.mean.tolist()
    shifted = choose(trials(0.5 * validation, test))
    assert shifted.chosen.tolist() == first.chosen.tolist()
    assert shifted.test.mean.tolist() == first.test.mean.tolist()
    assert shifted.without_seed.tolist() == first.without_seed.tolist()


unit = st.floats(0, 1).map(lambda value: round(value, 3))


@given(st.lists(st.lists(unit, min_size=3, max_size=3), min_size=1, max_size=5), st.data())
@settings(max_examples=150, deadline=None)
def test_a_worse_value_anywhere_on_the_axis_changes_nothing_that_is_judged(
    table: list[list[float]], data: st.DataObject
) -> None:
    validation = np.array([table])
    test = np.random.default_rng(3).uniform(size=validation.shape)
    least = float(validation.mean(axis=2).max())
    worse = np.array(data.draw(st.lists(unit, min_size=3, max_size=3)))
    lost = data.draw(st.lists(st.booleans(), min_size=3, max_size=3))
    worse = np.where(lost, np.nan, np.minimum(worse, 1) * least * 0.999)
    if np.nan_to_num(worse).mean() >= least:
        return
    at = data.draw(st.integers(0, len(table)))
    more = (
        np.insert(validation, at, worse, axis=1),
        np.insert(test, at, np.random.default_rng(4).uniform(size=3), axis=1),
    )
    before, after = choose(trials(validation, test)), choose(trials(*more))
    assert after.test.mean[after.chosen].tolist() == before.test.mean[before.chosen].tolist()
    assert after.validation.mean[after.chosen].tolist() == before.validation.mean[before.chosen].tolist()


def noise(rng: np.random.Generator, scatter_of_seeds: float) -> tuple[np.ndarray, np.ndarray]:
    """Return validation and test accuracies of 4,000 configurations with 5 values that are all worth 0.6 (5 seeds).

    A network has an accuracy of its own, on samples without end; each half has 200 samples.
    """
    own = 0.6 + scatter_of_seeds * rng.normal(size=(4000, 5, 5))
    validation, test = rng.binomial(200, np.clip(own, 0, 1), size=(2, *own.shape)) / 200
    return validation, test


def test_choosing_among_values_that_are_all_alike_gives_no_optimism_on_the_other_half() -> None:
    validation, test = noise(np.random.default_rng(5), 0.0)
    choice = choose(trials(validation, test))
    judged, seen = choice.test.mean[choice.chosen], choice.validation.mean[choice.chosen]
    error = judged.std(ddof=1) / np.sqrt(len(judged))
    assert abs(judged.mean() - 0.6) < 4 * error
    # the expected largest of five standard normal numbers, Harter (1961): 1.163
    expected = 1.163 * np.sqrt(0.6 * 0.4 / 200 / 5)
    assert seen.mean() - 0.6 == pytest.approx(expected, abs=4 * error)
    assert expected > 40 * error


def test_luck_of_the_networks_is_seen_by_leaving_the_judged_seed_out_of_the_choice() -> None:
    validation, test = noise(np.random.default_rng(6), 0.1)
    choice = choose(trials(validation, test))
    at_chosen, left_out = choice.test.mean[choice.chosen] - 0.6, choice.without_seed - 0.6
    error = left_out.std(ddof=1) / np.sqrt(len(left_out))
    assert abs(left_out.mean()) < 4 * error
    # both halves judge the same networks, and the best five of them were chosen: 1.163 deviations of a mean of five
    # that the halves have in common, as the choice sees them
    common, seen = 0.1**2 / 5, (0.1**2 + 0.6 * 0.4 / 200) / 5
    assert at_chosen.mean() == pytest.approx(1.163 * common / np.sqrt(seen), abs=4 * error)


def test_the_best_value_is_chosen_or_a_tie_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(7)
    worth = np.array([0.5, 0.502, 0.49, 0.47, 0.3])
    validation = worth[:, None] + 0.02 * rng.normal(size=(4000, 5, 5)) + 0.05 * rng.normal(size=(4000, 1, 5))
    choice = choose(trials(validation))
    tie = choice.ties.reshape(4000, 5)
    chosen = np.array(values_of(choice, 5))
    held = (chosen == worth.argmax()) | tie[:, worth.argmax()]
    assert held.mean() > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 4000)
    assert tie[:, 4].mean() < 0.01  # and what is worse by ten deviations is no tie
    assert not tie[np.arange(4000), chosen].any()


def test_ties_are_those_of_a_paired_t_test_with_bonferronis_bound() -> None:
    rng = np.random.default_rng(8)
    validation = 0.5 + 0.02 * rng.normal(size=(60, 4, 6)) + 0.1 * rng.normal(size=(60, 1, 6))
    validation += 0.02 * np.arange(4)[:, None]
    choice = choose(trials(validation))
    chosen = values_of(choice, 4)
    for configuration, value in product(range(60), range(4)):
        if value == chosen[configuration]:
            continue
        best, other = validation[configuration, chosen[configuration]], validation[configuration, value]
        p = scipy.stats.ttest_rel(best, other, alternative="greater").pvalue
        assert bool(choice.ties.reshape(60, 4)[configuration, value]) == (p >= 0.05 / 3)
    assert choice.decided.all()
    assert 20 < choice.ties.sum() < 160  # of 180


def test_two_seeds_tell_no_ties() -> None:
    choice = choose(trials(np.random.default_rng(9).uniform(size=(4, 3, 2))))
    assert not choice.decided.any()
    assert not choice.ties.any()
    assert choose(trials(np.ones((2, 1, 1)))).decided.all()  # where there is one value there is nothing to tell


def test_equal_means_go_to_the_value_without_lost_cells_and_then_to_the_first() -> None:
    lost = np.array([[[np.nan, 1.0], [0.5, 0.5]]])
    assert values_of(choose(trials(lost)), 2) == [1]
    assert values_of(choose(trials(np.full((1, 3, 2), 0.5))), 3) == [0]
    # the same numbers in another order: their sums differ in the last digit
    rows = np.array([[[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]])
    assert rows[0, 0].sum() != rows[0, 1].sum()
    assert values_of(choose(trials(rows)), 2) == [0]


def test_a_diverged_seed_counts_as_the_worst() -> None:
    validation = np.array([[[0.9, 0.9, np.nan], [0.7, 0.7, 0.7], [0.2, 0.2, 0.2]]])
    choice = choose(trials(validation))
    assert values_of(choice, 3) == [1]
    assert choice.validation.mean.tolist() == pytest.approx([0.6, 0.7, 0.2])
    assert choice.lost.tolist() == [1, 0, 0]
    one_of_five = np.array([[[0.95] * 4 + [np.nan], [0.1] * 5]])
    assert values_of(choose(trials(one_of_five)), 2) == [0]
    # a metric below the floor is worth no more than a diverged seed, and outweighs nothing
    poor = np.array([[[0.9, 0.9, -50.0], [0.5, 0.5, 0.5]]])
    assert values_of(choose(trials(poor)), 2) == [0]
    nothing = choose(trials(np.full((1, 2, 3), np.nan)))
    assert nothing.test.mean.tolist() == [0, 0]


def test_without_a_floor_the_fewest_diverged_seeds_decide() -> None:
    validation = np.array([[[-1.0, -1.0, np.nan], [-9.0, -9.0, -9.0], [np.nan] * 3]])
    choice = choose(trials(validation, unbounded=True))
    assert values_of(choice, 3) == [1]
    assert choice.test.mean[choice.chosen].tolist() == [-9.0]
    assert not choice.ties.any()
    assert values_of(choose(trials(validation[:, [0, 2]], unbounded=True)), 2) == [0]


def test_values_with_seeds_of_their_own_are_chosen_by_their_own_means() -> None:
    whole = trials(np.array([[[0.5, 0.6, 0.7], [0.9, 0.1, 0.2], [0.3, 0.3, 0.3]]]))
    part = np.array([0, 1, 2, 3, 6, 7, 8])  # the second value has the first seed only
    some = Trials(*(getattr(whole, name)[part] for name in Trials.__dataclass_fields__))
    choice = choose(some)
    assert values_of(choice, 3) == [1]
    assert not choice.decided.any()
    assert np.isnan(choice.without_seed).all()


def test_the_page_about_statistics_has_what_the_simulation_gives() -> None:
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    for number, (values, luck) in enumerate(ALIKE):
        row = re.search(rf"^\| {values} \| {luck:g} \| (.*) \|$", page, re.MULTILINE)
        assert row is not None
        told = [float(text.split(" ± ")[0]) for text in row[1].split(" | ")]
        choice = chosen([0.6] * values, luck, 2000, np.random.default_rng(100 + number))
        means = choice.validation.mean[choice.chosen], choice.test.mean[choice.chosen], choice.without_seed
        for each, expected in zip(means, told, strict=True):
            # the page has the mean of 20,000 configurations, to four decimals
            error = each.std() * np.sqrt(1 / 2000 + 1 / 20_000) + 5e-5
            assert abs(each.mean() - 0.6 - expected) < 4 * error
    assert re.findall(r"^\| (0\.\d+) \| [\d.]+ % \|", page, re.MULTILINE) == [f"{lead:g}" for lead in BEST_BY]
