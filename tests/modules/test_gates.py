"""What the gates of recurrent layers let through on a batch, against the equations of the layers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import gradlab as gl
from gradlab.modules.measuring.probe import measure

INPUTS, UNITS, STEPS, SAMPLES = 5, 12, 40, 6


class Last(nn.Module):
    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.layer(x)[0]
        return output[:, -1]


class Unrolled(nn.Module):
    """A cell called by a loop in Python."""

    def __init__(self, cell: nn.RNNCellBase) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return state[0] if isinstance(state, tuple) else state


def sequences() -> Tensor:
    return torch.randn(SAMPLES, STEPS, INPUTS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def gate_of(layer: nn.Module, suffix: str, x: Tensor, states: Tensor) -> float:
    """Return the mean of σ(W x_t + b + U h_{t-1} + c), the second gate of the layer; `states` are h_1 … h_T."""
    rows = slice(UNITS, 2 * UNITS)
    before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1)
    of_input = x @ getattr(layer, f"weight_ih{suffix}")[rows].T + getattr(layer, f"bias_ih{suffix}")[rows]
    of_state = before @ getattr(layer, f"weight_hh{suffix}")[rows].T + getattr(layer, f"bias_hh{suffix}")[rows]
    return float((of_input + of_state).sigmoid().mean())


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_the_gates_of_two_layers(kind: type[nn.RNNBase]) -> None:
    torch.manual_seed(0)
    layer = kind(INPUTS, UNITS, num_layers=2, batch_first=True).double()
    with torch.no_grad():  # away from what the biases say: inputs alone close the gate
        layer.weight_ih_l0[UNITS : 2 * UNITS] *= 10
    lower = kind(INPUTS, UNITS, batch_first=True).double()
    lower.load_state_dict({name: value for name, value in layer.state_dict().items() if name.endswith("_l0")})
    x = sequences()
    with torch.no_grad():
        below, above = lower(x)[0], layer(x)[0]
        expected = [gate_of(layer, "_l0", x, below), gate_of(layer, "_l1", below, above)]
    profile = measure(Last(layer), x)
    assert [recurrence.kept for recurrence in profile.recurrences] == pytest.approx(expected, rel=1e-12)
    assert [recurrence.name for recurrence in profile.recurrences] == ["layer_l0", "layer_l1"]


@pytest.mark.parametrize(("kind", "fused"), [(nn.LSTMCell, nn.LSTM), (nn.GRUCell, nn.GRU)])
def test_the_gates_of_a_cell_in_a_loop_are_those_of_the_layer(
    kind: type[nn.RNNCellBase], fused: type[nn.RNNBase]
) -> None:
    torch.manual_seed(0)
    cell, layer = kind(INPUTS, UNITS).double(), fused(INPUTS, UNITS, batch_first=True).double()
    layer.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()})
    of_cell, of_layer = measure(Unrolled(cell), sequences()), measure(Last(layer), sequences())
    assert of_cell.recurrences[0].kept == pytest.approx(of_layer.recurrences[0].kept, rel=1e-12)
    with torch.no_grad():
        assert of_layer.recurrences[0].kept == pytest.approx(gate_of(layer, "_l0", sequences(), layer(sequences())[0]))
    assert not of_cell.cut_off


def test_a_gate_that_the_data_close_is_the_cause_though_its_bias_is_open() -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(INPUTS, UNITS, batch_first=True)
    x = sequences().float()
    x[..., 0] = 1.0
    with torch.no_grad():
        layer.bias_hh_l0[UNITS : 2 * UNITS] = 6.0
        assert gl.probe(Last(layer), x).verdict == "healthy"
        layer.weight_ih_l0[UNITS : 2 * UNITS, 0] = -7.0
    cause = gl.probe(Last(layer), x).result.causes[0]
    assert "the forget gate of layer_l0 keeps" in cause.what
    assert cause.evidence["mean forget gate"] < 0.4


def test_seeds_give_the_mean_of_their_gates() -> None:
    def make(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return Last(nn.GRU(INPUTS, UNITS, batch_first=True))

    probe = gl.probe(None, sequences().float(), make=make, seeds=3)
    kept = [profile.recurrences[0].kept for profile in probe.result.profiles]
    assert len(set(kept)) == 3
    assert probe.result.causes[0].evidence["mean update gate"] == pytest.approx(sum(kept) / 3, rel=1e-12)
