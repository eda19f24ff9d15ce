"""Ids, tables and reports are those of the version that `regenerate` tells of, whatever was rebuilt since."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from regenerate import EXPERIMENTS, HERE, IDS, SPECS, TABLES, identities, named, recorded

RTOL, ATOL = 1e-5, 1e-6
"""Between machines the order of sums differs, and with it the rounding of float32, 2^-24. These specs have products
of up to 64 terms, whose errors add up like a random walk, 8 * 2^-24, along at most 2 * 6 blocks and 4 steps: sqrt(48)
of them, 3e-6 in all. Measured between AVX2 and no vector instructions, one thread and two: 7e-7. Absolute, for what is
near zero by cancellation (R2, means, log ratios of a healthy gradient): measured 1.2e-7."""
HALF_RTOL = 2.0**-8
"""Of cells trained in 16 bits: one element that is rounded the other way moves a norm by at most that much."""
TIMES = ("wall_s", "gradlab", "torch", "device")
NUMBER = re.compile(r"(?<![\w.…=(/-])[-+±]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w…=])")
"""A number that stands for itself: no part of a name, of a range or of a setting."""


def test_the_cell_ids_of_every_experiment_are_the_same() -> None:
    expected = json.loads(IDS.read_text())
    assert {named(path): identities(path) for path in EXPERIMENTS} == expected


@pytest.fixture(scope="module", params=SPECS, ids=lambda path: path.stem)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, bytes], str]:
    """The name of a golden spec, and the tables and the report that this version makes of it."""
    path: Path = request.param
    tables, report = recorded(path, tmp_path_factory.mktemp(path.stem))
    return path.stem, tables, report


def test_tables_are_the_same_column_by_column(run: tuple[str, dict[str, bytes], str]) -> None:
    name, tables, _ = run
    cells = pd.read_csv(HERE / "expected" / name / "cells.csv", index_col="cell")
    half = cells.index[cells["precision"].str.contains("float16")] if "precision" in cells else []
    for table in TABLES:
        expected = pd.read_csv(HERE / "expected" / name / f"{table}.csv")
        actual = pd.read_csv(io.BytesIO(tables[table]))
        assert list(actual.columns[: expected.shape[1]]) == list(expected.columns), table
        assert len(actual) == len(expected), table
        keys = expected["cell"] if "cell" in expected else expected.get("precision", pd.Series("", expected.index))
        rtol = np.where(keys.isin(half) | keys.astype(str).str.contains("float16"), HALF_RTOL, RTOL)
        for column in expected.columns.difference(TIMES):
            what = f"{name}, {table}.csv, {column}"
            if expected[column].dtype.kind != "f":
                assert actual[column].astype(str).tolist() == expected[column].astype(str).tolist(), what
                continue
            left, right = (frame[column].to_numpy(float) for frame in (actual, expected))
            assert (np.isnan(left) == np.isnan(right)).all(), what
            with np.errstate(invalid="ignore"):
                near = np.abs(left - right) <= ATOL + rtol * np.abs(right)
            assert (near | (left == right) | np.isnan(left)).all(), f"{what}: {left[~near]} not {right[~near]}"


def numbers(report: str) -> list[str]:
    """Return the numbers of a report in their order, without those that tell times and places."""
    lines = [line for line in report.splitlines() if not re.search(r"cells? in [\d.,]+ (s|min)|^Tables: ", line)]
    return NUMBER.findall("\n".join(lines))


def test_reports_say_the_same_numbers_in_the_same_order(run: tuple[str, dict[str, bytes], str]) -> None:
    """To one unit of the last printed digit: a value on the edge between two may be rounded either way."""
    name, _, report = run
    actual, expected = numbers(report), numbers((HERE / "expected" / name / "report.txt").read_text(encoding="utf-8"))
    assert len(expected) > 10
    assert len(actual) == len(expected), sorted(set(actual) ^ set(expected))
    for left, right in zip(actual, expected, strict=True):
        values = [float(text.replace(",", "").lstrip("±")) for text in (left, right)]
        mantissa, _, exponent = right.partition("e")
        unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
        assert abs(values[0] - values[1]) <= 1.001 * unit, (left, right)
