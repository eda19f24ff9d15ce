"""The gradient at the top of a network, by draws of its outputs: the loss knows what the readout says.

docs/derivations.md, section 10.

With outputs f and ∂loss/∂f = e, the gradient at the last block is Wᵀe, so its part along x is (f·e)²: see
`gradlab.mean_field.radial_component`. Outputs are Gaussian, of variance q and with a correlation c between samples.
Targets are taken as independent of them: balanced classes under softmax and cross-entropy for two or more outputs, one
target of mean 0 and variance 1 under squared error for a single one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.prediction import NoPrediction

__all__ = ["LossGradient", "loss_gradient"]

Floats = NDArray[np.float64]

_NETWORKS, _SAMPLES = 512, 32
_ELEMENTS = 2**24
"""What one array of draws may hold; beyond 1,024 outputs fewer networks, then fewer samples, are drawn."""
_FEWEST_NETWORKS, _FEWEST_SAMPLES = 32, 2


@dataclass(frozen=True, slots=True)
class LossGradient:
    """Statistics over networks of one batch's loss gradient."""

    radial: Floats
    """r = Σ(f·e)²/(q Σ|e|²) of each network; its mean is 1 if the loss gradient does not depend on the outputs."""
    growth: Floats
    """ln of each network's own output variance, in standard deviations about its mean"""
    product2: float
    """Σ_{a≠b} (e_a·e_b)² / Σ_{a≠b} |e_a|²|e_b|²"""


@lru_cache(maxsize=4096)
def loss_gradient(outputs: int, q: float, c: float, batch: int, scatter: float) -> LossGradient:
    """Return the statistics for outputs of variance q and correlation c ≥ 0 between the samples of a batch.

    `scatter` is the standard deviation over networks of ln of that variance.

    Raises:
        NoPrediction: for more than 262,144 outputs, and where the loss gradient of a network is exactly zero.
    """
    random = np.random.default_rng(0)
    elements = _ELEMENTS // outputs
    if elements < _FEWEST_NETWORKS * _FEWEST_SAMPLES:
        raise NoPrediction(f"the gradient of the loss is simulated for fewer outputs than {outputs:,}")
    samples = min(batch, _SAMPLES, elements // _FEWEST_NETWORKS)
    networks = min(_NETWORKS, elements // samples)
    shared, individual = random.normal(size=(networks, 1, outputs)), random.normal(size=(networks, samples, outputs))
    growth = random.normal(size=networks)
    growth = (growth - growth.mean()) / growth.std()
    q_N = q * np.exp(scatter * growth - scatter**2 / 2)
    f = np.sqrt(q_N)[:, None, None] * (np.sqrt(c) * shared + np.sqrt(1 - c) * individual)
    if outputs == 1:
        e = f - random.normal(size=f.shape)
    else:
        p = np.exp(f - f.max(-1, keepdims=True))
        e = p / p.sum(-1, keepdims=True) - np.eye(outputs)[random.integers(outputs, size=f.shape[:-1])]
    length = (e**2).sum(-1)
    if not length.sum(-1).all():
        raise NoPrediction("the outputs are so large that the gradient of the loss is zero in some networks")
    r = ((f * e).sum(-1) ** 2).sum(-1) / (q_N * length.sum(-1)) if q > 0 else np.ones(networks)
    gram2 = (e @ e.swapaxes(1, 2)) ** 2
    apart = length.sum(-1) ** 2 - (length**2).sum(-1)
    product2 = (gram2.sum((1, 2)) - (length**2).sum(-1)).sum() / apart.sum() if samples > 1 else 1.0
    return LossGradient(r, growth, float(product2))
