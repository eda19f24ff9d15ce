"""Theory of the family of transformers: from a cell to the sub-layers whose moments `token_profile` follows.

The tokens below block 1 must be independent and of many numbers each, as patches of white images are; what the
loss reads decides how much of the gradient at the top the tokens have in common: all of it behind the mean over
tokens, as much as independent gradients where a single token is read.
"""

from __future__ import annotations

import math

import numpy as np

from gradlab.cell import Cell
from gradlab.components import NORMS, RESIDUALS, TASKS
from gradlab.families import FAMILIES
from gradlab.mean_field.activations import KNOWN_ACTIVATIONS, numpy_activation
from gradlab.mean_field.attention import Attention
from gradlab.mean_field.coverage import IRRELEVANT_AT_START, Components, Coverage, Numbers
from gradlab.mean_field.fixed_points import FixedPoint
from gradlab.mean_field.inits import BIASES, KNOWN_INITS, bias_variance, weight_variance
from gradlab.mean_field.inputs import Inputs
from gradlab.mean_field.loss_gradient import loss_gradient
from gradlab.mean_field.network_theory import NetworkTheory
from gradlab.mean_field.prediction import NoPrediction, Prediction, from_profile
from gradlab.mean_field.token_profile import Sublayer, token_profile
from gradlab.mean_field.token_scatter import Batch, token_scatter
from gradlab.mean_field.token_stream import FeedForward, Norm, Pair

__all__ = ["THEORY"]

_FEWEST_UNITS = 32
"""Of a token: the cosines of tokens of n independent numbers deviate by 1/√n, which the recursion leaves out."""
_POSITION_STD = 0.02
"""Of learned positions."""
_OPTIONS = (
    "heads", "ff", "attention", "causal", "positions", "pool", "patch", "embedding_std", "qk_norm", "softcap", "gate",
    "qk_gain", "vo_gain", "in_gain", "out_gain", "final_norm",
)  # fmt: skip
_FORMS = ("none", "add", "pre_norm", "post_norm", "sandwich", "layer_scale", "deepnorm", "fixup", "t_fixup")

COVERAGE = Coverage(
    "transformers",
    {
        "model": Components({"transformer": _OPTIONS}),
        "task": Components(
            {"images": ("channels", "size", "classes", "samples")},
            reason="the tokens of task {name} are not independent of each other, as those of white images are",
        ),
        "depth": Numbers(),
        "width": Numbers(),
        "activation": KNOWN_ACTIVATIONS,
        "init": KNOWN_INITS,
        "bias_std": BIASES,
        "norm": Components({"none": (), "layer": ("eps",), "rms": ("eps",)}),
        "residual": Components(dict.fromkeys(_FORMS, ()) | {"layer_scale": ("start",)}),
        "residual_scale": Numbers(("1/sqrt(depth)", "1/sqrt(2*depth)", "learned_zero")),
        "branch_init": Components({"none": (), "zero": (), "depth_scaled": ()}),
        "dropout": Numbers(),
    },
    (IRRELEVANT_AT_START - {"task"}) | {"norm_position", "seq_len", "probe_batch_size"},
)


def _profile(cell: Cell, inputs: Inputs) -> Prediction:
    options = cell.model.resolve(FAMILIES)
    if cell.width < _FEWEST_UNITS:
        raise NoPrediction(f"tokens of {cell.width} units are too narrow for the theory (from {_FEWEST_UNITS} on)")
    channels, *sides = TASKS[cell.task.name].shape_of(cell.task)
    patch = int(options["patch"])
    features = channels * patch ** len(sides)
    if features < _FEWEST_UNITS:
        raise NoPrediction(
            f"patches of {features} numbers are not nearly orthogonal to each other: theory goes from "
            f"{_FEWEST_UNITS} on"
        )
    tokens = math.prod(side // patch for side in sides)
    blocks = [_block(cell, options, block) for block in range(cell.depth)]
    final = options["final_norm"]
    normed = cell.residual.name in ("pre_norm", "sandwich", "layer_scale") if final == "auto" else final
    common = 1.0 if options["pool"] == "mean" else None
    stream = _stream(cell, options, features, tokens, inputs.mean_square)
    top = _norm(cell) if normed else None
    profile = token_profile(blocks, tokens, common=common, stream=stream, final_norm=top)
    batch = Batch(
        cell.probe_batch_size,
        cell.width,
        hidden=int(_number(options["ff"]) * cell.width),
        single=options["pool"] != "mean",
        features=features,
    )
    readout = weight_variance(cell.init, cell.width, inputs.out_features) * cell.width

    def loss(output: Pair, between: float) -> float:
        mean = (output.square + (tokens - 1) * output.product) / tokens if options["pool"] == "mean" else output.square
        c = min(max(between / mean, 0.0), 1.0) if mean > 0 else 0.0
        return loss_gradient(inputs.out_features, readout * mean, c, cell.probe_batch_size, 0.0).product2

    scatter = token_scatter(blocks, tokens, batch, common=common, stream=stream, final_norm=top, loss=loss)
    if scatter is None:
        return from_profile(profile.log_grad_norm)
    return from_profile(profile.log_grad_norm, np.sqrt(scatter.variance), error=scatter.error)


def _stream(cell: Cell, options: dict[str, object], features: int, tokens: int, mean_square: float) -> Pair:
    """Return the moments of the tokens below block 1."""
    if not (math.isfinite(mean_square) and mean_square > 0):
        raise NoPrediction("the inputs are zero or not finite")
    weight = weight_variance(cell.init, features, cell.width) * features
    if cell.residual.name == "t_fixup":
        weight /= math.sqrt(9 * cell.depth)
    stream = Pair(weight * mean_square, 0.0).shifted(bias_variance(cell.init, cell.bias_std, features))
    if options["positions"] == "learned":
        return Pair(stream.square + _POSITION_STD**2, stream.product)
    if options["positions"] == "sinusoidal":
        place, rate = np.arange(tokens), 10_000.0 ** (-np.arange(0, cell.width, 2) / cell.width)
        wave = np.exp(1j * place[:, None] * rate)  # sin a sin b + cos a cos b is the real part of its products
        cosines = (wave @ wave.conj().T).real / len(rate)
        product = (cosines.sum() - tokens) / (tokens * (tokens - 1)) if tokens > 1 else 0.0
        return Pair(stream.square + 0.5, stream.product + float(product) / 2)
    return stream


def _block(cell: Cell, options: dict[str, object], block: int) -> list[Sublayer]:
    """Return the sub-layers of a block, counted from 0."""
    width = cell.width
    inner, last = _factors(cell, block)
    square = weight_variance(cell.init, width, width) * width
    bias = bias_variance(cell.init, cell.bias_std, width)
    sublayers: list[Sublayer] = []
    if options["attention"] != "none":
        qk, vo = _number(options["qk_gain"]) ** 2, _number(options["vo_gain"]) ** 2
        mixing = options["attention"] == "softmax"
        if not mixing and (qk > 0 or bias > 0):
            raise NoPrediction("shaped attention is covered where its queries and keys are zero: qk_gain: 0")
        if _number(options["softcap"]):
            raise NoPrediction("mean-field theory does not know capped scores")
        attention = Attention(
            query=square * qk, key=square * qk, value=square * vo * inner, output=square * vo * last,
            query_bias=bias, value_bias=bias, output_bias=bias, normed=bool(options["qk_norm"]), mixing=mixing,
            head_dim=width // int(_number(options["heads"])), causal=options["causal"] is True,
        )  # fmt: skip
        sublayers.append(_sublayer(cell, attention))
    if options["ff"]:
        hidden = int(_number(options["ff"])) * width
        first = weight_variance(cell.init, width, hidden) * width
        second = weight_variance(cell.init, hidden, width) * hidden
        gate = bool(options["gate"])
        if gate and bias > 0:
            raise NoPrediction("mean-field theory knows gates without biases")
        gain = _number(options["in_gain"]) ** 2
        mlp = FeedForward(
            first=first * inner * (1.0 if gate else gain),
            second=second * _number(options["out_gain"]) ** 2 * last,
            activation=numpy_activation(cell.activation),
            gated=first * inner * gain if gate else None,
            first_bias=bias,
            second_bias=bias_variance(cell.init, cell.bias_std, hidden),
        )
        sublayers.append(_sublayer(cell, mlp))
    return sublayers


def _factors(cell: Cell, block: int) -> tuple[float, float]:
    """Return the factors on the variances of the inner matrices and of the last one of a branch."""
    form, blocks = cell.residual.name, cell.depth
    inner = last = 1.0
    if form == "deepnorm":
        inner = last = (8 * blocks) ** -0.5
    if form == "t_fixup":
        inner = last = 0.67**2 * blocks**-0.5
    if form == "fixup":
        inner, last = 1 / (2 * blocks), 0.0
    if cell.branch_init.name == "zero":
        last = 0.0
    if cell.branch_init.name == "depth_scaled":
        last /= 2 * (block + 1)
    return inner, last


def _sublayer(cell: Cell, branch: Attention | FeedForward) -> Sublayer:
    form, norm = cell.residual.name, _norm(cell)
    scale = float(cell.residual.resolve(RESIDUALS).get("start", 1.0))
    if form not in ("none", "deepnorm", "fixup", "t_fixup"):
        scale *= _scale(cell)
    return Sublayer(
        branch,
        skip={"none": 0.0, "deepnorm": (2 * cell.depth) ** 0.25}.get(form, 1.0),
        scale=scale,
        input_norm=norm if form in ("none", "pre_norm", "sandwich", "layer_scale") else None,
        branch_norm=norm if form == "sandwich" else None,
        stream_norm=norm if form in ("post_norm", "deepnorm") else None,
        keep=1 - cell.dropout,
    )


def _scale(cell: Cell) -> float:
    scale = cell.residual_scale
    if isinstance(scale, str):
        known = {"1/sqrt(depth)": 1 / math.sqrt(cell.depth), "1/sqrt(2*depth)": 1 / math.sqrt(2 * cell.depth)}
        return known.get(scale, 0.0)
    return scale


def _norm(cell: Cell) -> Norm | None:
    if cell.norm.name == "none":
        return None
    return Norm(eps=float(cell.norm.resolve(NORMS)["eps"]))


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _plain(cell: Cell, inputs: Inputs | None) -> FixedPoint:
    raise NoPrediction("the moments of tokens have no fixed point of this kind")


THEORY = NetworkTheory(COVERAGE, _profile, _plain)
