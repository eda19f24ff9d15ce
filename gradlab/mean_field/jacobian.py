"""The spread of the squared singular values of a deep plain network's input-output Jacobian."""

from __future__ import annotations

from gradlab.components import Named
from gradlab.mean_field.activations import numpy_activation
from gradlab.mean_field.arithmetic import checked_arithmetic
from gradlab.mean_field.quadrature import normal_nodes

__all__ = ["jacobian_spread"]


@checked_arithmetic()
def jacobian_spread(activation: Named, depth: int, *, orthogonal: bool, q: float = 1.0) -> float:
    """Return Var/mean² of the eigenvalues of JJᵀ for `depth` blocks whose preactivations have variance q.

    depth*(μ2/μ1² - 1) for orthogonal weights, depth*μ2/μ1² for Gaussian ones, μ_k = E φ'^{2k}, at infinite width
    (Pennington, Schoenholz & Ganguli 2017, arXiv 1711.04735, eq. 20). It says whether the gradients of all inputs
    and directions survive alike, where χ only says that they do on average (Saxe 2013, arXiv 1312.6120).
    """
    phi = numpy_activation(activation)
    nodes = normal_nodes(phi, q)
    slope2 = phi.slope(nodes.h) ** 2
    ratio = nodes.mean(slope2**2) / nodes.mean(slope2) ** 2
    return depth * (ratio - 1 if orthogonal else ratio)
