"""Directories of models of a user: watched trainings and saved probes, made as a user makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gradlab as gl
from gradlab.cli import invoke

__all__ = ["probed", "said", "stack", "train"]


def stack(depth: int = 6, width: int = 8, activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), activation())]
    return nn.Sequential(*layers, nn.Linear(width, 3))


def train(
    out: Path, steps: int = 5, *, depth: int = 6, activation: type[nn.Module] = nn.Tanh, clip: float | None = None,
    **options: Any,
) -> gl.Watch:  # fmt: skip
    model = stack(depth, activation=activation)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with gl.watch(model, out=out, optimizer=optimizer, **{"every": 1, **options}) as watched:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(torch.randn(16, 8)), torch.randint(3, (16,)))
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            watched.step(loss=loss)
    return watched


def probed(depth: int = 6, **options: Any) -> gl.Probe:
    batch = torch.randn(16, 8, generator=torch.Generator().manual_seed(1)), torch.zeros(16, dtype=torch.int64)
    return gl.probe(stack(depth), batch, "cross_entropy", **options)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    """Return what a command prints on both streams, which ends with the exit code."""
    capsys.readouterr()
    assert invoke(arguments) == code
    captured = capsys.readouterr()
    return captured.out, captured.err
