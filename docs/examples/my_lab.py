"""Components of one's own: ``gradlab run docs/examples/my_lab.yaml --plugin docs/examples/my_lab.py``."""

import math

import numpy as np
import torch

import gradlab as gl
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
