"""The profile of a module against gradlab's own probe, plain autograd and exact identities."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import gradlab as gl
from gradlab.cell import Cell, Named
from gradlab.errors import UsageError
from gradlab.modules.measuring.probe import measure
from gradlab.modules.measuring.recurrent import replayed
from gradlab.modules.summary import summarise
from gradlab.training.loop import Trainer

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}


def stack(depth: int, width: int, activation: type[nn.Module], outputs: int = 10) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_plain_stack_has_the_profile_of_the_same_cell(name: str) -> None:
    cell = Cell(depth=7, width=16, activation=Named(name), init=Named("xavier_normal"), seed=3, steps=1)
    trainer = Trainer([cell], torch.device("cpu"))
    layers: list[nn.Module] = []
    for layer in trainer.params[:-1]:
        rows, columns = layer["weight"].shape[1:]
        layers += [nn.Linear(columns, rows), ACTIVATIONS[name]()]
    outputs, inputs = trainer.params[-1]["weight"].shape[1:]
    model = nn.Sequential(*layers, nn.Linear(inputs, outputs)).double()
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for linear, values in zip(linears, trainer.params, strict=True):
            linear.weight.copy_(values["weight"][0])
            linear.bias.copy_(values["bias"][0])
    trainer.measure(0)
    expected = trainer.measurements.rows[0]
    profile = measure(model, (trainer.probe_x[0], trainer.probe_y[0]), "cross_entropy")
    assert [block.name for block in profile.blocks] == [str(2 * place) for place in range(7)]
    measured = torch.tensor([block.log_grad_norm for block in profile.blocks], dtype=torch.float64)
    torch.testing.assert_close(measured, expected["log_grad_norm_RL"][0], rtol=0, atol=1e-10)
    weights = torch.tensor([block.log_weight_grad_norm for block in profile.blocks], dtype=torch.float64)
    torch.testing.assert_close(weights, expected["log_weight_grad_norm_RL"][0], rtol=0, atol=1e-10)
    for column in ("saturated", "dead", "zero_grad", "act_mean"):
        numbers = torch.tensor([getattr(block, column) for block in profile.blocks], dtype=torch.float64)
        torch.testing.assert_close(numbers, expected[f"{column}_RL"][0], rtol=0, atol=1e-12)


def test_a_thousand_sigmoid_blocks_are_below_the_range_of_float64_and_not_dead() -> None:
    torch.manual_seed(0)
    result = gl.probe(stack(1000, 64, nn.Sigmoid), torch.randn(8, 64))
    assert result.verdict == "vanishing"
    assert math.isfinite(result.log10_survival)
    assert result.log10_survival < -600
    # torch.nn.Linear draws with variance 1/(3 fan_in), for which mean-field theory says 0.141449 a block
    assert result.decay == pytest.approx(0.141449, rel=0.02)


class Residual(nn.Module):
    def __init__(self, width: int, *, relu: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        y = x + self.second(self.first(x).relu())
        return y.relu() if self.relu else y


@pytest.mark.parametrize("seed", range(3))
def test_the_product_of_value_and_gradient_is_the_same_at_every_cut_without_biases(seed: int) -> None:
    """Euler: above any cut a ReLU network without biases is homogeneous of degree 1."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(72, 16, bias=False), nn.ReLU(inplace=True),
        Residual(16, relu=True), Residual(16, relu=False), Residual(16, relu=True), nn.Linear(16, 5, bias=False),
    ).double()  # fmt: skip
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    values: dict[str, Tensor] = {}
    twin = copy.deepcopy(model)
    for name, module in twin.named_children():
        module.register_forward_hook(
            lambda _, __, output, name=name: (output.retain_grad(), values.__setitem__(name, output))[1]
        )
    for module in twin.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    weights = torch.randn(2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (twin(x.clone().requires_grad_()) * weights).sum().backward()
    products = [float((value.detach() * value.grad).sum()) for value in values.values() if value.grad is not None]
    assert products == pytest.approx([products[0]] * len(products), rel=1e-10)
    profile = measure(model, x, lambda output, _: (output * weights).sum(), blocks="cuts")
    norms = {block.name: block.log_grad_norm for block in profile.blocks}
    for name in ("1", "2", "4", "5", "8", "9", "10", "11"):
        assert norms[name] == pytest.approx(math.log(float(values[name].grad.norm())), abs=1e-10)


def state_of(model: nn.Module) -> list[object]:
    named = [*model.named_parameters(), *model.named_buffers()]
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()]
    return [
        {name: value.detach().clone() for name, value in named},
        {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()},
        [p.requires_grad for p in model.parameters()], [m.training for m in model.modules()], hooks,
        torch.get_rng_state(), torch.get_default_dtype(), [id(value) for _, value in named],
    ]  # fmt: skip


def same(first: object, second: object) -> bool:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


class Uncopyable(nn.Sequential):
    def __deepcopy__(self, memo: object) -> None:
        raise RuntimeError("only leaf tensors can be copied")


@pytest.mark.parametrize("kind", [nn.Sequential, Uncopyable])
def test_nothing_about_the_model_changes(kind: type[nn.Sequential]) -> None:
    model = kind(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Flatten(), nn.Linear(288, 4)
    )
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    model[0].weight.requires_grad_(False)
    model[3].eval()
    before = state_of(model)
    profile = measure(model, torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)))
    assert profile.dtype == "float64"
    assert any("in place" in note for note in profile.notes) == (kind is Uncopyable)
    assert same(state_of(model), before)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_replayed_layer_is_the_fused_one(kind: str, batch_first: bool, layers: int) -> None:
    layer = getattr(nn, kind)(5, 7, layers, batch_first=batch_first).double()
    for x in (torch.randn(4, 6, 5, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)):
        fused = layer(x)
        with replayed(layer):
            stepwise = layer(x)
        for expected, actual in zip(_flat(fused), _flat(stepwise), strict=True):
            torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)
    assert "forward" not in layer.__dict__


def _flat(output: tuple[Tensor, object]) -> list[Tensor]:
    state = output[1]
    return [output[0], *(state if isinstance(state, tuple) else [state])]


def test_the_profile_over_time_of_a_fused_layer_is_that_of_its_cell() -> None:
    class ByCell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.readout = nn.GRUCell(5, 7), nn.Linear(7, 2)

        def forward(self, x: Tensor) -> Tensor:
            h = x.new_zeros(x.shape[0], 7)
            for step in range(x.shape[1]):
                h = self.cell(x[:, step], h)
            return self.readout(h)

    class Fused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.readout = nn.GRU(5, 7, batch_first=True), nn.Linear(7, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.readout(self.layer(x)[0][:, -1])

    by_cell, fused = ByCell(), Fused()
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    with torch.no_grad():
        for name in names:
            getattr(fused.layer, f"{name}_l0").copy_(getattr(by_cell.cell, name))
        fused.readout.load_state_dict(by_cell.readout.state_dict())
    x, y = torch.randn(3, 9, 5), torch.randint(2, (3,))
    profiles = [measure(model, (x, y), "cross_entropy") for model in (by_cell, fused)]
    assert [block.kind for block in profiles[1].blocks] == ["GRU"] * 9
    assert [block.call for block in profiles[0].blocks] == list(range(1, 10))
    first, second = ([block.log_grad_norm for block in profile.blocks] for profile in profiles)
    assert first == pytest.approx(second, abs=1e-10)


def test_seeds_give_an_interval() -> None:
    result = gl.probe(None, torch.randn(8, 32), make=lambda seed: stack(10, 32, nn.ReLU), seeds=5)
    summary = result.result.summary
    assert len(result.result.profiles) == 5
    low, high = summary.log_survival_interval
    assert low < summary.log_survival < high
    # torch's default initialisation: ReLU keeps 0.408248 of the gradient a block
    assert summary.log_decay == pytest.approx(math.log(0.408248), abs=0.15)
    assert summarise(result.result.profiles[:1]).log_survival_interval != (low, high)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blocks": "nothing"}, "no module 'nothing' was called"),
        ({"blocks": "joins"}, "nothing is added or concatenated"),
        ({"loss": "cross_entropy"}, "needs targets"),
        ({"loss": "huber"}, "'huber' is not known"),
        ({"loss": "token"}, "needs an output [batch, tokens, features]"),
        ({"source": "ids"}, "no input of the model"),
        ({"loss": lambda output, _: output}, "the loss returned shape"),
        ({"seeds": 2}, "make="),
    ],
)
def test_what_does_not_fit_is_one_message(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        gl.probe(stack(3, 4, nn.Tanh), torch.randn(2, 4), **arguments)
    assert message in str(caught.value)


def test_cross_entropy_of_tokens_has_the_classes_last() -> None:
    torch.manual_seed(0)
    model, x, y = nn.Linear(4, 7), torch.randn(2, 5, 4), torch.randint(7, (2, 5))
    expected = nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
    assert measure(model, (x, y), "cross_entropy").loss == pytest.approx(expected.item(), rel=1e-6)
    images = nn.Conv2d(3, 7, 1), (torch.randn(2, 3, 5, 5), torch.randint(7, (2, 5, 5)))
    assert measure(*images, "cross_entropy").loss > 0
    with pytest.raises(UsageError, match=r"cross_entropy.*an output \[2, 5, 7\] and targets \[2, 4\]"):
        measure(model, (x, y[:, :4]), "cross_entropy")


def test_what_the_model_raises_comes_through() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        gl.probe(stack(3, 4, nn.Tanh), torch.randn(2, 5))


def test_a_layer_whose_weight_is_computed_is_a_block_like_another() -> None:
    """Weight norm at its start leaves the weight as it was: so the profile is that of the plain stack."""
    torch.manual_seed(0)
    plain = stack(4, 8, nn.Tanh)
    normed = copy.deepcopy(plain)
    for layer in normed[:-1:2]:
        weight_norm(layer)
    x = torch.randn(16, 8)
    expected, actual = measure(plain, x), measure(normed, x)
    assert [block.name for block in actual.blocks] == [block.name for block in expected.blocks] == ["0", "2", "4", "6"]
    for block, plain_block in zip(actual.blocks, expected.blocks, strict=True):
        assert block.log_grad_norm == pytest.approx(plain_block.log_grad_norm, abs=1e-6)  # g and v are float32
    assert [len(block.weights) for block in actual.blocks] == [2, 2, 2, 2]
