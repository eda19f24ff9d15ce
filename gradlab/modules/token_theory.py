"""What mean-field theory says of blocks with attention: by the moments of their tokens, from one block to the next.

Runs of blocks on the same tokens are taken together. The variance of the stream and the cosine between tokens are
measured below the lowest block of a run, the share of the gradient that tokens have in common above its highest; all
between follows from the gains of the weights (docs/derivations.md, section 13).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gradlab.mean_field.activations import NUMPY_ACTIVATIONS, NumpyActivation
from gradlab.mean_field.arithmetic import checked_arithmetic
from gradlab.mean_field.prediction import NoPrediction
from gradlab.mean_field.token_stream import RELU, Norm, Pair, kernels
from gradlab.modules.profile import BlockNumbers, Part, Step

__all__ = ["log_token_factors", "twin"]

_ALIKE = 0.25
"""Deviation of the cosines between tokens, beyond that of random directions; theory has one cosine for all pairs. With
four and more kinds of tokens it is as good as without copies, where three quarters copy one token (0.3) a third off."""
_SIZES = 0.1
"""Of the mean square times the mean inverse square over tokens, less 1: what a norm amplifies small tokens by."""
_MEAN = 0.02
"""Of the square of the mean over the mean square: norms take a mean off that theory does not follow."""


@dataclass(frozen=True, slots=True)
class _Passed:
    """A step, what it read, and the number of tokens."""

    step: Step
    read: Pair
    tokens: int

    def forward(self) -> Pair:
        step, read = self.step, self.read
        match step.kind:
            case "map":
                return read.scaled(step.gain**2).shifted(step.bias**2)
            case "scale":
                return read.scaled(step.gain**2)
            case "shift":
                return read.shifted(step.bias**2)
            case "dropout":
                return read.dropped(step.keep)
            case "layer" | "rms":
                return self._norm.forward(read)
            case "activation":
                return kernels(twin(step.activation, step.parameters), read.square, read.cosine)[1]
            case "attention":
                assert step.mixing is not None
                step.mixing.weights.require(read, self.tokens)
                return step.mixing.weights.forward(read, self.tokens)
        raise NoPrediction(f"{step.kind} norm of tokens" if step.kind in ("batch", "group") else step.kind)

    def backward(self, g: Pair) -> Pair:
        step = self.step
        match step.kind:
            case "map" | "scale":
                return g.scaled(step.gain**2)
            case "dropout":
                return g.dropped(step.keep)
            case "layer" | "rms":
                return g.scaled(self._norm.factor(self.read))
            case "activation":
                slopes = kernels(twin(step.activation, step.parameters), self.read.square, self.read.cosine)[0]
                return Pair(slopes.square * g.square, slopes.product * g.product)
            case "attention":
                assert step.mixing is not None
                return step.mixing.weights.backward(self.read, g, self.tokens)
        return g

    @property
    def _norm(self) -> Norm:
        return Norm(self.step.gain**2, self.step.bias**2, self.step.eps)


@dataclass(frozen=True, slots=True)
class _PassedPart:
    branches: tuple[tuple[_Passed, ...], ...]
    after: tuple[_Passed, ...]

    def backward(self, g: Pair) -> Pair:
        """Return the moments of the gradient below, from those above."""
        for passed in reversed(self.after):
            g = passed.backward(g)
        total = Pair(0.0, 0.0)
        for branch in self.branches:
            inner = g
            for passed in reversed(branch):
                inner = passed.backward(inner)
            total = total.plus(inner)
        return total


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
    """Yield the factors of one run; where a block has none, the next begins at what is measured above it."""
    state: Pair | None = None
    passed: dict[int, list[_PassedPart]] = {}
    for place in run:
        block = blocks[place]
        try:
            with checked_arithmetic():
                if state is None:
                    state = _measured(blocks[place - 1])
                passed[place], state = _up(block, state)
        except NoPrediction as none:
            yield from _down(blocks, passed)
            yield place, (math.nan, str(none))
            passed, state = {}, None
    yield from _down(blocks, passed)


def _measured(block: BlockNumbers) -> Pair:
    """Return the moments of the tokens that a block gives. Raises NoPrediction where they do not describe them."""
    square, cosine = block.act_rms**2, block.token_cosine
    if not (math.isfinite(square) and math.isfinite(cosine)) or square == 0:
        raise NoPrediction("the values at its input are not known")
    if block.act_mean**2 > _MEAN * square:
        raise NoPrediction("attention to values whose mean is not 0")
    # the inverse of a mean of d squares of normal numbers has a mean that is 2/d larger
    if block.size_ratio - 1 > _SIZES + 4 / block.shape[-1]:
        raise NoPrediction(f"tokens of different sizes (mean square times mean inverse: {block.size_ratio:.3g})")
    random = (1 - cosine**2) / math.sqrt(block.shape[-1])
    if math.isfinite(block.cosine_spread) and block.cosine_spread**2 - random**2 > _ALIKE**2:
        raise NoPrediction(
            f"some tokens are copies of others: the cosines of their pairs scatter by {block.cosine_spread:.2f}"
        )
    return Pair(square, cosine * square)


def _up(block: BlockNumbers, state: Pair) -> tuple[list[_PassedPart], Pair]:
    parts = []
    for part in block.form.parts:
        passed, state = _part_up(part, state, block)
        parts.append(passed)
    return parts, state


def _part_up(part: Part, state: Pair, block: BlockNumbers) -> tuple[_PassedPart, Pair]:
    if sum(not any(step.kind in ("map", "attention") for step in branch) for branch in part.branches) > 1:
        raise NoPrediction("branches without a map, whose gradients depend on one another")
    total = Pair(0.0, 0.0)
    branches = []
    for steps in part.branches:
        passed, end = _steps_up(steps, state, block)
        branches.append(passed)
        total = total.plus(end)
    after, end = _steps_up(part.after, total, block)
    return _PassedPart(tuple(branches), after), end


def _steps_up(steps: Sequence[Step], state: Pair, block: BlockNumbers) -> tuple[tuple[_Passed, ...], Pair]:
    samples, tokens = block.shape[:2]
    passed = []
    normal = False
    for step in steps:
        mixing = step.mixing
        if mixing is not None and (mixing.samples, mixing.tokens) != (samples, tokens):
            raise NoPrediction("attention between other tokens than those of the second axis")
        if step.kind == "activation" and not normal:
            raise NoPrediction("an activation of what does not come out of a map")
        passed.append(_Passed(step, state, tokens))
        state = passed[-1].forward()
        normal = step.kind == "map" or (normal and step.kind in ("scale", "shift", "layer", "rms"))
    return tuple(passed), state


def _down(
    blocks: Sequence[BlockNumbers], passed: dict[int, list[_PassedPart]]
) -> Iterator[tuple[int, tuple[float, str]]]:
    if not passed:
        return
    top = blocks[max(passed)]
    tokens, share = top.shape[1], top.common
    if not math.isfinite(share):
        yield from ((place, (math.nan, "how the gradient differs between tokens is not known")) for place in passed)
        return
    g = Pair(1.0, (tokens * share - 1) / (tokens - 1))
    for place in sorted(passed, reverse=True):
        below = g
        for part in reversed(passed[place]):
            below = part.backward(below)
        if not 0 < below.square < math.inf:
            yield place, (-math.inf if below.square == 0 else math.nan, "")
            return
        yield place, (math.log(below.square / g.square) / 2, "")
        g = below.scaled(1 / below.square)


@lru_cache(maxsize=256)
def twin(name: str, parameters: tuple[float, ...] = ()) -> NumpyActivation:
    """Return the numpy twin of an activation with these parameters."""
    return RELU if name == "relu" else NUMPY_ACTIVATIONS[name](*parameters)
