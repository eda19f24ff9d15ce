"""Models of other packages, and everything in torch.nn: the chain that a person would name, and the right gradients."""

from __future__ import annotations

import copy
import importlib.util
import math
import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from zoo import MODELS

from gradlab.modules.measuring.probe import measure
from gradlab.modules.summary import verdict

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that are not ours
        yield


@pytest.mark.parametrize("name", MODELS)
def test_the_chain_of_a_model(name: str) -> None:
    entry = MODELS[name]
    if importlib.util.find_spec(entry.package) is None:
        pytest.skip(f"{entry.package} is not installed: pip install 'gradient-survival[models]'")
    torch.manual_seed(0)
    model, batch = entry.build()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    profile = measure(model, batch, train=False)
    assert (len(profile.blocks), profile.blocks[0].name, profile.blocks[-1].name) == (
        entry.blocks, entry.first, entry.last,
    )  # fmt: skip
    assert all(block.is_cut for block in profile.blocks) == entry.cuts
    assert all(math.isfinite(block.log_grad_norm) and math.isfinite(block.act_rms) for block in profile.blocks)
    assert verdict(profile) == entry.verdict
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


LAYERS: dict[str, tuple[nn.Module, Tensor]] = {
    **{
        kind.__name__: (kind(), torch.randn(6, 8))
        for kind in (
            nn.ELU,
            nn.CELU,
            nn.SELU,
            nn.GELU,
            nn.ReLU,
            nn.ReLU6,
            nn.LeakyReLU,
            nn.PReLU,
            nn.RReLU,
            nn.Sigmoid,
            nn.Tanh,
            nn.Softplus,
            nn.Softsign,
            nn.SiLU,
            nn.Mish,
            nn.Hardswish,
            nn.Hardsigmoid,
            nn.Hardtanh,
            nn.Hardshrink,
            nn.LogSigmoid,
            nn.Softshrink,
            nn.Tanhshrink,
            nn.Softmin,
            nn.Softmax,
            nn.LogSoftmax,
            nn.Identity,
            nn.Dropout,
            nn.AlphaDropout,
        )
    },
    "Threshold": (nn.Threshold(0.1, 0.2), torch.randn(6, 8)),
    "GLU": (nn.GLU(), torch.randn(6, 16)),
    "BatchNorm1d": (nn.BatchNorm1d(8), torch.randn(6, 8)),
    "LayerNorm": (nn.LayerNorm(8), torch.randn(6, 8)),
    "RMSNorm": (nn.RMSNorm(8), torch.randn(6, 8)),
    "GroupNorm": (nn.GroupNorm(2, 8), torch.randn(6, 8, 5)),
    "InstanceNorm1d": (nn.InstanceNorm1d(8, affine=True), torch.randn(6, 8, 5)),
    "InstanceNorm2d": (nn.InstanceNorm2d(8), torch.randn(6, 8, 5, 5)),
    "LocalResponseNorm": (nn.LocalResponseNorm(2), torch.randn(6, 8, 5)),
    "Conv1d": (nn.Conv1d(8, 4, 3, padding=1, padding_mode="reflect"), torch.randn(6, 8, 9)),
    "Conv2d": (nn.Conv2d(8, 4, 3, groups=2, stride=2), torch.randn(6, 8, 9, 9)),
    "Conv3d": (nn.Conv3d(2, 4, 3, dilation=2), torch.randn(2, 2, 6, 6, 6)),
    "ConvTranspose1d": (nn.ConvTranspose1d(8, 4, 3), torch.randn(6, 8, 9)),
    "ConvTranspose2d": (nn.ConvTranspose2d(8, 4, 3, stride=2), torch.randn(6, 8, 5, 5)),
    "MaxPool1d": (nn.MaxPool1d(2), torch.randn(6, 8, 9)),
    "MaxPool2d": (nn.MaxPool2d(2), torch.randn(6, 8, 9, 9)),
    "AvgPool2d": (nn.AvgPool2d(2), torch.randn(6, 8, 9, 9)),
    "LPPool2d": (nn.LPPool2d(2, 2), torch.rand(6, 8, 9, 9) + 0.1),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d(3), torch.randn(6, 8, 9, 9)),
    "AdaptiveMaxPool1d": (nn.AdaptiveMaxPool1d(3), torch.randn(6, 8, 9)),
    "Upsample": (nn.Upsample(scale_factor=2), torch.randn(2, 8, 3, 3)),
    "PixelShuffle": (nn.PixelShuffle(2), torch.randn(2, 8, 3, 3)),
    "ReflectionPad2d": (nn.ReflectionPad2d(1), torch.randn(2, 8, 3, 3)),
    "Flatten": (nn.Flatten(), torch.randn(2, 8, 3, 3)),
    "Unflatten": (nn.Unflatten(1, (2, 4)), torch.randn(2, 8)),
    "Fold": (nn.Fold((4, 4), 2), torch.randn(2, 8, 9)),
    "Unfold": (nn.Unfold(2), torch.randn(2, 8, 4, 4)),
    "Linear": (nn.Linear(8, 5), torch.randn(6, 8)),
    "Bilinear": (nn.Bilinear(8, 8, 5), torch.randn(6, 8)),
    "MultiheadAttention": (nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(2, 5, 8)),
    "TransformerEncoderLayer": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.randn(2, 5, 8)),
}


class Around(nn.Module):
    """A layer between two maps, so that its output is a cut in the middle of a chain."""

    def __init__(self, layer: nn.Module, x: Tensor) -> None:
        super().__init__()
        self.before, self.layer = nn.Linear(x.shape[-1], x.shape[-1]), layer
        with torch.no_grad():
            size = self.middle(x).shape[-1]
        self.after = nn.Linear(size, 3)

    def middle(self, x: Tensor) -> Tensor:
        y = self.before(x)
        if isinstance(self.layer, nn.MultiheadAttention):
            return self.layer(y, y, y)[0]
        return self.layer(y, y) if isinstance(self.layer, nn.Bilinear) else self.layer(y)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.middle(x))


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_at_every_layer_of_torch_is_autograds(name: str) -> None:
    layer, x = LAYERS[name]
    torch.manual_seed(1)
    model = Around(layer, x).eval()
    twin = copy.deepcopy(model).double()
    inner = twin.middle(x.double())
    inner.retain_grad()
    twin.after(inner).pow(2).sum().backward()
    profile = measure(model, x, lambda output, _: output.pow(2).sum(), blocks=[model.before, model.after, model.layer])
    expected = float(inner.grad.norm().log())
    assert profile.dtype == "float64"
    by_name = {block.name: block.log_grad_norm for block in profile.blocks}
    if name not in ("Identity", "Dropout", "AlphaDropout"):  # hand on what they took
        assert by_name["layer"] == pytest.approx(expected, abs=1e-10)
    else:
        assert by_name["before"] == pytest.approx(expected, abs=1e-10)
