"""Recurrent networks written the ordinary way, one replica, step by step; and as torch.nn.RNN, LSTM and GRU.

Both take the parameters out of one row of a bank's flat buffer, so that autograd's gradient of that row is the
gradient of the bank. Nothing of `gradlab.nn` but the activations is used here.

`stirred`, `outputs_and_gradient` and `assert_is` compare a bank with one of them, gradient for gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from reference import torch_activation
from torch import Tensor, nn
from torch.nn import functional as F

from gradlab.components import Named
from gradlab.families.chain import outputs
from gradlab.families.network import Architecture, Context
from gradlab.families.recurrent.network import Recurrent
from gradlab.nn.parameters import Start

ORTHOGONAL = Named("orthogonal")

BLOCKS = {"rnn": [0], "lstm": [1, 2, 3, 0], "gru": [0, 1, 2]}
"""Where torch's blocks of rows (i, f, g, o of an LSTM; r, z, n of a GRU) lie in ours."""


def architecture(name: str, /, **changes) -> Architecture:
    values = {
        "model": Named(name), "in_features": 3, "out_features": 2, "depth": 1, "width": 5,
        "activation": Named("tanh"), "norm": Named("none"), "norm_position": "pre_activation", "residual": "none",
        "residual_scale": 1.0, "dropout": 0.0, "seq_len": 7, "vocabulary": (), "per_step": False,
    }  # fmt: skip
    return Architecture(**values | changes)


def named(model: Recurrent, theta_P: Tensor) -> list[dict[str, Tensor]]:
    """Views of one replica's parameters by layer and name, in the graph of `theta_P`."""
    found: list[dict[str, Tensor]] = [{} for _ in range(model.layout.layers)]
    for slot in model.layout.slots:
        found[slot.layer][slot.name] = theta_P[slot.offset : slot.offset + slot.size].view(slot.shape)
    return found


def by_torch(model: Recurrent, theta_P: Tensor, x_NTI: Tensor) -> Tensor:
    """The outputs by torch.nn's own fused network."""
    arch, layers = model.arch, named(model, theta_P)
    kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[arch.model.name]
    own = {"nonlinearity": arch.activation.name} if arch.model.name == "rnn" else {}
    net = kind(arch.in_features, arch.width, arch.depth, batch_first=True, dtype=theta_P.dtype, **own)
    weights = {}
    for i, layer in enumerate(layers[:-1]):

        def turned(rows: Tensor) -> Tensor:
            return torch.cat([rows.split(arch.width)[k] for k in BLOCKS[arch.model.name]])

        weights |= {
            f"weight_ih_l{i}": turned(layer["input_weight"]), f"weight_hh_l{i}": turned(layer["weight"]),
            f"bias_ih_l{i}": turned(layer["bias"]),
        }  # fmt: skip
        hidden = torch.zeros_like(layer["bias"])
        if arch.model.name == "gru":
            hidden = torch.cat([hidden[: 2 * arch.width], layer["hidden_bias"]])
        weights[f"bias_hh_l{i}"] = hidden
    y_NTH, _ = torch.func.functional_call(net, weights, (x_NTI,))
    return (y_NTH if arch.per_step else y_NTH[:, -1]) @ layers[-1]["weight"].T + layers[-1]["bias"]


@dataclass
class Walk:
    """All that happened: outputs, and by step and layer the states h (and c) and the values of all sigmoid gates."""

    output: Tensor
    h: list[list[Tensor]]
    c: list[list[Tensor]]
    gates: list[list[Tensor]]


def step_by_step(model: Recurrent, theta_P: Tensor, x_NTI: Tensor, masks_LNH: Tensor | None = None) -> Walk:
    """The same network as its papers write it."""
    arch, layers = model.arch, named(model, theta_P)
    start = x_NTI.new_zeros(len(x_NTI), arch.width, dtype=theta_P.dtype)
    h, c = [start] * arch.depth, [start] * arch.depth
    steps, walk, tops = x_NTI.shape[1], Walk(start, [], [], []), []
    every = dict(arch.model.params).get("truncate", 0)
    for t in range(steps):
        if every and t and (steps - t) % every == 0:
            h, c = [one.detach() for one in h], [one.detach() for one in c]
        below, h, c, gates = x_NTI[:, t], list(h), list(c), []
        for i, own in enumerate(layers[:-1]):
            h[i], c[i], values = _STEPS[arch.model.name](arch, own, below, h[i], c[i])
            gates.append(values)
            y = h[i] if masks_LNH is None else h[i] * masks_LNH[i]
            scale = own.get("scale", arch.residual_scale)
            below = y if arch.residual == "none" or i == 0 else below + scale * y
        walk.h.append(h)
        walk.c.append(c)
        walk.gates.append(gates)
        tops.append(below)
    top = torch.stack(tops, 1) if arch.per_step else tops[-1]
    walk.output = top @ layers[-1]["weight"].T + layers[-1]["bias"]
    return walk


def _norm(arch: Architecture, own: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    if arch.norm.name == "none":
        return x
    if arch.norm.name == "layer":
        return F.layer_norm(x, x.shape[-1:], own[f"{name}_norm_weight"], own[f"{name}_norm_bias"])
    if arch.norm.name in ("dyt", "derf"):
        weight, bias, alpha = (own[f"{name}_norm_{part}"] for part in ("weight", "bias", "alpha"))
        inner = torch.tanh(alpha * x) if arch.norm.name == "dyt" else torch.erf(alpha * x + own[f"{name}_norm_shift"])
        return weight * inner + bias
    return F.rms_norm(x, x.shape[-1:], own[f"{name}_norm_weight"], 1e-5)


def _act(arch: Architecture, own: dict[str, Tensor], x: Tensor) -> Tensor:
    if arch.activation.name == "prelu":
        return F.prelu(x, own["slope"])
    return torch_activation(arch.activation)(x)


def _rnn(arch, own, x, h, c):
    """Ba 2016, equation 4."""
    before = _norm(arch, own, "sum", x @ own["input_weight"].T + h @ own["weight"].T + own["bias"])
    return _act(arch, own, before), c, h[:, :0]


def _lstm(arch, own, x, h, c):
    """Ba 2016, supplement, equations 20 to 22."""
    rows = _norm(arch, own, "inputs", x @ own["input_weight"].T) + _norm(arch, own, "hidden", h @ own["weight"].T)
    o, i, f, g = (rows + own["bias"]).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * _act(arch, own, g)
    h = torch.sigmoid(o) * _act(arch, own, _norm(arch, own, "cell", c))
    return h, c, torch.sigmoid(torch.cat([o, i, f], 1))


def _gru(arch, own, x, h, c):
    """Ba 2016, supplement, equations 26 to 28; without norms torch.nn.GRUCell."""
    width = h.shape[1]
    from_x, from_h = x @ own["input_weight"].T, h @ own["weight"].T
    gates = _norm(arch, own, "inputs_gates", from_x[:, : 2 * width])
    gates = torch.sigmoid(gates + own["bias"][: 2 * width] + _norm(arch, own, "hidden_gates", from_h[:, : 2 * width]))
    r, z = gates.chunk(2, 1)
    inner = _norm(arch, own, "hidden_candidate", from_h[:, 2 * width :]) + own["hidden_bias"]
    n = _norm(arch, own, "inputs_candidate", from_x[:, 2 * width :]) + own["bias"][2 * width :] + r * inner
    return (1 - z) * _act(arch, own, n) + z * h, c, gates


def _minimal(arch, own, x, h, c):
    """Chen 2017, equations 1 to 3."""
    z = _act(arch, own, x @ own["input_weight"].T + own["input_bias"])
    u = torch.sigmoid(_norm(arch, own, "sum", h @ own["weight"].T + z @ own["inner_weight"].T + own["bias"]))
    return u * h + (1 - u) * z, c, u


_STEPS = {"rnn": _rnn, "lstm": _lstm, "gru": _gru, "minimal_rnn": _minimal}


def stirred(model: Recurrent, replicas: int = 1) -> torch.Tensor:
    """Initial parameters with noise on all, so that none is at a special value; norms and slopes near theirs."""
    flat_RP = model.layout.initial([Start(seed, ORTHOGONAL, 0.3) for seed in range(replicas)])
    noise = torch.randn(flat_RP.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return flat_RP + 0.1 * noise


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def outputs_and_gradient(model: Recurrent, flat_RP, x, masks=None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Outputs, and the gradient of a random combination of them: of the parameters, by row, and of the weights `v`."""
    params, leaves = model.layout.leaves(flat_RP)
    output = outputs(model, params, x, Context("train", masks=() if masks is None else masks))
    v = normal(*output.shape, seed=2)
    grads = torch.autograd.grad((output * v).sum(), leaves)
    return output.detach(), torch.cat([grad.flatten(1) for grad in grads], 1), v


def assert_is(model: Recurrent, reference, x, masks=None) -> None:
    """Every replica's outputs and gradient to 1e-12 of what `reference(theta, x, masks)` gives."""
    flat_RP = stirred(model, len(x))
    output, grads, v = outputs_and_gradient(model, flat_RP, x, masks)
    for r in range(len(x)):
        theta = flat_RP[r].clone().requires_grad_()
        expected = reference(theta, x[r], None if masks is None else masks[:, r])
        torch.testing.assert_close(output[r], expected.detach(), rtol=1e-12, atol=1e-12)
        (grad,) = torch.autograd.grad((expected * v[r]).sum(), theta)
        torch.testing.assert_close(grads[r], grad, rtol=1e-12, atol=1e-12)
