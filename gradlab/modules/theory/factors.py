"""What mean-field theory says a block does to the gradient, beside what was measured; where it knows the block.

A map with weights of variance σ_w²/fan_in multiplies the square of the gradient's norm by σ_w², whatever the widths,
the kernel and the stride (Xiao 2018, arXiv 1806.05393); an activation by E φ'(√q z)²; a norm by γ² over the variance
that it divides by; dropout keeping a share κ by 1/κ; branches that are added have independent gradients. The weights
and the mean square at the block's input are those measured. What zero padding takes follows the positions: a tap that
falls on it has no gradient. Blocks with attention, and those between them, are in `token_theory`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache

import numpy as np

from gradlab.modules.parts import Form, Part, Step, Taps
from gradlab.modules.profile import BlockNumbers, ModuleProfile
from gradlab.modules.theory.steps import NotKnown, State, through
from gradlab.modules.theory.tokens import log_token_factors
from gradlab.record import Floats

__all__ = ["log_theory_factors", "theory_notes"]

_SUMS = ("Add", "Addmm", "Convolution")
"""Operations that make the output of the first block normal: a map, or a sum of maps and data."""


def log_theory_factors(profile: ModuleProfile) -> Floats:
    """Return ln of the factor of each block on the gradient's norm, `[L]`; NaN where theory does not know it."""
    return np.array([value for value, _ in _factors(_independent(profile))][::-1])


def theory_notes(profile: ModuleProfile) -> tuple[str, ...]:
    """Return for how many blocks there is no prediction and why; nothing where all have one."""
    reasons = Counter(reason for _, reason in [*_factors(_independent(profile))][:-1] if reason)
    return tuple(
        f"no theory for {count} block{'s' if count > 1 else ''}: {reason}" for reason, count in reasons.most_common()
    )


def _independent(profile: ModuleProfile) -> tuple[BlockNumbers, ...]:
    """Return the blocks, those with adds or attention marked as unknown whose weights are not drawn on their own.

    Their branches are then not independent of the stream. Six pre-LN layers as nn.TransformerEncoder copies them
    amplify a gradient by 1.43, drawn one by one by 1.15.
    """
    groups = {name: group for group, names in enumerate(profile.copies) for name in names}
    owned = [{groups[name] for name in block.weights if name in groups} for block in profile.blocks]
    owners = Counter(group for owned_groups in owned for group in owned_groups)
    calls = Counter(block.name for block in profile.blocks)
    blocks = []
    for block, owned_groups in zip(profile.blocks, owned, strict=True):
        attends = any(step.mixing for step in block.form.steps)
        adds = any(len(part.branches) > 1 for part in block.form.parts)
        copied = any(owners[group] > 1 for group in owned_groups)
        if (attends and (copied or calls[block.name] > 1)) or (adds and copied):
            block = replace(block, form=Form(unknown="weights that are those of another block too"))
        blocks.append(block)
    return tuple(blocks)


def _factors(blocks: Sequence[BlockNumbers]) -> Iterator[tuple[float, str]]:
    """Yield ln of the factor and the reason why there is none, from the last block down."""
    positions: Floats | None = None
    starts = _outputs(blocks)
    of_tokens = log_token_factors(blocks)
    for place in range(len(blocks) - 1, -1, -1):
        block = blocks[place]
        if block.form.unknown or not place:
            positions = None
            yield math.nan, block.form.unknown
            continue
        if place in of_tokens:
            positions = None
            yield of_tokens[place]
            continue
        start = starts[place - 1]
        spatial = block.shape[2:] if len(block.shape) > 2 else ()
        if positions is None or positions.shape != spatial:
            positions = np.full(spatial, 1 / math.prod(spatial))
        try:
            square, positions = _factor(block.form, start, positions)
            yield (math.log(square) / 2 if square > 0 else -math.inf), ""
        except NotKnown as unknown:
            positions = None
            yield math.nan, str(unknown)


def _outputs(blocks: Sequence[BlockNumbers]) -> list[State]:
    """Return the outputs of the blocks: of mean squares as measured, of the form that theory gives them.

    The variance over the batch is a part of the mean square, and theory's part is the better one where it is known:
    what is measured of a batch of some hundred is off by 2 %.
    """
    outputs: list[State] = []
    for place, block in enumerate(blocks):
        square, mean = block.act_rms**2, block.act_mean
        state = State(square, mean, block.batch_variance, block.sample_spread,
                       is_normal=not place and block.operation in _SUMS)  # fmt: skip
        if place and not block.form.unknown:
            with suppress(NotKnown):
                end = _end(block.form, outputs[-1])
                share = end.batch_variance / end.square if end.square > 0 else math.nan
                variance = block.batch_variance if math.isnan(share) else share * square
                state = replace(state, batch_variance=variance, is_normal=end.is_normal)
        outputs.append(state)
    return outputs


def _end(form: Form, start: State) -> State:
    for part in form.parts:
        start = _through(part, start)[2]
    return start


def _through(part: Part, start: State) -> tuple[list[list[float]], list[float], State]:
    """Return the factors of the steps of each branch and of those after the add, and the tensor after them."""
    branches = [_forward(steps, start) for steps in part.branches]
    after, end = _forward(part.after, _joined([end for _, end in branches]))
    return [scales for scales, _ in branches], after, end


def _joined(ends: Sequence[State]) -> State:
    if len(ends) == 1:
        return ends[0]
    return State(
        sum(end.square for end in ends), sum(end.mean for end in ends), sum(end.batch_variance for end in ends),
        max(end.spread for end in ends), is_normal=all(end.is_normal for end in ends),
    )  # fmt: skip


def _factor(form: Form, start: State, positions: Floats) -> tuple[float, Floats]:
    """Return what a block does to the square of the gradient's norm, and where its gradient lies, of sum 1."""
    passed = []
    for part in form.parts:
        branches, after, start = _through(part, start)
        passed.append((part, branches, after))
    square = 1.0
    for part, branches, after in reversed(passed):
        square, positions = _down(part, branches, after, square, positions)
    return square, positions


def _down(
    part: Part, branches: Sequence[Sequence[float]], after: Sequence[float], square: float, positions: Floats
) -> tuple[float, Floats]:  # fmt: skip
    mapless = [steps for steps in part.branches if not any(step.kind == "map" for step in steps)]
    if len(mapless) > 1:
        raise NotKnown("branches without a map, whose gradients depend on one another")
    square, positions = _backward(part.after, after, square, positions)
    ends = [_backward(steps, scales, square, positions) for steps, scales in zip(part.branches, branches, strict=True)]
    if len({end.shape for _, end in ends}) > 1:
        raise NotKnown("branches of different shapes")
    total = sum(square for square, _ in ends)
    mean_positions = sum(square * end for square, end in ends) / total if total > 0 else ends[0][1]
    return total, np.asarray(mean_positions)


def _forward(steps: Sequence[Step], state: State) -> tuple[list[float], State]:
    """Return by what each step multiplies the square of a gradient, and the tensor after them."""
    scales = []
    for step in steps:
        if step.kind == "activation" and math.isnan(state.square):
            raise NotKnown("the values at its input are not known")
        scale, state = through(step, state)
        if not math.isfinite(scale):
            raise NotKnown("the values at its input are not known")
        scales.append(scale)
    return scales, state


def _backward(steps: Sequence[Step], scales: Sequence[float], square: float, positions: Floats) -> tuple[float, Floats]:
    """Return the square of a gradient's norm below some steps, and where it lies."""
    for step, scale in zip(reversed(steps), reversed(scales), strict=True):
        square *= scale
        for axis, taps in enumerate(step.taps):
            if positions.ndim != len(step.taps) or positions.shape[axis] != taps.above:
                raise NotKnown("a convolution over positions that the block's output has not")
            positions = np.moveaxis(np.tensordot(_reach(taps), positions, (0, axis)), 0, axis)
        if step.taps:
            total = float(positions.sum())
            square, positions = square * total, positions / total
    return square, positions


@lru_cache(maxsize=64)
def _reach(taps: Taps) -> Floats:
    """Return `[above, below]`: the share of a kernel's taps that lead from each output to each input along one axis."""
    shares = np.zeros((taps.above, taps.below))
    for above in range(taps.above):
        for tap in range(taps.kernel):
            below = above * taps.stride - taps.padding + tap * taps.dilation
            if 0 <= below < taps.below:
                shares[above, below] += 1 / taps.kernel
    return shares
