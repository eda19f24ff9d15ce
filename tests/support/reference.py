"""The same networks and training, written the ordinary way with torch.nn and torch.optim, one cell at a time.

Nothing here shares code with the package but the random streams (which samples, which initial weights).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradlab.cell import Cell
from gradlab.components import OPTIMIZERS, Named


class Formula(nn.Module):
    """An elementwise function that torch.nn has no module for."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function


def torch_activation(named: Named) -> nn.Module:
    params = dict(named.params)
    return {
        "linear": lambda: nn.Identity(),
        "sigmoid": lambda: nn.Sigmoid(),
        "tanh": lambda: nn.Tanh(),
        "hardtanh": lambda: nn.Hardtanh(),
        "softsign": lambda: nn.Softsign(),
        "erf": lambda: Formula(torch.erf),
        "hardsigmoid": lambda: nn.Hardsigmoid(),
        "logsigmoid": lambda: nn.LogSigmoid(),
        "tanhshrink": lambda: nn.Tanhshrink(),
        "sine": lambda: Formula(lambda x: torch.sin(params.get("w0", 1.0) * x)),
        "relu6": lambda: nn.ReLU6(),
        "relu_squared": lambda: Formula(lambda x: x * x * (x > 0)),
        "celu": lambda: nn.CELU(params.get("alpha", 1.0)),
        "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
        "hardswish": lambda: nn.Hardswish(),
        "squareplus": lambda: Formula(lambda x: (x + torch.sqrt(x * x + params.get("b", 4.0))) / 2),
        "softshrink": lambda: nn.Softshrink(params.get("lambd", 0.5)),
        "hardshrink": lambda: nn.Hardshrink(params.get("lambd", 0.5)),
        "threshold": lambda: nn.Threshold(params.get("threshold", 0.0), params.get("value", 0.0)),
        "relu": lambda: nn.ReLU(),
        "leaky_relu": lambda: nn.LeakyReLU(params.get("negative_slope", 0.01)),
        "prelu": lambda: nn.PReLU(1, init=params.get("start", 0.25)),
        "elu": lambda: nn.ELU(params.get("alpha", 1.0)),
        "selu": lambda: nn.SELU(),
        "gelu": lambda: nn.GELU(),
        "silu": lambda: nn.SiLU(),
        "mish": lambda: nn.Mish(),
        "softplus": lambda: nn.Softplus(params.get("beta", 1.0)),
    }[named.name]()


def torch_norm(named: Named, width: int) -> nn.Module:
    eps = dict(named.params).get("eps", 1e-5)
    return {
        "none": lambda: nn.Identity(),
        "batch": lambda: nn.BatchNorm1d(width, eps=eps),
        "layer": lambda: nn.LayerNorm(width, eps=eps),
        "rms": lambda: nn.RMSNorm(width, eps=eps),
    }[named.name]()


class Block(nn.Module):
    def __init__(self, cell: Cell, index: int, fan_in: int) -> None:
        super().__init__()
        self.form, self.first = cell.residual.name, index == 0
        self.before = cell.norm_position.name == "pre_activation"
        self.linear = nn.Linear(fan_in, cell.width)
        self.act = torch_activation(cell.activation)
        self.norm = torch_norm(cell.norm, cell.width)
        if cell.residual_scale == "learned_zero":
            self.scale: float | nn.Parameter = nn.Parameter(torch.zeros(1))
        elif cell.residual_scale == "1/sqrt(depth)":
            self.scale = 1 / math.sqrt(cell.depth)
        else:
            self.scale = float(cell.residual_scale)

    def plain(self, x: Tensor) -> Tensor:
        if self.before:
            return self.act(self.norm(self.linear(x)))
        return self.norm(self.act(self.linear(x)))

    def forward(self, x: Tensor) -> Tensor:
        if self.form == "none" or (self.form == "add" and self.first):
            return self.plain(x)
        if self.form == "add":
            return x + self.scale * self.plain(x)
        if self.form == "pre_norm":
            return self.act(self.linear(x)) if self.first else x + self.scale * self.act(self.linear(self.norm(x)))
        branch = self.act(self.linear(x))
        return self.norm(branch if self.first else x + self.scale * branch)


class Network(nn.Module):
    def __init__(self, cell: Cell, inputs: int, outputs: int) -> None:
        super().__init__()
        fans = [inputs] + [cell.width] * (cell.depth - 1)
        self.blocks = nn.ModuleList(Block(cell, index, fan_in) for index, fan_in in enumerate(fans))
        self.readout = nn.Linear(cell.width, outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return self.readout(x), outputs

    def named(self, layer: int) -> dict[str, Tensor]:
        """The parameters of one layer under the names that the flat buffer uses."""
        if layer == len(self.blocks):
            return {"weight": self.readout.weight, "bias": self.readout.bias}
        block = self.blocks[layer]
        found = {"weight": block.linear.weight, "bias": block.linear.bias}
        found |= {f"norm_{name}": value for name, value in block.norm.named_parameters()}
        if isinstance(block.act, nn.PReLU):
            found["slope"] = block.act.weight
        if isinstance(block.scale, nn.Parameter):
            found["scale"] = block.scale
        return found


def network(trainer, r: int) -> Network:
    """The torch.nn twin of replica r of a bank, with its current parameters."""
    cell = trainer.cells[r]
    twin = Network(cell, trainer.data.in_features, trainer.data.out_features).to(trainer.precision.master)
    with torch.no_grad():
        for slot in trainer.model.layout.slots:
            twin.named(slot.layer)[slot.name].copy_(slot.view(trainer.flat_RP)[r])
    return twin


def flat(trainer, twin: Network, *, grad: bool = False) -> Tensor:
    """The parameters (or gradients) of a twin in the order of the flat buffer."""
    values = [twin.named(slot.layer)[slot.name] for slot in trainer.model.layout.slots]
    return torch.cat([(v.grad if grad else v.detach()).flatten() for v in values])


def torch_optimizer(cell: Cell, parameters) -> torch.optim.Optimizer:
    params = cell.optimizer.resolve(OPTIMIZERS) | {"lr": cell.lr, "weight_decay": cell.weight_decay}
    if "beta1" in params:
        params["betas"] = (params.pop("beta1"), params.pop("beta2"))
    kind = {
        "sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "nesterov": torch.optim.SGD,
        "adagrad": torch.optim.Adagrad, "rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW, "nadam": torch.optim.NAdam, "radam": torch.optim.RAdam,
        "adadelta": torch.optim.Adadelta,
    }[cell.optimizer.name]  # fmt: skip
    if cell.optimizer.name == "nesterov":
        params["nesterov"] = True
    return kind(parameters, **params)


def agc(twin: Network, factor: float, eps: float) -> None:
    """Adaptive clipping as the authors wrote it: unit by unit, the readout left alone."""
    readout = {id(p) for p in twin.readout.parameters()}
    for p in twin.parameters():
        if id(p) in readout:
            continue
        for grad, weight in zip(p.grad, p.detach(), strict=True) if p.ndim == 2 else [(p.grad, p.detach())]:
            most = factor * max(float(weight.norm()), eps)
            if float(grad.norm()) > most:
                grad.mul_(most / float(grad.norm()))
