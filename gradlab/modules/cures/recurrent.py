"""The changes that may help a recurrent layer: biases that open its gates, and recurrent matrices that keep lengths."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from gradlab.modules.cures.changes import Change
from gradlab.modules.profile import ModuleProfile

__all__ = ["recurrent_changes"]

_OPEN_GATES = """\
import torch
from torch import nn

for module in model.modules():
    if isinstance(module, nn.LSTM | nn.GRU | nn.LSTMCell | nn.GRUCell):
        units = module.hidden_size
        with torch.no_grad():
            for name, bias in module.named_parameters():
                if name.startswith("bias"):
                    gate = bias[units : 2 * units]  # the second of the gates keeps the state
                    {change}
                    gate.mul_(name.startswith("bias_ih"))  # it has two biases, which are added
"""
_MATRICES = """\
from torch import nn

for module in model.modules():
    if isinstance(module, nn.RNN | nn.RNNCell):
        for name, weight in module.named_parameters():
            if name.startswith("weight_hh"):
                nn.init.{function}(weight)
"""


def recurrent_changes(model: nn.Module, profile: ModuleProfile) -> Iterator[Change]:
    """Yield the changes of the recurrent layers of `torch.nn` in a model whose profile is one over time."""
    if not profile.recurrences:
        return
    layers = [module for module in model.modules() if isinstance(module, nn.RNNBase | nn.RNNCellBase)]
    gated = [layer for layer in layers if not isinstance(layer, nn.RNN | nn.RNNCell) and layer.bias]
    if gated:
        is_lstm = {isinstance(layer, nn.LSTM | nn.LSTMCell) for layer in gated}
        gates = " and ".join(f"the {'forget' if kind else 'update'} gate" for kind in sorted(is_lstm, reverse=True))
        steps = len(profile.blocks)
        spread = f"gate.uniform_(1, {max(2, steps - 1)}).log_()"
        yield Change(
            f"a bias of 1 for {gates}", "Jozefowicz 2015, PMLR 37:2342", _OPEN_GATES.format(change="gate.fill_(1.0)")
        )
        yield Change(
            f"biases for {gates} that keep the state for up to {steps} steps (chrono)",
            "Tallec 2018, arXiv 1804.11188", _OPEN_GATES.format(change=spread),
        )  # fmt: skip
    if any(isinstance(layer, nn.RNN | nn.RNNCell) for layer in layers):
        code = _MATRICES.format(function="orthogonal_")
        yield Change("orthogonal recurrent matrices", "Saxe 2013, arXiv 1312.6120", code)
        code = _MATRICES.format(function="eye_")
        yield Change("recurrent matrices that are the identity", "Le 2015, arXiv 1504.00941", code)
