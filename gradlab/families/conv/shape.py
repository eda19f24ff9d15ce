"""Channels and positions of the blocks of a convolutional network, from its options; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

__all__ = ["begins_stage", "channels", "convolutions", "image", "positions", "refused_shape", "stage"]


def stage(block: int, depth: int, stages: int) -> int:
    """Return the stage of a block, counted from 0: the blocks in as many almost equal parts."""
    return block * stages // depth


def begins_stage(block: int, depth: int, stages: int) -> bool:
    """Return whether a block is the first one of a later stage: it has the stride, or the pooling."""
    return block > 0 and stage(block, depth, stages) > stage(block - 1, depth, stages)


def channels(depth: int, width: int, options: Mapping[str, Any]) -> list[int]:
    """Return the channels of the output of each block."""
    return [width * options["widen"] ** stage(block, depth, options["stages"]) for block in range(depth)]


def positions(depth: int, size: Sequence[int], options: Mapping[str, Any]) -> list[tuple[int, ...]]:
    """Return the positions along each axis of the output of each block, of images of a `size`."""
    sizes, now = [], tuple(size)
    for block in range(depth):
        if begins_stage(block, depth, options["stages"]):
            if options["pool"] == "none":
                now = tuple(-(-axis // options["stride"]) for axis in now)
            else:
                now = tuple(axis // 2 for axis in now)
        sizes.append(now)
    return sizes


def convolutions(residual: str, options: Mapping[str, Any]) -> int:
    """Return how many convolutions a block has, the first one aside."""
    return 1 if residual == "none" else int(options["convs"])


def image(shape: tuple[int, ...], dims: int) -> tuple[int, ...]:
    """Return channels and positions of a sample: in one dimension the positions of all axes one after another."""
    return (shape[0], prod(shape[1:])) if dims == 1 else shape


def refused_shape(options: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[str, str] | None:
    """Return why a convolution cannot take samples of a shape, and what would be right; None: it can."""
    dims = options["dims"]
    if len(shape) < 2 or (dims == 2 and len(shape) != 3):
        samples = f"samples of {' x '.join(map(str, shape))}" if shape else "samples of one axis"
        axes = "[samples, channels, height, width]" if dims == 2 else "[samples, channels, positions]"
        return (
            f"a convolution in {dims} dimensions takes channels and positions, not {samples}",
            f"give an array {axes}",
        )
    sizes = image(shape, dims)[1:]
    smallest = min(map(min, (sizes, *positions(options["stages"], sizes, options))))
    size = " x ".join(map(str, sizes))
    if smallest < 1:
        return f"{options['stages']} stages of pooling leave nothing of images of {size}", "take fewer stages"
    kernel, padding = options["kernel"], options["padding"]
    needed = {"circular": kernel // 2, "reflect": kernel // 2 + 1}.get(padding, 1)
    if smallest < needed:
        message = (
            f"padding {padding} with a kernel of {kernel} needs {needed} positions, images of {size} leave {smallest}"
        )
        return message, "take a smaller kernel, fewer stages, or padding: zeros or replicate"
    return None
