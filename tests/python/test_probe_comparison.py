"""`gl.compare` of two probes: the same blocks beside each other, and what changed."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import gradlab as gl


def stack(depth: int, gain: float = 1.0) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(16, 16), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(16, 4))
    with torch.no_grad():
        for layer in model[:-1]:
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(gain)
    return model


def measured(model: nn.Module) -> gl.Probe:
    return gl.probe(model, torch.randn(6, 16, generator=torch.Generator().manual_seed(1)))


@pytest.fixture(scope="module")
def before() -> gl.Probe:
    return measured(stack(12, 0.5))


def test_the_ratio_is_that_of_the_two_tables(before: gl.Probe) -> None:
    after = measured(stack(12))
    comparison = gl.compare(before, after)
    ratio = after.blocks["log10_survival"] - before.blocks["log10_survival"]
    np.testing.assert_allclose(comparison.table["log10_survival_ratio"], ratio)
    assert comparison.table["name"].tolist() == before.blocks["name"].tolist()
    assert gl.compare([before, after]).conclusions == comparison.conclusions
    change = 10 ** (after.log10_survival - before.log10_survival)
    assert change > 1
    assert comparison.conclusions[0].startswith("Vanishing before" if after.verdict == "healthy" else "Still")


def test_blocks_that_are_there_once_are_named(before: gl.Probe) -> None:
    comparison = gl.compare(before, measured(stack(14, 0.5)))
    assert "Blocks only after: 24 and 26." in comparison.conclusions
    assert comparison.table["log10_survival_before"].isna().tolist() == [False] * 12 + [True] * 2
    assert math.isnan(comparison.table["log10_survival_ratio"].iloc[-1])


def test_it_is_text_html_and_json(before: gl.Probe) -> None:
    comparison = gl.compare(before, before)
    assert comparison.conclusions[0].startswith("Still vanishing")
    assert str(comparison) == comparison.report(110)
    assert all(len(line) <= 80 for line in comparison.report(80).split("\n"))
    assert comparison._repr_html_().startswith("<pre")
    document = json.loads(json.dumps(comparison.document(), allow_nan=False))
    assert [block["log10_survival_ratio"] for block in document["blocks"]] == [0.0] * 12
    assert document["before"] == before.document()


@pytest.mark.parametrize("given", [[1], ["results"], [1, 2]])
def test_anything_but_two_probes_is_refused(before: gl.Probe, given: list[object]) -> None:
    probes = [before] * (3 if given == [1, 2] else 1) + ([] if given == [1, 2] else given)  # type: ignore[list-item]
    with pytest.raises(gl.UsageError, match="two probes"):
        gl.compare(probes)
