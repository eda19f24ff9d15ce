"""Each cause with a model that has it and one that has not; numbers against theory and definitions."""

from __future__ import annotations

import importlib.util
import math
import warnings

import pytest
import torch
from networks import Net
from stacks import WIDTH, Rounded, causes_of, changed, stack, x
from torch import Tensor, nn
from zoo import MODELS

import gradlab as gl
from gradlab.modules.causes.rules import causes
from gradlab.modules.measuring.probe import measure
from gradlab.modules.summary import verdict


def test_weights_smaller_than_relu_needs() -> None:
    (cause, skip) = causes_of(stack(nn.ReLU), x())
    assert "where ReLU needs 1.41, as torch draws them by default" in cause.what
    # torch.nn.Linear: variance 1/(3 fan_in), so a factor of √(1/6) a block
    assert cause.evidence["gain"] == pytest.approx(1 / math.sqrt(3), rel=0.05)
    assert cause.evidence["factor per block"] == pytest.approx(0.408248, rel=0.05)
    assert cause.evidence["blocks"] == 30
    assert cause.change == pytest.approx(-30 * math.log(0.408248), rel=0.2)
    assert "without a skip" in skip.what


@pytest.mark.parametrize(
    ("activation", "gain", "needed", "words"),
    [
        (nn.ReLU, 2.0, math.sqrt(2), "too large"),
        (nn.Tanh, None, 1.0, "too small"),
        (nn.Tanh, 40.0, 1.0, "too large"),
        (None, None, 1.0, "a map alone needs 1.00"),
        (nn.Sigmoid, None, 4.2364, "sigmoid needs"),  # 1/√χ at σ_w² = 1 by mean-field theory: 1/0.236052
    ],
)
def test_the_scale_that_an_activation_needs(
    activation: type[nn.Module] | None, gain: float | None, needed: float, words: str
) -> None:
    cause = causes_of(stack(activation, gain=gain), x())[0]
    assert words in cause.what
    assert cause.evidence["needed gain"] == pytest.approx(needed, rel=0.03)
    assert cause.evidence["gain"] == pytest.approx(gain or 1 / math.sqrt(3), rel=0.05)


def test_saturation() -> None:
    model = stack(nn.Sigmoid, gain=1.0)
    with torch.no_grad():
        for linear in model[:-1:2]:
            linear.bias.fill_(8)
    cause = next(cause for cause in causes_of(model, x()) if "saturated" in cause.what)
    assert cause.evidence["saturated"] > 0.9
    assert not any("too small" in cause.what for cause in causes_of(model, x()))
    assert not any("saturated" in cause.what for cause in causes_of(stack(nn.Sigmoid), x()))


def test_a_block_that_stands_out() -> None:
    model = changed(lambda model: model[20].weight.mul_(1e-5))
    cause = next(cause for cause in causes_of(model, x()) if "the block in the middle" in cause.what)
    assert cause.block == "20"
    assert cause.evidence["median factor"] == pytest.approx(1, rel=0.1)
    assert cause.evidence["factor"] == pytest.approx(1e-5, rel=0.3)
    assert not any("the block in the middle" in cause.what for cause in causes_of(stack(nn.ReLU), x()))


def test_dead_units() -> None:
    cause = causes_of(changed(lambda model: model[20].bias.fill_(-100)), x())[0]
    assert (cause.block, cause.evidence["dead"], cause.evidence["mean of the output"]) == ("20", 1.0, 0.0)
    assert not any("slope of zero" in cause.what for cause in causes_of(stack(nn.ReLU), x()))


@pytest.mark.parametrize(("layer", "block"), [(20, "20"), (60, "head")])
def test_weights_that_are_zero(layer: int, block: str) -> None:
    def change(model: nn.Sequential) -> None:
        model[layer].weight.zero_()
        model[layer].bias.fill_(1)  # ReLU has a slope there

    (cause,) = causes_of(changed(change), x())
    assert cause.block == block
    assert f"{layer}.weight is zero" in cause.what
    assert cause.evidence["blocks without gradient"] == layer // 2


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite(value: float) -> None:
    def change(model: nn.Sequential) -> None:
        model[4].weight[0, 0] = value

    (cause,) = causes_of(changed(change), x())
    assert cause.block == "4"
    # one unit of the 64 gets the weight; ReLU makes -inf zero
    assert 0 < cause.evidence["share of values not finite"] <= 1 / WIDTH
    assert math.isfinite(cause.evidence["rms of the values below"])


def test_a_gradient_that_is_cut_off() -> None:
    model = Net(5, lambda block, x: block(x.detach()) if hasattr(block, "cuts") else block(x))
    model.blocks[2].cuts = True
    (cause,) = causes_of(model, torch.randn(4, 16))
    assert cause.what.startswith("detach in the model itself")
    assert cause.evidence["blocks without a path to the loss"] == 2


def test_a_format_that_is_too_short() -> None:
    torch.manual_seed(0)
    half = nn.Sequential(*[Rounded(torch.float16) for _ in range(30)], nn.Linear(WIDTH, 3))
    cause = next(cause for cause in causes_of(half, x()) if "float16" in cause.what)
    assert cause.evidence["smallest number"] == pytest.approx(5.96e-8, rel=1e-3)
    assert cause.evidence["share of zeros below"] > cause.evidence["share of zeros above"] + 0.1
    single = nn.Sequential(*[Rounded(torch.float32) for _ in range(30)], nn.Linear(WIDTH, 3))
    assert not any("rounded to zero" in cause.what for cause in causes_of(single, x()))


class NormOfOne(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
        self.norm, self.readout = nn.LayerNorm(1), nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.readout(self.norm(self.layers(x)))
        return y


def test_a_norm_of_one_value_lets_nothing_through() -> None:
    torch.manual_seed(0)
    result = gl.probe(NormOfOne(), torch.randn(4, 8))
    assert result.verdict == "dead"
    assert result.result.causes[0].what.startswith("norm normalises one value at a time")
    wider = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 1))
    nn.init.constant_(wider[0].bias, -100.0)
    assert not any("one value" in cause.what for cause in gl.probe(wider, torch.randn(4, 8)).result.causes)


class OneChoice(nn.Module):
    """Weighs its only part by the softmax of one number, as the selection of variables does where there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate, self.readout = nn.Linear(8, 8), nn.Linear(8, 1), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        part = self.first(x).tanh()
        y: torch.Tensor = self.readout(part * self.gate(x).softmax(1))
        return y


def test_a_zero_beside_the_other_blocks_is_said_and_is_no_verdict() -> None:
    torch.manual_seed(0)
    result = gl.probe(OneChoice(), torch.randn(4, 8), blocks=["first", "gate", "readout"])
    assert list(result.blocks.is_cut) == [False, False, True]
    assert result.blocks.log10_grad_norm[1] == -math.inf
    assert result.verdict == "healthy"
    said = " ".join(result.conclusions)
    assert "The gradient is exactly zero at gate, beside the others." in said
    assert "nan" not in said
    result = gl.probe(OneChoice(), torch.randn(4, 8), blocks=["first", "gate"])
    assert (result.verdict, result.log10_survival, result.blocks.survival[0]) == ("healthy", 0.0, 1.0)
    assert "(first) over that at the last block that has one (first)" in result.conclusions[0]


class Last(nn.Module):
    """The last output of a layer over time."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.layer(x)[0]
        return output[:, -1]


def test_gates_and_matrices_along_time() -> None:
    torch.manual_seed(0)
    sequences = torch.randn(4, 200, 8)
    lstm = nn.LSTM(8, 32, batch_first=True)
    cause = causes_of(Last(lstm), sequences)[0]
    assert "the forget gate of layer_l0" in cause.what
    # weights and biases of torch are uniform about 0
    assert cause.evidence["mean forget gate"] == pytest.approx(0.5, abs=0.03)
    assert cause.evidence["steps"] == 200
    with torch.no_grad():
        lstm.bias_hh_l0[32:64] = 6.0
    assert causes_of(Last(lstm), sequences) == ()
    cause = causes_of(Last(nn.GRU(8, 32, batch_first=True)), sequences)[0]
    assert "the update gate of layer_l0" in cause.what
    rnn = nn.RNN(8, 32, batch_first=True)
    cause = causes_of(Last(rnn), sequences)[0]
    largest = torch.linalg.eigvals(rnn.weight_hh_l0.detach().double()).abs().max()
    assert cause.evidence["largest eigenvalue"] == pytest.approx(float(largest), rel=1e-6)
    # no more than the largest eigenvalue is left of a step after many
    assert cause.evidence["factor per block"] < float(largest) * 1.02


def test_several_seeds_have_one_cause_with_the_mean_of_their_numbers() -> None:
    result = gl.probe(None, x(), make=lambda seed: stack_of(seed), seeds=3).result
    factors = [causes([profile], verdict(profile))[0].evidence["factor per block"] for profile in result.profiles]
    mean = math.exp(sum(map(math.log, factors)) / 3)
    assert result.causes[0].evidence["factor per block"] == pytest.approx(mean, rel=1e-12)


def stack_of(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(*[layer for _ in range(12) for layer in (nn.Linear(WIDTH, WIDTH), nn.ReLU())])


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_no_false_alarms(name: str) -> None:
    entry = MODELS[name]
    if importlib.util.find_spec(entry.package) is None:
        pytest.skip(f"{entry.package} is not installed: pip install 'gradient-survival[models]'")
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that are not ours
        model, batch = entry.build()
        profile = measure(model, batch, train=False)
    named = causes([profile], verdict(profile))
    assert bool(named) == (entry.verdict != "healthy")
