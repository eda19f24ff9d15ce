"""Causes among the tokens of a sequence: norms after the add, alike tokens, attention to one token, layers alike."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gradlab.modules.causes.record import Cause, Measured
from gradlab.record import Floats

__all__ = ["collapses", "copies", "norm_after_add", "rank_collapse", "saturated_attention"]

_ALIKE = 0.99
"""Mean cosine between tokens from which their rank has collapsed: a post-LN stack passes it after eight blocks, a
pre-LN one of twelve ends near 0.7."""
_ALIKE_IN_TRAINING = 0.95
"""The same in training: dropout of a tenth, drawn for each token, keeps the cosine of a collapsed stack near 0.965."""
_DIFFERENT = 0.9
"""What it is below at the first block, where the blocks and not the data make the tokens alike."""
_ONE_TOKEN = 0.1
"""Of ln T: below it a row attends to T^0.1 tokens, fewer than two of a thousand."""


def collapses(measured: Measured) -> bool:
    """Return whether the tokens become alike along the blocks, in a model with attention.

    Where tokens are not averaged, biases that outgrow the data make them alike too, and take no gradient away.
    """
    cosine = _of_cuts(measured)
    known = np.flatnonzero(~np.isnan(cosine))
    attends = not np.isnan(measured.mean("attention_entropy")).all()
    return attends and len(known) > 1 and cosine[known[0]] < _DIFFERENT and cosine[known[-1]] > _alike(measured)


def _alike(measured: Measured) -> float:
    return _ALIKE_IN_TRAINING if measured.first.training else _ALIKE


def _of_cuts(measured: Measured) -> Floats:
    """Return the mean cosine between tokens of every block, `[L]`; NaN for what is not a cut, as the output of a branch
    that another one goes past."""
    cosine = measured.mean("token_cosine")
    return np.where([block.is_cut for block in measured.blocks], cosine, np.nan)


def rank_collapse(measured: Measured) -> Iterator[Cause]:
    """Yield the first block after which all tokens of a sequence are alike."""
    if not collapses(measured):
        return
    cosine = _of_cuts(measured)
    alike = [place for place in range(len(cosine)) if cosine[place] > _alike(measured)]
    place, first = alike[0], int(np.flatnonzero(~np.isnan(cosine))[0])
    evidence = {"token cosine": float(cosine[-1]) if not math.isnan(cosine[-1]) else float(cosine[alike[-1]]),
                f"token cosine of {measured.labels[first]}": float(cosine[first])}  # fmt: skip
    yield Cause(
        measured.labels[place],
        f"the tokens of a sequence are alike from {measured.labels[place]} on: what tells them apart has no gradient",
        evidence, "Dong 2021, arXiv 2103.03404", measured.change(alike),
    )  # fmt: skip


def norm_after_add(measured: Measured) -> Iterator[Cause]:
    """Yield the attention blocks that normalise after the add, where the gradient of single tokens is lost."""
    entropy, common = measured.mean("attention_entropy"), measured.mean("common")
    places = [
        place
        for place, block in enumerate(measured.blocks)
        if block.operation in block.norms and not math.isnan(entropy[place])
    ]
    if len(places) < 2 or not (measured.verdict == "vanishing" or collapses(measured)):
        return
    evidence = {"blocks": float(len(places)), **measured.factor(places)}
    if "factor per block" not in evidence or evidence["factor per block"] > 1:
        return
    if not (math.isnan(common[places[0]]) or math.isnan(common[places[-1]])):
        evidence["share common to all tokens, first"] = float(common[places[0]])
        evidence["share common to all tokens, last"] = float(common[places[-1]])
    yield Cause(
        measured.labels[measured.worst(places)],
        f"the norm stands after the add (post-LN) in {measured.of_blocks(places)}: where attention averages, the "
        "gradient of single tokens loses up to √½ a block",
        evidence, "Xiong 2020, arXiv 2002.04745", measured.change(places),
    )  # fmt: skip


def saturated_attention(measured: Measured) -> Iterator[Cause]:
    """Yield the attention that looks at one token, whose softmax has no slope left."""
    entropy = measured.mean("attention_entropy")
    places = [place for place in range(len(entropy)) if entropy[place] < _ONE_TOKEN]
    if not places:
        return
    worst = min(places, key=lambda place: float(entropy[place]))
    yield Cause(
        measured.labels[worst],
        f"attention looks at one token in {measured.of_blocks(places)}: its softmax is saturated",
        {"entropy over ln T": float(entropy[worst]), "blocks": float(len(places)), **measured.factor(places)},
        "Zhai 2023, arXiv 2303.06296", measured.change(places),
    )  # fmt: skip


def copies(measured: Measured) -> Iterator[Cause]:
    """Yield the blocks that start with the same weights."""
    block_of = {name: place for place, block in enumerate(measured.blocks) for name in block.weights}
    groups = [
        sorted({block_of[name] for name in group if name in block_of})
        for group in measured.first.copies
    ]  # fmt: skip
    spread = [group for group in groups if len(group) > 1]
    if not spread:
        return
    places = max(spread, key=len)
    yield Cause(
        measured.labels[places[0]],
        f"{measured.of_blocks(places)} start as copies of one another: equal in every element of "
        f"{len(spread)} weight{'s' if len(spread) > 1 else ''} each",
        {"blocks": float(len(places)), "equal weights of a block": float(len(spread)), **measured.factor(places)},
        "definition: draws of different layers are independent (nn.TransformerEncoder copies its layer)", 0.0,
    )  # fmt: skip
