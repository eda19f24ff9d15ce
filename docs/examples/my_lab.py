"""Components of one's own: ``gradlab run docs/examples/my_lab.yaml --plugin docs/examples/my_lab.py``."""

import math

import numpy as np
import torch

import gradlab as gl
from gradlab.families.network import Network
from gradlab.nn.activations import activations
from gradlab.nn.inits import bias_draw, weight_draw
from gradlab.nn.linear import linear
from gradlab.nn.parameters import Layout, Parameter
from gradlab.streams import generator
from gradlab.tasks import ACCURACY, classification


def snake_in_numpy(alpha):
    """What theory needs of it: the function and its slope; a kink or jump would be told too."""
    return gl.NumpyActivation(
        value=lambda x: x + np.sin(alpha * x) ** 2 / alpha, slope=lambda x: 1 + np.sin(2 * alpha * x), scale=1 / alpha
    )


@gl.activation("snake", twin=snake_in_numpy)
def snake(x, alpha: float = 1.0):
    """x + sin(alpha*x)**2/alpha, for what is periodic (Ziyin 2020)."""
    return x + torch.sin(alpha * x) ** 2 / alpha


@gl.init("he_sign")
def he_sign(z, gain: float = 1.0):
    """+-sqrt(2/fan_in) by the toss of a coin."""
    return gain * math.sqrt(2 / z.shape[1]) * torch.sign(z)


@gl.norm("mean_abs")
class MeanAbs:
    """Each sample divided by the mean absolute value of its units, with a learned scale."""

    running = False

    def __init__(self, eps: float = 1e-5):
        self.eps, self.starts = eps, {"norm_weight": 1.0}

    def __call__(self, x_RNO, learned, running_R2O, mode):
        size_RN1 = x_RNO.abs().mean(-1, keepdim=True) + self.eps
        return x_RNO / size_RN1 * learned["norm_weight"].unsqueeze(1)


@gl.task("parity")
def parity(seeds, bits: int = 6, samples: int = 1024):
    """Whether the number of ones among `bits` signs is odd; learned: test accuracy >= 0.9."""
    test = max(samples // 4, 2)
    drawn = [torch.randint(0, 2, (samples + test, bits), generator=generator(seed, "parity")) for seed in seeds]
    bits_SMI = torch.stack(drawn)
    x, y = 2.0 * bits_SMI.double() - 1, bits_SMI.sum(-1) % 2
    return classification((x[:, :samples], x[:, samples:]), (y[:, :samples], y[:, samples:]), 2, ACCURACY(0.9))


@gl.optimizer("sign_sgd", lr=0.001, elementwise=True)
class SignSGD(torch.optim.Optimizer):
    """Steps of equal length in every element (Bernstein 2018)."""

    def __init__(self, params, lr: float):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(group["lr"] * parameter.grad.sign())


class Residual(torch.nn.Module):
    """x + W relu(V norm(x))."""

    def __init__(self, width):
        super().__init__()
        maps = torch.nn.Linear(width, 2 * width), torch.nn.ReLU(), torch.nn.Linear(2 * width, width)
        self.branch = torch.nn.Sequential(torch.nn.LayerNorm(width), *maps)

    def forward(self, x):
        return x + self.branch(x)


@gl.module("residual_stack", blocks="Residual")
def residual_stack(in_features, out_features, depth, width, dropout: float = 0.0):
    """Pre-norm residual blocks as torch.nn has them."""
    blocks = [layer for _ in range(depth) for layer in (Residual(width), torch.nn.Dropout(dropout))]
    return torch.nn.Sequential(torch.nn.Linear(in_features, width), *blocks, torch.nn.Linear(width, out_features))


@gl.family("highway", params={"gate_bias": gl.Param(-1.0)}, mixes_activations=True)
class Highway(Network):
    """x' = g*act(Wx + b) + (1 - g)*x with gates g = sigmoid(Gx + gate_bias) (Srivastava 2015)."""

    def __init__(self, arch):
        self.arch, self.length = arch, arch.depth
        self.activation = activations(arch.activations)
        first = self._map(arch.in_features, arch.width, 0, "first")
        blocks = [
            {
                **self._map(arch.width, arch.width, block, "blocks"),
                "gate": Parameter((arch.width, arch.width), "matrix", block, (weight_draw("gates"),), arch.width),
                "gate_bias": Parameter((arch.width,), "bias", block, arch.options["gate_bias"]),
            }
            for block in range(1, arch.depth)
        ]
        self.layout = Layout([first, *blocks, self._map(arch.width, arch.out_features, "leave", "readout")])

    @staticmethod
    def _map(fan_in, fan_out, block, stream):
        profiled = block != "leave"
        weight = Parameter((fan_out, fan_in), "matrix", block, (weight_draw(stream),), fan_in, fan_out, profiled)
        return {"weight": weight, "bias": Parameter((fan_out,), "bias", block, (bias_draw(fan_in, stream),))}

    def steepest(self):
        return self.activation.steepest()

    def enter(self, params, inputs, ctx):
        return (inputs,)

    def block(self, i, params, x, inputs, ctx):
        (x,), own = x, params[i]
        y = ctx.activate(self.activation, linear(x, own["weight"], own["bias"]), None)
        if i > 0:
            gate = ctx.gate(linear(x, own["gate"], own["gate_bias"]))
            y = gate * y + (1 - gate) * x
        return (y,), y

    def leave(self, params, top):
        return linear(top, params[-1]["weight"], params[-1]["bias"])
