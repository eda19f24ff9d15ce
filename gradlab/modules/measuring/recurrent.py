"""Fused recurrent layers, replayed step by step: only then is there a gradient at each hidden state.

The output that `torch.nn.RNN`, `LSTM` and `GRU` hand out at a step has the direct gradient of the loss alone; what
comes back through later steps stays in the kernel. The replay computes the same map with the layer's own weights, one
call of a module for each time step, all layers in it. On the way it takes what the gates let through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from gradlab.modules.chains.blocks import REPLAYED

__all__ = ["Gates", "replayed"]

Gates = dict[tuple[nn.Module, int], list[Tensor]]
"""By layer, or cell, and depth in it: at each time step the mean over batch and units of the gate that the state goes
through, of LSTM the forget gate, of GRU the update gate."""

_CELLS: dict[str, Callable[..., Any]] = {
    "LSTM": torch._VF.lstm_cell, "GRU": torch._VF.gru_cell,
    "RNN_TANH": torch._VF.rnn_tanh_cell, "RNN_RELU": torch._VF.rnn_relu_cell,
}  # fmt: skip


class _Step(nn.Module):
    """One time step of all layers of a fused recurrent layer."""

    def __init__(self, layer: nn.RNNBase, gates: Gates) -> None:
        super().__init__()
        object.__setattr__(self, REPLAYED, (layer,))  # a tuple: the layer is not a child of its own step
        self._gates = gates

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the hidden states `[D, N, H]` after a step with input `[n, I]`, and the cell states of an LSTM. Of a
        packed batch n falls below N: the states of the sequences that have ended, the last ones, stay."""
        layer: nn.RNNBase = getattr(self, REPLAYED)[0]
        running, total = x.shape[0], hidden.shape[1]
        states = [hidden] if cell is None else [hidden, cell]
        ended = [state[:, running:] for state in states] if running < total else []
        if ended:
            hidden, cell = hidden[:, :running], None if cell is None else cell[:, :running]
        function = _CELLS[layer.mode]
        hiddens, cells = [], []
        for depth, weights in enumerate(layer.all_weights):
            size = 4 if layer.bias else 2
            matrices: list[Any] = [*weights[:size], *[None] * (4 - size)]
            if depth and layer.dropout:
                x = nn.functional.dropout(x, layer.dropout, layer.training)
            if layer.mode in ("LSTM", "GRU"):
                _note(self._gates, (layer, depth), x, hidden[depth], *matrices)
            if cell is None:
                h = function(x, hidden[depth], *matrices)
            else:
                h, c = function(x, (hidden[depth], cell[depth]), *matrices)
                cells.append(c)
            hiddens.append(h)
            x = h
        # one tensor for all layers, so that the whole hidden state has one gradient
        after = [torch.stack(layers) for layers in (hiddens, cells) if layers]
        if ended:
            after = [torch.cat([state, rest], 1) for state, rest in zip(after, ended, strict=True)]
        return after[0], after[1] if cells else None


@contextmanager
def replayed(model: nn.Module) -> Iterator[Gates]:
    """As a context: run every fused recurrent layer of `model` step by step; gives the gates of layers and cells.

    Bidirectional layers, which have no chain over time, and those with a projection run as they are.
    """
    gates: Gates = {}
    layers = [module for module in model.modules() if isinstance(module, _FUSED)]
    layers = [layer for layer in layers if not layer.bidirectional and not layer.proj_size]
    cells = [module for module in model.modules() if isinstance(module, nn.LSTMCell | nn.GRUCell)]
    handles = [cell.register_forward_pre_hook(partial(_called, gates), with_kwargs=True) for cell in cells]
    for layer in layers:
        layer.add_module("step", _Step(layer, gates))
    _patch(layers)
    try:
        yield gates
    finally:
        _unpatch(layers)
        for layer in layers:
            del layer._modules["step"]
        for handle in handles:
            handle.remove()


_FUSED = (nn.RNN, nn.LSTM, nn.GRU)
_FORWARDS: dict[type[nn.RNNBase], Callable[..., Any]] = {kind: kind.forward for kind in _FUSED}
_replayed: set[nn.RNNBase] = set()
"""The layers that run step by step at the moment, of whatever model and thread."""
_lock = Lock()


def _patch(layers: Sequence[nn.RNNBase]) -> None:
    """Have layers run step by step: also where the forward of a class of the user calls that of torch."""
    with _lock:
        _replayed.update(layers)
        for kind in _FUSED if layers else ():
            kind.forward = _step_by_step(kind)  # type: ignore[method-assign]


def _unpatch(layers: Sequence[nn.RNNBase]) -> None:
    with _lock:
        _replayed.difference_update(layers)
        for kind in _FUSED if not _replayed else ():
            kind.forward = _FORWARDS[kind]  # type: ignore[method-assign]


def _step_by_step(kind: type[nn.RNNBase]) -> Callable[..., Any]:
    fused = _FORWARDS[kind]

    @wraps(fused)
    def forward(self: nn.RNNBase, input: Tensor | PackedSequence, hx: Any = None) -> Any:
        if self not in _replayed:
            return fused(self, input, hx)
        if isinstance(input, PackedSequence):
            return _packed(self, input, hx)
        return _padded(self, input, hx) if input.ndim in (2, 3) else fused(self, input, hx)

    return forward


def _called(gates: Gates, cell: nn.RNNCellBase, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    arguments = dict(zip(("input", "hx"), args, strict=False)) | kwargs
    x, hidden = arguments.get("input"), arguments.get("hx")
    hidden = hidden[0] if isinstance(hidden, tuple | list) else hidden
    if isinstance(x, Tensor):
        biases = (cell.bias_ih, cell.bias_hh) if cell.bias else (None, None)
        hidden = x.new_zeros(*x.shape[:-1], cell.hidden_size) if hidden is None else hidden
        _note(gates, (cell, 0), x, hidden, cell.weight_ih, cell.weight_hh, *biases)


def _note(
    gates: Gates, place: tuple[nn.Module, int], x: Tensor, hidden: Tensor, input_weight: Tensor, weight: Tensor,
    input_bias: Tensor | None, bias: Tensor | None,
) -> None:  # fmt: skip
    """Add what the gate of the state lets through in one step: of both kinds of layer it is the second of the gates."""
    units = weight.shape[1]
    gate_rows = slice(units, 2 * units)
    with torch._C.DisableTorchFunction(), torch.no_grad():  # it is none of the operations of the model
        sums = nn.functional.linear(x, input_weight[gate_rows], None if input_bias is None else input_bias[gate_rows])
        sums = sums + nn.functional.linear(hidden, weight[gate_rows], None if bias is None else bias[gate_rows])
        gates.setdefault(place, []).append(sums.sigmoid().mean())


def _padded(layer: nn.RNNBase, x: Tensor, hx: Any) -> Any:
    """Run a layer on sequences of one length."""
    step = layer.get_submodule("step")
    batched = x.ndim == 3
    steps = x.unsqueeze(1) if not batched else x.transpose(0, 1) if layer.batch_first else x
    is_lstm = layer.mode == "LSTM"
    if hx is None:
        hidden = steps.new_zeros(layer.num_layers, steps.shape[1], layer.hidden_size)
        cell = torch.zeros_like(hidden) if is_lstm else None
    else:
        hidden, cell = hx if is_lstm else (hx, None)
        hidden = hidden if batched else hidden.unsqueeze(1)
        cell = cell if batched or cell is None else cell.unsqueeze(1)
    outputs = []
    for x_t in steps.unbind(0):
        hidden, cell = step(x_t, hidden, cell)
        outputs.append(hidden[-1])
    output = torch.stack(outputs)
    if not batched:
        output, hidden, cell = output.squeeze(1), hidden.squeeze(1), cell.squeeze(1) if cell is not None else None
    elif layer.batch_first:
        output = output.transpose(0, 1)
    return output, ((hidden, cell) if is_lstm else hidden)


def _packed(layer: nn.RNNBase, x: PackedSequence, hx: Any) -> Any:
    """Run a layer on sequences of different lengths, the longest first."""
    step, order = layer.get_submodule("step"), x.sorted_indices
    sizes = x.batch_sizes.tolist()
    if hx is None:
        hidden = x.data.new_zeros(layer.num_layers, sizes[0], layer.hidden_size)
        cell = torch.zeros_like(hidden) if layer.mode == "LSTM" else None
    else:
        hidden, cell = (
            (state if order is None else state[:, order] for state in hx)
            if layer.mode == "LSTM"
            else (hx if order is None else hx[:, order], None)
        )
    outputs = []
    for x_t in torch.split(x.data, sizes):
        hidden, cell = step(x_t, hidden, cell)
        outputs.append(hidden[-1, : x_t.shape[0]])
    output = PackedSequence(torch.cat(outputs), x.batch_sizes, order, x.unsorted_indices)
    if x.unsorted_indices is not None:
        hidden, cell = hidden[:, x.unsorted_indices], None if cell is None else cell[:, x.unsorted_indices]
    return output, ((hidden, cell) if layer.mode == "LSTM" else hidden)
