"""Models in other number formats, and models that cannot be copied or converted."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

import pytest
import torch
from networks import WIDTH, Net, expected, log_norms
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from gradlab.modules.measuring.probe import measure


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_measured_in_float64(dtype: torch.dtype, x: Tensor) -> None:
    model = Net().to(dtype)
    profile = measure(model, x.to(dtype))
    assert {block.dtype for block in profile.blocks} == {"float64"}
    assert log_norms(profile) == pytest.approx(expected(model, x.to(dtype)), abs=1e-10)
    assert next(model.parameters()).dtype == dtype


def test_autocast_around_a_probe_changes_nothing(x: Tensor) -> None:
    model = Net()
    with torch.autocast("cpu"):
        profile = measure(model, x)
        assert torch.is_autocast_enabled("cpu")
    assert log_norms(profile) == pytest.approx(expected(model, x), abs=1e-10)


def test_a_constant_made_in_float32_by_default_fits(x: Tensor) -> None:
    model = Net(each=lambda block, x: block(x @ torch.eye(WIDTH)))
    profile = measure(model, x)
    assert profile.dtype == "float64"
    assert log_norms(profile) == pytest.approx(expected(model, x), abs=1e-10)


@pytest.mark.parametrize(
    "eye",
    [
        lambda: torch.eye(WIDTH, dtype=torch.float32),
        lambda: (torch.arange(WIDTH)[:, None] == torch.arange(WIDTH)).float(),
        lambda: nn.functional.one_hot(torch.arange(WIDTH)).to(torch.float32),
    ],
)
def test_a_constant_that_the_forward_makes_in_float32_fits(eye: Callable[[], Tensor], x: Tensor) -> None:
    model = Net(each=lambda block, x: block(x @ eye()))
    profile = measure(model, x)
    assert (profile.dtype, profile.notes) == ("float64", measure(Net(), x).notes)
    assert log_norms(profile) == pytest.approx(expected(model, x), abs=1e-10)
    assert eye().dtype == torch.float32


def test_a_model_that_insists_on_float32_is_measured_in_it_and_says_so(x: Tensor) -> None:
    eye = torch.eye(WIDTH)  # of the module's file, not of the model
    model = Net(each=lambda block, x: block(x @ eye))
    profile = measure(model, x)
    assert profile.dtype == "float32"
    assert profile.notes[0].startswith(
        "measured in the model's own precision, as it does not run in float64: RuntimeError"
    )
    assert log_norms(profile) == pytest.approx(expected(model, x), abs=1e-4)


def test_a_cast_inside_a_block_is_seen(x: Tensor) -> None:
    profile = measure(Net(each=lambda block, x: block(x.float().tanh().double()).to(x.dtype)), x)
    assert {block.dtype for block in profile.blocks} == {"float32"}
    assert profile.dtype == "float64"


@pytest.mark.parametrize("form", [nn.utils.weight_norm, parametrizations.weight_norm, parametrizations.spectral_norm])
def test_parametrised_weights(form: Callable[[nn.Module], nn.Module], x: Tensor) -> None:
    model = Net()
    for block in model.blocks:
        with_warning_ignored(form, block.first)
    model(x)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    profile = measure(model, x, train=False)
    assert [block.name for block in profile.blocks] == [f"blocks.{place}" for place in range(5)]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not profile.notes


def test_a_model_that_cannot_be_copied_is_measured_in_place(x: Tensor) -> None:
    model = Net()
    by_autograd = expected(model, x)
    model.lock = threading.Lock()
    weights = {name: (value, value.clone()) for name, value in model.state_dict(keep_vars=True).items()}
    profile = measure(model, x)
    assert "measured in place, as it cannot be copied" in profile.notes[0]
    assert log_norms(profile) == pytest.approx(by_autograd, abs=1e-10)
    for name, value in model.state_dict(keep_vars=True).items():
        assert value is weights[name][0]
        assert value.dtype == torch.float32
        assert torch.equal(value, weights[name][1])


def with_warning_ignored(form: Callable[[nn.Module], nn.Module], module: nn.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        form(module)


class Masked(nn.Module):
    """Adds the smallest number of the format where a mask is 0, in float32, in which that of float64 is -inf."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.ones_like(x.detach().float())
        y: Tensor = self.net(x + (1.0 - mask) * torch.finfo(x.dtype).min)
        return y


def test_a_mask_that_overflows_in_float64_alone(x: Tensor) -> None:
    model = Masked()
    assert model(x).isfinite().all()
    assert not model.double()(x.double()).isfinite().any()
    profile = measure(model.float(), x)
    assert profile.notes[0] == "measured in the model's own precision, as its values are not finite in float64"
    assert log_norms(profile) == pytest.approx(expected(model.net, x), abs=1e-4)
