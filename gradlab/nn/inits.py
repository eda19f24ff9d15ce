"""Initial weights, as maps from standard normal draws `z_OI` to weights of the same shape.

The draws of a convolution have its kernel as well, `[O, I, K]` with K places: each counts as an input and as an
output, as in torch.nn.init. Orthogonal and the like are those of the matrix `[O, I*K]`.

Every distribution is a function of the same normal draws, so cells that share a seed and differ in the
init differ in nothing else. Fans are those of one replica's matrix: ``torch.nn.init`` on a stacked tensor
would compute wrong ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradlab.components import BRANCH_INITS, INITS, Named
from gradlab.errors import UsageError
from gradlab.nn.parameters import Draw, Start

__all__ = ["CUT_DEVIATION", "bias_draw", "initial_bias", "initial_weight", "weight_draw"]

CUT_DEVIATION = 0.87962566103423978
"""Deviation of a standard normal number between -2 and 2; Keras and JAX divide by it."""


def _uniform(z: Tensor) -> Tensor:
    """Map normal draws to uniform ones on (-1, 1) through the normal distribution function."""
    return torch.erf(z / math.sqrt(2))


def _normal(z: Tensor, truncated: bool) -> Tensor:
    """Return the draws, or the same draws between -2 and 2 deviations, scaled back to variance 1."""
    return _cut(z) / CUT_DEVIATION if truncated else z


def _cut(z: Tensor) -> Tensor:
    """Map normal draws to normal ones between -2 and 2 through both distribution functions, as
    ``torch.nn.init.trunc_normal_`` maps uniform ones."""
    return math.sqrt(2) * torch.erfinv(math.erf(math.sqrt(2)) * _uniform(z))


def _fan(z_OI: Tensor, mode: str) -> float:
    columns, rows = z_OI[0].numel(), z_OI[:, 0].numel()
    return {"fan_in": columns, "fan_out": rows, "fan_avg": (rows + columns) / 2}[mode]


def _kaiming(nonlinearity: str, a: float) -> float:
    """Return the square of the gain that ``torch.nn.init.kaiming_normal_`` has for a nonlinearity."""
    squares = {"relu": 2.0, "leaky_relu": 2 / (1 + a**2), "tanh": 25 / 9, "selu": 9 / 16, "sigmoid": 1.0, "linear": 1.0}
    return squares[nonlinearity]


def xavier_normal(z_OI: Tensor, gain: float, mode: str = "fan_avg", truncated: bool = False) -> Tensor:
    return gain * math.sqrt(1 / _fan(z_OI, mode)) * _normal(z_OI, truncated)


def xavier_uniform(z_OI: Tensor, gain: float, mode: str = "fan_avg") -> Tensor:
    return gain * math.sqrt(3 / _fan(z_OI, mode)) * _uniform(z_OI)


def he_normal(
    z_OI: Tensor, gain: float, mode: str = "fan_in", nonlinearity: str = "relu", a: float = 0.0, truncated: bool = False
) -> Tensor:
    return gain * math.sqrt(_kaiming(nonlinearity, a) / _fan(z_OI, mode)) * _normal(z_OI, truncated)


def he_uniform(z_OI: Tensor, gain: float, mode: str = "fan_in", nonlinearity: str = "relu", a: float = 0.0) -> Tensor:
    return gain * math.sqrt(3 * _kaiming(nonlinearity, a) / _fan(z_OI, mode)) * _uniform(z_OI)


def lecun_normal(z_OI: Tensor, gain: float, mode: str = "fan_in", truncated: bool = False) -> Tensor:
    return gain * math.sqrt(1 / _fan(z_OI, mode)) * _normal(z_OI, truncated)


def lecun_uniform(z_OI: Tensor, gain: float, mode: str = "fan_in") -> Tensor:
    return gain * math.sqrt(3 / _fan(z_OI, mode)) * _uniform(z_OI)


def torch_default(z_OI: Tensor, gain: float, mode: str = "fan_in") -> Tensor:
    return gain * math.sqrt(1 / _fan(z_OI, mode)) * _uniform(z_OI)


def normal(z_OI: Tensor, std: float, gain: float, truncated: bool = False) -> Tensor:
    return gain * std * _normal(z_OI, truncated)


def truncated_normal(z_OI: Tensor, std: float, gain: float) -> Tensor:
    """Normal of deviation `std`, without what lies beyond 2 of them, which leaves 0.88 `std`: as Keras has it."""
    return gain * std * _cut(z_OI)


def uniform(z_OI: Tensor, bound: float, gain: float) -> Tensor:
    return gain * bound * _uniform(z_OI)


def constant(z_OI: Tensor, value: float, gain: float) -> Tensor:
    return torch.full_like(z_OI, gain * value)


def orthogonal(z_OI: Tensor, gain: float) -> Tensor:
    """Orthonormal rows or columns, uniform (Haar), as ``torch.nn.init.orthogonal_`` makes them from the same draws."""
    matrix = z_OI.flatten(1)
    rows, columns = matrix.shape
    q, r = torch.linalg.qr(matrix.T if rows < columns else matrix)
    q = q * r.diagonal().sign()
    rotation: Tensor = q.T if rows < columns else q
    return gain * rotation.reshape(z_OI.shape)


def identity(z_OI: Tensor, gain: float) -> Tensor:
    """Ones on the diagonal; of a convolution in the middle of the kernel, as ``torch.nn.init.dirac_`` has them."""
    return _centred(torch.eye(z_OI.shape[0], z_OI.shape[1], dtype=z_OI.dtype), z_OI, gain)


def delta_orthogonal(z_OI: Tensor, gain: float) -> Tensor:
    """Orthonormal columns in the middle of the kernel and 0 around them, so that a convolution keeps every length (Xiao
    2018, arXiv 1806.05393, algorithm 1). Without a kernel it is `orthogonal`.

    Raises UsageError for a convolution to fewer channels: it cannot keep every length.
    """
    if z_OI.ndim > 2 and z_OI.shape[0] < z_OI.shape[1]:
        raise UsageError(
            f"delta_orthogonal needs at least as many outputs as inputs: a convolution has {z_OI.shape[1]} inputs and "
            f"{z_OI.shape[0]} outputs",
            "take a larger width, or init: orthogonal",
        )
    return _centred(orthogonal(z_OI if z_OI.ndim == 2 else z_OI[..., _middle(z_OI)], 1.0), z_OI, gain)


def _centred(matrix_OI: Tensor, z_OI: Tensor, gain: float) -> Tensor:
    if z_OI.ndim == 2:
        return gain * matrix_OI
    weight = torch.zeros_like(z_OI)
    weight[..., _middle(z_OI)] = gain * matrix_OI
    return weight


def _middle(z_OIK: Tensor) -> int:
    return z_OIK.shape[2] // 2


def spectral(z_OI: Tensor, radius: float, gain: float) -> Tensor:
    """Normal, scaled so that the largest modulus of an eigenvalue is `gain` times `radius` (Jaeger 2001, echo states).

    A matrix that is not square has no eigenvalues: its largest singular value stands in for them.
    """
    matrix = z_OI.flatten(1)
    square = matrix.shape[0] == matrix.shape[1]
    largest = torch.linalg.eigvals(matrix).abs().max() if square else torch.linalg.matrix_norm(matrix, 2)
    return gain * radius / float(largest) * z_OI


def initial_weight(init: Named, z_OI: Tensor) -> Tensor:
    """Return one replica's weights from the draws `z_OI` or, of a convolution, `[O, I, k, ...]`."""
    known = INITS[init.name]
    # a function of the user's takes matrices
    z = z_OI.flatten(1) if known.origin is not None else z_OI.flatten(2) if z_OI.ndim > 2 else z_OI
    weight: Tensor = known.load()(z, **init.resolve(INITS))
    return weight.view(z_OI.shape)


def initial_bias(init: Named, bias_std: float | str, z_O: Tensor, fan_in: int) -> Tensor:
    """Return one replica's biases `[O]`: normal with deviation `bias_std`, or for "auto" what the init implies.

    That is zero, except for ``torch_default``, whose biases are uniform on +-1/sqrt(fan_in) as in torch.nn.Linear.
    """
    if isinstance(bias_std, str):
        return _uniform(z_O) / math.sqrt(fan_in) if init.name == "torch_default" else torch.zeros_like(z_O)
    return bias_std * z_O


def zero_branch(weight_OI: Tensor, block: int) -> Tensor:
    return torch.zeros_like(weight_OI)


def depth_scaled_branch(weight_OI: Tensor, block: int) -> Tensor:
    """Divided by √(2l) in block l, counted from 1, as in OLMo (Groeneveld 2024, arXiv 2402.00838)."""
    return weight_OI / math.sqrt(2 * (block + 1))


def weight_draw(*stream: str | int, rows: int = 0, branch: int | None = None, gain: float = 1.0) -> Draw:
    """Return the draw of a matrix, or of its next `rows`, from the distribution that a spec names as `init`.

    `branch`: the matrix is the last one of a residual branch, that of so many blocks above the first; None: of none.
    `gain`: a factor that the network itself has.
    """
    if branch is None and gain == 1:
        return Draw(_weight, stream, rows)

    def rule(start: Start, z_OI: Tensor) -> Tensor:
        weight = _weight(start, z_OI)
        if gain != 1:
            weight = gain * weight
        if branch is None or start.branch_init.name == "none":
            return weight
        changed: Tensor = BRANCH_INITS[start.branch_init.name].load()(weight, branch)
        return changed

    return Draw(rule, stream, rows)


def _weight(start: Start, z_OI: Tensor) -> Tensor:
    return initial_weight(start.init, z_OI)


def bias_draw(fan_in: int, *stream: str | int, rows: int = 0, shift: float = 0.0) -> Draw:
    """Return the draw of biases, or of the next `rows`, as `bias_std` and `init` have them, plus `shift`."""

    def rule(start: Start, z_O: Tensor) -> Tensor:
        bias = initial_bias(start.init, start.bias_std, z_O, fan_in)
        return bias + shift if shift else bias

    return Draw(rule, stream, rows)
