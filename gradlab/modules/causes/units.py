"""Causes inside the blocks: one that stands out, saturated and dead activations, the scale of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gradlab.modules.causes.record import Cause, Measured
from gradlab.modules.profile import Slopes, WeightUse

__all__ = ["dead_units", "outlier", "saturation", "weight_scale"]

_BOUNDED = {"Sigmoid": "sigmoid", "Hardsigmoid": "hardsigmoid", "Tanh": "tanh", "Hardtanh": "hardtanh or ReLU6",
            "Erf": "erf"}  # fmt: skip
"""Activations that are flat on both sides."""
_SPREADS = 6.0
"""Robust standard deviations from the median: of 1000 normal factors none is that far (2e-6)."""
_SHARE = 0.25
"""Of the logarithm of the survival, that one block must make to be named: four such would be all of it."""
_FEWEST = 5
"""Factors from which a spread can be told."""
_FLAT_SHARE = 0.5
"""Share of elements on the flat sides: more than half, so that the median slope is below 1/20 of the largest."""
_DEAD_SHARE = 0.75
"""Halfway between all units and one half, which is dead in a deep ReLU network at any scale, as all samples become
alike there (Schoenholz 2016)."""
_OFF = math.log(1.1)
"""Of gains from what is needed, and of factors from 1: the scatter of one block of width 64 is below it."""
_NEEDED = {"Relu": math.sqrt(2), "Tanh": 1.0, "": 1.0}
"""Gain that keeps the gradient: half of the slopes of ReLU are zero (He 2015), that of tanh at 0 is 1 as that of a map
alone (LeCun 1998). For others it is 1/(rms of the measured slopes)."""
_KINDS = ("Linear", "Conv1d", "Conv2d", "Conv3d")


def outlier(measured: Measured) -> Iterator[Cause]:
    """Yield the blocks whose factor is far from those of all others."""
    factors = measured.log_factor
    known = np.flatnonzero(~np.isnan(factors))
    if len(known) < _FEWEST or measured.verdict not in ("vanishing", "exploding"):
        return
    median = float(np.median(factors[known]))
    spread = 1.4826 * float(np.median(np.abs(factors[known] - median)))
    sign = -1.0 if measured.verdict == "vanishing" else 1.0
    for place in known:
        if not (measured.blocks[place - 1].is_cut and measured.blocks[place].is_cut):
            continue  # neither may lie below the other
        away = float(factors[place]) - median
        if sign * away > max(_SPREADS * spread, _SHARE * abs(measured.log_survival)):
            factor, usual = _exp(float(factors[place])), _exp(median)
            yield Cause(
                measured.labels[place],
                f"{measured.labels[place]} multiplies the gradient by {factor:.3g}, the block in the middle by "
                f"{usual:.3g}",
                {"factor": factor, "median factor": usual, "spread of ln factor": spread},
                "definition: g_{l-1}/g_l against its median and median deviation over the blocks", abs(away),
            )  # fmt: skip


def saturation(measured: Measured) -> Iterator[Cause]:
    """Yield the bounded activations of which most elements are on the flat sides, where gradient is lost."""
    for operation, name in _BOUNDED.items() if measured.verdict != "exploding" else ():
        shares = {
            place: share
            for place in range(len(measured.blocks))
            if measured.shrinks(place) and (share := _saturated(measured, place, operation)) > _FLAT_SHARE
        }
        if not shares:
            continue
        places = list(shares)
        worst = max(places, key=lambda place: shares[place])
        evidence = {"saturated": shares[worst], "blocks": float(len(places)), **measured.factor(places)}
        gains = [use.gain for use in measured.uses(worst) if use.activation == operation]
        if gains:
            evidence["gain of the weights"] = max(gains)
        yield Cause(
            measured.labels[worst],
            f"{name} is saturated in {measured.of_blocks(places)}: at {shares[worst]:.0%} of the elements its slope is "
            "below 1/20 of its largest",
            evidence, "Glorot 2010, PMLR 9:249", measured.change(places),
        )  # fmt: skip


def _saturated(measured: Measured, place: int, operation: str) -> float:
    shares = [
        kind.saturated
        for profile in measured.profiles
        for kind in profile.blocks[place].slopes
        if kind.operation == operation
    ]
    return float(np.mean(shares)) if shares else 0.0


def dead_units(measured: Measured) -> Iterator[Cause]:
    """Yield the blocks most of whose units let no gradient through for any sample."""
    dead = measured.mean("dead")
    places = [place for place in range(len(dead)) if dead[place] > _DEAD_SHARE and measured.shrinks(place)]
    if not places:
        return
    worst = max(places, key=lambda place: float(dead[place]))
    mean = float(measured.mean("act_mean")[worst])
    yield Cause(
        measured.labels[worst],
        f"{dead[worst]:.0%} of the units of {measured.labels[worst]} have a slope of zero for every sample "
        f"({measured.of_blocks(places)})",
        {"dead": float(dead[worst]), "blocks": float(len(places)), "mean of the output": mean,
         **measured.factor(places)},
        "Lu 2019, arXiv 1903.06733", math.inf if measured.verdict == "dead" else measured.change(places),
    )  # fmt: skip


def weight_scale(measured: Measured) -> Iterator[Cause]:
    """Yield what scale the weights have against their fan, where another is needed and no norm makes up for it."""
    misfits: dict[tuple[str, bool], list[tuple[int, WeightUse, float, float]]] = {}
    for place, block in enumerate(measured.blocks):
        slopes = {kind.operation: kind for kind in block.slopes}
        if block.joined or block.norms:
            continue
        flat = any(_is_flat(kind) for kind in block.slopes)
        for use in measured.uses(place):
            needed = _needed(use, slopes)
            if use.kind not in _KINDS or use.normed or not use.gain or needed is None:
                continue
            away = math.log(use.gain / needed)
            factor = float(measured.log_factor[place])
            if flat and away < 0:  # the activation, not the weights below it, is what takes the gradient
                continue
            # a block whose factor is not what the scale says has another cause
            if abs(away) > _OFF and (math.isnan(factor) or (factor * away > 0 and abs(factor) > _OFF)):
                misfits.setdefault((use.activation, away < 0), []).append((place, use, needed, away))
    for (operation, small), uses in misfits.items():
        if all(math.isnan(measured.log_factor[place]) for place, *_ in uses):
            continue
        if small != (measured.log_survival < 0):
            continue
        places = list(dict.fromkeys(place for place, *_ in uses))
        worst, use, needed, _ = max(uses, key=lambda entry: abs(entry[3]))
        activation = f"{operation.lower().replace('relu', 'ReLU')} needs" if operation else "a map alone needs"
        evidence = {"gain": use.gain, "needed gain": needed, "blocks": float(len(places)), **measured.factor(places)}
        slope = next((kind.rms for kind in measured.blocks[worst].slopes if kind.operation == operation), None)
        if slope is not None:
            evidence["rms of the slopes"] = slope
        yield Cause(
            measured.labels[worst],
            f"the weights of {measured.of_blocks(places)} are too {'small' if small else 'large'}: their deviation is "
            f"{use.gain:.3g}/√fan_in where {activation} {needed:.2f}" + _default(use),
            evidence, "He 2015, arXiv 1502.01852; LeCun 1998, Efficient BackProp", measured.change(places),
        )  # fmt: skip


def _needed(use: WeightUse, slopes: dict[str, Slopes]) -> float | None:
    """Return the gain that keeps the gradient; None where there is no slope to tell it by."""
    if use.activation in _NEEDED:
        return _NEEDED[use.activation] if use.activation or not slopes else None
    kind = slopes.get(use.activation)
    return 1 / kind.rms if kind is not None and kind.rms > 0 else None


def _is_flat(kind: Slopes) -> bool:
    return kind.operation in _BOUNDED and kind.saturated > _FLAT_SHARE


def _default(use: WeightUse) -> str:
    is_default = abs(use.gain * math.sqrt(3) - 1) < 5 / math.sqrt(use.fan_in * use.fan_out)
    return ", as torch draws them by default" if is_default else ""


def _exp(logarithm: float) -> float:
    return math.exp(max(-700.0, min(700.0, logarithm)))
