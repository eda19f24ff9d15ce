"""Random networks in plain torch, by their forms: what `derivations.py` holds the formulas against."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gradlab.components import Named
from gradlab.mean_field.activations import numpy_activation
from gradlab.mean_field.random_network import Block, RandomNetwork, Stream

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu, "tanh": torch.tanh, "linear": lambda x: x, "sigmoid": torch.sigmoid,
}  # fmt: skip
CHUNK = 2**23
"""Elements of the weights that are held at once."""


@dataclass(frozen=True)
class Form:
    """A form of block, with weights of variance `sigma_w2`/width."""

    activation: str
    sigma_w2: float = 1.5
    sigma_b2: float = 0.0
    orthogonal: bool = False
    norm: str = "none"
    place: str = "none"
    skip: bool = False
    scale: float = 1.0
    keep: float = 1.0

    def __str__(self) -> str:
        return " ".join(
            f.name
            if value is True
            else str(value)
            if f.name in ("activation", "norm", "place")
            else f"{f.name} {value}"
            for f in dataclasses.fields(self)
            if (value := getattr(self, f.name)) != f.default
        )

    def network(self) -> RandomNetwork:
        """Return what theory takes it for."""
        return RandomNetwork(
            numpy_activation(Named(self.activation)), self.sigma_w2, self.sigma_b2, self.orthogonal, self.norm, 0.0,
            self.place, self.skip, self.scale, self.keep,
        )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One number of theory beside the simulated one, with the standard error of that."""

    what: str
    simulated: float
    error: float
    theory: float
    limit: str = ""
    """The paragraph of section 12 that says why theory is off here."""

    @property
    def z(self) -> float:
        """Difference in standard errors; 0 where both are equal but for rounding."""
        difference = self.simulated - self.theory
        return 0.0 if abs(difference) < 1e-9 else difference / self.error


PLAIN = [
    Form(activation, **settings)
    for activation in ("relu", "tanh")
    for settings in ({}, {"sigma_b2": 0.5}, {"orthogonal": True}, {"orthogonal": True, "sigma_b2": 0.5})
]
SKIPS = [
    Form(activation, skip=True, **settings)
    for activation in ("relu", "tanh")
    for settings in ({}, {"scale": 0.5, "sigma_b2": 0.2}, {"orthogonal": True})
]
DROPOUT = [Form(activation, keep=0.7, skip=skip) for activation in ("relu", "tanh") for skip in (False, True)]
NORMS = [
    Form(activation, norm=norm, place=place, skip=skip, orthogonal=orthogonal)
    for activation in ("relu", "tanh")
    for norm in ("rms", "layer")
    for place, skip in (
        ("pre_activation", False), ("pre_activation", True), ("post_activation", False), ("post_activation", True),
        ("input", True), ("stream", True),
    )
    for orthogonal in (False, True)
]  # fmt: skip


# --------------------------------------------------------------------------------------------------- the networks


def generator(what: object) -> torch.Generator:
    """Return a generator of its own for each form, so that their errors are independent."""
    return torch.Generator().manual_seed(zlib.crc32(str(what).encode()))


def normed(x: Tensor, kind: str) -> Tensor:
    """Return `x` [..., units] normed over its units, without learned parameters and without an eps."""
    if kind == "layer":
        x = x - x.mean(-1, keepdim=True)
    return x / x.square().mean(-1, keepdim=True).sqrt()


def weights(form: Form, networks: int, width: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return W [R, O, I] and b [R, 1, O] of one block."""
    z = torch.randn(networks, width, width, generator=rng, dtype=torch.float64)
    if form.orthogonal:
        q, r = torch.linalg.qr(z)
        z = q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2) * math.sqrt(width)
    bias = torch.randn(networks, 1, width, generator=rng, dtype=torch.float64)
    return math.sqrt(form.sigma_w2 / width) * z, math.sqrt(form.sigma_b2) * bias


def block(form: Form, x: Tensor, w: Tensor, b: Tensor, rng: torch.Generator) -> Tensor:
    """Return the output of a block [R, N, O] for x [R, N, I]."""

    def at(place: str, t: Tensor) -> Tensor:
        return normed(t, form.norm) if form.place == place else t

    h = at("pre_activation", at("input", x) @ w.mT + b)
    y = at("post_activation", ACTIVATIONS[form.activation](h))
    if form.keep < 1:
        y = y * (torch.rand(y.shape, generator=rng, dtype=torch.float64) < form.keep) / form.keep
    return at("stream", x + form.scale * y if form.skip else y)


def stream_below(form: Form) -> Stream:
    """Return mean square and mean of an input of the block: activations of N(0, 1), normed where a block ends so."""
    moments = form.network().moments(1.0)
    mean, square = moments.mean, moments.square
    if not ends_normed(form):
        return Stream(square, mean)
    return Stream(1.0, 0.0 if form.norm == "layer" else mean / math.sqrt(square))


def ends_normed(form: Form) -> bool:
    """Whether the output of a block of this form is normed."""
    return form.place == "stream" or (form.place == "post_activation" and not form.skip)


def inputs(form: Form, networks: int, width: int, rng: torch.Generator) -> Tensor:
    """Return x [R, 1, I] with exactly the mean square of theory; under a layer norm of x, mean and variance.

    Otherwise the mean over the units scatters as that of independent units does, as theory takes it in every block.
    Theory's variance is that of a distribution; over n units one finds 1 - 1/n of it.
    """
    z = ACTIVATIONS[form.activation](torch.randn(networks, 1, width, generator=rng, dtype=torch.float64))
    below = stream_below(form)
    variance = below.square - below.mean**2
    if form.norm == "layer" and form.place == "input":
        return normed(z, "layer") * math.sqrt(variance * (1 - 1 / width)) + below.mean
    if form.norm == "layer" and ends_normed(form):
        return normed(z, "layer")
    mean = torch.randn(networks, 1, 1, generator=rng, dtype=torch.float64)
    mean = (below.mean + math.sqrt(variance / width) * mean).clamp(-math.sqrt(below.square), math.sqrt(below.square))
    return mean + (below.square - mean**2).clamp(min=0).sqrt() * normed(z, "layer")


def state(form: Form) -> tuple[RandomNetwork, Block]:
    """Return theory's network and its block on that input."""
    network = form.network()
    return network, network.next(stream_below(form))


def in_chunks(networks: int, width: int) -> Iterator[int]:
    """Yield how many networks to hold at once."""
    size = max(1, CHUNK // width**2)
    for start in range(0, networks, size):
        yield min(size, networks - start)
