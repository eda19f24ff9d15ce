"""The convolutional network: `depth` blocks over the positions of an image, and a linear readout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import prod
from typing import Any

from gradlab.components import Param, Task
from gradlab.families.base import Cost, Family, Refusal, Sizes
from gradlab.families.conv.shape import channels, convolutions, positions, refused_shape
from gradlab.families.mlp import DEPTH

__all__ = ["CONV"]


def _options(cell: Sizes) -> dict[str, Any]:
    return {name: param.default for name, param in _PARAMS.items()} | dict(cell.model.params)


def _length(cell: Sizes) -> int:
    return cell.depth


def _blocks(cell: Sizes) -> list[tuple[int, int, int]]:
    """Return channels below, channels and positions of each block, of an image as large as is usual here."""
    options = _options(cell)
    task = dict(cell.task.params)
    size, inputs = int(task.get("size", 8)), 1 if cell.task.name == "digits" else int(task.get("channels", 3))
    wide = channels(cell.depth, cell.width, options)
    sizes = positions(cell.depth, (size, size) if options["dims"] == 2 else (size * size,), options)
    steps = zip(pairwise((inputs, *wide)), map(prod, sizes), strict=True)
    return [(below, above, area) for (below, above), area in steps]


def _weights(cell: Sizes, below: int, above: int) -> int:
    options = _options(cell)
    taps: int = options["kernel"] ** options["dims"]
    later = convolutions(cell.residual.name, options) - 1
    if options["separable"]:
        return below * (taps + above) + later * above * (taps + above)
    return taps * above * (below + later * above)


def _parameters(cell: Sizes) -> int:
    return sum(_weights(cell, below, above) for below, above, _ in _blocks(cell))


def _products(cell: Sizes) -> int:
    return sum(_weights(cell, below, above) * area for below, above, area in _blocks(cell))


def _maps(cell: Sizes) -> int:
    return cell.depth * convolutions(cell.residual.name, _options(cell))


def _units(cell: Sizes) -> int:
    return sum(above * area for _, above, area in _blocks(cell)) * convolutions(cell.residual.name, _options(cell))


def _idle(options: Mapping[str, Any], task: Task, residual: str) -> Iterable[str]:
    if residual == "none":
        yield "convs"
    if options["stages"] == 1:
        yield from ("stride", "pool", "widen")
    elif options["pool"] != "none":
        yield "stride"


def _of_depth(options: Mapping[str, Any], depth: int) -> Refusal | None:
    if options["stages"] <= depth:
        return None
    return f"{options['stages']} stages in {depth} blocks", "take at most as many stages as blocks"


_PARAMS = {
    "kernel": Param(3, int, low=1, high=99),
    "padding": Param("zeros", str, choices=("zeros", "circular", "reflect", "replicate")),
    "dims": Param(2, int, low=1, high=2),
    "convs": Param(2, int, low=1, high=9),
    "stages": Param(1, int, low=1, high=9),
    "stride": Param(2, int, low=1, high=9),
    "pool": Param("none", str, choices=("none", "average", "max")),
    "widen": Param(1, int, low=1, high=4),
    "separable": Param(False, bool),
    "head": Param("mean", str, choices=("mean", "flatten")),
}

CONV = Family(
    "gradlab.families.conv.network:Conv",
    "convolutions of `width` channels, with a residual form a ResNet; `stages` halve the positions",
    _PARAMS,
    axis=DEPTH,
    length=_length,
    inputs=("images",),
    cost=Cost(_parameters, _units, _products, _maps, "conv_block", lambda cell: {"bank": 1}, "conv_"),
    allows={"residual": ("none", "add", "resnet_v1", "fixup")},
    ignores=("seq_len",),
    idle=_idle,
    conflicts={"depth": _of_depth},
    shapes=refused_shape,
    theory="gradlab.mean_field.convolution:THEORY",
    unnormed=("fixup",),
    mixes_activations=True,
    sweep={"width": 16, "lr": 0.05, "train.steps": 100, "train.batch_size": 32, "probe.at": [0], "seeds": 3},
)
