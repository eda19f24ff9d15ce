"""The convolutional network of R replicas: `depth` blocks over the positions of an image, and a linear readout.

The state is `x_l`, `[R, N, *positions, C]`, channels last. The first block maps the image to `width` channels. With N
the norm, s the residual scale, W and V convolutions, block l > 1 is

- ``none``: act(N(Wx+b)), or with the norm after the activation N(act(Wx+b)); so is the first block
- ``add``: x + s*V act(N(W act(N(x)))), with a norm the pre-activation ResNet (He 2016, arXiv 1603.05027), without one
  and with a learned scale from 0 SkipInit (De & Smith 2020, arXiv 2002.10444); the readout sees act(N(x_L))
- ``resnet_v1``: act(x + s*N(V act(N(Wx)))) (He 2015, arXiv 1512.03385)
- ``fixup``: x + s*V act(W act(x+b)+b)+b with scalar b and s, see `_fixup` (Zhang 2019, arXiv 1901.09321)

A branch has `convs` convolutions. The first block of each later stage has a stride, or begins with a pooling; where
that changes the shape, the skip has a convolution of kernel 1 with the same stride. The first block of ``add`` and
``fixup`` is the convolution alone, as their branches begin with an activation.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from gradlab.errors import UsageError
from gradlab.families.conv.shape import begins_stage, channels, convolutions, image, positions, refused_shape
from gradlab.families.network import Architecture, Context, Network, State
from gradlab.nn import norms
from gradlab.nn.activations import activations
from gradlab.nn.convolution import convolve, pool
from gradlab.nn.inits import bias_draw, weight_draw
from gradlab.nn.linear import linear
from gradlab.nn.norms import WeightStandardisation
from gradlab.nn.parameters import Draw, Layout, Parameter, Params

__all__ = ["Conv"]


class Conv(Network):
    """See `families.network.Network`; a state is `x_l`, `[R, N, *positions, C]`."""

    def __init__(self, arch: Architecture) -> None:
        self.arch, self.length = arch, arch.depth
        self.options = options = arch.options
        self.dims: int = options["dims"]
        if refused := refused_shape(options, arch.shape):
            raise UsageError(*refused)
        self.image = image(arch.shape, self.dims)
        """Channels and positions of an input."""
        self.channels = channels(arch.depth, arch.width, options)
        self.positions = positions(arch.depth, self.image[1:], options)
        self.form = arch.residual
        self.convs = convolutions(arch.residual, options)
        self.activation = activations(arch.activations or [arch.activation])
        self.norm = norms.norm(arch.norm)
        self._of_weights = isinstance(self.norm, WeightStandardisation)
        self.learns_scale, self.scale = arch.learns_scale or self.form == "fixup", arch.scale
        self.dropped = tuple((*size, wide) for size, wide in zip(self.positions, self.channels, strict=True))
        self._places: dict[tuple[int, str], tuple[int, int]] = {}
        """By block and name, the place of each norm and its channels."""
        self.layout = Layout([*map(self._parameters, range(arch.depth)), self._readout()])

    def _below(self, block: int) -> int:
        return self.channels[block - 1] if block else self.image[0]

    def _begins_stage(self, block: int) -> bool:
        return begins_stage(block, self.arch.depth, self.options["stages"])

    def _stride(self, block: int) -> int:
        pooled = self.options["pool"] != "none"
        return self.options["stride"] if self._begins_stage(block) and not pooled else 1

    def _branch(self, block: int) -> bool:
        return block > 0 and self.form != "none"

    def _activates(self, block: int) -> bool:
        """Whether a block has an activation; the first one of some forms is a convolution alone."""
        return block > 0 or self.arch.depth == 1 or self.form not in ("add", "fixup")

    def _projects(self, block: int) -> bool:
        """Whether the skip of a block has a convolution."""
        return self._branch(block) and (self._stride(block) > 1 or self._below(block) != self.channels[block])

    def _parameters(self, block: int) -> dict[str, Parameter]:
        wide, below, branch = self.channels[block], self._below(block), self._branch(block)
        parameters: dict[str, Parameter] = {}
        count = self.convs if branch else 1
        for j in range(count):
            inputs = wide if j else below
            parameters |= self._convolution(block, j, inputs, wide, last=branch and j == count - 1)
            if self.form == "fixup":
                parameters |= {
                    f"{name}{j}": Parameter((1,), "scalar", block, 0.0) for name in ("before", "after") if branch
                }
            elif block == 0 or not branch:
                parameters |= {} if self.form == "add" else self._norm(block, str(j), wide)
            else:
                parameters |= self._norm(block, str(j), inputs if self.form == "add" else wide)
        if self._projects(block):
            kernel = (1,) * self.dims
            draw = weight_draw("shortcut")
            parameters["shortcut"] = Parameter(
                (wide, below, *kernel), "matrix", block, (draw,), below, wide, profiled=True
            )
        if branch and self.learns_scale:
            parameters["scale"] = Parameter((1,), "scalar", block, 1.0 if self.form == "fixup" else 0.0)
        if branch and self.form == "fixup":
            parameters["shift"] = Parameter((1,), "scalar", block, 0.0)
        if self.activation.start is not None and self._activates(block):
            parameters["slope"] = Parameter((1,), "scalar", block, self.activation.start)
        if block == self.arch.depth - 1 and self.form == "add":
            parameters |= self._norm(block, "final", wide)
        return parameters

    def _convolution(self, block: int, j: int, inputs: int, outputs: int, *, last: bool) -> dict[str, Parameter]:
        kernel = (self.options["kernel"],) * self.dims
        taps = prod(kernel)
        parameters: dict[str, Parameter] = {}
        if self.options["separable"] and block:
            parameters[f"depthwise{j}"] = Parameter(
                (inputs, 1, *kernel), "matrix", block, (self._draw(block),), taps, taps, profiled=True
            )
            kernel, taps = (1,) * self.dims, 1
        fans = inputs * taps, outputs * taps
        parameters[f"weight{j}"] = Parameter(
            (outputs, inputs, *kernel), "matrix", block, (self._draw(block, last=last),), *fans, profiled=True
        )
        if self.form != "fixup":
            draw = bias_draw(fans[0], "blocks")
            parameters[f"bias{j}"] = Parameter((outputs,), "bias", block, (draw,), *fans)
        if self._of_weights:
            parameters[f"norm_weight{j}"] = Parameter((outputs,), "norm", block, 1.0)
        return parameters

    def _draw(self, block: int, *, last: bool = False) -> Draw:
        if self.form != "fixup" or not block:
            return weight_draw("blocks", branch=block if last else None)
        if last:
            return Draw(lambda start, z: torch.zeros_like(z), ("blocks",))
        branches = self.arch.depth - 1
        return weight_draw("blocks", gain=branches ** (-1 / (2 * self.convs - 2)))

    def _norm(self, block: int, name: str, wide: int) -> dict[str, Parameter]:
        if self.norm is None or self._of_weights:
            return {}
        self._places[block, name] = len(self._places), wide
        return {f"{key}{name}": value for key, value in norms.parameters(self.norm, wide, block).items()}

    def _readout(self) -> dict[str, Parameter]:
        features = self.channels[-1] * (prod(self.positions[-1]) if self.options["head"] == "flatten" else 1)
        outputs = self.arch.out_features
        weight, bias = weight_draw("readout"), bias_draw(features, "readout")
        return {
            "weight": Parameter((outputs, features), "matrix", "leave", (weight,), features, outputs),
            "bias": Parameter((outputs,), "bias", "leave", (bias,), features, outputs),
        }

    def steepest(self) -> Tensor:
        """Return the largest |slope| of each replica's activation, `[R]` or `[1]`."""
        return self.activation.steepest()

    def running(self, replicas: int, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
        """Return fresh running statistics of each norm (mean 0, variance 1), or none where it keeps none."""
        if self.norm is None or not self.norm.running:
            return []
        fresh = [torch.zeros(replicas, 2, wide, dtype=dtype, device=device) for _, wide in self._places.values()]
        for statistics in fresh:
            statistics[:, 1] = 1
        return fresh

    def enter(self, params: Params, inputs: Tensor, ctx: Context) -> State:
        """Return the images `[R, N, *positions, C]` of inputs `[R, N, C * positions]`."""
        return (inputs.view(*inputs.shape[:2], *self.image).movedim(2, -1).contiguous(),)

    def block(self, i: int, params: Params, x: State, inputs: Tensor, ctx: Context) -> tuple[State, Tensor]:
        """Return the output of block i, and what the readout sees of it."""
        (stream,), learned = x, params[i]
        if self._begins_stage(i) and self.options["pool"] != "none":
            stream = pool(stream, self.options["pool"])
        form = {"none": self._plain, "add": self._add, "resnet_v1": self._resnet_v1, "fixup": self._fixup}[self.form]
        if i == 0 and self.form in ("add", "fixup"):
            y = self._convolve(learned, i, 0, stream)
        else:
            y = self._plain(learned, i, stream, ctx) if i == 0 else form(learned, i, stream, ctx)
        top = y
        if i == self.arch.depth - 1 and self.form in ("add", "fixup"):
            top = self._normed_and_activated(learned, i, "final", y, ctx)
        return (y,), top

    def leave(self, params: Params, top: Tensor) -> Tensor:
        """Return the outputs `[R, N, C]` of the mean over positions, or of all of them one after another."""
        features = top.flatten(2) if self.options["head"] == "flatten" else top.flatten(2, -2).mean(2)
        return linear(features, params[-1]["weight"], params[-1]["bias"])

    def _plain(self, learned: dict[str, Tensor], i: int, x: Tensor, ctx: Context) -> Tensor:
        return ctx.drop(self._normed_and_activated(learned, i, "0", self._convolve(learned, i, 0, x), ctx), i)

    def _add(self, learned: dict[str, Tensor], i: int, x: Tensor, ctx: Context) -> Tensor:
        h = x
        for j in range(self.convs):
            h = self._convolve(learned, i, j, self._normed_and_activated(learned, i, str(j), h, ctx))
        return self._skip(learned, i, x) + self._scaled(learned, ctx.drop(h, i))

    def _resnet_v1(self, learned: dict[str, Tensor], i: int, x: Tensor, ctx: Context) -> Tensor:
        h = x
        for j in range(self.convs):
            h = self._normed(learned, i, str(j), self._convolve(learned, i, j, h), ctx)
            if j < self.convs - 1:
                h = self._activate(learned, h, ctx)
        return self._activate(learned, self._skip(learned, i, x) + self._scaled(learned, ctx.drop(h, i)), ctx)

    def _fixup(self, learned: dict[str, Tensor], i: int, x: Tensor, ctx: Context) -> Tensor:
        """Return the block with a scalar bias before each activation and convolution, and one after the scale.

        Zhang 2019, section 3: of B branches of m layers, all but the last layer are drawn times B^(-1/(2m-2)), the last
        is 0. In the order of a pre-activation ResNet, so that the network begins as the identity behind its first
        block; the readout, which the paper begins at 0 too, is drawn: a gradient of 0 says nothing.
        """
        h = x
        for j in range(self.convs):
            h = self._activate(learned, h + _scalar(learned[f"before{j}"], h), ctx)
            h = self._convolve(learned, i, j, h + _scalar(learned[f"after{j}"], h))
        return self._skip(learned, i, x) + self._scaled(learned, ctx.drop(h, i)) + _scalar(learned["shift"], h)

    def _skip(self, learned: dict[str, Tensor], i: int, x: Tensor) -> Tensor:
        return convolve(x, learned["shortcut"], None, stride=self._stride(i)) if self._projects(i) else x

    def _scaled(self, learned: dict[str, Tensor], branch: Tensor) -> Tensor:
        if self.learns_scale:
            return _scalar(learned["scale"], branch) * branch
        return branch if self.scale == 1 else self.scale * branch

    def _convolve(self, learned: dict[str, Tensor], i: int, j: int, x: Tensor) -> Tensor:
        stride = self._stride(i) if j == 0 else 1
        weight, bias, padding = learned[f"weight{j}"], learned.get(f"bias{j}"), self.options["padding"]
        if f"depthwise{j}" in learned:
            x = convolve(x, learned[f"depthwise{j}"], None, padding=padding, stride=stride, groups=x.shape[-1])
            stride = 1
        if isinstance(self.norm, WeightStandardisation):
            flat = self.norm.standardised(weight.flatten(2), {"norm_weight": learned[f"norm_weight{j}"]})
            weight = flat.view(weight.shape)
        return convolve(x, weight, bias, padding=padding, stride=stride)

    def _normed(self, learned: dict[str, Tensor], i: int, name: str, x: Tensor, ctx: Context) -> Tensor:
        if self.norm is None or self._of_weights:
            return x
        of_norm = {key: learned[f"{key}{name}"] for key in self.norm.starts}
        shaped = x.flatten(2, -2) if getattr(self.norm, "over_positions", False) else x.flatten(1, -2)
        return ctx.norm(self.norm, shaped, of_norm, self._places[i, name][0]).view(x.shape)

    def _activate(self, learned: dict[str, Tensor], x: Tensor, ctx: Context) -> Tensor:
        return ctx.activate(self.activation, x.flatten(1, -2), learned.get("slope")).view(x.shape)

    def _normed_and_activated(self, learned: dict[str, Tensor], i: int, name: str, x: Tensor, ctx: Context) -> Tensor:
        if self.arch.norm_position == "post_activation":
            return self._normed(learned, i, name, self._activate(learned, x, ctx), ctx)
        return self._activate(learned, self._normed(learned, i, name, x, ctx), ctx)


def _scalar(learned_R1: Tensor, like: Tensor) -> Tensor:
    return learned_R1.view(-1, *[1] * (like.ndim - 1))
