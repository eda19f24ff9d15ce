"""Statements about results, as values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from gradlab.query.expressions import And, Expression, Or

__all__ = ["AGGREGATES", "BLOCK_COLUMNS", "COLUMNS", "LAST_BLOCK", "Expectation", "Quantity", "Statement"]

AGGREGATES = ("mean", "min", "max")
COLUMNS = {
    "survival": "g_1/g_L before training, geometric mean over seeds",
    "log10_survival": "its log10",
    "log10_survival_sd": "standard deviation of it over the seeds",
    "survival_final": "g_1/g_L after training, geometric mean over seeds",
    "log10_survival_final": "its log10",
    "decay": "factor per block, before training",
    "reach": "blocks until a thousandth is left",
    "theory_survival": "what mean-field theory predicts",
    "theory_log10_survival": "its log10",
    "theory_decay": "what mean-field theory predicts",
    "theory_log10_sd": "what it predicts for log10_survival_sd",
    "theory_z": "deviation of the measured survival from theory, in standard deviations",
    "metric": "after training, mean over seeds",
    "loss": "after training, mean over seeds",
    "loss_first": "before training, mean over seeds",
    "learned": "share of the seeds that learned",
    "healthy": "share of the seeds with a healthy gradient before training",
    "diverged": "how many seeds diverged",
    "dead": "how many seeds have a gradient that is exactly zero, before training",
    "nonfinite": "how many seeds have a gradient that is not finite, before training",
    "clip_rate": "share of the training steps whose gradient was clipped, mean over seeds",
    "dead_units": "share of units that are dead before training, mean over blocks and seeds",
    "dead_units_final": "the same after training",
    "saturated": "share of units and samples that are saturated before training, mean over blocks and seeds",
    "saturated_final": "the same after training",
    "underflow": "share of the gradient's elements that the precision of training loses, mean over seeds",
    "cell_survival": "survival of an LSTM's cell state before training, geometric mean over seeds",
    "log10_cell_survival": "its log10",
}
"""What a statement can speak of: a number of each configuration."""
BLOCK_COLUMNS = {
    "grad_norm": "g_l, geometric mean over seeds",
    "weight_grad_norm": "norm of the gradient of the block's weights, geometric mean over seeds",
    "weight_norm": "norm of the block's weights, mean over seeds",
    "act_mean": "mean activation, mean over seeds",
    "act_std": "standard deviation of the activations, mean over seeds",
    "token_cosine": "mean cosine between two tokens of a sequence, mean over seeds",
    "attn_entropy": "mean entropy of the attention, mean over seeds",
    "grad_cosine": "likeness of the gradients of samples as a share of that at the last block, mean over seeds",
    "common": "share of the squared gradient that is the same for all tokens, mean over seeds",
}
"""Numbers of one block of each configuration, before training."""
LAST_BLOCK = 0
"""What stands for the last block, whatever the depth."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One side of a statement: `factor` times a column of some configurations, or the number `factor` alone."""

    factor: Decimal
    column: str = ""
    """Empty of a number alone."""
    selection: Expression | None = None
    """The expression in brackets; None without brackets: the configurations of the other side, or all."""
    aggregate: str = ""
    """One of `AGGREGATES` makes one number of the configurations, and so does ``slope``, that of the logarithm against
    the logarithm of `along`; empty: each of them counts."""
    block: int | None = None
    """Of `BLOCK_COLUMNS`: which one, counted from 1, or `LAST_BLOCK`."""
    along: str = ""
    """A setting."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A comparison of quantities. ``within`` has a `tolerance`, which is a share of the right side when `relative`."""

    left: Quantity
    sign: str
    """``<``, ``<=``, ``>``, ``>=``, ``=``, ``!=`` or ``within``."""
    right: Quantity
    tolerance: Decimal = Decimal(0)
    relative: bool = False

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The sides that are a column."""
        return tuple(side for side in (self.left, self.right) if side.column)

    @property
    def configurations(self) -> Expression:
        """An expression of settings that holds for every configuration the statement speaks of."""
        selections = [side.selection for side in self.quantities if side.selection is not None]
        return And() if not selections else selections[0] if len(selections) == 1 else Or(tuple(selections))


@dataclass(frozen=True, slots=True)
class Expectation:
    """A statement as it stands in a spec, and in `because` what it stands for, in words."""

    text: str
    statement: Statement
    because: str = ""
