"""`gl.compare` of two probes: the same blocks beside each other, and what changed."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from rich.cells import cell_len
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
    assert [model["verdict"] for model in document["models"]] == ["vanishing"] * 2


def test_several_have_a_column_each_and_are_compared_with_the_first(before: gl.Probe) -> None:
    others = [measured(stack(12, gain)) for gain in (1.0, 2.0)]
    comparison = gl.compare([before, *others])
    for label, other in zip(("Sequential 2", "Sequential 3"), others, strict=True):
        ratio = other.blocks["log10_survival"] - before.blocks["log10_survival"]
        np.testing.assert_allclose(comparison.table[f"log10_survival_ratio_{label}"], ratio, atol=1e-12)
    assert comparison.summary["log10_survival"].tolist() == [own.log10_survival for own in (before, *others)]
    assert [sentence.partition(",")[0] for sentence in comparison.conclusions[:2]] == [
        "Sequential 1: vanishing", f"Sequential 2: {others[0].verdict}"
    ]  # fmt: skip
    for width in (40, 60, 80, 120):
        assert all(cell_len(line) <= width for line in comparison.report(width).split("\n"))


def test_a_block_that_only_one_of_three_has_is_a_row_of_its_own(before: gl.Probe) -> None:
    comparison = gl.compare([before, measured(stack(13, 0.5)), before])
    assert "Blocks only in Sequential 2: 24." in comparison.conclusions
    table = comparison.table
    assert table["name"].tolist() == [str(2 * place) for place in range(13)]
    assert table["log10_survival_Sequential 1"].isna().tolist() == [False] * 12 + [True]
    assert table["log10_survival_Sequential 2"].notna().all()
    assert table["log10_survival_Sequential 3"].isna().tolist() == [False] * 12 + [True]


def test_the_picture_has_a_line_for_each(before: gl.Probe) -> None:
    after = measured(stack(12))
    axes = gl.compare(before, after).picture().axes[0]
    drawn = [line.get_ydata() for line in axes.get_lines() if len(line.get_xdata()) == 12]
    for line, probe in zip(drawn, (before, after), strict=True):
        np.testing.assert_allclose(line, probe.blocks["log10_survival"], atol=1e-12)
    assert [text.get_text().partition(":")[0] for text in axes.get_legend().get_texts()] == ["before", "after"]


@pytest.mark.parametrize("given", [[1], ["results"], []])
def test_anything_but_measured_models_is_refused(before: gl.Probe, given: list[object]) -> None:
    with pytest.raises(gl.UsageError, match="two or more measured models are compared"):
        gl.compare([before, *given])
