"""The parts of a statement, as values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gradlab.components import Named

__all__ = ["COLUMNS", "GEOMETRIC", "Choice", "Expectation", "Side", "Statement", "Term"]

COLUMNS = {
    "survival": "g_1/g_L before training, geometric mean over seeds",
    "log10_survival": "its log10",
    "survival_final": "g_1/g_L after training, geometric mean over seeds",
    "log10_survival_final": "its log10",
    "decay": "factor per block, before training",
    "reach": "blocks until a thousandth is left",
    "theory_survival": "what mean-field theory predicts",
    "theory_log10_survival": "its log10",
    "theory_decay": "what mean-field theory predicts",
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

GEOMETRIC = frozenset({"survival", "survival_final", "theory_survival", "cell_survival", "decay", "theory_decay"})
"""Columns whose mean is that of their logarithm, as everywhere in gradlab."""

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """One condition in brackets: the setting `key` compared with any of `values`.

    `names` are components that are meant in every form: ``leaky_relu`` whatever its slope.
    """

    key: str
    sign: str
    """``=`` (any of them), ``!=`` (none of them), ``<``, ``<=``, ``>`` or ``>=`` (a single one)."""
    values: tuple[Any, ...]
    names: tuple[str, ...] = ()

    def holds(self, value: Any) -> bool:
        """Whether `value` of the setting is meant."""
        if self.sign in ("=", "!="):
            among = value in self.values or (isinstance(value, Named) and value.name in self.names)
            return among == (self.sign == "=")
        number = isinstance(value, int | float)
        return number and _ORDER[self.sign](value, self.values[0])


@dataclass(frozen=True, slots=True)
class Term:
    """A column of some configurations."""

    column: str
    choices: tuple[Choice, ...] | None
    """What stands in brackets; None without brackets: the configurations of the other side, or all."""
    over: str = ""
    """``mean``, ``min`` or ``max`` over them makes one number; empty: each of them counts."""


@dataclass(frozen=True, slots=True)
class Side:
    """``factor * term``, or the number `factor` alone."""

    factor: Decimal
    term: Term | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A comparison. ``within`` has a `tolerance`, which is a share of the right side when `relative`."""

    left: Side
    sign: str
    """``<``, ``<=``, ``>``, ``>=``, ``==``, ``!=`` or ``within``."""
    right: Side
    tolerance: Decimal = Decimal(0)
    relative: bool = False

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms of both sides."""
        return tuple(side.term for side in (self.left, self.right) if side.term is not None)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A statement as it stands in a spec, and in `because` what it stands for, in words."""

    text: str
    statement: Statement
    because: str = ""
