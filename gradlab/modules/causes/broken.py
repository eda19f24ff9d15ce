"""Causes of a gradient that is cut off, exactly zero or not finite."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradlab.modules.causes.record import Cause, Measured, listed
from gradlab.modules.summary import masking_weights

__all__ = ["cut_off", "nonfinite", "norms_of_one_value", "precision", "zero_weights"]

_LEAST: dict[str, float] = {"float16": 2.0**-24, "bfloat16": 2.0**-133, "float32": 2.0**-149}
"""The smallest numbers above zero of the formats that lose gradients."""
_LOST = 0.1
"""By how much the share of exact zeros rises where a format is too short. Below it a pooling layer or an unused
position does the same."""


def cut_off(measured: Measured) -> Iterator[Cause]:
    """Yield where a chain is broken by ``detach``, ``no_grad`` or ``inference_mode``."""
    unreached = [label for label, block in zip(measured.labels, measured.blocks, strict=True) if not block.connected]
    if not unreached:
        return
    evidence = {"blocks without a path to the loss": float(len(unreached))}
    for cut_by, module in measured.first.cut_off:
        text = f"{cut_by} in {module or 'the model itself'} cuts the gradient off from {listed(unreached)}"
        yield Cause(unreached[-1], text, evidence, "definition: torch.autograd", math.inf)


def zero_weights(measured: Measured) -> Iterator[Cause]:
    """Yield the weights that are exactly zero where the gradient ends."""
    if measured.verdict != "masked":
        return
    for profile in measured.profiles:
        if weights := masking_weights(profile):
            break
    else:
        return
    zero = [place for place, block in enumerate(profile.blocks) if block.log_grad_norm == -math.inf]
    above = zero[-1] + 1
    block = measured.labels[above] if above < len(measured.blocks) else "head"
    yield Cause(
        block, f"{listed(weights)} {'is' if len(weights) == 1 else 'are'} zero in every element: no gradient arrives "
        f"below until the first step changes {'it' if len(weights) == 1 else 'them'}",
        {"norm of the weights": 0.0, "blocks without gradient": float(len(zero))},
        "definition: the gradient of a product with 0", math.inf,
    )  # fmt: skip


def norms_of_one_value(measured: Measured) -> Iterator[Cause]:
    """Yield the norms that normalise each value by itself, where the gradient is exactly zero."""
    names = measured.first.norms_of_one_value
    zero = [place for place, norm in enumerate(measured.log_g) if norm == -math.inf]
    if names and zero:
        subject = f"{listed(names)} normalise{'s' if len(names) == 1 else ''} one value at a time"
        yield Cause(
            measured.labels[zero[-1]], f"{subject}: what comes out is a constant, and no gradient goes through",
            {"values": 1.0, "blocks without gradient": float(len(zero))}, "definition: x - mean(x) of one x is 0",
            math.inf,
        )  # fmt: skip


def nonfinite(measured: Measured) -> Iterator[Cause]:
    """Yield the first block, from the data, whose values are not finite; else the last whose gradient is not."""
    values, gradients = measured.mean("nonfinite_values"), measured.mean("nonfinite")
    forward = [place for place, share in enumerate(values) if share > 0]
    backward = [place for place, share in enumerate(gradients) if share > 0]
    if forward:
        place = forward[0]
        evidence = {"share of values not finite": float(values[place])}
        if place and math.isfinite(below := float(measured.mean("act_rms")[place - 1])):
            evidence["rms of the values below"] = below
        text = f"the output of {measured.labels[place]} is not finite"
    elif backward:
        place = backward[-1]
        evidence = {"share of the gradient not finite": float(gradients[place])}
        text = f"the gradient is not finite at the output of {measured.labels[place]}, though the values are"
    elif not math.isfinite(measured.first.loss):
        yield Cause("head", "the loss is not finite, though the outputs of all blocks are",
                    {"loss": measured.first.loss}, "definition: IEEE 754", math.inf)  # fmt: skip
        return
    else:
        return
    yield Cause(measured.labels[place], text, evidence, "definition: IEEE 754", math.inf)


def precision(measured: Measured) -> Iterator[Cause]:
    """Yield the block that computes in a short format and below which elements of the gradient turn exactly zero."""
    zero = measured.mean("zero_grad")
    for place in range(len(measured.blocks) - 1, 0, -1):
        dtype = measured.blocks[place].dtype
        lost = float(zero[place - 1] - zero[place])
        if dtype in _LEAST and lost > _LOST and measured.blocks[place].connected:
            yield Cause(
                measured.labels[place],
                f"{measured.labels[place]} computes in {dtype}, in which small gradients are rounded to zero",
                {"share of zeros above": float(zero[place]), "share of zeros below": float(zero[place - 1]),
                 "smallest number": _LEAST[dtype]},
                "Micikevicius 2017, arXiv 1710.03740", lost if measured.verdict != "dead" else math.inf,
            )  # fmt: skip
            return
