"""The same networks and training, written the ordinary way with torch.nn and torch.optim, one cell at a time.

Nothing here shares code with the package but the random streams (which samples, which initial weights).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradlab import shaping
from gradlab.cell import Cell
from gradlab.components import OPTIMIZERS, Named
from gradlab.mean_field.activations import NUMPY_ACTIVATIONS


class Formula(nn.Module):
    """An elementwise function that torch.nn has no module for."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function


def shaped_rectifier(eta: float, length: int) -> Callable[[Tensor], Tensor]:
    slope = shaping.rectifier_slope(eta, length)
    return lambda x: math.sqrt(2 / (1 + slope**2)) * torch.where(x > 0, x, slope * x)


def shaped(of: str, zeta: float, length: int) -> Callable[[Tensor], Tensor]:
    inner = torch_activation(Named(of))
    phi = NUMPY_ACTIVATIONS[of]()
    shape = shaping.deep_kernel_shape(phi.value, phi.slope, zeta ** (1 / max(length, 2)))
    return lambda x: shape.gamma * (inner(shape.alpha * x + shape.beta) + shape.delta)


def torch_activation(named: Named) -> nn.Module:
    params = dict(named.params)
    return {
        "linear": lambda: nn.Identity(),
        "sigmoid": lambda: nn.Sigmoid(),
        "tanh": lambda: nn.Tanh(),
        "hardtanh": lambda: nn.Hardtanh(params.get("min_val", -1.0), params.get("max_val", 1.0)),
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
        "tat": lambda: Formula(shaped_rectifier(**{"eta": 0.9, "length": 8, **params})),
        "dks": lambda: Formula(shaped(**{"of": "tanh", "zeta": 1.5, "length": 8, **params})),
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


class Squashed(nn.Module):
    """DyT and Derf as their papers print them."""

    def __init__(self, function: Callable[[Tensor], Tensor], width: int, **scalars: float) -> None:
        super().__init__()
        self.function = function
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        for name, start in scalars.items():
            self.register_parameter(name, nn.Parameter(torch.tensor([start])))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * self.function(self.alpha * x + getattr(self, "shift", 0.0)) + self.bias


class OfWeights(nn.Module):
    """A norm of the weights: nothing happens to the activations; see `Block`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x


def torch_norm(named: Named, width: int) -> nn.Module:
    eps = dict(named.params).get("eps", 1e-5)
    return {
        "none": lambda: nn.Identity(),
        "batch": lambda: nn.BatchNorm1d(width, eps=eps),
        "layer": lambda: nn.LayerNorm(width, eps=eps),
        "rms": lambda: nn.RMSNorm(width, eps=eps),
        "group": lambda: nn.GroupNorm(dict(named.params)["groups"], width, eps=eps),
        "dyt": lambda: Squashed(torch.tanh, width, alpha=dict(named.params).get("alpha", 0.5)),
        "derf": lambda: Squashed(
            torch.erf, width, alpha=dict(named.params).get("alpha", 0.5), shift=dict(named.params).get("shift", 0.0)
        ),
        "weight": lambda: OfWeights(width),
    }[named.name]()


class Block(nn.Module):
    def __init__(self, cell: Cell, index: int, fan_in: int) -> None:
        super().__init__()
        self.form, self.first = cell.residual.name, index == 0
        self.before = cell.norm_position.name == "pre_activation"
        self.linear = nn.Linear(fan_in, cell.width)
        self.act = torch_activation(cell.activation)
        self.norm = torch_norm(cell.norm, cell.width)
        if self.form == "deepnorm":
            self.scale: float | nn.Parameter = 1.0
        elif cell.residual_scale == "learned_zero":
            self.scale = nn.Parameter(torch.zeros(1))
        elif cell.residual_scale == "1/sqrt(depth)":
            self.scale = 1 / math.sqrt(cell.depth)
        elif cell.residual_scale == "1/sqrt(2*depth)":
            self.scale = 1 / math.sqrt(2 * cell.depth)
        else:
            self.scale = float(cell.residual_scale)

        if self.form == "deepnorm":
            self.alpha = (2 * cell.depth) ** (1 / 4)
        if self.form == "sandwich" and index:
            self.after = nn.Identity() if cell.norm.name == "weight" else torch_norm(cell.norm, cell.width)
        if self.form == "layer_scale" and index:
            self.units = nn.Parameter(torch.full((cell.width,), dict(cell.residual.params).get("start", 1e-5)))

    def mapped(self, x: Tensor) -> Tensor:
        if not isinstance(self.norm, OfWeights):
            return self.linear(x)
        own = self.linear.weight
        scaled = nn.functional.batch_norm(own.T, None, None, self.norm.weight, None, training=True, eps=1e-6).T
        return nn.functional.linear(x, scaled / math.sqrt(own.shape[1]), self.linear.bias)

    def plain(self, x: Tensor) -> Tensor:
        if self.before:
            return self.act(self.norm(self.mapped(x)))
        return self.norm(self.act(self.mapped(x)))

    def forward(self, x: Tensor) -> Tensor:
        if self.form == "none" or (self.form == "add" and self.first):
            return self.plain(x)
        if self.form == "add":
            return x + self.scale * self.plain(x)
        if self.form == "pre_norm":
            return self.act(self.mapped(x)) if self.first else x + self.scale * self.act(self.mapped(self.norm(x)))
        if self.form in ("sandwich", "layer_scale"):
            if self.first:
                return self.act(self.mapped(x))
            branch = self.act(self.mapped(self.norm(x)))
            return x + self.scale * (self.after(branch) if self.form == "sandwich" else self.units * branch)
        branch = self.act(self.mapped(x))
        if self.form == "deepnorm":
            return self.norm(branch if self.first else self.alpha * x + branch)
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
        if hasattr(block, "after"):
            found |= {f"after_norm_{name}": value for name, value in block.after.named_parameters()}
        if hasattr(block, "units"):
            found["layer_scale"] = block.units
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


class Muon(torch.optim.Optimizer):
    """torch.optim.Muon on the matrices, AdamW on the rest."""

    def __init__(self, matrices, others, own, beside) -> None:
        self.both = torch.optim.Muon(matrices, **own), torch.optim.AdamW(others, **beside)
        self.param_groups = [group for optimizer in self.both for group in optimizer.param_groups]

    def zero_grad(self) -> None:
        for optimizer in self.both:
            optimizer.zero_grad()

    def step(self) -> None:
        for optimizer in self.both:
            optimizer.step()


def lion(parameters, lr, beta1, beta2, weight_decay, maximize=False):
    """Algorithm 2 of arXiv 2302.06675, parameter by parameter."""
    kept = [(p, torch.zeros_like(p)) for p in parameters]

    def step() -> None:
        with torch.no_grad():
            for p, m in kept:
                g = -p.grad if maximize else p.grad.clone()
                c = beta1 * m + (1 - beta1) * g
                p -= lr * (torch.sign(c) + weight_decay * p)
                m.copy_(beta2 * m + (1 - beta2) * g)

    optimizer = torch.optim.SGD(parameters, lr)
    optimizer.step = step
    return optimizer


def torch_optimizer(cell: Cell, parameters) -> torch.optim.Optimizer:
    parameters = list(parameters)
    matrices, others = ([p for p in parameters if (p.ndim == 2) == wanted] for wanted in (True, False))
    name = cell.optimizer.name
    params = cell.optimizer.resolve(OPTIMIZERS) | {"lr": cell.lr}
    only_matrices = params.pop("decay", "all") == "matrices"
    if name != "rprop":
        params["weight_decay"] = cell.weight_decay
    if name == "lion":
        assert not only_matrices
        return lion(parameters, **params)
    for pair in (("beta1", "beta2"), ("eta_minus", "eta_plus"), ("step_min", "step_max"), ("eps1", "eps2")):
        if pair[0] in params:
            pairs = {"beta1": "betas", "eta_minus": "etas", "step_min": "step_sizes", "eps1": "eps"}
            params[pairs[pair[0]]] = tuple(params.pop(key) for key in pair)
    if name == "muon":
        adamw_lr = params.pop("adamw_lr")
        beside = {
            "lr": cell.lr if adamw_lr is None else adamw_lr, "betas": params.pop("betas"),
            "eps": params.pop("adamw_eps"), "weight_decay": 0.0 if only_matrices else cell.weight_decay,
        }  # fmt: skip
        return Muon(matrices, others, params, beside)
    kind = {
        "sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "nesterov": torch.optim.SGD,
        "adagrad": torch.optim.Adagrad, "rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW, "nadam": torch.optim.NAdam, "radam": torch.optim.RAdam,
        "adadelta": torch.optim.Adadelta, "adamax": torch.optim.Adamax, "adafactor": torch.optim.Adafactor,
        "rprop": torch.optim.Rprop, "asgd": torch.optim.ASGD,
    }[name]  # fmt: skip
    if name == "nesterov":
        params["nesterov"] = True
    if only_matrices:
        return kind([{"params": matrices}, {"params": others, "weight_decay": 0.0}], **params)
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
