"""What a residual form does to the matrices of a transformer when they are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from gradlab.families.network import Architecture

__all__ = ["Factors"]


@dataclass(frozen=True, slots=True)
class Factors:
    """Factors on the matrices of the branches; queries and keys have none."""

    inner: float = 1.0
    """On values, and on the first matrices of the MLP."""
    last: float = 1.0
    """On the last matrix of a branch."""
    embedding: float = 1.0
    """On the table of tokens, or on the matrix of inputs that are numbers."""

    @classmethod
    def of(cls, arch: Architecture) -> Factors:
        """Return those of the residual form, N being the depth.

        ``deepnorm``: (8N)^(-1/4) (Wang 2022, arXiv 2203.00555, table 1, encoder). ``t_fixup``: 0.67 N^(-1/4),
        embeddings (9N)^(-1/4) (Huang 2020, section 3, encoder). ``fixup``: the last matrix 0, the others (2N)^(-1/2),
        there being 2N branches of two matrices (Zhang 2019, arXiv 1901.09321, section 3).
        """
        blocks = arch.depth
        if arch.residual == "t_fixup":
            return cls(0.67 * blocks**-0.25, 0.67 * blocks**-0.25, (9 * blocks) ** -0.25)
        if arch.residual == "fixup":
            return cls((2 * blocks) ** -0.5, 0.0)
        return cls(arch.branch_gain, arch.branch_gain)
