"""What gradlab knows of an architecture, as data: a declaration without torch, whose network is imported when built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gradlab.components import Component, InputKind, Named, Task

__all__ = ["Axis", "Cost", "Family", "Refusal", "Sizes"]


class Sizes(Protocol):
    """What a declaration reads of a `gradlab.cell.Cell`."""

    @property
    def model(self) -> Named: ...
    @property
    def task(self) -> Named: ...
    @property
    def residual(self) -> Named: ...
    @property
    def depth(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def seq_len(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Axis:
    """What a gradient profile runs along, and its words: blocks along the depth, or time steps."""

    setting: str
    """The setting across the columns of a table."""
    unit: str
    """One element of the profile, in full: ``block``, ``time step``."""
    step: str
    """The same in short, as in ``decay/step``."""
    direction: str
    """Where a profile goes: ``along the depth``."""
    ends: str
    """Label of the axis in a picture: ``block (input to loss)``."""
    along: str
    """The setting that is the length of a profile; `setting` too, unless networks of one length differ in `depth`."""
    networks: str
    """The networks that have this axis: ``feed-forward networks``."""
    ratio: str
    """What survival is: ``gradient norm, first block ÷ last``."""

    @property
    def decay(self) -> str:
        """Heading of the factor per element: ``decay/block``."""
        return f"decay/{self.step}"

    @property
    def units(self) -> str:
        """``blocks``; ``time steps``."""
        return f"{self.unit}s"

    def at(self, length: int) -> str:
        """Return ``at depth 32``, ``at seq_len 160``."""
        return f"at {self.setting} {length}"

    def count(self, number: int) -> str:
        """Return ``1 block``, ``160 time steps``."""
        return f"{number:,} {self.unit}{'s' * (number != 1)}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a bank of the architecture takes, for `gradlab.planning`; each function takes one of its cells."""

    parameters: Callable[[Sizes], int]
    """About how many parameters one replica has."""
    units: Callable[[Sizes], int]
    """Numbers between the maps of one sample: before the nonlinearities, all layers, all time steps."""
    products: Callable[[Sizes], int]
    """Multiplications and additions of one sample's forward pass: the parameters, as often as each is used."""
    maps: Callable[[Sizes], int]
    """Maps of one layer that a forward pass consists of: the blocks, or layers times time steps."""
    step: str
    """Name of the rate of one map of one layer (`planning.cost.RATES`)."""
    bank: Callable[[Sizes], Mapping[str, float]]
    """What is done once for a bank, and (``per_cell`` names) once for each of its cells, by the name of its rate."""
    kind: str = ""
    """What stands before the names of the rates of its operations and units, where they have rates of their own."""


Refusal = tuple[str, str]
"""What is wrong, and what would be right."""


def _any_shape(options: Mapping[str, Any], shape: tuple[int, ...]) -> Refusal | None:
    return None


def _none(options: Mapping[str, Any], task: Task, residual: str) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Family(Component):
    """An architecture: all that is true of it, in one place. `target` builds its `families.network.Network`."""

    axis: Axis = field(kw_only=True)
    length: Callable[[Sizes], int] = field(kw_only=True)
    """Elements of a cell's profile, L."""
    inputs: tuple[InputKind, ...] = field(kw_only=True)
    """The kinds of inputs it takes: which tasks it can have."""
    cost: Cost = field(kw_only=True)
    theory: str | None = field(default=None, kw_only=True)
    """``"module:THEORY"``, a `mean_field.network_theory.NetworkTheory`; None: it has no prediction."""
    defaults: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    """By attribute of a cell, what a spec that is silent means where that is not the general default."""
    allows: Mapping[str, tuple[str, ...]] = field(default_factory=dict, kw_only=True)
    """By setting, the names it can be combined with; any, of a setting that is not here."""
    ignores: tuple[str, ...] = field(default=(), kw_only=True)
    """Attributes of a cell that mean nothing to it."""
    idle: Callable[[Mapping[str, Any], Task, str], Iterable[str]] = field(default=_none, kw_only=True)
    """From the options of a model, its task and the name of its residual form to those options that mean nothing."""
    conflicts: Mapping[str, Callable[[Mapping[str, Any], Any], Refusal | None]] = field(
        default_factory=dict, kw_only=True
    )
    """By setting, from the options of a model and a value of the setting to why they exclude each other; None: they do
    not. ``"model"``: options that exclude each other, from the options twice."""
    shapes: Callable[[Mapping[str, Any], tuple[int, ...]], Refusal | None] = field(default=_any_shape, kw_only=True)
    """Of a family of images, from the options of a model and the shape of a sample to why it cannot take that one; the
    shape is empty where samples have none."""
    unnormed: tuple[str, ...] = field(default=(), kw_only=True)
    """Residual forms that have no place for a norm: the setting means nothing beside them."""
    mixes_activations: bool = field(default=False, kw_only=True)
    """Whether a bank may hold several activations."""
    sweep: Mapping[str, object] = field(default_factory=dict, kw_only=True)
    """By setting, what `gradlab sweep` has where nothing is said."""
    init_of_activation: bool = field(default=True, kw_only=True)
    """Whether a sweep gives each activation its usual init; else the family's default stands."""
    explored: Mapping[str, object] = field(default_factory=dict, kw_only=True)
    """By setting, what `gradlab theory` has where nothing is said and no training limits the size."""
    activations: bool = field(default=True, kw_only=True)
    """Whether theory compares activations where none is named; gated cells are made for one."""
    declared_length: Callable[[Sizes], int] | None = field(default=None, kw_only=True)
    """Of the user's, where `length` is not known without the plugin: what the grid puts down in each cell."""
    check: str | None = field(default=None, kw_only=True)
    """``"module:function"`` that tries its cells before a run, and raises what is wrong with them."""
    compared: bool = field(default=False, kw_only=True)
    """Whether a sweep of a task that it can have compares it when no model is named."""

    def refuses_shape(self, model: Named, task: Task, shape: tuple[int, ...]) -> Refusal | None:
        """Return why a model cannot take samples of that shape, of a task whose samples it takes for images."""
        if not task.images or "images" not in self.inputs or task.inputs in self.inputs:
            return None
        options = {name: param.default for name, param in self.params.items()} | dict(model.params)
        return self.shapes(options, shape)
