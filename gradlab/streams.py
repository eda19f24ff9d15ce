"""Random streams. Every draw of gradlab comes from a generator named by a seed and a purpose.

Nothing touches torch's global stream, so a cell's numbers do not depend on what ran before it. Two cells
that share a seed share every stream, whatever else differs: comparisons are paired (common random numbers).
"""

from __future__ import annotations

import hashlib

import torch

__all__ = ["generator"]


def generator(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator for one seed and one purpose; equal arguments give equal streams on any device of a kind."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)
