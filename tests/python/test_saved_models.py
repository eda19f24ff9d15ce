"""`gl.load` and `gl.compare` of the directories of models: what is read is what was measured."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from watched_runs import probed, stack, train

import gradlab as gl
from gradlab.report.model.module_rows import block_rows
from gradlab.report.plots.module import svg


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(6)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for place, layer in enumerate(self.layers):
            x = layer(x).tanh()
            x = x.detach() if place == 2 else x
        return x


def of(model: nn.Module) -> gl.Probe:
    return gl.probe(model, torch.randn(16, 8, generator=torch.Generator().manual_seed(1)))


def masked() -> gl.Probe:
    model = stack()
    nn.init.zeros_(model[-1].weight)
    return of(model)


def seeds() -> gl.Probe:
    def make(seed: int) -> nn.Module:
        return nn.Sequential(*[nn.Sequential(nn.Linear(8, 8), nn.Sigmoid()) for _ in range(12)])

    return gl.probe(make=make, batch=torch.randn(16, 8), seeds=3)


@pytest.mark.parametrize("make", [probed, masked, seeds, lambda: of(Detached()), lambda: of(stack(1))])
def test_a_saved_probe_says_what_the_probe_says(make: Callable[[], gl.Probe], tmp_path: Path) -> None:
    probe = make()
    probe.save(tmp_path)
    loaded = gl.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.blocks, probe.blocks[loaded.blocks.columns], check_exact=True)
    assert set(loaded.blocks) == set(probe.blocks) == set(block_rows(probe.result.profiles)[0])
    for width in (60, None):
        assert loaded.report(width) == probe.report(width)
    assert loaded.conclusions == probe.conclusions
    assert [cause.what for cause in loaded.causes] == [cause.what for cause in probe.causes]
    assert all(cause.what[:20] in probe.report(None) for cause in probe.causes)
    assert loaded.document() == probe.document()
    for name in ("verdict", "log10_survival", "survival", "decay", "reach", "notes"):
        np.testing.assert_equal(getattr(loaded, name), getattr(probe, name))
    assert svg(loaded.picture()) == svg(probe.picture())


def test_what_was_tried_is_saved_too(tmp_path: Path) -> None:
    probe = probed()
    probe.cure()
    probe.save(tmp_path)
    loaded = gl.load(tmp_path)
    assert loaded.report() == probe.report()
    assert [cure.what for cure in loaded.cures] == [cure.what for cure in probe.cures]


def test_a_watched_loop_says_what_its_last_step_was(tmp_path: Path) -> None:
    watched = train(tmp_path / "mine", every=2)
    loaded = gl.load(tmp_path / "mine")
    last = watched.frame[watched.frame["step"] == 4]
    report = loaded.module_report
    assert report.names == last["name"].tolist()
    assert report.log10_norms == last["log10_grad_norm"].tolist()
    assert report.summary.verdict == watched.steps["verdict"].iloc[-1]
    decay = math.exp(report.summary.log_decay)
    assert decay == pytest.approx(watched.steps["decay"].iloc[-1], rel=1e-9)
    assert loaded.conclusions == watched.conclusions
    assert loaded.conclusions[0].startswith("Healthy: survival")
    (line, *_), figure = watched.picture().axes[0].get_lines(), loaded.picture()
    np.testing.assert_array_equal(line.get_ydata(), figure.axes[0].get_lines()[0].get_ydata())


def test_directories_are_compared_by_the_names_of_their_blocks(tmp_path: Path) -> None:
    first, second = train(tmp_path / "a"), train(tmp_path / "b", activation=nn.Sigmoid)
    probed().save(tmp_path / "p")
    comparison = gl.compare(tmp_path / "a", tmp_path / "b", tmp_path / "p")
    last = [own.frame[own.frame["step"] == 4].reset_index() for own in (first, second)]
    table = comparison.table
    for label, frame in zip("ab", last, strict=True):
        np.testing.assert_array_equal(table[f"log10_survival_{label}"], frame["log10_survival"])
    ratio = last[1]["log10_survival"] - last[0]["log10_survival"]
    np.testing.assert_allclose(table["log10_survival_ratio_b"], ratio, atol=1e-12)
    summary = comparison.summary
    assert summary["name"].tolist() == ["a", "b", "p"]
    assert summary["step"].tolist()[:2] == [4, 4]
    np.testing.assert_array_equal(
        summary["log10_survival_start"][:2], [own.steps["log10_survival"][0] for own in (first, second)]
    )
    np.testing.assert_array_equal(summary["loss"][:2], [own.steps["loss"].iloc[-1] for own in (first, second)])
    assert gl.compare(tmp_path).table["name"].tolist() == table["name"].tolist()
    assert gl.compare(gl.load(tmp_path / "a"), gl.load(tmp_path / "p")).summary["name"].tolist() == ["before", "after"]


def frozen_and_detached(out: Path) -> gl.Watch:
    class Cut(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.detach()

    model = nn.Sequential(*stack()[:6], Cut(), *stack()[6:])
    model[0].requires_grad_(False)
    with gl.watch(model, every=1, out=out) as watched:
        model(torch.randn(4, 8)).sum().backward()
        watched.step()
    return watched


def test_blocks_that_are_cut_off_are_told_from_frozen_ones(tmp_path: Path) -> None:
    frozen_and_detached(tmp_path / "mine")
    loaded = gl.load(tmp_path / "mine")
    assert loaded.conclusions[0].startswith("Detached: no path leads from the loss to 2 and 4, which do not train")
    norms = loaded.module_report.log10_norms
    assert math.isnan(norms[0])
    assert norms[1:3] == [-math.inf] * 2
    report = loaded.report()
    assert "detached" in report
    assert "frozen" in report


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("run.json", lambda text: text.replace('"format": 1', '"format": 2'), "newer version"),
        ("run.json", lambda text: text[:40], "is damaged"),
        ("run.json", None, "is not there"),
        ("steps.csv", lambda text: text.replace("verdict", "verdikt"), "it has no column verdict"),
        ("layers.csv", lambda text: text.replace("true", "wahr"), "is not as gl.watch wrote it"),
        ("layers.csv", None, "no step with its blocks"),
    ],
)
def test_a_damaged_training_is_one_message(
    name: str, change: Callable[[str], str] | None, words: str, tmp_path: Path
) -> None:
    train(tmp_path / "mine")
    file = tmp_path / "mine" / name
    if change is None:
        file.unlink()
    else:
        file.write_text(change(file.read_text()))
    with pytest.raises(gl.StoreError) as caught:
        _ = gl.load(tmp_path / "mine").conclusions
    assert words in str(caught.value)


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document.pop(key)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda document: document.update(format=7), "newer version"),
        (lambda document: document.update(blocks=[]), "it has no blocks"),
        (lambda document: document["blocks"][0].update(factor="much"), "factor is no number"),
        (lambda document: document["blocks"][0].update(shape=3), "shape is no list"),
        (lambda document: document.update(log10_grad_norms=[[1.0]]), "not as many numbers as there are blocks"),
        (without("verdict"), "verdict is no text"),
        (without("thresholds"), "thresholds is no mapping"),
        (without("causes"), "causes is no list"),
    ],
)
def test_a_damaged_probe_is_one_message(change: Callable[[Any], Any], words: str, tmp_path: Path) -> None:
    probed().save(tmp_path)
    document = json.loads((tmp_path / "probe.json").read_text())
    change(document)
    (tmp_path / "probe.json").write_text(json.dumps(document))
    with pytest.raises(gl.StoreError) as caught:
        gl.load(tmp_path)
    assert words in str(caught.value)
