"""What models are called with besides a tensor, and inputs that enter in unusual places."""

from __future__ import annotations

import copy
import math
from collections.abc import MutableMapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from networks import WIDTH, Net
from torch import Tensor, nn

import gradlab as gl
from gradlab.errors import UsageError
from gradlab.modules.measuring.probe import measure


class Store(dict[str, Any]):
    """A part of a graph, as torch_geometric keeps it."""

    _key = None


class Graph:
    """Has what graphs of torch_geometric have: stores of tensors, and a call that gives its items."""

    def __init__(self, **parts: Any) -> None:
        self.stores: list[MutableMapping[str, Any]] = [Store(parts)]

    def __getattr__(self, name: str) -> Any:
        if name == "stores":
            raise AttributeError(name)
        return self.stores[0][name]

    def __call__(self, *names: str) -> Any:
        return ((name, self.stores[0][name]) for name in names)

    def __copy__(self) -> Graph:
        return Graph(**self.stores[0])


class Convolutions(nn.Module):
    """Maps of the nodes, and the mean over those that lead to each."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList([nn.Linear(8, 8) for _ in range(4)])

    def forward(self, data: Any) -> Tensor:
        x: Tensor = data.x
        below, above = data.edge_index
        for layer in self.maps:
            x = x + torch.zeros_like(x).index_add(0, above, torch.tanh(layer(x))[below])
        return x


def parts() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    return {"x": torch.randn(40, 8, generator=generator), "edge_index": torch.randint(40, (2, 90), generator=generator)}


@pytest.mark.parametrize("kind", [Graph, SimpleNamespace])
def test_an_object_with_tensors_is_what_the_model_is_called_with(kind: Any) -> None:
    torch.manual_seed(0)
    model, data = Convolutions(), kind(**parts())
    before = data.x.clone()
    profile = measure(model, data, samples=32 if kind is Graph else None)  # the rows of a graph belong together
    assert (profile.source, profile.dtype) == ("0.x", "float64")
    assert torch.equal(data.x, before)
    assert data.x.dtype == torch.float32
    reference = copy.deepcopy(model).double()
    x, (below, above) = data.x.double().requires_grad_(), data.edge_index
    outputs = [x]
    for layer in reference.maps:
        outputs.append(outputs[-1] + torch.zeros_like(x).index_add(0, above, torch.tanh(layer(outputs[-1]))[below]))
        outputs[-1].retain_grad()
    draws = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (outputs[-1] * draws).sum().backward()
    wanted = [float(output.grad.norm().log()) for output in outputs[1:] if output.grad is not None]
    assert [block.log_grad_norm for block in profile.blocks] == pytest.approx(wanted, abs=1e-10)


class Categories(nn.Module):
    """A table for each column, and a net of their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(10, WIDTH) for _ in range(3)])
        self.net = Net()

    def forward(self, columns: Tensor) -> Tensor:
        y: Tensor = self.net(torch.stack([t(columns[:, place]) for place, t in enumerate(self.tables)]).sum(0))
        return y


def test_the_columns_of_an_input_are_its_parts() -> None:
    profile = measure(Categories(), torch.randint(10, (4, 3), generator=torch.Generator().manual_seed(0)))
    assert profile.source == "0"
    assert [block.name for block in profile.blocks] == [f"net.blocks.{place}" for place in range(5)]


class OneTable(nn.Module):
    """One table for all columns, those of each behind those of the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.net = nn.Embedding(30, WIDTH), Net()
        self.register_buffer("offsets", torch.tensor([0, 10, 20]))

    def forward(self, columns: Tensor, values: Tensor) -> Tensor:
        y: Tensor = self.net(self.table(columns + self.offsets).sum(1)) * values
        return y


def test_categories_with_an_offset_for_each_column() -> None:
    columns = torch.randint(10, (4, 3), generator=torch.Generator().manual_seed(0))
    profile = measure(OneTable(), {"columns": columns, "values": torch.ones(4, 1)})
    assert profile.source == "columns"
    assert len(profile.blocks) == 5


def test_the_edges_of_a_graph_and_labels_are_no_tables() -> None:
    torch.manual_seed(0)
    data = Graph(**parts())
    profile = measure(Convolutions(), data)
    assert not any("edge_index" in note for note in profile.notes)

    class Labelled(Categories):
        def forward(self, columns: Tensor, targets: Tensor) -> Tensor:  # type: ignore[override]
            return -super().forward(columns).log_softmax(1).gather(1, targets[:, None]).mean()

    batch = {"targets": torch.tensor([0, 2, 1]), "columns": torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]])}
    profile = measure(Labelled(), batch)
    assert profile.source == "columns"
    assert not any("targets" in note for note in profile.notes)


class Series(nn.Module):
    """A net of numbers, and of a category that enters behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.table, self.readout = Net(), nn.Embedding(3, 3), nn.Linear(3, 2)

    def forward(self, values: Tensor, kind: Tensor) -> Tensor:
        y: Tensor = self.readout(self.net(values) + self.table(kind))
        return y


def test_a_category_that_little_depends_on_is_not_where_the_data_enter() -> None:
    batch = {"kind": torch.tensor([0, 1, 2, 0]), "values": torch.randn(4, WIDTH)}
    profile = measure(Series(), batch)
    assert profile.source == "values"
    assert len(profile.blocks) == 5
    assert measure(Series(), batch, source="kind").source == "kind"


class Restored(nn.Module):
    """Normalises its input, and undoes that at its output."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.net, self.last = nn.Linear(WIDTH, WIDTH), Net(), nn.Linear(3, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = x.mean(1, keepdim=True), x.std(1, keepdim=True)
        y: Tensor = self.last(self.net(self.first((x - mean) / deviation))) * deviation + mean
        return y


class Denoiser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.net, self.last = nn.Linear(WIDTH, WIDTH), Net(), nn.Linear(3, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return x - self.last(self.net(self.first(x)))


@pytest.mark.parametrize("kind", [Restored, Denoiser])
def test_the_chain_of_a_model_that_its_input_goes_past(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model, x = kind(), torch.randn(4, WIDTH)
    result = gl.probe(model, x)
    profile = result.result.profiles[0]
    assert [block.name for block in profile.blocks] == [f"net.blocks.{place}" for place in range(5)]
    assert all(block.is_cut for block in profile.blocks)
    assert profile.source == "the output of first"
    assert profile.notes[0] == (
        'input 0 also goes past the blocks: the chain begins at the output of first; source="0" begins it at the input'
    )
    assert result.verify() < 1e-10
    assert measure(model, x, source="0").source == "0"


class Factorised(nn.Module):
    """Products of the vectors of categories beside a net of them, so that nothing but their sum is a cut."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(10, 8) for _ in range(2)])
        self.net = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, columns: Tensor) -> Tensor:
        first, second = (table(columns[:, place]) for place, table in enumerate(self.tables))
        y: Tensor = (first * second).sum(1, keepdim=True) + self.net(torch.cat([first, second], 1))
        return y.sigmoid()


def test_a_net_beside_a_product_has_its_maps_in_order_of_execution() -> None:
    torch.manual_seed(0)
    result = gl.probe(Factorised(), torch.randint(10, (4, 2)))
    assert list(result.blocks.name) == ["net.0", "net.2", "net.4"]
    assert not result.blocks.is_cut.any()
    assert result.verify() < 1e-10


class TwoHeads(nn.Module):
    """Policy and value: a net each for one input."""

    def __init__(self) -> None:
        super().__init__()
        self.policy, self.value = Net(3), Net(3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.policy(x), self.value(x)


def test_of_blocks_side_by_side_none_is_said_to_change_the_gradient_of_another() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, WIDTH)
    result = gl.probe(TwoHeads(), x, lambda output, _: output[0].sum() + 1e-6 * output[1].sum())
    assert not result.blocks.is_cut.any()
    assert result.blocks.factor.max() > 1e3  # between the last block of one net and the first of the other
    assert "changes most" not in str(result)
    assert not any("block in the middle" in cause.what for cause in result.result.causes)


class Squares(torch.autograd.Function):
    """Calls a module inside, and computes its gradient by itself."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, module: nn.Module) -> Tensor:
        ctx.save_for_backward(x)
        ctx.module = module
        y: Tensor = module(x)
        return y.square()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (below,) = torch.autograd.grad(ctx.module(x).square(), x, gradient)
        return below, None


class Hidden(nn.Module):
    def __init__(self, *, readout: bool) -> None:
        super().__init__()
        self.inside = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH))
        self.readout = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2)) if readout else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = Squares.apply(x, self.inside)  # type: ignore[no-untyped-call]
        return y if self.readout is None else self.readout(y)


def test_modules_inside_a_function_with_its_own_gradient_are_named() -> None:
    torch.manual_seed(0)
    profile = measure(Hidden(readout=True), torch.randn(4, WIDTH))
    assert [note for note in profile.notes if note.startswith("inside may run inside Squares")]
    assert math.isfinite(profile.blocks[0].log_grad_norm)
    with pytest.raises(UsageError, match="no block: inside may run inside Squares"):
        measure(Hidden(readout=False), torch.randn(4, WIDTH))


class Cached(nn.Module):
    """Keeps what it computed; it cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.state = Net(), torch.ones(2)
        self.lines = (line for line in ())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        self.state, self.calls = y, 1
        return y


def test_what_a_model_keeps_is_as_before_where_it_is_measured_in_place() -> None:
    model = Cached()
    state, attributes = model.state, sorted(vars(model))
    assert "cannot be copied" in measure(model, torch.randn(4, WIDTH)).notes[0]
    assert model.state is state
    assert sorted(vars(model)) == attributes
