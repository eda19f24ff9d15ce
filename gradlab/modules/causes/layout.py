"""Causes in how a model is put together: statistics of its norms, skips, and branches that grow a stream."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradlab.modules.causes.record import Cause, Measured, listed

__all__ = ["batch_statistics", "few_values", "growing_stream", "missing_skip", "untouched_statistics"]

_GROWS = math.log(1.1)
"""Of the mean factor of blocks with batch norm: halfway, in the logarithm, between 1 and √(π/(π - 1)) = 1.211, that of
ReLU."""
_FEW = 16
"""Simulated on digits: with a batch of 16 the factor of ReLU is 1.260 instead of 1.211, and it grows for fewer."""
_DEEP = 20
"""Layers of the plain networks that He 2016 still trains; those of 32 and more do worse than them."""


def batch_statistics(measured: Measured) -> Iterator[Cause]:
    """Yield the batch norms on the statistics of the batch, where blocks with them and without a skip explode."""
    places = [p for p, block in enumerate(measured.blocks) if block.batch_values and block.is_cut and not block.joined]
    evidence = measured.factor(places)
    if measured.verdict != "exploding" or not evidence or math.log(evidence["factor per block"]) < _GROWS:
        return
    yield Cause(
        measured.labels[measured.worst(places)],
        f"batch norm by the statistics of the batch, without a skip, in {measured.of_blocks(places)}: it makes the "
        "gradient grow by π/(π - 1) in the square with ReLU",
        {**evidence, "blocks": float(len(places))}, "Yang 2019, arXiv 1902.08129", measured.change(places),
    )  # fmt: skip


def few_values(measured: Measured) -> Iterator[Cause]:
    """Yield the batch norms that average over few values of a feature, where the gradient explodes."""
    places = [p for p, b in enumerate(measured.blocks) if 0 < b.batch_values < _FEW and measured.log_factor[p] > 0]
    if measured.verdict != "exploding" or not places:
        return
    fewest = min(measured.blocks[place].batch_values for place in places)
    yield Cause(
        measured.labels[measured.worst(places)],
        f"batch norm averages over as few as {fewest} values of a feature in {measured.of_blocks(places)}: give more "
        "samples, or larger inputs",
        {"values": float(fewest), "blocks": float(len(places)), **measured.factor(places)},
        "Yang 2019, arXiv 1902.08129", measured.change(places),
    )  # fmt: skip


def untouched_statistics(measured: Measured) -> Iterator[Cause]:
    """Yield the norms in evaluation whose running statistics are mean 0 and variance 1: they do nothing."""
    names = [name for block in measured.blocks for name in block.untouched_statistics]
    places = [place for place, block in enumerate(measured.blocks) if block.untouched_statistics]
    if not names or measured.verdict not in ("vanishing", "exploding"):
        return
    yield Cause(
        measured.labels[measured.worst(places)],
        f"evaluation mode, and the running statistics of {listed(names)} have seen no data: mean 0 and variance 1 "
        "normalise nothing",
        {"norms": float(len(names)), "running mean": 0.0, "running variance": 1.0, **measured.factor(places)},
        "Ioffe 2015, arXiv 1502.03167", measured.change(places),
    )  # fmt: skip


def missing_skip(measured: Measured) -> Iterator[Cause]:
    """Yield that a deep stack has no skip anywhere."""
    plain = [
        place for place, block in enumerate(measured.blocks) if block.weights and block.is_cut and not block.joined
    ]
    branches = any(use.ends_branch for use in measured.first.weight_uses)
    if (
        len(plain) < max(_DEEP, len(measured.blocks))
        or branches
        or measured.over_time
        or measured.verdict not in ("vanishing", "exploding")
    ):
        return
    yield Cause(
        measured.labels[measured.worst(plain)],
        f"{len(plain)} blocks in a row without a skip: what one does to the gradient is taken to that power",
        {"blocks": float(len(plain)), **measured.factor(plain)}, "He 2016, arXiv 1512.03385", 0.0,
    )  # fmt: skip


def growing_stream(measured: Measured) -> Iterator[Cause]:
    """Yield the branches that add to a stream which no norm holds, where the gradient explodes."""
    places = [
        place
        for place, block in enumerate(measured.blocks)
        if block.joined and block.operation != "Cat" and not block.norms and measured.log_factor[place] > 0
    ]
    rms = measured.mean("act_rms")
    if measured.verdict != "exploding" or not places or not rms[places[-1]] > rms[places[0]] > 0:
        return
    gains = [use.gain for place in places for use in measured.uses(place) if use.ends_branch]
    evidence = {"blocks": float(len(places)), **measured.factor(places),
                "rms of the stream, first": float(rms[places[0]]),
                "rms of the stream, last": float(rms[places[-1]])}  # fmt: skip
    if gains:
        evidence["mean gain at the end of a branch"] = sum(gains) / len(gains)
    yield Cause(
        measured.labels[measured.worst(places)],
        f"the branches of {measured.of_blocks(places)} add to the stream at full scale, and no norm stands before them",
        evidence, "Zhang 2019, arXiv 1901.09321", measured.change(places),
    )  # fmt: skip
