"""Activations whose constants fit the length of the network, see `gradlab.shaping`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gradlab.components import ACTIVATIONS
from gradlab.nn.activations import derivative
from gradlab.shaping import Shape, deep_kernel_shape, rectifier_gain, rectifier_slope

__all__ = ["dks", "tat"]

_slope = lru_cache(maxsize=256)(rectifier_slope)


def tat(x: Tensor, eta: float, length: int) -> Tensor:
    """Scaled leaky_relu (Zhang 2022, arXiv 2203.08120)."""
    slope = _slope(eta, length)
    return rectifier_gain(slope) * F.leaky_relu(x, slope)


def dks(x: Tensor, of: str, zeta: float, length: int) -> Tensor:
    """γ(φ(αx + β) + δ) (Martens 2021, arXiv 2110.01765)."""
    function, shape = _shaped(of, zeta, length)
    y: Tensor = function(shape.alpha * x + shape.beta)
    return shape.gamma * (y + shape.delta)


@lru_cache(maxsize=256)
def _shaped(of: str, zeta: float, length: int) -> tuple[Any, Shape]:
    function = ACTIVATIONS[of].load()

    def value(x: NDArray[np.float64]) -> NDArray[np.float64]:
        y: NDArray[np.float64] = function(torch.from_numpy(x)).numpy()
        return y

    def slope(x: NDArray[np.float64]) -> NDArray[np.float64]:
        with torch.enable_grad():
            leaf = torch.from_numpy(x).requires_grad_()
            return derivative(function(leaf), leaf).numpy()

    return function, deep_kernel_shape(value, slope, zeta ** (1 / max(length, 2)))
