"""The filter of the report page leaves what ``gradlab compare --where`` leaves of the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import cells_of
from fake_work import record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from page_in_browser import needs_chromium, one_of
from page_runs import rows_of, run_directory

from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Question, compare
from gradlab.cell import Cell, Named
from gradlab.errors import UsageError
from gradlab.record import Record
from gradlab.report.page import build_page
from gradlab.results.run import Run

pytestmark = needs_chromium

NUMBERS = ("survival", "log10_survival", "decay", "reach", "loss", "metric", "theory_survival", "theory_z", "underflow")
TEXTS = {
    "activation": (
        "sigmoid",
        "relu",
        "leaky_relu",
        "leaky_relu(negative_slope=0.2)",
        "leaky_relu()",
        "logistic",
        "'relu'",
    ),
    "norm": ("none", "layer", "off", "batch"),
    "verdict": ("healthy", "vanishing", "exploding", "dead"),
    "verdict_final": ("healthy", "vanishing"),
    "optimizer": ("sgd", "adam(eps=1e-4)", "adam"),
}
SETTINGS = {
    "depth": (2, 8, 31.5, 32), "width": (16, 64), "lr": (0.1, 0.01), "l2": (0, 1e-3, "none"), "seq_len": (5,),
    "activation.negative_slope": (0.01, 0.2), "optimizer.eps": (1e-8, 1e-4), "optimizer.lr": (0.1,),
    "train.steps": (300,),
}  # fmt: skip
SIGNS = st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "=="])


def with_gaps(cell: Cell) -> Record:
    """Records some of which have no finite loss and metric: conditions on them are unknown there."""
    plain = record(cell)
    lost = np.nan if cell.depth == 8 and cell.lr == 0.01 else 1.0
    values = {
        "loss": plain.loss * (1 + cell.depth + 10 * cell.lr) * lost,
        "metric": plain.metric * cell.depth / 40 * lost,
    }
    return plain.with_values(**values)


@pytest.fixture(scope="module")
def mixed(folder: Path) -> Path:
    """48 configurations of one seed, so that the mean of a configuration is the number of its cell."""
    names = ("sigmoid", "relu", "selu", "leaky_relu", "leaky_relu")
    cells = []
    for index, name in enumerate(names):
        activation = Named(name, (("negative_slope", 0.2),)) if index == 4 else Named(name)
        for cell in cells_of((2, 8, 32), ("relu",), seeds=1):
            cells += [
                replace(cell, activation=activation),
                replace(cell, activation=activation, lr=0.01, l2=1e-3, norm=Named("layer")),
                replace(cell, activation=activation, optimizer=Named("adam", (("eps", 1e-4),)), width=16),
            ]
    path = run_directory(folder / "mixed", cells, with_gaps)
    (path / "report.html").write_bytes(build_page([path]).html.encode())
    return path


@pytest.fixture(scope="module")
def left(mixed: Path) -> Callable[[str], set[str] | None]:
    """What the command leaves of a condition, ids of cells; None where it cannot read it."""
    collection = collect([Run(mixed)])

    def of(where: str) -> set[str] | None:
        try:
            return set(compare(collection, Question(where=where)).cells["cell"])
        except UsageError as error:
            return set() if "fits none" in error.message else None

    return of


FILTER = """
const box = document.querySelector("#filter");
box.value = arguments[0];
box.dispatchEvent(new Event("input"));
return [document.querySelector("#filter-message").textContent,
  [...document.querySelectorAll(".overview tr[data-row]")].map((row) => Number(row.dataset.row))];
"""


def conditions(run: Path) -> st.SearchStrategy[str]:
    """Conditions over the columns of a run; numbers lie between those that occur, or are those of settings."""

    def between(name: str) -> st.SearchStrategy[str]:
        values = sorted({float(row[name]) for row in rows_of(run, "cells") if row[name] and isfinite(float(row[name]))})
        middles = [(low + high) / 2 for low, high in pairwise(values) if high - low > 1e-5 * abs(high)]
        texts = [f"{value:.9g}" for value in [*middles, *(value * 1.001 + 1e-9 for value in values), 0.0]] + [
            "inf",
            "-inf",
        ]
        return st.sampled_from(texts).flatmap(lambda text: SIGNS.map(lambda sign: f"{name}{sign}{text}"))

    def among(name: str, values: tuple[Any, ...]) -> st.SearchStrategy[str]:
        chosen = st.lists(st.sampled_from([str(value) for value in values]), min_size=1, max_size=3)
        lists = st.builds(
            lambda word, names: f"{name} {word} [{', '.join(names)}]", st.sampled_from(["in", "not in"]), chosen
        )
        signs = st.sampled_from(["=", "!="]) if name in TEXTS else SIGNS
        return st.builds(lambda sign, value: f"{name}{sign}{value}", signs, st.sampled_from(values)) | lists

    known = collect([Run(run)]).cells.columns
    numbers = [between(name) for name in NUMBERS if name in known]
    assert len(numbers) > 5
    ranges = st.sampled_from(
        ["depth=2..8:2", "depth=2..32*4", "width!=16..32", "lr=0.01..1*10", "learned=1", "learned<1"]
    )
    simple = st.one_of(*numbers, *(among(name, values) for name, values in (TEXTS | SETTINGS).items()), ranges)
    return st.recursive(
        simple,
        lambda part: st.one_of(
            st.builds("not {}".format, part.map("({})".format)),
            st.builds("{} and {}".format, part, part),
            st.builds("({} or {})".format, part, part),
            st.builds("{}, {}".format, part, part),
            st.builds("{} {}".format, part, part),
        ),
        max_leaves=5,
    )


def test_the_filter_leaves_what_where_leaves(
    open_page: Callable[..., Any], mixed: Path, left: Callable[[str], set[str] | None]
) -> None:
    page = open_page(mixed)
    data = page.execute_script("return JSON.parse(document.getElementById('data').textContent)")
    ids = data["configurations"]["id"]
    cells = [row["cell"] for row in rows_of(mixed, "cells")]
    first = {identity: next(cell for cell in cells if cell.startswith(identity)) for identity in ids}
    assert len(ids) == len(cells) == 45
    sizes = set()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(conditions(mixed))
    def check(text: str) -> None:
        message, rows = page.execute_script(FILTER, text)
        wanted = left(text)
        assert (f"of {len(ids)} configurations" in message) == (wanted is not None), (text, message)
        assert wanted is None or {first[ids[row]] for row in rows} == wanted, text
        sizes.add(len(rows))

    check()
    assert len(sizes) > 5  # not only conditions that leave all or nothing


@pytest.mark.parametrize(
    "wrong",
    ["dept=3", "depth=deep", "norm<3", "learning_rate=0.1", "optimizer.epsilom=1", "depth=8..2", "(depth=3", "l2=x"],
)
def test_what_where_refuses_the_filter_refuses_with_the_same_words(
    open_page: Callable[..., Any], mixed: Path, wrong: str
) -> None:
    with pytest.raises(UsageError) as caught:
        compare(collect([Run(mixed)]), Question(where=wrong))
    page = open_page(mixed)
    one_of(page, "#filter").send_keys(wrong)
    said = one_of(page, "#filter-message").text
    reason, _, hint = said.partition("; ")
    assert reason == str(caught.value.message).splitlines()[0].removeprefix("--where, ")
    assert hint == (caught.value.hint or "")
