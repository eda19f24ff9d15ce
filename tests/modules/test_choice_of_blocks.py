"""Which blocks are chosen for models whose chain is not simply every call of one class."""

from __future__ import annotations

import pytest
import torch
from networks import WIDTH, Block
from torch import Tensor, nn

from gradlab.modules.measuring.probe import measure
from gradlab.modules.summary import verdict


class Attention(nn.Module):
    """A residual block of another class than `Block`, wider."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        x = x + self.mix(y, y, y, need_weights=False)[0]
        return x + self.mlp(x)


class Stages(nn.Module):
    """Convolution-like blocks below, attention above, as hybrid networks have them."""

    def __init__(self, *kinds: type[nn.Module], classes: int = 3) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.ModuleList([kind(), kind()]) for kind in kinds)
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return self.head(x.mean(1))


class Layers(nn.Module):
    """A stage that adds what its parts make in its own forward."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)) for _ in range(2)])
            for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        for mixing, mlp in self.layers:  # type: ignore[misc]
            x = x + mixing(x)
            x = x + mlp(x)
        return x


def tokens() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 5, WIDTH)


def test_blocks_of_several_classes_in_like_places_are_one_chain() -> None:
    profile = measure(Stages(Block, Attention, Attention), tokens())
    names = [f"stages.{stage}.{place}" for stage in range(3) for place in range(2)]
    assert [block.name for block in profile.blocks] == names  # the attention blocks alone hold more than half
    assert profile.rule == "every Block and Attention"
    assert all(block.is_cut for block in profile.blocks)


def test_a_few_stages_are_resolved_into_the_adds_inside_them() -> None:
    model = nn.Sequential(Layers(2), Layers(2), Layers(6), nn.Flatten(), nn.Linear(5 * WIDTH, 3))
    profile = measure(model, tokens())
    assert profile.rule == "the joins of several paths"
    assert len(profile.blocks) == 20
    assert all(block.is_cut for block in profile.blocks)


def test_a_readout_of_many_classes_does_not_outweigh_the_blocks() -> None:
    model = Stages(Block, Block, classes=4000)
    assert sum(parameter.numel() for parameter in model.head.parameters()) > 10 * sum(
        parameter.numel() for parameter in model.stages.parameters()
    )
    assert measure(model, tokens()).rule == "every Block"


def test_a_larger_part_that_the_loss_does_not_use_is_not_counted() -> None:
    class Student(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student, self.teacher = Stages(Block, Block), nn.Linear(1000, 1000)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                self.teacher(torch.ones(1, 1000))
            return self.student(x)

    assert measure(Student(), tokens()).rule == "every Block"


def test_the_input_that_several_maps_read_is_no_block() -> None:
    class TwoViews(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            return self.left(x).sin().sum() + self.right(x).cos().sum()

    profile = measure(TwoViews(), tokens())
    assert verdict(profile) != "dead"
    assert [block.name for block in profile.blocks] == ["left", "right"]
    assert not any(block.is_cut for block in profile.blocks)


def test_of_all_cuts_the_input_is_none() -> None:
    profile = measure(nn.Sequential(nn.Identity(), nn.Linear(WIDTH, WIDTH), nn.Tanh()), tokens(), blocks="cuts")
    assert [block.name for block in profile.blocks] == ["1", "2"]


def test_an_add_in_place_to_a_view_has_the_name_of_its_module() -> None:
    class Slice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Linear(WIDTH, 2 * WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            y = self.map(x)[..., :WIDTH]
            y += x
            return y

    model = nn.Sequential(*(Slice() for _ in range(4)), nn.Linear(WIDTH, 3))
    profile = measure(model, tokens(), blocks="joins")
    assert [block.name for block in profile.blocks] == ["0", "1", "2", "3"]
    assert all(block.act_rms > 0 for block in profile.blocks)  # the value of the view was seen


class Conditioned(nn.Module):
    """Blocks with a second input: each reads it inside its branch, as with cross-attention."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.TransformerDecoderLayer(WIDTH, 2, 32, batch_first=True) for _ in range(4))
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, condition)
        return self.head(x)


def test_a_stream_with_a_condition_keeps_its_chain() -> None:
    profile = measure(Conditioned(), {"x": tokens(), "condition": torch.randn(2, 7, WIDTH)})
    assert profile.rule == "every TransformerDecoderLayer"
    assert len(profile.blocks) == 4
    assert all(block.is_cut for block in profile.blocks)


@pytest.mark.parametrize("maps", [1, 4])
def test_two_streams_that_mix_in_every_block_have_no_chain(maps: int) -> None:
    class Joint(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.of_x, self.of_y = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
            self.mlp = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH))

        def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            both = self.mlp(self.of_x(x).mean(1, keepdim=True) + self.of_y(y).mean(1, keepdim=True))
            return x + both, y + both

    class Streams(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(maps)))
            self.blocks = nn.ModuleList(Joint() for _ in range(4))

        def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            x = self.into(x)
            for block in self.blocks:
                x, y = block(x, y)
            return x, y

    profile = measure(Streams(), {"x": tokens(), "y": torch.randn(2, 3, WIDTH)})
    assert profile.rule.startswith("no chain")
    assert [block.name for block in profile.blocks] == [f"blocks.{place}" for place in range(4)]


class Cell(nn.Module):
    """A cell that returns what it says and its state, in this order, as tutorials write it."""

    def __init__(self, inputs: int = WIDTH) -> None:
        super().__init__()
        self.into, self.back, self.out = nn.Linear(inputs, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(self.into(x) + self.back(state))
        return self.out(state), state


class Loop(nn.Module):
    def __init__(self, *, direct: bool = False) -> None:
        super().__init__()
        self.cell, self.direct = Cell(), direct

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), WIDTH)
        for step in x.unbind(1):
            output, state = (self.cell.forward if self.direct else self.cell)(step, state)
        return output


@pytest.mark.parametrize("direct", [False, True], ids=["called", "its forward called"])
def test_the_state_of_a_cell_is_the_output_that_the_next_step_takes(direct: bool) -> None:
    model, x, weights = Loop(direct=direct).double(), tokens().double(), torch.randn(2, 3).double()
    profile = measure(model, x, lambda output, _: (output * weights).sum())
    assert profile.rule == "every time step of cell"
    state, states = torch.zeros(2, WIDTH, dtype=torch.float64), []
    for step in x.unbind(1):
        output, state = model.cell(step, state)
        state.retain_grad()
        states.append(state)
    (output * weights).sum().backward()
    expected = [float(state.grad.norm().log()) for state in states if state.grad is not None]
    torch.testing.assert_close([block.log_grad_norm for block in profile.blocks], expected, rtol=0, atol=1e-10)
    assert "forward" not in model.cell.__dict__


def test_of_a_stack_of_cells_the_states_of_the_top_are_the_chain() -> None:
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = nn.ModuleList(nn.GRUCell(WIDTH, WIDTH) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            states = [x.new_zeros(len(x), WIDTH) for _ in self.cells]
            for value in x.unbind(1):
                for place, cell in enumerate(self.cells):
                    value = states[place] = cell(value, states[place])
            return states[-1]

    profile = measure(Stack(), tokens())
    assert profile.rule == "every time step of cells.2"
    assert [block.call for block in profile.blocks] == [1, 2, 3, 4, 5]


def test_what_the_loss_inside_a_model_adds_is_no_block() -> None:
    class WithLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(4))
            self.head = nn.Linear(WIDTH, 3)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.net:
                x = x + torch.tanh(layer(x))
            logits = self.head(x)
            return (logits.logsumexp(-1) - logits[..., 0]).mean() + 0.1 * logits.square().mean()

    profile = measure(WithLoss(), tokens())
    assert [block.name for block in profile.blocks] == [f"net.{place}+" for place in range(4)]


def test_an_embedding_of_any_class_holds_no_block() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(5000, WIDTH))

        def forward(self, ids: Tensor) -> Tensor:
            return nn.functional.embedding(ids, self.weight)

    model = nn.Sequential(Table(), Attention(), Attention(), Attention(), nn.Linear(WIDTH, 3))
    assert measure(model, torch.randint(5000, (2, 5))).rule == "every Attention"


def test_one_block_with_most_of_the_parameters_among_many_has_no_chain() -> None:
    class Bypassed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList(nn.Linear(4 * WIDTH, 4 * WIDTH) for _ in range(5))
            self.up = nn.ModuleList(nn.Linear(8 * WIDTH, 4 * WIDTH) for _ in range(4))

        def forward(self, x: Tensor) -> Tensor:
            levels = []
            for layer in self.down:
                x = layer(x).relu()
                levels.append(x)
            for layer, level in zip(self.up, levels[-2::-1], strict=True):
                x = layer(torch.cat([x, level], -1)).relu()
            return x

    small = [nn.Linear(WIDTH, WIDTH) for _ in range(7)]
    model = nn.Sequential(*small, nn.Linear(WIDTH, 4 * WIDTH), Bypassed(), nn.Linear(4 * WIDTH, 3))
    profile = measure(model, tokens())
    assert profile.rule.startswith("no chain")
    assert {"8.down.4", "8.up.0"} <= {block.name for block in profile.blocks if not block.is_cut}
