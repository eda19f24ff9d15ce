"""Ranges against lists written out."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.query.ranges import LONGEST, RangeError, is_range, parse


def values(text: str) -> list[int | float]:
    return parse(text).values()


RANGES: dict[str, list[int | float]] = {
    "2..5": [2, 3, 4, 5],
    "3..3": [3],
    "-2..1": [-2, -1, 0, 1],
    "2..10:4": [2, 6, 10],
    "2..11:4": [2, 6, 10],
    "2..64*2": [2, 4, 8, 16, 32, 64],
    "2..65*2": [2, 4, 8, 16, 32, 64],
    "1..1_000*10": [1, 10, 100, 1000],
    "1e-3..1e-1*10": [0.001, 0.01, 0.1],
    "0.1..0.5:0.1": [0.1, 0.2, 0.3, 0.4, 0.5],
    ".1..1:.3": [0.1, 0.4, 0.7, 1],
    "-0.2..0.2:0.1": [-0.2, -0.1, 0, 0.1, 0.2],
    "1e-7..1*1e1": [1e-7, 1e-6, 1e-5, 1e-4, 0.001, 0.01, 0.1, 1],
    " 2 .. 8 * 2 ": [2, 4, 8],
    "1..6*1.5": [1, 1.5, 2.25, 3.375, 5.0625],
}


@pytest.mark.parametrize("text", RANGES)
def test_a_range_is_its_list(text: str) -> None:
    assert is_range(text)
    numbers = values(text)
    assert numbers == RANGES[text]
    assert [type(number) for number in numbers] == [type(number) for number in RANGES[text]]


@pytest.mark.parametrize(
    "text", ["2..", "..3", "2...5", "2..5..7", "2..5:", "2..5*2*2", "a..3", "2..x", "2 to 5..6", "1e99999..2"]
)
def test_what_only_looks_like_a_range_is_refused(text: str) -> None:
    assert is_range(text)
    with pytest.raises(RangeError):
        values(text)


@pytest.mark.parametrize("text", ["relu", "1/sqrt(depth)", "log", "../data.csv", "2.5", "a..b", ""])
def test_other_text_is_no_range(text: str) -> None:
    assert not is_range(text)


@pytest.mark.parametrize("text", [f"1..{LONGEST + 1}", "0..1:1e-300", "1..1e308*1.0001", "1..2:1e-9999"])
def test_a_range_that_is_too_long_is_refused_before_it_is_made(text: str) -> None:
    with pytest.raises(RangeError, match="more than 100,000 values"):
        values(text)


def test_the_longest_range() -> None:
    assert values(f"1..{LONGEST}") == list(range(1, LONGEST + 1))


cents = st.integers(-999, 999).map(lambda n: Decimal(n) / 100)


@given(cents, cents.map(abs), st.integers(1, 99).map(lambda n: Decimal(n) / 100))
def test_steps_are_exact(first: Decimal, length: Decimal, by: Decimal) -> None:
    numbers = values(f"{first}..{first + length}:{by}")
    count = Fraction(length) // Fraction(by) + 1
    assert numbers == [float(Fraction(first) + k * Fraction(by)) for k in range(count)]
