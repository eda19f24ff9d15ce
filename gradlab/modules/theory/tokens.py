"""What mean-field theory says of blocks with attention: by the moments of their tokens, from one block to the next.

With causal attention the moments are those of every pair of positions. Runs of blocks on the same tokens are taken
together. The variance of the stream and the cosine between tokens are measured below the lowest block of a run, the
share of the gradient that tokens have in common above its highest; all between follows from the gains of the weights
(docs/derivations.md, sections 14 and 15).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradlab.mean_field.arithmetic import checked_arithmetic
from gradlab.mean_field.prediction import NoPrediction
from gradlab.mean_field.token_matrix import TokenMatrix
from gradlab.mean_field.token_stream import Pair
from gradlab.modules.parts import Part, Step
from gradlab.modules.profile import BlockNumbers
from gradlab.modules.theory.token_steps import Passed, PassedPart, Tokens, joined

__all__ = ["log_token_factors"]


_ALIKE = 0.25
"""Deviation of the cosines between tokens, beyond that of random directions; theory has one cosine for all pairs. With
four and more kinds of tokens it is as good as without copies, where three quarters copy one token (0.3) a third off."""
_SIZES = 0.1
"""Of the mean square times the mean inverse square over tokens, less 1: what a norm amplifies small tokens by."""
_MEAN = 0.02
"""Of the square of the mean over the mean square: norms take a mean off that theory does not follow."""


def log_token_factors(blocks: Sequence[BlockNumbers]) -> dict[int, tuple[float, str]]:
    """Return by block, for those in a run with attention, ln of the factor and the reason why there is none."""
    factors: dict[int, tuple[float, str]] = {}
    for run in _runs(blocks):
        if any(_has_attention(blocks[place]) for place in run):
            factors |= dict(_factors(blocks, run))
    return factors


def _runs(blocks: Sequence[BlockNumbers]) -> Iterator[list[int]]:
    """Yield the places of the blocks on the same tokens that follow one another."""
    run: list[int] = []
    for place in range(1, len(blocks)):
        block = blocks[place]
        known = not block.form.unknown and len(block.shape) == 3
        if run and (not known or block.shape[:2] != blocks[run[-1]].shape[:2]):
            yield run
            run = []
        if known and blocks[place - 1].shape[:2] == block.shape[:2] and len(blocks[place - 1].shape) == 3:
            run.append(place)
    if run:
        yield run


def _has_attention(block: BlockNumbers) -> bool:
    return any(step.kind == "attention" for step in block.form.steps)


def _factors(blocks: Sequence[BlockNumbers], run: Sequence[int]) -> Iterator[tuple[int, tuple[float, str]]]:
    """Yield the factors of one run."""
    if any(step.mixing and step.mixing.weights.causal for place in run for step in blocks[place].form.steps):
        yield from _follow(blocks, run, _positions_below, _positions_above)
    else:
        yield from _follow(blocks, run, _tokens_below, _tokens_above)


def _follow(
    blocks: Sequence[BlockNumbers], run: Sequence[int], below: Callable[[BlockNumbers], Tokens],
    above: Callable[[BlockNumbers], Tokens],
) -> Iterator[tuple[int, tuple[float, str]]]:  # fmt: skip
    """Yield the factors of one run; where a block has none, the next begins at what is measured above it.

    `below` and `above` return the measured moments of the tokens that a block gives, and of the gradient there.
    """
    state: Tokens | None = None
    passed: dict[int, list[PassedPart[Tokens]]] = {}
    for place in run:
        try:
            with checked_arithmetic():
                state = below(blocks[place - 1]) if state is None else state
                passed[place], state = _up(blocks[place], state)
        except NoPrediction as none:
            yield from _down(blocks, passed, above)
            yield place, (math.nan, str(none))
            passed, state = {}, None
    yield from _down(blocks, passed, above)


def _tokens_below(block: BlockNumbers) -> Pair:
    """Return the moments of the tokens that a block gives. Raises NoPrediction where they do not describe them."""
    square, cosine = block.act_rms**2, block.token_cosine
    if not (math.isfinite(square) and math.isfinite(cosine)) or square == 0:
        raise NoPrediction("the values at its input are not known")
    _require_no_mean(block)
    # the inverse of a mean of d squares of normal numbers has a mean that is 2/d larger
    if block.size_ratio - 1 > _SIZES + 4 / block.shape[-1]:
        raise NoPrediction("tokens of different sizes, of which a norm amplifies the small ones")
    random = (1 - cosine**2) / math.sqrt(block.shape[-1])
    if math.isfinite(block.cosine_spread) and block.cosine_spread**2 - random**2 > _ALIKE**2:
        raise NoPrediction("some tokens are copies of others: the cosines of their pairs differ too much")
    return Pair(square, cosine * square)


def _tokens_above(block: BlockNumbers) -> Pair:
    tokens, share = block.shape[1], block.common
    if not math.isfinite(share):
        raise NoPrediction("how the gradient differs between tokens is not known")
    return Pair(1.0, (tokens * share - 1) / (tokens - 1))


def _positions_below(block: BlockNumbers) -> TokenMatrix:
    if block.token_products is None or not (np.diag(block.token_products) > 0).all():
        raise NoPrediction("causal attention between tokens whose products are not known (up to 256 tokens are)")
    _require_no_mean(block)
    return TokenMatrix(block.token_products)


def _positions_above(block: BlockNumbers) -> TokenMatrix:
    if block.gradient_products is None:
        raise NoPrediction("how the gradient differs between tokens is not known")
    return TokenMatrix(block.gradient_products)


def _require_no_mean(block: BlockNumbers) -> None:
    if block.act_mean**2 > _MEAN * block.act_rms**2:
        raise NoPrediction("attention to values whose mean is not 0")


def _up(block: BlockNumbers, state: Tokens) -> tuple[list[PassedPart[Tokens]], Tokens]:
    parts = []
    for part in block.form.parts:
        passed, state = _part_up(part, state, block)
        parts.append(passed)
    return parts, state


def _part_up(part: Part, state: Tokens, block: BlockNumbers) -> tuple[PassedPart[Tokens], Tokens]:
    if sum(not any(step.kind in ("map", "attention") for step in branch) for branch in part.branches) > 1:
        raise NoPrediction("branches without a map, whose gradients depend on one another")
    branches = [_steps_up(steps, state, block) for steps in part.branches]
    after, end = _steps_up(part.after, joined([end for _, end in branches]), block)
    return PassedPart(tuple(passed for passed, _ in branches), after), end


def _steps_up(
    steps: Sequence[Step], state: Tokens, block: BlockNumbers
) -> tuple[tuple[Passed[Tokens], ...], Tokens]:  # fmt: skip
    samples, tokens = block.shape[:2]
    passed = []
    normal = False
    for step in steps:
        mixing = step.mixing
        if mixing is not None and (mixing.samples, mixing.tokens) != (samples, tokens):
            raise NoPrediction("attention between other tokens than those of the second axis")
        if step.kind == "activation" and not normal:
            raise NoPrediction("an activation of what does not come out of a map")
        passed.append(Passed(step, state, tokens))
        state = passed[-1].forward()
        normal = step.kind == "map" or (normal and step.kind in ("scale", "shift", "layer", "rms"))
    return tuple(passed), state


def _down(
    blocks: Sequence[BlockNumbers], passed: dict[int, list[PassedPart[Tokens]]],
    above: Callable[[BlockNumbers], Tokens],
) -> Iterator[tuple[int, tuple[float, str]]]:  # fmt: skip
    """Yield the factors of blocks whose forward pass is known, from the highest."""
    places = sorted(passed, reverse=True)
    try:
        with checked_arithmetic():
            g = above(blocks[places[0]]) if places else None
            while places and g is not None:
                below = g
                for part in reversed(passed[places[0]]):
                    below = part.backward(below)
                ratio = below.square / g.square
                yield places.pop(0), (math.log(ratio) / 2 if ratio > 0 else -math.inf, "")
                g = below.scaled(1 / below.square) if ratio > 0 else None
    except NoPrediction as none:
        yield from ((place, (math.nan, str(none))) for place in places)
