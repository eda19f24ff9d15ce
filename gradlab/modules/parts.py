"""What a block is made of, as plain records: the parts that theory knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradlab.mean_field.attention import Attention

__all__ = ["Form", "Part", "Step", "Taps", "TokenMixing"]


@dataclass(frozen=True, slots=True)
class Taps:
    """A convolution with zero padding along one axis of positions."""

    below: int
    """Positions of its input."""
    above: int
    """Positions of its output."""
    kernel: int
    stride: int
    padding: int
    dilation: int


@dataclass(frozen=True, slots=True)
class TokenMixing:
    """Softmax attention of the tokens of a sequence to one another, without the map of its output."""

    weights: Attention
    samples: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Step:
    """One of the parts that a block is made of."""

    kind: str
    """``map``, ``activation``, ``attention``, ``scale`` (a product with numbers), ``shift`` (a sum with
    them), ``dropout``, ``pool`` (without overlaps), or the norm: ``batch`` (by the batch's statistics), ``layer``,
    ``rms``, ``group``."""
    gain: float = 1.0
    """Of a map the root of (variance of its weights x fan_in), of a norm and a scale the rms of the factors."""
    bias: float = 0.0
    """Its rms."""
    eps: float = 0.0
    activation: str = ""
    """The name of its numpy twin."""
    parameters: tuple[float, ...] = ()
    taps: tuple[Taps, ...] = ()
    """One for each axis of positions; empty without zero padding."""
    keep: float = 1.0
    """Share of the elements that dropout keeps."""
    variance: float = 0.0
    """Of a group norm, what squares of the gradient are divided by: the harmonic mean of the measured variances with ε,
    and what few numbers lose."""
    mixing: TokenMixing | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Branches that are added, and what comes after the add."""

    branches: tuple[tuple[Step, ...], ...] = ()
    """One without an add; an empty one is a skip."""
    after: tuple[Step, ...] = ()

    @property
    def steps(self) -> Iterator[Step]:
        """All of them."""
        for branch in self.branches:
            yield from branch
        yield from self.after


@dataclass(frozen=True, slots=True)
class Form:
    """What a block is made of: parts on top of one another, each with an add or none."""

    parts: tuple[Part, ...] = ()
    """The lowest first."""
    unknown: str = ""
    """What is in it that theory does not know; empty where it knows everything."""

    @property
    def steps(self) -> Iterator[Step]:
        """All of them."""
        for part in self.parts:
            yield from part.steps
