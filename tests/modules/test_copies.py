"""Copies of models, against those of copy.deepcopy."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradlab.modules.copies.deep import deep_copy
from gradlab.modules.measuring.probe import measure


class Entangled(nn.Module):
    """Holds modules, tensors and containers by several names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.again = self.first
        self.layers = [self.first, self.second]  # no ModuleList
        self.by_name = {"first": self.first, "inner": {"second": self.second}}
        self.by_number = {0: self.second}
        self.empty: dict[str, Any] = {}
        self.same_empty = self.empty
        self.names = {"a", "b"}
        self.pair = (self.first, [1, 2])
        self.ordered = OrderedDict(one=1)
        self.register_buffer("table", torch.arange(6.0).reshape(2, 3))
        self.register_buffer("counts", torch.tensor([1, 2]))
        self.register_buffer("rotations", torch.polar(torch.ones(3), torch.arange(3.0)))
        self.view = self.counts[:1]
        self.constant = torch.full((3,), 2.0)
        self.attention = nn.MultiheadAttention(3, 1)  # has a __setstate__ of its own

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.table, Tensor)
        return self.second(self.first(x)) + self.table.sum(0)


def test_what_is_one_object_stays_one_object() -> None:
    model = Entangled()
    copied = deep_copy(model, torch.float64)
    assert isinstance(copied, Entangled)
    first, second = copied.first, copied.second
    assert first is not model.first
    assert second.weight is first.weight
    assert copied.again is first is copied.layers[0] is copied.by_name["first"] is copied.pair[0]
    assert copied.by_name["inner"]["second"] is second is copied.by_number[0]
    assert copied.empty is copied.same_empty
    assert copied.empty is not model.empty
    assert copied.names == {"a", "b"}
    assert copied.names is not model.names
    assert (copied.pair[1], copied.ordered) == ([1, 2], OrderedDict(one=1))
    assert isinstance(copied.counts, Tensor)
    assert copied.view.data_ptr() == copied.counts.data_ptr()
    assert copied.constant.dtype == torch.float64  # no buffer, and yet to fit the weights
    assert copied.constant.data_ptr() != model.constant.data_ptr()
    assert list(copied.__dict__) == list(model.__dict__)


@pytest.mark.parametrize("dtype", [None, torch.float64])
def test_the_tensors_are_those_of_deepcopy(dtype: torch.dtype | None) -> None:
    model = Entangled()
    model.first.bias.requires_grad_(False)
    model.first.weight.grad = torch.ones(3, 3)
    copied, expected = deep_copy(model, dtype), copy.deepcopy(model)
    if dtype is not None:
        expected = expected.double()  # leaves complex ones as they are
        expected.rotations = torch.polar(torch.ones(3), torch.arange(3.0)).to(torch.complex128)
    assert copied.state_dict().keys() == expected.state_dict().keys()
    for (name, ours), theirs in zip(copied.state_dict().items(), expected.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, msg=name)
    for name, parameter in copied.named_parameters():
        assert parameter.requires_grad == model.get_parameter(name).requires_grad
        assert parameter.grad is None
        assert parameter.data_ptr() != model.get_parameter(name).data_ptr()


class Kept(nn.Linear):
    """Says itself how it is copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Kept:
        return self


class Saved(nn.Linear):
    """Says itself what of it is saved."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "restored": True}


def test_a_class_that_says_how_it_is_copied_is_copied_so() -> None:
    model = nn.Sequential(Kept(2, 2), Saved(2, 2), nn.Linear(2, 2))
    copied = deep_copy(model, None)
    assert copied.get_submodule("0") is model[0]
    assert copied.get_submodule("1") is not model[1]
    assert copied.get_submodule("1").restored is True
    assert not hasattr(model[1], "restored")


class Rotated(nn.Module):
    """Turns pairs of features by angles from a complex table, as Llama's first code does."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.register_buffer("rotations", torch.polar(torch.ones(4), torch.linspace(0.3, 2, 4)))

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.rotations, Tensor)
        for layer in self.layers:
            pairs = torch.view_as_complex(layer(x).relu().reshape(-1, 4, 2).contiguous())
            x = torch.view_as_real(pairs * self.rotations).flatten(1)
        return x.square().sum()


@pytest.mark.filterwarnings("error")
def test_a_complex_buffer_keeps_its_imaginary_part() -> None:
    torch.manual_seed(0)
    model = Rotated()
    x = torch.randn(5, 8)
    profile = measure(model, x, blocks=["layers.*"])
    exact = copy.deepcopy(model).double()
    outputs: list[Tensor] = []
    for layer in exact.layers:
        layer.register_forward_hook(lambda *args: outputs.append(args[-1]))
    gradients = torch.autograd.grad(exact(x.double()), outputs)
    expected = [math.log(float(gradient.norm())) for gradient in gradients]
    # the table holds float32 numbers in both
    assert [block.log_grad_norm for block in profile.blocks] == pytest.approx(expected, abs=1e-12)


class Remembers(nn.Module):
    """Leaves tensors of its last forward in attributes, as maps of attention and losses beside the main one are."""

    class Table:
        def __init__(self) -> None:
            self.last: list[Tensor] = []

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*[layer for _ in range(4) for layer in (nn.Linear(3, 3), nn.Tanh())])
        self.table = self.Table()  # an object that is no module
        self.scores: Tensor | None = None
        self.projection = torch.eye(3)  # no buffer

    def forward(self, x: Tensor) -> Tensor:
        if self.scores is not None:
            assert self.scores.dtype == x.dtype
        self.scores = self.layers(x) @ self.projection
        self.table.last = [self.scores]
        return self.scores


@pytest.mark.parametrize("dtype", [None, torch.float64])
def test_what_a_forward_left_is_copied_without_its_graph(dtype: torch.dtype | None) -> None:
    model = Remembers()
    scores = model(torch.randn(2, 3))
    copied = deep_copy(model, dtype)
    assert isinstance(copied, Remembers)
    assert copied.scores is not None
    assert copied.table.last[0] is copied.scores
    torch.testing.assert_close(copied.scores, scores.detach().to(dtype or scores.dtype), rtol=0, atol=0)
    assert not copied.scores.requires_grad
    assert model.scores is scores
    assert scores.grad_fn is not None


def test_a_model_that_remembers_its_last_forward_is_measured_on_a_copy() -> None:
    model, x = Remembers(), torch.randn(2, 3)
    before = measure(model, x)
    scores = model(x)
    profile = measure(model, x)
    assert model.scores is scores
    assert scores.dtype == torch.float32
    assert (profile.notes, profile.dtype) == (before.notes, "float64")
    assert [block.log_grad_norm for block in profile.blocks] == [block.log_grad_norm for block in before.blocks]
