"""The transformer of one replica written the ordinary way, head by head; nothing of gradlab but names of parameters.

Parameters are views of one row of a bank's flat buffer, so that autograd's gradient of that row is that of the bank.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

import torch
from reference import torch_activation
from torch import Tensor
from torch.nn import functional as F

from gradlab.components import Named
from gradlab.families.network import Architecture, Network

__all__ = ["Pass", "forward", "named", "variant"]

Parameters = dict[str, Tensor]


@dataclass
class Pass:
    """Outputs `[N, C]` or `[N, T, C]`; the stream behind the entry and each block; attention weights by block."""

    output: Tensor
    streams: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)


def named(model: Network, theta_P: Tensor) -> list[Parameters]:
    """Views of one replica's parameters by layer and name, in the graph of `theta_P`."""
    layers: list[Parameters] = [{} for _ in range(model.layout.layers)]
    for slot in model.layout.slots:
        layers[slot.layer][slot.name] = theta_P[slot.offset : slot.offset + slot.size].view(slot.shape)
    return layers


def variant(arch: Architecture) -> dict:
    """The options with their defaults, as the network's docstring has them."""
    options = {
        "heads": 4, "ff": 4, "attention": "softmax", "causal": "auto", "positions": "learned", "pool": "mean",
        "patch": 2, "qk_norm": False, "softcap": 0.0, "gate": False, "final_norm": "auto",
    }  # fmt: skip
    options |= dict(arch.model.params)
    if options["causal"] == "auto":
        options["causal"] = arch.per_step
    if options["final_norm"] == "auto":
        options["final_norm"] = arch.residual in ("pre_norm", "sandwich", "layer_scale")
    return options


def forward(model: Network, theta_P: Tensor, inputs: Tensor, activation: Named, masks: list[Tensor]) -> Pass:
    """The network on inputs `[N, I]`, or `[N, T, I]`; `masks` are those of dropout, by branch, `[N, T, D]`."""
    arch = dataclasses.replace(model.arch, activation=activation)
    options, layers = variant(arch), named(model, theta_P)
    x = _entry(arch, options, layers[0], inputs)
    run = Pass(x, [x])
    branches = [f for f, there in ((_attention, options["attention"] != "none"), (_mlp, options["ff"] > 0)) if there]
    queue = list(layers[1:-1])
    places = iter(masks)
    for _ in range(arch.depth):
        for branch in branches:
            own = queue.pop(0)
            mask = next(places, None)
            x = _step(arch, own, x, lambda h, f=branch, own=own: f(arch, options, own, h, run), mask)
        run.streams.append(x)
    assert not queue
    run.output = _readout(arch, options, layers[-1], x)
    return run


def _entry(arch: Architecture, options: dict, own: Parameters, inputs: Tensor) -> Tensor:
    if arch.vocabulary:
        assert len(arch.vocabulary) == 1
        x = F.embedding(inputs[..., 0], own["embedding"])
    else:
        if inputs.ndim == 2:  # patches by torch's own unfold: [N, C*p*p, T] in reading order
            images = inputs.view(len(inputs), *arch.shape)
            inputs = F.unfold(images, options["patch"], stride=options["patch"]).transpose(1, 2)
        x = F.linear(inputs, own["weight"], own["bias"])
    if options["positions"] == "learned":
        x = x + own["positions"]
    if options["positions"] == "sinusoidal":
        tokens, width = x.shape[1:]
        table = torch.tensor(
            [
                [(math.sin, math.cos)[d % 2](t / 10000 ** (2 * (d // 2) / width)) for d in range(width)]
                for t in range(tokens)
            ],
            dtype=x.dtype,
        )
        x = x + table
    return x


def _step(arch: Architecture, own: Parameters, x: Tensor, branch, mask: Tensor | None) -> Tensor:
    """One sub-layer, as the papers of the residual forms write it."""

    def dropped(y: Tensor) -> Tensor:
        return y if mask is None else y * mask

    form, depth = arch.residual, arch.depth
    scale = own.get("scale", arch.residual_scale)
    if scale == "1/sqrt(2*depth)":
        scale = 1 / math.sqrt(2 * depth)
    if form == "none":
        return dropped(branch(_norm(arch, own, x)))
    if form == "add":
        return x + scale * dropped(branch(x))
    if form == "pre_norm":
        return x + scale * dropped(branch(_norm(arch, own, x)))
    if form == "post_norm":
        return _norm(arch, own, x + scale * dropped(branch(x)))
    if form == "sandwich":
        return x + scale * dropped(_norm(arch, own, branch(_norm(arch, own, x)), "after_"))
    if form == "layer_scale":
        return x + scale * own["layer_scale"] * dropped(branch(_norm(arch, own, x)))
    if form == "deepnorm":
        return _norm(arch, own, (2 * depth) ** 0.25 * x + dropped(branch(x)))
    if form == "t_fixup":
        return x + dropped(branch(x))
    assert form == "fixup"
    return x + own["factor"] * dropped(branch(x + own["before"])) + own["after"]


def _norm(arch: Architecture, own: Parameters, x: Tensor, prefix: str = "") -> Tensor:
    name, params = arch.norm.name, dict(arch.norm.params)
    if name == "none":
        return x
    weight, bias = own[f"{prefix}norm_weight"], own.get(f"{prefix}norm_bias")
    if name == "layer":
        return F.layer_norm(x, x.shape[-1:], weight, bias, params.get("eps", 1e-5))
    if name == "rms":
        return F.rms_norm(x, x.shape[-1:], weight, params.get("eps", 1e-5))
    inner = own[f"{prefix}norm_alpha"] * x
    return weight * (torch.tanh(inner) if name == "dyt" else torch.erf(inner + own[f"{prefix}norm_shift"])) + bias


def _attention(arch: Architecture, options: dict, own: Parameters, x: Tensor, run: Pass) -> Tensor:
    """Head by head."""
    tokens, width = x.shape[1:]
    size = width // options["heads"]
    q, k, v = (F.linear(x, own[name], own[f"{name}_bias"]) for name in ("query", "key", "value"))
    mask = x.new_ones(tokens, tokens)
    mask = mask.tril() if options["causal"] else mask
    heads, weights = [], []
    for h in range(options["heads"]):
        part = slice(h * size, (h + 1) * size)
        q_h, k_h, v_h = q[..., part], k[..., part], v[..., part]
        if options["qk_norm"]:
            q_h = F.rms_norm(q_h, (size,), own["query_norm"], 1e-5)
            k_h = F.rms_norm(k_h, (size,), own["key_norm"], 1e-5)
        scores = torch.einsum("nid,njd->nij", q_h, k_h) / math.sqrt(size)
        if options["attention"] == "shaped":
            scores = scores / math.sqrt(width)
        if options["softcap"]:
            scores = options["softcap"] * torch.tanh(scores / options["softcap"])
        a = torch.softmax(scores + torch.log(mask), -1)
        weights.append(a)
        if options["attention"] == "shaped":
            a = torch.eye(tokens) + a - mask / mask.sum(-1, keepdim=True)
        heads.append(torch.einsum("nij,njd->nid", a, v_h))
    run.weights.append(torch.stack(weights, 1))
    return F.linear(torch.cat(heads, -1), own["output"], own["output_bias"])


def _mlp(arch: Architecture, options: dict, own: Parameters, x: Tensor, run: Pass) -> Tensor:
    up = F.linear(x, own["first"], own["first_bias"])
    if options["gate"]:
        hidden = _act(arch, own, F.linear(x, own["gate"], own["gate_bias"])) * up
    else:
        hidden = _act(arch, own, up)
    return F.linear(hidden, own["second"], own["second_bias"])


def _act(arch: Architecture, own: Parameters, x: Tensor) -> Tensor:
    if arch.activation.name == "prelu":
        return torch.where(x > 0, x, own["slope"] * x)
    return torch_activation(arch.activation)(x)


def _readout(arch: Architecture, options: dict, own: Parameters, x: Tensor) -> Tensor:
    if options["final_norm"]:
        x = _norm(arch, own, x)
    if not arch.per_step:
        x = {"mean": x.mean(1), "first": x[:, 0], "last": x[:, -1]}[options["pool"]]
    return F.linear(x, own["weight"], own["bias"])
