"""A factory of modules as a model that specs can name: what it is called with, and how long its profile is."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradlab.cell import MILLION
from gradlab.components import InputKind
from gradlab.errors import PluginError
from gradlab.families import FAMILIES

__all__ = ["GIVEN", "ModuleFactory", "factory_of", "inputs_of"]

GIVEN = ("in_features", "out_features", "depth", "width", "shape", "seq_len", "vocabulary")
"""What a factory is given where it has an argument of that name; all others are its options."""

Length = int | Callable[..., int] | None


@dataclass(frozen=True)
class ModuleFactory:
    """What builds the network of a bank from an `Architecture`: a function of the user that returns a module."""

    name: str
    factory: Callable[..., Any]
    takes: tuple[str, ...]
    """Those of `GIVEN` that it has arguments for."""
    inputs: tuple[InputKind, ...]
    blocks: str
    """See `gradlab.modules.chains.choice.choose`."""
    length: Length
    """Blocks of the chain, or a function to them from those of depth, width, seq_len and the options that it has
    arguments for; None: as many as depth."""

    def __post_init__(self) -> None:
        # a digest covers what is defined in the module of its object
        object.__setattr__(self, "__module__", getattr(self.factory, "__module__", __name__))

    def __call__(self, arch: Any) -> Any:
        """Return the `ModuleBank` of an architecture."""
        return importlib.import_module("gradlab.module_banks.network").ModuleBank(arch, self)

    def profile_length(self, cell: Any) -> int:
        """Return the length of the profile of a cell. Raises PluginError for a declared length that is none."""
        if self.length is None:
            return int(cell.depth)
        blocks = self.length
        if not isinstance(blocks, int):
            sizes = {"depth": cell.depth, "width": cell.width, "seq_len": cell.seq_len, **cell.model.resolve(FAMILIES)}
            try:
                blocks = blocks(**{name: sizes[name] for name in _arguments(blocks) if name in sizes})
            except Exception as error:  # whatever a function of the user raises
                raise PluginError(f"the length of {self.name}: {type(error).__name__}: {error}") from error
        if not isinstance(blocks, int) or isinstance(blocks, bool) or not 1 <= blocks <= MILLION:
            raise PluginError(f"the length of {self.name} must be a whole number of blocks, found {blocks!r}")
        return blocks


def factory_of(
    name: str, factory: Callable[..., Any], inputs: tuple[InputKind, ...], blocks: str, length: Length
) -> ModuleFactory:
    """Return the declaration of a factory. Raises PluginError where it says nothing of its length."""
    arguments = _arguments(factory)
    takes = tuple(argument for argument in GIVEN if argument in arguments)
    if length is None and "depth" not in takes:
        hint = "give it an argument depth, or say how many blocks it has: length=12"
        raise PluginError(f"{name} has no argument depth", hint)
    return ModuleFactory(name, factory, takes, inputs or inputs_of(takes), blocks, length)


def inputs_of(takes: tuple[str, ...]) -> tuple[InputKind, ...]:
    """Return the kinds of inputs that a factory is for, by what it asks for."""
    if "vocabulary" in takes:
        return ("tokens",) if "seq_len" in takes else ("tokens", "indices")
    if "shape" in takes:
        return ("images",)
    return ("sequences",) if "seq_len" in takes else ("features",)


def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # compiled
        return ()
