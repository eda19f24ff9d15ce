"""Causes along time: gates that let the state through in part, and recurrent matrices that shrink or stretch it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from gradlab.modules.causes.record import Cause, Measured

__all__ = ["recurrence"]

_OPEN = 0.9
"""A gate that keeps less leaves less than a thousandth after 66 steps."""
_GATES = {"LSTM": "forget gate", "GRU": "update gate"}
_GATED = "Gers 2000, Neural Computation 12:2451; Jozefowicz 2015, PMLR 37:2342"


def recurrence(measured: Measured) -> Iterator[Cause]:
    """Yield the layers whose gates, or whose recurrent matrix, account for what a time step does to the gradient."""
    if not measured.over_time or measured.verdict not in ("vanishing", "exploding"):
        return
    places = list(range(len(measured.blocks)))
    shrinks = measured.verdict == "vanishing"
    evidence = {"steps": float(len(places)), **measured.factor(places)}
    for layers in zip(*(profile.recurrences for profile in measured.profiles), strict=True):
        layer = replace(
            layers[0],
            kept=math.fsum(layer.kept for layer in layers) / len(layers),
            radius=math.fsum(layer.radius for layer in layers) / len(layers),
        )
        if layer.kind not in ("RNN", *_GATES) and any(block.joined for block in measured.blocks[1:]):
            continue  # the state of a cell written by hand goes past the matrix too
        if shrinks and layer.kept < _OPEN:
            gate = _GATES[layer.kind]
            yield Cause(
                measured.labels[0],
                f"the {gate} of {layer.name} keeps {layer.kept:.2f} of the state at each of {len(places)} steps, on "
                f"the mean over this batch",
                {f"mean {gate}": layer.kept, **evidence}, _GATED, measured.change(places),
            )  # fmt: skip
        elif not math.isnan(layer.radius) and (layer.radius < 1) == shrinks:
            yield Cause(
                measured.labels[0],
                f"the recurrent matrix of {layer.name} has eigenvalues of at most {layer.radius:.2f}, and is "
                f"multiplied {len(places)} times",
                {"largest eigenvalue": layer.radius, **evidence}, "Pascanu 2013, arXiv 1211.5063",
                measured.change(places),
            )  # fmt: skip
