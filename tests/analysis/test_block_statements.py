"""Statements about a block of the profile, and about slopes along a setting."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from judged import results

from gradlab import grid, spec
from gradlab.analysis.expectations import Judgement, judge
from gradlab.cell import Cell, cell_id

HEAD = "name: x\nseeds: 2\ntrain: {steps: 5}\ngrid: {depth: [2, 4, 16], activation: [relu, sigmoid]}\nexpect:\n"


def act_std(cell: Cell, block: int) -> float:
    """What the tables below say of a block before training."""
    return block + 10 * cell.seed + 100 * (cell.activation.name == "sigmoid")


def log10_grad(cell: Cell, block: int) -> float:
    """The same of its gradient: depth^-0.5 where it is relu, 1 elsewhere, a thousandth of it in the second seed."""
    return -0.5 * math.log10(cell.depth) * (cell.activation.name == "relu") - 3 * cell.seed


def judged(statement: str, head: str = HEAD) -> Judgement:
    document = spec.loads(f"{head}  - {statement}\n")
    cells = grid.expand(document).cells
    rows = [
        (cell_id(cell), step, block, act_std(cell, block) + 1000 * step, log10_grad(cell, block))
        for cell in cells
        for step in (0, 5)
        for block in range(1, cell.depth + 1)
    ]
    layers = pd.DataFrame(rows, columns=["cell", "step", "layer", "act_std", "log10_grad_norm"])
    layers["weight_grad_norm"] = np.where(layers["layer"] == 1, 0.0, 10 ** layers["log10_grad_norm"])
    layers["token_cosine"] = math.nan
    tables = replace(results(cells), layers=layers)
    (judgement,) = judge(document.expect, cells, [cell_id(cell) for cell in cells], tables)
    return judgement


HOLDS = [
    "act_std(block=2)[activation=relu] == 7",  # the mean of 2 and 12, at step 0
    "act_std(block=last)[activation=relu, depth=16] == 21",
    "act_std( block = last )[activation=sigmoid, depth=4] == 109",
    "act_std(block=last)[activation=relu] > act_std(block=1)[activation=relu]",
    "act_std(block=2)[activation=sigmoid] within 1e-9 of act_std(block=2)[activation=relu] * 15.2857142857142857",
    "grad_norm(block=1)[activation=sigmoid] within 1e-9% of 0.0316227766016838",  # 1000^-0.5
    "mean(grad_norm(block=1)[activation=relu]) within 1e-6% of 0.0140863455692392",  # 1000^-0.5 (2 4 16)^(-1/6)
    "weight_grad_norm(block=1) == 0",
    "weight_grad_norm(block=2)[activation=relu, depth=16] within 1e-9% of 0.00790569415042095",  # 1000^-0.5 / 4
    "slope(grad_norm(block=last)[activation=relu], depth) within 1e-9 of -0.5",
    "slope(weight_grad_norm(block=last)[activation=sigmoid], depth) within 1e-9 of 0",
    "2 * slope(grad_norm(block=2)[activation=relu], depth) within 1e-9 of -1",
]


@pytest.mark.parametrize("statement", HOLDS)
def test_blocks_and_slopes(statement: str) -> None:
    judgement = judged(statement)
    assert (judgement.outcome, judgement.reason) == ("held", "")


def test_the_slope_is_numpys() -> None:
    judgement = judged("slope(act_std(block=last)[activation=relu], depth) == 0")
    expected = np.polyfit(np.log([2, 4, 16]), np.log([7, 9, 21]), 1)[0]
    assert float(judgement.measured or 0) == pytest.approx(expected, rel=1e-12)


UNKNOWN = {
    "act_std(block=3) > 0": "there is no block 3: a configuration it speaks of has 2",
    "token_cosine(block=1) > 0": "token_cosine is empty",
    "slope(act_std(block=1)[depth=4], depth) > 0": "a slope needs two different values of depth",
    "slope(weight_grad_norm(block=1), depth) > 0": (
        "a slope is of logarithms, and weight_grad_norm is not above 0 everywhere"
    ),
    "slope(act_std(block=1), dropout) > 0": "a slope needs values of dropout above 0",
}


@pytest.mark.parametrize("statement", UNKNOWN)
def test_what_cannot_be_known_says_why(statement: str) -> None:
    judgement = judged(statement)
    assert (judgement.outcome, judgement.reason) == ("not judged", UNKNOWN[statement])


def test_probes_of_profiles_alone_say_that_they_do_not_measure_it() -> None:
    head = HEAD.replace("train:", "probe: {record: profile}\ntrain:")
    judgement = judged("token_cosine(block=1) > 0", head)
    assert judgement.reason == "token_cosine is empty: probe.record: profile does not measure it"
