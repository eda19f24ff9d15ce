"""The prediction for one configuration: its gradient profile, and how far a single seed may lie from it."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.cell import Cell
from gradlab.families import FAMILIES
from gradlab.mean_field.batchnorm import batch_norm_chi
from gradlab.mean_field.finite import Pairs, forward, noises_of, scatter
from gradlab.mean_field.inits import NoPrediction
from gradlab.mean_field.maps import limit
from gradlab.mean_field.network import Block, Network
from gradlab.mean_field.radial import radial
from gradlab.mean_field.readout import readout
from gradlab.mean_field.recurrent import recurrence_bound, recurrent_profile
from gradlab.mean_field.setting import Setting, setting

__all__ = ["Prediction", "predict"]

Floats = NDArray[np.float64]

_ROUNDING = 2.0**-24
"""Of a weight kept in float32."""
_AMPLIFIED = 0.3
"""What the noise of p, summed over the blocks, may do to ln g² of a network whose variance collapses. Simulated: gelu
and silu at σ_w² = 2 scatter 2 to 4 times as far as predicted above it; below it, in short networks, z is right."""
_SAME_CLASS, _OTHERS = 0.5, 0.25
"""Typical |correlation| of two inputs of one class and of two others: digits have 0.5 and 0.25. It enters the scatter
only, and there only where lengths are kept (orthogonal weights, norms) or slopes are even functions."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What mean-field theory expects at step 0. `reason` says why there is no prediction; the numbers are then None.

    Logarithms are natural, [L] has block 1 (of a recurrent network: time step 1) first. Means are those of ln g over
    seeds (geometric means of g).
    """

    reason: str = ""
    log_grad_norm: Floats | None = None
    """ln g_l - ln g_L, [L]"""
    log_grad_norm_sd: Floats | None = None
    """Standard deviation of one seed's, [L]; None where there is no finite-width theory (batch norm)"""
    log_survival: float | None = None
    log_survival_sd: float | None = None
    decay: float | None = None
    """exp(slope), fitted to the profile as to a measured one; None for a single block"""
    reach: float | None = None
    """Blocks to a thousandth, or to a thousandfold; infinite for a decay of 1"""
    q: Floats | None = None
    """Variance of Wx + b per block (of Wx + Uu + b per time step), [L]"""
    chi: Floats | None = None
    """E g²_{l-1}/E g²_l at infinite width per block, [L]; block 1's would lead down to the inputs and is not used"""
    bound: float | None = None
    """Of a recurrent network, what no time step's factor on g can exceed; also where there is no prediction"""
    log_cell_survival: float | None = None
    """As `log_survival`, of the gradient with respect to an LSTM's cell state"""
    note: str = ""
    """What a prediction rests on, or leaves out"""


def predict(
    cell: Cell,
    *,
    in_features: int,
    out_features: int,
    input_mean_square: float,
    batch_size: int | None = None,
    input_spread: float | None = None,
) -> Prediction:
    """Return the prediction for a configuration (the seed does not matter).

    `input_mean_square` is the mean of x² over samples and features (NaN for indices), `batch_size` the number of
    samples in the probe (left out: the cell's), `input_spread` the standard deviation of a sample's mean square over
    its mean (left out: √(2/I), as for I independent Gaussian features). Both are of no use along time.
    """
    family = FAMILIES[cell.model.name]
    if family.theory is None:
        return Prediction(reason=f"there is no theory of {cell.model.name} here")
    module, _, function = family.theory.partition(":")
    theory: Callable[..., Prediction] = getattr(importlib.import_module(module), function)
    return theory(
        cell,
        in_features=in_features,
        out_features=out_features,
        input_mean_square=input_mean_square,
        batch_size=cell.probe_batch_size if batch_size is None else batch_size,
        input_spread=math.sqrt(2 / in_features) if input_spread is None else input_spread,
    )


def along_depth(
    cell: Cell, *, in_features: int, out_features: int, input_mean_square: float, batch_size: int, input_spread: float
) -> Prediction:
    """Return the prediction for a feed-forward network."""
    try:
        if math.isnan(input_mean_square):
            raise NoPrediction("the inputs are indices: theory does not know what they are embedded in")
        if not (math.isfinite(input_mean_square) and input_mean_square > 0):
            raise NoPrediction("the inputs are zero or not finite")
        return _predict(
            cell, setting(cell, in_features, out_features), input_mean_square, batch_size, input_spread, out_features
        )
    except NoPrediction as none:
        return Prediction(reason=str(none))


def along_time(
    cell: Cell, *, in_features: int, out_features: int, input_mean_square: float, batch_size: int, input_spread: float
) -> Prediction:
    """Return the prediction for a recurrent network; the batch and the spread of its inputs are of no use here."""
    bound = recurrence_bound(cell)
    try:
        found = recurrent_profile(cell, in_features, out_features, input_mean_square)
    except NoPrediction as none:
        return Prediction(reason=_bounded(str(none), bound), bound=bound)
    if found.log_grad_norm is None:
        return Prediction(
            reason="no gradient goes from h to h where all weights are zero; it goes along the cell state",
            log_cell_survival=found.log_cell_survival,
        )
    return dataclasses.replace(
        _prediction(found.log_grad_norm, found.sd, found.q, found.chi),
        bound=bound, log_cell_survival=found.log_cell_survival, note=found.note,
    )  # fmt: skip


def _bounded(reason: str, bound: float | None) -> str:
    if bound is None or bound >= 1:
        return reason
    return f"{reason}; it vanishes, by a factor of at most {bound:.4g} a time step (Pascanu's bound)"


def _predict(cell: Cell, of: Setting, square: float, samples: int, spread: float, outputs: int) -> Prediction:
    net, depth, width = of.network, cell.depth, cell.width
    blocks = _blocks(of, square, depth)
    if cell.norm.name == "batch":
        chi = np.full(depth, batch_norm_chi(cell, net, samples))
        return _prediction(_profile(chi), None, None, chi)

    # samples of different length: a log-normal one by the three-point rule
    sigma = math.sqrt(math.log1p(spread**2))
    log_g2 = [
        math.log(weight) + 2 * _profile(_chi(_blocks(of, square * math.exp(sigma * z - sigma**2 / 2), depth)))
        for weight, z in ((1 / 6, -math.sqrt(3)), (2 / 3, 0.0), (1 / 6, math.sqrt(3)))
    ]
    profile = np.logaddexp.reduce(log_g2) / 2
    profile -= profile[-1]  # the rounding of the weights

    pairs = _pairs(samples, outputs)
    first = of.first_weight * square
    noises, correlations = noises_of(net, blocks, (first * pairs.c + of.first_bias) / (first + of.first_bias))
    up = forward(net, blocks, noises, width, pairs.weight)
    if up.amplified > _AMPLIFIED and _collapses(net):
        raise NoPrediction(
            f"unstable per seed: the depth at which the variance of {cell.activation} collapses depends on what "
            f"a width of {width} adds to it"
        )
    growth_sd = math.sqrt(up.growth_variance)
    c = float(np.clip(pairs.weight @ correlations, 0, 1))
    top = readout(outputs, of.readout * blocks[-1].after.square, c, samples, growth_sd)
    found = scatter(net, blocks, noises, up, width, pairs.weight, _gradient_correlations(top.product2, outputs))
    along = radial(net, blocks, width, top.radial)
    # networks whose outputs are large have large gradients, and a loss that knows more of the outputs
    common = 2 * (along @ top.growth / len(top.growth)) * found.growth / growth_sd if growth_sd > 0 else 0.0
    sd = np.sqrt(np.maximum(found.variance + along.var(axis=1) + common, 0.0))
    q = np.array([block.q for block in blocks])
    return _prediction(profile + found.shift + along.mean(axis=1), sd, q, _chi(blocks))


def _collapses(net: Network) -> bool:
    """Whether the variance of a plain network vanishes after a stretch that amplifies differences."""
    if net.place != "none" or net.skip:
        return False
    return limit(net.curve, net.sigma_w2 / net.keep, net.sigma_b2)[0] == "unstable per seed"


def _blocks(of: Setting, square: float, depth: int) -> list[Block]:
    """Return all blocks of a network; from where its state repeats they are one object."""
    found = [of.network.first(of.first_weight * square + of.first_bias)]
    for _ in range(1, depth):
        last = found[-1]
        if (
            last.before is not None
            and _same(last.before.square, last.after.square, last.after.square)
            and _same(last.before.mean, last.after.mean, last.after.square**0.5)
        ):
            found.append(last)
        else:
            found.append(of.network.next(last.after))
    return found


def _same(one: float, other: float, scale: float) -> bool:
    return abs(one - other) < 1e-13 * scale


def _chi(blocks: Sequence[Block]) -> Floats:
    return np.array([block.chi for block in blocks])


def _profile(chi: Floats) -> Floats:
    """Return ln g_l - ln g_L, [L], of the factors χ_l on g² of each block; the first block's is not used."""
    with np.errstate(divide="ignore"):
        steps = np.log(chi[1:]) / 2
    if not np.isfinite(steps).all():
        raise NoPrediction("no slope is left: the gradient is exactly zero or not finite")
    return np.append(np.cumsum(steps[::-1])[::-1], 0.0)


def _pairs(samples: int, outputs: int) -> Pairs:
    """Return the kinds of pairs: a sample with itself, two of one class, two others on the same or the other side."""
    alike = 1 / outputs if outputs > 1 else 0.0
    shares = np.array([0.0, alike, (1 - alike) / 2, (1 - alike) / 2]) * (1 - 1 / samples)
    shares[0] = 1 / samples
    return Pairs(shares, np.array([1.0, _SAME_CLASS, _OTHERS, -_OTHERS]))


def _gradient_correlations(mean: float, outputs: int) -> Floats:
    """Return ρ² of the kinds of pairs: 1 within a class, the rest of its mean between classes."""
    if outputs == 1:
        return np.ones(4)
    between = max(mean - 1 / outputs, 0.0) / (1 - 1 / outputs)
    return np.array([1.0, 1.0, between, between])


def _prediction(profile: Floats, sd: Floats | None, q: Floats | None, chi: Floats | None) -> Prediction:
    if sd is not None:  # weights kept in float32 are rounded: what is exact on paper is known to this in a network
        sd = np.hypot(sd, _ROUNDING * np.arange(len(profile) - 1, -1, -1))
    slope = _slope(profile)
    distance = None if slope is None else abs(slope)
    return Prediction(
        log_grad_norm=profile,
        log_grad_norm_sd=sd,
        log_survival=float(profile[0]),
        log_survival_sd=None if sd is None else float(sd[0]),
        decay=None if slope is None else math.exp(-slope),
        reach=None if distance is None else math.inf if distance < 1e-12 else math.log(1e3) / distance,
        q=q,
        chi=chi,
    )


def _slope(profile: Floats) -> float | None:
    """Return the slope of ln g_l against l as a measured profile gets it: by least squares, without the two ends."""
    inner = profile[1:-1] if len(profile) >= 6 else profile
    if len(inner) < 2:
        return None
    x = np.arange(len(inner)) - (len(inner) - 1) / 2
    return float(x @ inner / (x @ x))
