"""Yang 2022: with muP a learning rate moves every layer alike at every width, with the standard parametrisation not

"Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer" (arXiv 2203.03466), D.1,
the coordinate check: by how much the outputs of a layer move in the first updates of Adam, against the width. In the
standard parametrisation an update moves every weight by the learning rate, so a sum over the width that is correlated
with it grows: exponents of 0 at the first layer, 1 at the hidden ones, and at the output 1.5, its weights being
correlated with what moves below it. With muP (table 3: learning rates of hidden and output matrices divided by the
fan-in, output weights of variance 1/width^2) all are 0.
A ReLU network of four layers, batch 64, one update of Adam with eps 1e-30, six seeds, three widest of 64 ... 2,048.
Tolerance: in plain torch over 512 ... 2,048 the exponents were .00, .98, 1.00, 1.44, off by up to 0.06 by the width
being finite, so 0.1; with muP 0.05.
Not shown: that the best learning rate of a small model is that of a large one after training. A spec has no learning
rate for each layer, so this is a script: it prints what `gradlab run --json` says of expectations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

import gradlab as gl

WIDTHS = (64, 128, 256, 512, 1024, 2048)
SEEDS, LR = 6, 1e-3
STANDARD = (0.0, 1.0, 1.0, 1.5)
LAYERS = ("the first layer", "the second layer", "the third layer", "the output")


def mlp(width: int) -> nn.Sequential:
    """Return a network of the standard parametrisation: He's variance, 1/width at the output."""
    inner = [nn.Linear(64, width), nn.Linear(width, width), nn.Linear(width, width)]
    output = nn.Linear(width, 10)
    for layer in (*inner, output):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear" if layer is output else "relu")
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*[module for layer in inner for module in (layer, nn.ReLU())], output)


def mup(width: int) -> nn.Sequential:
    """Return the same with output weights of variance 1/width^2."""
    model = mlp(width)
    with torch.no_grad():
        model[-1].weight.mul_(width**-0.5)
    return model


def adam(model: nn.Module) -> torch.optim.Optimizer:
    """Return Adam with one learning rate."""
    return torch.optim.Adam(model.parameters(), lr=LR, eps=1e-30)


def mup_adam(model: nn.Module) -> torch.optim.Optimizer:
    """Return Adam with the learning rates of muP, those of width 64 at that width."""
    first, *others = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    rates = [(first.weight, LR), *((layer.weight, LR * 64 / layer.in_features) for layer in others)]
    rates += [(layer.bias, LR) for layer in (first, *others)]
    return torch.optim.Adam([{"params": [weight], "lr": lr} for weight, lr in rates], eps=1e-30)


def expected() -> Iterator[dict[str, Any]]:
    """Yield a judgement on each layer of both parametrisations."""
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(64, 64, generator=generator), torch.randint(10, (64,), generator=generator)
    for name, make, optimizer, exponents, tolerance in (
        ("standard", mlp, adam, STANDARD, 0.1),
        ("muP", mup, mup_adam, (0.0,) * 4, 0.05),
    ):
        check = gl.width(make, WIDTHS, batch, "cross_entropy", optimizer=optimizer, steps=1, seeds=SEEDS).check
        for layer, (words, exponent) in enumerate(zip(LAYERS, exponents, strict=True)):
            slope = check.slope(layer)
            yield {
                "that": f"exponent of {words}, {name}, within {tolerance:g} of {exponent:g}",
                "outcome": "held" if abs(slope.value - exponent) <= tolerance else "did not hold",
                "reason": "",
                "measured": f"{slope.value:.3f} [{slope.value - slope.half_width:.3f}, "
                f"{slope.value + slope.half_width:.3f}]",
                "against": exponent,
                "where": "",
                "because": f"gl.width says: {check.verdict(layer)}",
            }


if __name__ == "__main__":
    print(json.dumps({"cells": 2 * len(WIDTHS) * SEEDS, "expected": list(expected())}, indent=1))
