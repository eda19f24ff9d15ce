"""Transformers at initialisation against simulations in plain torch: what a probe of a torch.nn encoder measures.

Twelve blocks of width 256, four heads, 32 tokens, weights of variance 1/fan_in (2/fan_in before the ReLU), no biases;
`sd` is the scatter of ln of one seed's survival, and the tolerance that of a mean over the seeds.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import gradlab as gl

pytestmark = pytest.mark.slow

WIDTH, TOKENS, BLOCKS, SEEDS = 256, 32, 12, 5


def encoder(norm_first: bool) -> nn.Module:
    layers = []
    for _ in range(BLOCKS):
        layer = nn.TransformerEncoderLayer(
            WIDTH, 4, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=norm_first, bias=True
        )
        for name, parameter in layer.named_parameters():
            if parameter.ndim == 2:
                gain = 2 if name == "linear1.weight" else 1
                nn.init.normal_(parameter, std=math.sqrt(gain / parameter.shape[1]))
            elif "norm" not in name:
                nn.init.zeros_(parameter)
        layers.append(layer)
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("norm_first", "loss", "survival", "sd", "bias"),
    [(False, "token", 0.3141, 0.21, 0.0), (True, "token", 2.352, 0.031, 0.0), (True, "common", 4.740, 0.023, 0.04)],
)
def test_survival(norm_first: bool, loss: str, survival: float, sd: float, bias: float) -> None:
    x = torch.randn(2, TOKENS, WIDTH, generator=torch.Generator().manual_seed(0))
    result = gl.probe(None, x, loss, make=lambda seed: encoder(norm_first), seeds=SEEDS)
    measured = result.result.summary.log_survival
    # both means scatter: ours, and that of the five seeds which were simulated
    tolerance = 3 * sd / math.sqrt(SEEDS) * math.sqrt(2) + bias
    assert measured == pytest.approx(math.log(survival), abs=tolerance)


@pytest.mark.parametrize(
    ("norm_first", "cosines"),
    [(False, (0.181, 0.405, 0.942, 0.999)), (True, (0.175, 0.308, 0.567, 0.702))],
)
def test_the_cosine_between_tokens_is_that_of_mean_field_theory(norm_first: bool, cosines: tuple[float, ...]) -> None:
    x = torch.randn(2, TOKENS, WIDTH, generator=torch.Generator().manual_seed(0))
    blocks = gl.probe(None, x, "token", make=lambda seed: encoder(norm_first), seeds=SEEDS).blocks
    measured = np.array(blocks["token_cosine"])[[0, 1, 5, 11]]
    assert measured == pytest.approx(np.array(cosines), abs=0.02)
