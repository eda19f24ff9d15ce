"""Models of other packages in a training loop: the blocks of a probe, and its gradients."""

from __future__ import annotations

import importlib.util
import math
import warnings

import pytest
import torch
from zoo import MODELS

import gradlab as gl
from gradlab.modules.measuring.inputs import Run, objective
from gradlab.modules.measuring.probe import measure

pytestmark = pytest.mark.slow
FUSED = ("LSTM", "GRU", "RNN")
"""A probe replays them step by step; the loop's own kernel shows the layer alone."""


@pytest.mark.parametrize("name", MODELS)
def test_a_watched_model_has_the_gradients_of_a_probe(name: str) -> None:
    entry = MODELS[name]
    if importlib.util.find_spec(entry.package) is None:
        pytest.skip(f"{entry.package} is not installed: pip install 'gradient-survival[models]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that are not ours
        torch.manual_seed(0)
        model, batch = entry.build()
        model.eval()
        profile = measure(model, batch, train=False, dtype=None)
        with gl.watch(model) as watched:
            loss, _ = objective(Run.of(model, batch, None), batch, None, 0)
            loss.backward()
            watched.step()
    if name in FUSED:
        assert len(watched.frame) == 1
        return
    expected = [block.log_grad_norm / math.log(10) for block in profile.blocks]
    assert watched.frame["log10_grad_norm"].tolist() == pytest.approx(expected, abs=1e-5)
    assert watched.notes == ()
