"""Recurrent models as people write them: packed batches, cells by hand, both directions; and what helps them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import gradlab as gl
from gradlab.modules.measuring.probe import measure

UNITS, LENGTHS = 6, (3, 7, 5)


class Packed(nn.Module):
    """Sequences of different lengths, not sorted; `ends`: the last state of each is used, else every output."""

    def __init__(self, layer: nn.RNNBase, *, ends: bool) -> None:
        super().__init__()
        self.layer, self.ends = layer, ends

    def forward(self, x: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
        output, state = self.layer(packed)
        assert isinstance(output, PackedSequence)
        last: Tensor = (state[0] if isinstance(state, tuple) else state)[-1]
        return last if self.ends else pad_packed_sequence(output, batch_first=True)[0]


def states_of_each(layer: nn.RNNBase, x: Tensor) -> list[list[Tensor]]:
    """Return the hidden states of every sequence by itself after each of the steps; after its end the last one."""
    cell_type = {"LSTM": nn.LSTMCell, "GRU": nn.GRUCell}[layer.mode]
    cell = cell_type(x.shape[2], UNITS).double()
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    states: list[list[Tensor]] = []
    for sample, length in zip(x, LENGTHS, strict=True):
        state, hiddens = None, []
        for step in sample[:length]:
            state = cell(step, state)
            hidden = state[0] if isinstance(state, tuple) else state
            hidden.retain_grad()
            hiddens.append(hidden)
        states.append(hiddens)
    return states


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("ends", [True, False])
def test_a_packed_batch_has_a_profile_over_time(kind: type[nn.RNNBase], ends: bool) -> None:
    torch.manual_seed(0)
    layer = kind(4, UNITS, batch_first=True).double()
    x = torch.randn(len(LENGTHS), max(LENGTHS), 4, dtype=torch.float64)
    model = Packed(layer, ends=ends)
    profile = measure(model, x)
    assert len(profile.blocks) == max(LENGTHS)
    states = states_of_each(layer, x)
    padded = [[*hiddens, *[torch.zeros(UNITS)] * (max(LENGTHS) - len(hiddens))] for hiddens in states]
    output = torch.stack([hiddens[-1] if ends else torch.stack(hiddens) for hiddens in (states if ends else padded)])
    torch.testing.assert_close(model(x), output, rtol=0, atol=1e-12)
    draws = torch.randn(output.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (output * draws).sum().backward()
    for place, block in enumerate(profile.blocks):
        # a sequence that has ended keeps its last state
        gradients = [hiddens[min(place, len(hiddens) - 1)].grad for hiddens in states]
        ended = [place >= length for length in LENGTHS]
        wanted = [0.0 if over and not ends else float(g.norm()) for g, over in zip(gradients, ended, strict=True)]  # type: ignore[union-attr]
        assert block.log_grad_norm == pytest.approx(math.log(math.hypot(*wanted)), abs=1e-10)


class WithLengths(nn.LSTM):
    """A layer of the user that packs what it is given, as forecasting packages have them."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Any:  # type: ignore[override]
        if lengths is None:
            return super().forward(input=x)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        output, state = super().forward(packed)
        return pad_packed_sequence(output, batch_first=True)[0], state


@pytest.mark.parametrize("lengths", [None, torch.tensor(LENGTHS)])
def test_a_class_of_the_user_that_calls_the_forward_of_torch(lengths: Tensor | None) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = WithLengths(4, UNITS, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            state: Tensor = self.layer(x, lengths=lengths)[1][0]
            return state[-1]

    torch.manual_seed(0)
    model, x = Net(), torch.randn(len(LENGTHS), max(LENGTHS), 4)
    before = nn.LSTM.forward
    profile = measure(model, x)
    assert nn.LSTM.forward is before
    plain = nn.LSTM(4, UNITS, batch_first=True)
    plain.load_state_dict(model.layer.state_dict())
    same = measure(Packed(plain, ends=True) if lengths is not None else Ends(plain), x)
    assert len(profile.blocks) == max(LENGTHS)
    wanted = [block.log_grad_norm for block in same.blocks]
    assert [block.log_grad_norm for block in profile.blocks] == pytest.approx(wanted, abs=1e-10)


class Ends(nn.Module):
    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        state: Tensor = self.layer(x)[1][0]
        return state[-1]


class Cell(nn.Module):
    """The cell of many a tutorial: it returns its output and its state."""

    def __init__(self) -> None:
        super().__init__()
        self.of_input, self.of_state, self.readout = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(self.of_input(x) + self.of_state(state))
        return self.readout(state), state


class Loop(nn.Module):
    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[0], 8)
        for step in x.unbind(1):
            output, state = self.cell(step, state)
        return output


def by_steps(cell: nn.Module) -> Tensor:
    """Call a cell step by step, as the training function of a tutorial does."""
    x, state = torch.randn(25, 5, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(5, 8)
    dtype = next(cell.parameters()).dtype
    state = state.to(dtype)
    for step in x.to(dtype):
        output, state = cell(step, state)
    return output


@pytest.mark.parametrize(("inside", "name"), [(True, "cell"), (False, "Cell")])
def test_the_matrix_of_a_cell_by_hand_is_the_cause(inside: bool, name: str) -> None:
    torch.manual_seed(0)
    cell = Cell()
    result = gl.probe(Loop(cell) if inside else cell, torch.randn(5, 25, 4) if inside else by_steps)
    assert result.verdict == "vanishing"
    radius = float(torch.linalg.eigvals(cell.of_state.weight.detach().double()).abs().max())
    (cause,) = [cause for cause in result.result.causes if f"recurrent matrix of {name}.of_state" in cause.what]
    assert cause.evidence["largest eigenvalue"] == pytest.approx(radius, rel=1e-6)


class Residual(Cell):
    """Adds to its state, which goes past its matrix."""

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = 0.7 * state + 0.1 * torch.tanh(self.of_input(x) + self.of_state(state))
        return self.readout(state), state


def test_a_state_that_goes_past_the_matrix_has_another_cause() -> None:
    torch.manual_seed(0)
    result = gl.probe(Loop(Residual()), torch.randn(5, 40, 4))
    assert result.verdict == "vanishing"
    assert not any("recurrent matrix" in cause.what for cause in result.result.causes)


def test_a_class_of_the_user_has_the_gates_of_its_layer() -> None:
    torch.manual_seed(0)
    result = gl.probe(Ends(WithLengths(4, UNITS, batch_first=True)), torch.randn(3, 60, 4))
    assert result.verdict == "vanishing"
    assert any(cause.what.startswith("the forget gate of layer_l0 keeps") for cause in result.result.causes)


def test_a_layer_that_is_the_model_has_its_cause_and_what_helps() -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(3, 16, batch_first=True)
    result = gl.probe(layer, torch.randn(4, 60, 3), lambda output, _: output[0][:, -1].sum())
    assert result.verdict == "vanishing"
    assert any(cause.what.startswith("the forget gate of LSTM_l0 keeps") for cause in result.result.causes)
    assert result.cure()[0].helps


class Last(nn.Module):
    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer, self.readout = layer, nn.Linear(layer.hidden_size * (1 + layer.bidirectional), 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.readout(self.layer(x)[0][:, -1])
        return y


@pytest.mark.parametrize(
    ("kind", "words"), [(nn.LSTM, "biases for the forget gate"), (nn.GRU, "biases for the update gate"),
                        (nn.RNN, "that are the identity")],
)  # fmt: skip
def test_gates_that_stay_open_and_matrices_that_keep_lengths_help(kind: type[nn.RNNBase], words: str) -> None:
    torch.manual_seed(0)
    model, x = Last(kind(3, 24, batch_first=True)), torch.randn(4, 50, 3)
    result = gl.probe(model, x)
    assert result.verdict == "vanishing"
    cure = next(cure for cure in result.cure() if words in cure.what)
    assert cure.helps
    torch.manual_seed(0)  # of the draws
    exec(cure.code, {"model": model})
    after = gl.probe(model, x)
    assert after.log10_survival == pytest.approx(cure.after.log_survival / math.log(10), abs=1e-5)
    assert after.log10_survival > result.log10_survival / 2
    steps = range(len(after.blocks) - 1, 0, -1)
    assert len(after.blocks) == 50
    assert all(math.isfinite(after.blocks.log10_grad_norm[step]) for step in steps)


def test_both_directions_have_no_profile_over_time_and_it_is_said() -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
    profile = measure(Last(layer), torch.randn(2, 5, 3))
    assert "no profile over the time steps of layer: it runs in both directions" in profile.notes
    profile = measure(Last(nn.LSTM(3, 4, batch_first=True)), torch.randn(2, 5, 3))
    assert not any("time steps" in note for note in profile.notes)
    assert "no theory for 4 blocks: a time step of LSTM" in profile.notes


class Written(nn.Module):
    """A recurrence in the operations of a forward."""

    def __init__(self) -> None:
        super().__init__()
        self.of_input, self.of_state = nn.Parameter(torch.randn(4, 8)), nn.Parameter(torch.randn(8, 8) / 3)
        self.readout = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[0], 8)
        for step in x.unbind(1):
            state = torch.tanh(step @ self.of_input + state @ self.of_state)
        y: Tensor = self.readout(state)
        return y


def test_a_recurrence_inside_one_block_is_said() -> None:
    torch.manual_seed(0)
    profile = measure(Written(), torch.randn(3, 6, 4))
    assert len(profile.blocks) == 1
    # the first state is a constant, so that its product is no path from the data
    assert any(note.startswith("of_state is used 5 times in a row inside one block") for note in profile.notes)
    heads = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    assert not any("in a row" in note for note in measure(heads, torch.randn(3, 4)).notes)
