"""Fused recurrent layers, replayed step by step: only then is there a gradient at each hidden state.

The output that `torch.nn.RNN`, `LSTM` and `GRU` hand out at a step has the direct gradient of the loss alone; what
comes back through later steps stays in the kernel. The replay computes the same map with the layer's own weights, one
call of a module for each time step, all layers in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from gradlab.modules.blocks import REPLAYED

__all__ = ["replayed"]

_CELLS: dict[str, Callable[..., Any]] = {
    "LSTM": torch._VF.lstm_cell, "GRU": torch._VF.gru_cell,
    "RNN_TANH": torch._VF.rnn_tanh_cell, "RNN_RELU": torch._VF.rnn_relu_cell,
}  # fmt: skip


class _Step(nn.Module):
    """One time step of all layers of a fused recurrent layer."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        object.__setattr__(self, REPLAYED, (layer,))  # a tuple: the layer is not a child of its own step

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the hidden states `[D, N, H]` after a step with input `[N, I]`, and the cell states of an LSTM."""
        layer: nn.RNNBase = getattr(self, REPLAYED)[0]
        function = _CELLS[layer.mode]
        hiddens, cells = [], []
        for depth, weights in enumerate(layer.all_weights):
            size = 4 if layer.bias else 2
            matrices = [*weights[:size], *[None] * (4 - size)]
            if depth and layer.dropout:
                x = nn.functional.dropout(x, layer.dropout, layer.training)
            if cell is None:
                h = function(x, hidden[depth], *matrices)
            else:
                h, c = function(x, (hidden[depth], cell[depth]), *matrices)
                cells.append(c)
            hiddens.append(h)
            x = h
        # one tensor for all layers, so that the whole hidden state has one gradient
        return torch.stack(hiddens), torch.stack(cells) if cells else None


@contextmanager
def replayed(model: nn.Module) -> Iterator[None]:
    """As a context: run every fused recurrent layer of `model` step by step.

    Bidirectional layers, which have no chain over time, those with a projection, and packed sequences run as they are.
    """
    layers = [
        module
        for module in model.modules()
        if isinstance(module, nn.RNN | nn.LSTM | nn.GRU) and not module.bidirectional and not module.proj_size
    ]
    for layer in layers:
        layer.add_module("step", _Step(layer))
        layer.__dict__["forward"] = _forward(layer, layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.__dict__["forward"], layer._modules["step"]


def _forward(layer: nn.RNNBase, fused: Callable[..., Any]) -> Callable[..., Any]:
    step = layer.get_submodule("step")

    def forward(x: Tensor | PackedSequence, hx: Any = None) -> Any:
        if isinstance(x, PackedSequence) or x.ndim not in (2, 3):
            return fused(x, hx)
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

    return forward
