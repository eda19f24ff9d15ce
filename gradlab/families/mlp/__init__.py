"""The feed-forward network: `depth` blocks of `width` units and a linear readout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gradlab.components import Param, Task
from gradlab.families.base import Axis, Cost, Family, Sizes

__all__ = ["MLP"]


def _length(cell: Sizes) -> int:
    return cell.depth


def _parameters(cell: Sizes) -> int:
    """Inputs and outputs are taken for as many as units."""
    return (cell.depth + 1) * cell.width * (cell.width + 1)


def _units(cell: Sizes) -> int:
    return cell.depth * cell.width


def _bank(cell: Sizes) -> Mapping[str, float]:
    return {"bank": 1}  # data are read once in a process


def _idle(options: Mapping[str, Any], task: Task, residual: str) -> Iterable[str]:
    return () if task.of_indices else ("embedding", "embedding_std")


DEPTH = Axis(
    setting="depth",
    unit="block",
    step="block",
    direction="along the depth",
    ends="block (input → loss)",
    along="depth",
    networks="feed-forward networks",
    ratio="gradient norm, first block ÷ last",
)

MLP = Family(
    "gradlab.families.mlp.network:MLP",
    "`depth` blocks of `width` units and a linear readout; indices are looked up in vectors of length `embedding`",
    {"embedding": Param(8, int, low=1), "embedding_std": Param(0.1, low=0, above=True)},
    axis=DEPTH,
    length=_length,
    inputs=("features", "indices"),
    cost=Cost(_parameters, _units, _parameters, _length, "block", _bank),
    theory="gradlab.mean_field.feed_forward:THEORY",
    ignores=("seq_len",),
    idle=_idle,
    mixes_activations=True,
    sweep={"width": 32, "lr": 0.05, "train.steps": 100, "probe.at": [0], "seeds": 3},
    explored={"depth": 30},
    compared=True,
)
