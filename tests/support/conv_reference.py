"""The convolutional network, written the ordinary way with torch.nn, channels first, one replica at a time."""

from __future__ import annotations

import math

import torch
from reference import Squashed, torch_activation
from torch import Tensor, nn

from gradlab.cell import Cell
from gradlab.components import NORMS, Named
from gradlab.families import FAMILIES

__all__ = ["ConvNet", "twin_of"]


class OverChannels(nn.Module):
    """A norm of the last axis, over the channels of each position."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.movedim(1, -1)).movedim(-1, 1)


class Standardised(nn.Module):
    """Weight standardisation of a convolution: gain and learned factor over the deviation of each filter."""

    def __init__(self, channels: int, gain: float, eps: float) -> None:
        super().__init__()
        self.weight, self.gain, self.eps = nn.Parameter(torch.ones(channels)), gain, eps

    def forward(self, weight: Tensor) -> Tensor:
        rows = weight.flatten(1)
        centred = rows - rows.mean(1, keepdim=True)
        scale = (centred.square().mean(1, keepdim=True) + self.eps) ** -0.5 * self.gain / math.sqrt(rows.shape[1])
        return (centred * scale * self.weight.unsqueeze(1)).view(weight.shape)


def torch_norm(named: Named, channels: int, dims: int) -> nn.Module:
    given = named.resolve(NORMS)
    batch, instance = (nn.BatchNorm1d, nn.InstanceNorm1d) if dims == 1 else (nn.BatchNorm2d, nn.InstanceNorm2d)
    return {
        "none": nn.Identity,
        "weight": nn.Identity,
        "batch": lambda: batch(channels, eps=given["eps"]),
        "layer": lambda: OverChannels(nn.LayerNorm(channels, eps=given["eps"])),
        "rms": lambda: OverChannels(nn.RMSNorm(channels, eps=given["eps"])),
        "group": lambda: nn.GroupNorm(given["groups"], channels, eps=given["eps"]),
        "instance": lambda: instance(channels, eps=given["eps"], affine=True),
        "dyt": lambda: OverChannels(Squashed(torch.tanh, channels, alpha=given["alpha"])),
        "derf": lambda: OverChannels(Squashed(torch.erf, channels, alpha=given["alpha"], shift=given["shift"])),
    }[named.name]()


class Convolution(nn.Module):
    """A convolution of a block: full, or depthwise and then over the channels, with standardised weights or not."""

    def __init__(self, cell: Cell, inputs: int, outputs: int, stride: int, first: bool) -> None:
        super().__init__()
        options = cell.model.resolve(FAMILIES)
        kind = nn.Conv1d if options["dims"] == 1 else nn.Conv2d
        kernel = options["kernel"]
        around = {"padding": kernel // 2, "padding_mode": options["padding"], "stride": stride}
        bias = cell.residual.name != "fixup"
        self.depthwise = None
        if options["separable"] and not first:
            self.depthwise = kind(inputs, inputs, kernel, groups=inputs, bias=False, **around)
            self.conv = kind(inputs, outputs, 1, bias=bias)
        else:
            self.conv = kind(inputs, outputs, kernel, bias=bias, **around)
        given = cell.norm.resolve(NORMS)
        self.standardised = Standardised(outputs, **given) if cell.norm.name == "weight" else None

    def forward(self, x: Tensor) -> Tensor:
        if self.depthwise is not None:
            x = self.depthwise(x)
        if self.standardised is None:
            return self.conv(x)
        weight = {"weight": self.standardised(self.conv.weight)}
        return torch.func.functional_call(self.conv, weight, (x,), strict=False)


class Block(nn.Module):
    def __init__(self, cell: Cell, i: int, below: int, channels: int, begins: bool) -> None:
        super().__init__()
        options = cell.model.resolve(FAMILIES)
        self.form = "stem" if i == 0 and cell.residual.name in ("add", "fixup") else cell.residual.name
        if i == 0 and cell.residual.name == "resnet_v1":
            self.form = "none"
        dims = options["dims"]
        pools = {"average": (nn.AvgPool1d, nn.AvgPool2d), "max": (nn.MaxPool1d, nn.MaxPool2d)}
        pooled = begins and options["pool"] != "none"
        stride = options["stride"] if begins and not pooled else 1
        self.pool = pools[options["pool"]][dims - 1](2) if pooled else nn.Identity()
        count = options["convs"] if self.form in ("add", "resnet_v1", "fixup") else 1
        fans = [below] + [channels] * (count - 1)
        self.convs = nn.ModuleList(
            Convolution(cell, fan, channels, stride if j == 0 else 1, i == 0) for j, fan in enumerate(fans)
        )
        normed = fans if self.form == "add" else [channels] * count
        self.norms = nn.ModuleList(
            nn.Identity() if self.form in ("stem", "fixup") else torch_norm(cell.norm, size, dims) for size in normed
        )
        self.act = torch_activation(cell.activation)
        self.after = cell.norm_position.name == "post_activation"
        kind = nn.Conv1d if dims == 1 else nn.Conv2d
        skips = self.form in ("add", "resnet_v1", "fixup") and (stride > 1 or below != channels)
        self.shortcut = kind(below, channels, 1, stride=stride, bias=False) if skips else nn.Identity()
        learned = cell.residual_scale == "learned_zero" or self.form == "fixup"
        self.scale = nn.Parameter(torch.zeros(1)) if learned else cell.residual_scale
        self.before = nn.ParameterList(torch.zeros(1) for _ in range(count))
        self.later = nn.ParameterList(torch.zeros(1) for _ in range(count))
        self.shift = nn.Parameter(torch.zeros(1))
        self.final = torch_norm(cell.norm, channels, dims)

    def activated(self, norm: nn.Module, x: Tensor) -> Tensor:
        return norm(self.act(x)) if self.after else self.act(norm(x))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(x)
        if self.form == "stem":
            return self.convs[0](x)
        if self.form == "none":
            return self.activated(self.norms[0], self.convs[0](x))
        h = x
        if self.form == "add":
            for norm, conv in zip(self.norms, self.convs, strict=True):
                h = conv(self.activated(norm, h))
            return self.shortcut(x) + self.scale * h
        if self.form == "fixup":
            for before, later, conv in zip(self.before, self.later, self.convs, strict=True):
                h = conv(self.act(h + before) + later)
            return self.shortcut(x) + self.scale * h + self.shift
        for j, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            h = norm(conv(h))
            if j < len(self.convs) - 1:
                h = self.act(h)
        return self.act(self.shortcut(x) + self.scale * h)

    def named(self) -> dict[str, Tensor]:
        """The parameters under the names that the flat buffer uses."""
        values: dict[str, Tensor] = {"shift": self.shift}
        for j, conv in enumerate(self.convs):
            values |= {f"weight{j}": conv.conv.weight, f"before{j}": self.before[j], f"after{j}": self.later[j]}
            if conv.conv.bias is not None:
                values[f"bias{j}"] = conv.conv.bias
            if conv.depthwise is not None:
                values[f"depthwise{j}"] = conv.depthwise.weight
            if conv.standardised is not None:
                values[f"norm_weight{j}"] = conv.standardised.weight
        for j, norm in [*enumerate(self.norms), ("final", self.final)]:
            inner = norm.inner if isinstance(norm, OverChannels) else norm
            values |= {f"norm_{name}{j}": value for name, value in inner.named_parameters()}
        if not isinstance(self.shortcut, nn.Identity):
            values["shortcut"] = self.shortcut.weight
        if isinstance(self.scale, nn.Parameter):
            values["scale"] = self.scale
        if isinstance(self.act, nn.PReLU):
            values["slope"] = self.act.weight
        return values


class ConvNet(nn.Module):
    def __init__(self, cell: Cell, shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        options = cell.model.resolve(FAMILIES)
        self.shape = (shape[0], math.prod(shape[1:])) if options["dims"] == 1 else shape
        stages = [i * options["stages"] // cell.depth for i in range(cell.depth)]
        wide = [cell.width * options["widen"] ** stage for stage in stages]
        begins = [i > 0 and stages[i] > stages[i - 1] for i in range(cell.depth)]
        below = [self.shape[0], *wide]
        self.blocks = nn.ModuleList(Block(cell, i, below[i], wide[i], begins[i]) for i in range(cell.depth))
        self.flatten = options["head"] == "flatten"
        self.ends = cell.residual.name in ("add", "fixup")
        features = wide[-1]
        if self.flatten:
            positions = self.shape[1:]
            for begin in begins:
                if begin:
                    stride = 2 if options["pool"] != "none" else options["stride"]
                    positions = [p // 2 if options["pool"] != "none" else math.ceil(p / stride) for p in positions]
            features *= math.prod(positions)
        self.readout = nn.Linear(features, outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = x.view(len(x), *self.shape)
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        if self.ends:
            x = self.blocks[-1].activated(self.blocks[-1].final, x)
        # channels last, one position after another
        features = x.movedim(1, -1).flatten(1) if self.flatten else x.flatten(2).mean(2)
        return self.readout(features), outputs

    def named(self, layer: int) -> dict[str, Tensor]:
        if layer == len(self.blocks):
            return {"weight": self.readout.weight, "bias": self.readout.bias}
        return self.blocks[layer].named()


def twin_of(trainer, r: int) -> ConvNet:
    """The torch.nn twin of replica r of a bank, with its current parameters."""
    twin = ConvNet(trainer.cells[r], trainer.data.shape, trainer.data.out_features).to(trainer.precision.master)
    with torch.no_grad():
        for slot in trainer.model.layout.slots:
            twin.named(slot.layer)[slot.name].copy_(slot.view(trainer.flat_RP)[r])
    return twin
