"""Architectures by name, each with all that gradlab knows about it. Nothing outside asks what kind a model is.

A family is a folder with its declaration (no torch) and its network, and a line here.
"""

from __future__ import annotations

from gradlab.families.base import Axis, Cost, Family
from gradlab.families.conv import CONV
from gradlab.families.mlp import MLP
from gradlab.families.recurrent import GRU, LSTM, MINIMAL_RNN, RNN
from gradlab.families.transformer import TRANSFORMER

__all__ = ["FAMILIES", "Axis", "Cost", "Family", "family_of"]

FAMILIES: dict[str, Family] = {
    "mlp": MLP, "rnn": RNN, "lstm": LSTM, "gru": GRU, "minimal_rnn": MINIMAL_RNN, "conv": CONV,
    "transformer": TRANSFORMER,
}  # fmt: skip


def family_of(model: str) -> Family | None:
    """Return the family of a model as a table writes it, ``lstm(forget_bias=2)``; None for one not known here."""
    return FAMILIES.get(model.partition("(")[0])
