"""Each cause with a model that has it and one that has not; numbers against theory and definitions."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable

import pytest
import torch
from networks import Net
from torch import Tensor, nn
from zoo import MODELS

import gradlab as gl
from gradlab.modules.causes.rules import Cause, causes
from gradlab.modules.measuring.probe import measure
from gradlab.modules.summary import verdict

WIDTH = 64


def stack(
    activation: type[nn.Module] | None, depth: int = 30, gain: float | None = None, norm: type[nn.Module] | None = None
) -> nn.Sequential:
    """Return a plain stack; `gain` is that of normal weights, None torch's default initialisation."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(WIDTH, WIDTH)
        if gain is not None:
            nn.init.normal_(linear.weight, std=gain / math.sqrt(WIDTH))
            nn.init.zeros_(linear.bias)
        layers += [linear, *([norm(WIDTH)] if norm else []), *([activation()] if activation else [])]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 5))


def x(samples: int = 32) -> Tensor:
    return torch.randn(samples, WIDTH, generator=torch.Generator().manual_seed(1))


def changed(change: Callable[[nn.Sequential], object], depth: int = 30) -> nn.Sequential:
    model = stack(nn.ReLU, depth, math.sqrt(2))
    with torch.no_grad():
        change(model)
    return model


def causes_of(model: nn.Module, batch: object, **arguments: object) -> tuple[Cause, ...]:
    return gl.probe(model, batch, **arguments).result.causes


def encoder(depth: int, *, norm_first: bool) -> nn.TransformerEncoder:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 128, batch_first=True, norm_first=norm_first, dropout=0.0)
    return nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)


class Residual(nn.Module):
    def __init__(self, gain: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        nn.init.normal_(self.first.weight, std=math.sqrt(2 / WIDTH))
        nn.init.normal_(self.second.weight, std=gain / math.sqrt(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.second(self.first(x).relu())
        return y


class Rounded(nn.Module):
    """A layer whose output goes through a shorter format."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.map, self.dtype = nn.Linear(WIDTH, WIDTH), dtype

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x).to(self.dtype).to(x.dtype).relu()


class Attention(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        nn.init.normal_(self.attention.in_proj_weight, std=scale / math.sqrt(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return y


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


def test_batch_norm_by_the_statistics_of_the_batch() -> None:
    model = stack(nn.ReLU, 40, norm=nn.BatchNorm1d)
    cause = causes_of(model, x(128))[0]
    assert "batch norm by the statistics of the batch" in cause.what
    assert cause.evidence["factor per block"] == pytest.approx(1.2112, rel=0.01)
    cause = causes_of(model.eval(), x(128))[0]
    assert "have seen no data" in cause.what
    assert cause.evidence["norms"] == 40
    model.train()(x(128))
    model.eval()
    assert not any("have seen no data" in cause.what for cause in causes_of(model, x(128)))
    assert causes_of(stack(nn.ReLU, 40, norm=nn.LayerNorm), x(128)) == ()


def test_batch_norm_over_few_values() -> None:
    model = stack(nn.ReLU, 40, norm=nn.BatchNorm1d)
    cause = next(cause for cause in causes_of(model, x(4)) if "as few as" in cause.what)
    assert cause.evidence["values"] == 4
    assert not any("as few as" in cause.what for cause in causes_of(model, x(128)))


class Neighbours(nn.Module):
    """A map of each feature vector and its neighbour's, as graph networks have it: several paths; `skip`: one more."""

    def __init__(self, *, skip: bool) -> None:
        super().__init__()
        self.map, self.skip = nn.Linear(64, 32), skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.map(torch.cat([x, x.roll(1, 0) - x], 1)).relu()
        return x + y if self.skip else y


@pytest.mark.parametrize("skip", [False, True])
def test_several_paths_through_a_map_are_no_skip(skip: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*[Neighbours(skip=skip) for _ in range(24)], nn.Linear(32, 4))
    result = gl.probe(model, torch.randn(16, 32))
    assert len(result.blocks) == 24
    assert [block.joined for block in result.result.profiles[0].blocks[1:]] == [skip] * 23
    assert result.verdict == ("healthy" if skip else "vanishing")
    assert any("too small" in cause.what for cause in result.result.causes) is not skip


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


def test_tokens_that_biases_make_alike_lose_no_gradient_by_it() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*[layer for _ in range(16) for layer in (nn.Linear(32, 32), nn.ReLU())], nn.Linear(32, 4))
    result = gl.probe(model, torch.randn(4, 10, 32))
    assert result.blocks.token_cosine.iloc[-1] > 0.99 > 0.9 > result.blocks.token_cosine.iloc[0]
    assert result.verdict == "vanishing"
    assert not [cause for cause in result.result.causes if "alike" in cause.what]


def test_tokens_that_become_alike_behind_norms_after_the_add() -> None:
    tokens = torch.randn(2, 32, WIDTH, generator=torch.Generator().manual_seed(0))
    named = causes_of(encoder(24, norm_first=False), tokens)
    rank, norm, copied = (
        next(cause for cause in named if words in cause.what)
        for words in ("alike from", "post-LN", "copies of one another")
    )
    assert rank.evidence["token cosine"] > 0.99
    assert norm.evidence["blocks"] == 24
    # what is left is common to all tokens: 1/T of it at the loss
    assert norm.evidence["share common to all tokens, first"] > 0.5
    assert norm.evidence["share common to all tokens, last"] == pytest.approx(1 / 32, rel=0.3)
    assert copied.evidence["blocks"] == 24
    assert causes_of(encoder(24, norm_first=True), tokens) == ()


def test_attention_that_looks_at_one_token() -> None:
    tokens = torch.randn(2, 32, WIDTH, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    sharp = nn.Sequential(*[Attention(30.0) for _ in range(4)])
    assert any("looks at one token" in cause.what for cause in causes_of(sharp, tokens))
    soft = nn.Sequential(*[Attention(1.0) for _ in range(4)])
    assert not any("looks at one token" in cause.what for cause in causes_of(soft, tokens))


def test_branches_that_grow_a_stream_with_an_activation_after_each_add() -> None:
    torch.manual_seed(0)
    blocks = [nn.Sequential(Residual(1.0), nn.ReLU(inplace=True)) for _ in range(40)]
    model = nn.Sequential(*blocks, nn.Linear(WIDTH, 3))
    profile = measure(model, x(), blocks=[block[1] for block in blocks])
    (cause, *_) = causes([profile], verdict(profile))
    assert "add to the stream at full scale" in cause.what


def test_branches_that_grow_the_stream() -> None:
    torch.manual_seed(0)
    cause = causes_of(nn.Sequential(*[Residual(1.0) for _ in range(40)], nn.Linear(WIDTH, 3)), x())[0]
    assert "add to the stream at full scale" in cause.what
    assert cause.evidence["factor per block"] == pytest.approx(math.sqrt(2), rel=0.05)
    assert cause.evidence["mean gain at the end of a branch"] == pytest.approx(1, rel=0.05)
    assert causes_of(nn.Sequential(*[Residual(0.1) for _ in range(40)], nn.Linear(WIDTH, 3)), x()) == ()


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
