"""What a theory covers: the settings it reads and the values it knows of each. It refuses every other.

A theory is derived for the networks that exist when it is written. What a cell says beyond that (a component, a
parameter or a whole setting that came later) could change the network in any way, so a theory declares what it was
derived for, and `Coverage.require` compares a cell with the declaration field by field. A new field of `Cell`
needs nothing here: away from its default it has no prediction until a theory declares it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from gradlab.cell import SETTINGS, Cell
from gradlab.components import Component, Named
from gradlab.mean_field.prediction import NoPrediction

__all__ = ["IRRELEVANT_AT_START", "Components", "Coverage", "Numbers"]

IRRELEVANT_AT_START = frozenset(
    {
        *(setting.attribute for setting in SETTINGS.values() if setting.training),
        *("task", "input_scale", "data_digest", "plugin_digest", "profile_length"),
    }
)
"""Fields of `Cell` without a meaning before the first update. What a theory needs of a task are its inputs' shape and
size, which it is given beside the cell."""


@dataclass(frozen=True, slots=True)
class Components:
    """A setting that names a component: the names that a theory knows, each with the parameters it reads."""

    known: Mapping[str, Iterable[str] | Callable[..., object]]
    """By name, the parameters or a function whose arguments they are (fans beside them)."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why there is no prediction for some of the names that are not known."""
    reason: str = ""
    """The same for all others, with ``{name}``; empty: a general one."""

    def require(self, key: str, component: Named, theory: str = "mean-field theory") -> None:
        """Check a component of the setting `key`.

        Raises:
            NoPrediction: `theory` does not know it, or does not read one of its parameters.
        """
        name = component.name
        if name not in self.known:
            general = self.reason or f"{theory} does not know {key} {{name}}"
            raise NoPrediction(self.reasons.get(name, general).format(name=name))
        parameters = self._parameters(name)
        for parameter, value in component.params:
            if parameter not in parameters:
                raise NoPrediction(f"{theory} does not read the parameter {parameter} of {key} {name}, here {value}")

    def values(self, component: Named, registry: Mapping[str, Component]) -> dict[str, Any]:
        """Return the parameters of a known component that are read, defaults filled in."""
        parameters = self._parameters(component.name)
        return {name: value for name, value in component.resolve(registry).items() if name in parameters}

    def _parameters(self, name: str) -> Iterable[str]:
        known = self.known[name]
        return signature(known).parameters if callable(known) else known


@dataclass(frozen=True, slots=True)
class Numbers:
    """A setting that is a number, or one of these words."""

    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """The declaration of one theory. Fields of `Cell` in neither collection are known at their defaults only."""

    networks: str
    """What the theory is about, for its reasons: ``"feed-forward networks"``."""
    reads: Mapping[str, Components | Numbers]
    """By field of `Cell`."""
    irrelevant: frozenset[str] = IRRELEVANT_AT_START
    """Fields of `Cell` that change nothing in what is predicted."""

    def require(self, cell: Cell) -> None:
        """Check every field of the cell.

        Raises:
            NoPrediction: with the first setting, component or parameter that the theory was not derived for.
        """
        for setting in dataclasses.fields(cell):
            if setting.name in self.irrelevant:
                continue
            value = getattr(cell, setting.name)
            key = setting.metadata["setting"].key if "setting" in setting.metadata else setting.name
            declared = self.reads.get(setting.name)
            if isinstance(declared, Components):
                declared.require(key, value, self._theory)
            elif isinstance(declared, Numbers):
                if isinstance(value, str) and value not in declared.words:
                    raise NoPrediction(f"{self._theory} does not know {key} {value}")
            elif value != setting.default:
                raise NoPrediction(f"{self._theory} does not read the setting {key}, here {value}")

    @property
    def _theory(self) -> str:
        return f"mean-field theory of {self.networks}"
