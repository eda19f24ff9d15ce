"""Recurrent networks of vanilla, LSTM, GRU or minimal cells: `depth` stacked layers along `seq_len` time steps."""

from __future__ import annotations

from collections.abc import Mapping

from gradlab.components import Named, Param
from gradlab.families.base import Axis, Cost, Family, Sizes

__all__ = ["GRU", "LSTM", "MINIMAL_RNN", "RNN"]


def _length(cell: Sizes) -> int:
    if cell.seq_len is None:
        raise ValueError(f"a cell with model {cell.model} has no seq_len: gradlab.grid fills it in")
    return cell.seq_len


TIME = Axis(
    setting="seq_len",
    unit="time step",
    step="step",
    direction="along time",
    ends="time step (first → last)",
    along="seq_len",
    networks="recurrent networks",
    ratio="gradient norm, first time step (lag T-1) ÷ last",
)

_CHRONO = Param(0, int, low=0)
"""Biases of the memory's gate for dependencies of up to so many steps (Tallec & Ollivier 2018); 0: none of that."""


def _family(
    summary: str, matrices: int, theory: str, *, compared: bool, activations: bool = False, **params: Param
) -> Family:
    """Return the family of one kind of cell, whose layers have so many recurrent matrices `[H, H]`."""

    def parameters(cell: Sizes) -> int:
        """Inputs are taken for few."""
        return cell.width * (matrices * (2 * cell.depth - 1) * (cell.width + 1) + 1)

    def units(cell: Sizes) -> int:
        return cell.depth * cell.width * matrices * (cell.seq_len or 1)

    def products(cell: Sizes) -> int:
        return parameters(cell) * (cell.seq_len or 1)

    def maps(cell: Sizes) -> int:
        return cell.depth * (cell.seq_len or 1)

    def bank(cell: Sizes) -> Mapping[str, float]:
        return {"time_bank": 1, "sequence_per_cell": cell.seq_len or 1}  # data are drawn for each seed

    return Family(
        "gradlab.families.recurrent.network:Recurrent",
        summary,
        {**params, "input_gain": Param(1.0, low=0), "truncate": Param(0, int, low=0)},
        axis=TIME,
        length=_length,
        inputs=("sequences", "tokens"),
        cost=Cost(parameters, units, products, maps, "time_block", bank),
        theory=f"gradlab.mean_field.{theory}:THEORY",
        defaults={"task": Named("adding"), "depth": 1, "activation": Named("tanh"), "init": Named("orthogonal")},
        allows={"norm": ("none", "layer", "rms", "dyt", "derf"), "residual": ("none", "add"), "branch_init": ("none",)},
        ignores=("norm_position",),
        sweep={
            "width": 32, "optimizer": "adam", "lr": 0.01, "train.steps": 300, "train.batch_size": 32, "probe.at": [0],
            "seeds": 3,
        },
        init_of_activation=False,
        activations=activations,
        compared=compared,
    )  # fmt: skip


RNN = _family("h' = act(Ux + Wh + b), `init` for W (Elman 1990)", 1, "vanilla_rnn", compared=True, activations=True)
LSTM = _family(
    "gates, and a cell state that adds up (Hochreiter & Schmidhuber 1997; Gers 2000)",
    4,
    "gated_rnn",
    compared=True,
    forget_bias=Param(1.0),
    chrono=_CHRONO,
)
GRU = _family("two gates, no cell state (Cho 2014)", 3, "gated_rnn", compared=True, chrono=_CHRONO)
MINIMAL_RNN = _family(
    "one gate between the state and a map of the input (Chen 2017)", 2, "gated_rnn", compared=False, chrono=_CHRONO
)
