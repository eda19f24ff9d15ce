"""Theory of the family of convolutional networks: the gradient profile of a cell, and how far one seed may lie from it.

Scatter is known for plain networks of one width without norm and biases whose activation is homogeneous, like relu: for
those the images count by their size alone. Others have the profile of an infinite width, with images whose mean square
is the same at every position.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gradlab.cell import Cell
from gradlab.components import NORMS, TASKS
from gradlab.families import FAMILIES
from gradlab.mean_field.activations import KNOWN_ACTIVATIONS, numpy_activation
from gradlab.mean_field.convolution_cell import CellBlocks, blocks_of
from gradlab.mean_field.convolution_network import (
    Batch,
    ConvolutionNetwork,
    ForwardPass,
    convolution_profile,
    forward_pass,
    is_homogeneous,
)
from gradlab.mean_field.coverage import IRRELEVANT_AT_START, Components, Coverage, Numbers
from gradlab.mean_field.fixed_points import FixedPoint, fixed_point
from gradlab.mean_field.group_norm import group_norm_chi
from gradlab.mean_field.inits import BIASES, KNOWN_INITS, bias_variance, weight_variance
from gradlab.mean_field.inputs import Inputs
from gradlab.mean_field.loss_gradient import LossGradient, loss_gradient
from gradlab.mean_field.network_theory import NetworkTheory
from gradlab.mean_field.prediction import NoPrediction, Prediction, from_profile
from gradlab.mean_field.quadrature import normal_nodes

__all__ = ["THEORY"]

Floats = NDArray[np.float64]

_LARGE = 128
"""Elements over which a batch norm has the statistics of many."""
_FAST = 0.8
"""What an activation may leave of a small correlation of data for a batch norm to forget them: `batch_norm`."""
_OPTIONS = ("kernel", "padding", "dims", "convs", "stages", "stride", "pool", "widen", "separable", "head")

COVERAGE = Coverage(
    "convolutional networks",
    {
        "model": Components({"conv": _OPTIONS}),
        "task": Components(
            {"digits": (), "images": ("channels", "size", "smooth", "classes", "samples")},
            reason="the shape of the images of task {name} is known only with its data",
        ),
        "depth": Numbers(),
        "width": Numbers(),
        "activation": KNOWN_ACTIVATIONS,
        "init": Components(
            {**KNOWN_INITS.known, "delta_orthogonal": ("gain",)}, KNOWN_INITS.reasons, KNOWN_INITS.reason
        ),
        "bias_std": BIASES,
        "norm": Components(
            {
                "none": (),
                "layer": ("eps",),
                "rms": ("eps",),
                "batch": ("eps",),
                "group": ("eps", "groups"),
                "instance": ("eps",),
            }
        ),
        "norm_position": Components({"pre_activation": (), "post_activation": ()}),
        "residual": Components(
            {"none": (), "add": (), "fixup": ()},
            {"resnet_v1": "the stream of resnet_v1 passes through activations: its distribution is not derived"},
        ),
        "residual_scale": Numbers(("1/sqrt(depth)", "1/sqrt(2*depth)", "learned_zero")),
        "branch_init": Components(
            {"none": (), "zero": ()},
            {"depth_scaled": "mean-field theory has one variance of the weights for all blocks, depth_scaled has many"},
        ),
        "dropout": Numbers(),
        "probe_batch_size": Numbers(),
    },
    (IRRELEVANT_AT_START - {"task"}) | {"seq_len"},
)


def _profile(cell: Cell, inputs: Inputs) -> Prediction:
    if not (math.isfinite(inputs.mean_square) and inputs.mean_square > 0):
        raise NoPrediction("the inputs are zero or not finite")
    if cell.dropout > 0:
        raise NoPrediction("mean-field theory of convolutional networks does not know dropout")
    start = blocks_of(cell, TASKS[cell.task.name].shape_of(cell.task), inputs.out_features)
    if cell.norm.name in ("group", "instance"):
        return _norm_over_positions(cell, start)
    if cell.norm.name == "batch":
        _require_forgetting(cell, start)
    options = cell.model.resolve(FAMILIES)
    head = options["head"]
    samples, classes = cell.probe_batch_size, inputs.out_features
    shares = _shares(samples, classes)
    homogeneous = is_homogeneous(numpy_activation(cell.activation))
    if not homogeneous and (cell.init.name == "delta_orthogonal" or options["kernel"] == 1):
        raise NoPrediction(f"kernels of one tap leave every position its own size: {cell.activation} has other slopes")
    network = ConvolutionNetwork(start.blocks, Batch(samples, shares, (1.0, 1.0, 0.0)), head, start.leave)
    forward = forward_pass(network, inputs.mean_square)
    scattered = forward.line is not None and homogeneous and _unbiased(cell)
    if not scattered or cell.init.name == "orthogonal" or len(set(start.channels)) > 1:
        profile = convolution_profile(network, forward)
        return from_profile(profile.log_grad_norm, None, profile.q, profile.chi)
    top = _loss(forward, head, start.readout, classes, samples)
    between = max(top.product2 - 1 / classes, 0.0) / (1 - 1 / classes) if classes > 1 else 1.0
    network = ConvolutionNetwork(start.blocks, Batch(samples, shares, (1.0, 1.0, between)), head, start.leave)
    profile = convolution_profile(network, forward)
    mean, sd = profile.over_seeds(cell.width, top.radial, top.growth)
    return from_profile(mean, sd, profile.q, profile.chi)


def _shares(samples: int, classes: int) -> tuple[float, float, float]:
    """Return the shares of pairs: a sample with itself, two of one class, two others."""
    alike = (1 - 1 / samples) / classes if classes > 1 else 0.0
    return 1 / samples, alike, 1 - 1 / samples - alike


def _loss(forward: ForwardPass, head: str, readout: float, classes: int, samples: int) -> LossGradient:
    """Return the gradient of the loss by what the readout makes of the last map."""
    pairs, line = forward.outputs[-1].pairs, forward.line
    assert pairs is not None
    assert line is not None
    if head == "mean":
        same_input, other_inputs = float(pairs[0].mean()), float(pairs[-1].mean())
    else:
        same_input, other_inputs = (float(np.trace(kind)) / len(kind) for kind in (pairs[0], pairs[-1]))
    return loss_gradient(
        classes,
        readout * same_input,
        float(np.clip(other_inputs / same_input, 0, 1)),
        samples,
        math.sqrt(line.growth_variance),
    )


def _unbiased(cell: Cell) -> bool:
    return bias_variance(cell.init, cell.bias_std, cell.width) == 0


def _require_forgetting(cell: Cell, start: CellBlocks) -> None:
    """Raise NoPrediction where a batch norm is too small, or the structure of the data persists before it."""
    if cell.residual.name == "none" and cell.norm_position.name != "pre_activation":
        raise NoPrediction("batch norm has a prediction only before the activation")
    elements = cell.probe_batch_size * min(math.prod(size) for size in start.sizes)
    if elements < _LARGE:
        raise NoPrediction(f"batch norm has a prediction only over many samples and positions: {elements} are too few")
    phi = numpy_activation(cell.activation)
    nodes = normal_nodes(phi, 1.0)
    value = phi.value(nodes.h)
    variance = nodes.mean(value**2) - nodes.mean(value) ** 2
    if not is_homogeneous(phi) or nodes.mean(phi.slope(nodes.h)) ** 2 > _FAST * variance:
        raise NoPrediction(
            f"batch norm has a prediction only for activations like relu: with {cell.activation} "
            "the structure of the data persists along the depth"
        )


def _norm_over_positions(cell: Cell, start: CellBlocks) -> Prediction:
    options = cell.model.resolve(FAMILIES)
    name = f"{cell.norm.name} norm"
    if cell.residual.name != "none" or cell.norm_position.name != "pre_activation" or cell.activation.name != "relu":
        raise NoPrediction(f"{name} has a prediction only before relu, without skips")
    if options["padding"] == "zeros" or options["stages"] > 1:
        raise NoPrediction(f"{name} has a prediction only on maps that are alike everywhere: no zeros, one stage")
    if options["padding"] != "circular" and options["head"] == "mean":
        raise NoPrediction(f"{name} has a prediction behind a mean over positions only with circular padding")
    if not _unbiased(cell):
        raise NoPrediction(f"{name} has a prediction only without biases")
    groups = cell.width if cell.norm.name == "instance" else int(dict(cell.norm.params)["groups"])
    eps = float(cell.norm.resolve(NORMS)["eps"])
    gain = weight_variance(cell.init, cell.width * options["kernel"], cell.width * options["kernel"])
    if eps > 1e-3 * gain * cell.width * options["kernel"]:
        raise NoPrediction(f"{name} has a prediction only where its eps ({eps:g}) is small beside the variance")
    chi = group_norm_chi(
        cell.width, math.prod(start.sizes[0]), groups, cell.depth, 1.0 if options["head"] == "mean" else 0.0
    )
    return from_profile(np.append(np.cumsum(np.log(chi[:0:-1]))[::-1] / 2, 0.0), chi=chi)


def _plain(cell: Cell, inputs: Inputs | None) -> FixedPoint:
    if cell.norm.name != "none" or cell.residual.name != "none":
        raise NoPrediction("networks with norms or skips have no fixed point of this kind")
    if cell.init.name == "delta_orthogonal":
        raise NoPrediction("the fixed point is that of a fully connected network with orthogonal weights")
    taps = cell.width * cell.model.resolve(FAMILIES)["kernel"]
    return fixed_point(
        cell.activation, weight_variance(cell.init, taps, taps) * taps, bias_variance(cell.init, cell.bias_std, taps)
    )


THEORY = NetworkTheory(COVERAGE, _profile, _plain)
