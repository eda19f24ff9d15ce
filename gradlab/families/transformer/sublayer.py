"""A branch of a transformer's block with its skip: the residual forms, the norms and the dropout.

With f the attention or the MLP, N the norm and s the residual scale, x becomes

- ``none``: f(N(x))
- ``add``: x + s*f(x); ReZero where s is learned from 0 (Bachlechner 2020, arXiv 2003.04887)
- ``pre_norm``: x + s*f(N(x)) (Xiong 2020, arXiv 2002.04745)
- ``post_norm``: N(x + s*f(x)) (Vaswani 2017, arXiv 1706.03762)
- ``sandwich``: x + s*N'(f(N(x))) (peri-LN, Kim 2025, arXiv 2502.02732)
- ``layer_scale``: x + s*d*f(N(x)) with a learned d for each unit (Touvron 2021, arXiv 2103.17239)
- ``deepnorm``: N(αx + f(x)), α = (2N)^(1/4) (Wang 2022, arXiv 2203.00555)
- ``t_fixup``: x + f(x) (Huang 2020); ``fixup``: x + a*f(x + b) + c with learned scalars a = 1, b = c = 0 (Zhang 2019,
  arXiv 1901.09321; the biases of the linear maps stand for its other scalars)

where `factors` has what a form draws smaller. Dropout acts on what f gives, behind its norm.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from gradlab.families.network import Architecture, Context
from gradlab.nn import norms
from gradlab.nn.norms import Norm
from gradlab.nn.parameters import Parameter

__all__ = ["Branch", "Sublayer"]

_FIXUP = {"before": 0.0, "factor": 1.0, "after": 0.0}


class Branch(Protocol):
    """The attention or the MLP."""

    def parameters(self, block: int) -> dict[str, Parameter]:
        """Return what it learns in a block."""
        ...

    def __call__(self, x: Tensor, learned: dict[str, Tensor], ctx: Context) -> Tensor:
        """Return its output of the same shape, `[R, N, T, D]`."""
        ...


class Sublayer:
    """The map of the stream `[R, N, T, D]`; what it learns are the parameters of one layer of the layout."""

    def __init__(self, arch: Architecture, branch: Branch, norm: Norm | None, block: int, place: int) -> None:
        self.arch, self.branch, self.norm, self.block, self.place = arch, branch, norm, block, place
        self.form = arch.residual
        self.learns_scale, self.scale = arch.learns_scale, arch.scale
        self._reads_normed = self.form in ("none", "pre_norm", "sandwich", "layer_scale")
        self._norms_stream = self.form in ("post_norm", "deepnorm")

    def parameters(self) -> dict[str, Parameter]:
        """Return what the branch, its norms and its skip learn."""
        width, block = self.arch.width, self.block
        parameters = self.branch.parameters(block)
        if self._reads_normed or self._norms_stream:
            parameters |= norms.parameters(self.norm, width, block)
        if self.form == "sandwich":
            after = norms.parameters(self.norm, width, block)
            parameters |= {f"after_{name}": parameter for name, parameter in after.items()}
        if self.form == "layer_scale":
            parameters["layer_scale"] = Parameter((width,), "norm", block, self.arch.layer_scale)
        if self.form == "fixup":
            parameters |= {name: Parameter((1,), "scalar", block, start) for name, start in _FIXUP.items()}
        if self.learns_scale:
            parameters["scale"] = Parameter((1,), "scalar", block, 0.0)
        return parameters

    def __call__(self, x: Tensor, learned: dict[str, Tensor], ctx: Context) -> Tensor:
        """Return the stream behind the sub-layer."""
        y = self.branch(self._read(x, learned, ctx), learned, ctx)
        if self.form == "sandwich":
            y = self._normed(
                y, {name.removeprefix("after_"): learned[name] for name in learned if "after_" in name}, ctx
            )
        y = ctx.drop(y, self.place)
        if self.form == "none":
            return y
        if self.form == "layer_scale":
            y = learned["layer_scale"].view(-1, 1, 1, self.arch.width) * y
        if self.form == "fixup":
            y = torch.addcmul(_scalar(learned["after"]), y, _scalar(learned["factor"]))
        if self.form == "deepnorm":
            x = torch.add(y, x, alpha=self.arch.stream_gain)
        elif self.learns_scale:
            x = torch.addcmul(x, y, _scalar(learned["scale"]))
        else:
            x = torch.add(x, y, alpha=self.scale)
        return self._normed(x, learned, ctx) if self._norms_stream else x

    def _read(self, x: Tensor, learned: dict[str, Tensor], ctx: Context) -> Tensor:
        if self.form == "fixup":
            return x + _scalar(learned["before"])
        return self._normed(x, learned, ctx) if self._reads_normed else x

    def _normed(self, x: Tensor, learned: dict[str, Tensor], ctx: Context) -> Tensor:
        if self.norm is None:
            return x
        return ctx.norm(self.norm, x.flatten(1, 2), learned, self.place).view(x.shape)


def _scalar(learned_R1: Tensor) -> Tensor:
    return learned_R1.view(-1, 1, 1, 1)
