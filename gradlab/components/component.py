"""What a name in a spec stands for: where its code is, its parameters and their bounds. Nothing is imported here.

A `Component` names its code as ``"module:attribute"`` so that checking a spec does not load torch;
`Component.load` imports it when a worker needs it. A user's own component may hold the object itself.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import PurePath
from typing import Any, Literal

from gradlab.components.param import Param

__all__ = [
    "Activation",
    "Component",
    "InputKind",
    "Lengths",
    "Named",
    "Optimizer",
    "Origin",
    "Task",
    "Value",
    "nearest",
]

InputKind = Literal["features", "indices", "sequences", "tokens", "images"]
"""What a task feeds: numbers `[N, I]` or indices `[N, I]` of a sample, numbers or indices `[N, T, I]` of a sequence;
images are numbers `[N, I]` with the shape of a sample beside them, `(C, H, W)`."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Which `seq_len` a task of sequences can have, and which it has when a spec says none."""

    default: int
    low: int = 1
    only: tuple[int, ...] = ()
    """If not empty, all there are."""

    def allow(self, seq_len: int) -> bool:
        """Whether the task has sequences of that many steps."""
        return seq_len in self.only if self.only else seq_len >= self.low


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a component of the user comes from: the file that registered it, or Python itself."""

    path: str
    """Absolute path of the file; empty for an object that was registered from Python."""
    digest: str
    """SHA-256, in hex, of the source of the file or of the object."""
    content: bytes = field(default=b"", compare=False, repr=False)
    """What another process makes the same components from: the source of the file, or the pickled object."""


@dataclass(frozen=True, slots=True)
class Component:
    """Something a spec can name: where its code is, one line about it, and its parameters in order."""

    target: Any
    summary: str
    params: Mapping[str, Param] = field(default_factory=dict)
    origin: Origin | None = field(default=None, kw_only=True)
    """Of a component of the user; None: gradlab's own."""
    least: Mapping[str, int] = field(default_factory=dict, kw_only=True)
    """By setting, the smallest value with which its output depends on its inputs at all; less is refused."""
    advised: Mapping[str, int] = field(default_factory=dict, kw_only=True)
    """By setting, the smallest value with which gradients through it are more than rounding; less is a warning."""

    models: tuple[str, ...] = field(default=(), kw_only=True)
    """The only models that have it; empty: all that do not say otherwise."""

    def unavailable(self) -> str:
        """Return what it needs that is not there; empty where all is."""
        return ""

    def load(self) -> Any:
        """Return the object behind `target`, importing its module if it is given as text."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True, slots=True)
class Activation(Component):
    """A nonlinearity."""

    learned: bool = False
    """Whether it brings a learned parameter, so that its replicas fill banks of their own."""
    twin: Callable[..., Any] | None = None
    """Of a user's activation: from its parameters to its `mean_field` NumpyActivation, without which theory has no
    prediction."""


@dataclass(frozen=True, slots=True)
class Optimizer(Component):
    """An update rule: a class of `torch.optim`, or one of the user's."""

    elementwise: bool = True
    """Whether an element's update depends on that element alone; if not, no tensor of it holds two replicas."""
    shaped: bool = False
    """Whether it looks at each parameter in its own shape; then it is not elementwise either."""
    torch: str = ""
    """The first version of torch that has it, if gradlab runs with older ones too."""
    weight_decay: bool = True
    """Whether it takes the setting `weight_decay`."""

    def unavailable(self) -> str:
        """Return what it needs that is not there, ``torch 2.9 or newer, 2.6.0 is installed``; empty where all is."""
        if not self.torch:
            return ""
        installed = version("torch")
        numbers = [tuple(map(int, re.findall(r"\d+", text)[:2])) for text in (installed, self.torch)]
        return f"torch {self.torch} or newer, {installed} is installed" if numbers[0] < numbers[1] else ""


@dataclass(frozen=True, slots=True)
class Task(Component):
    """Where data and loss come from."""

    inputs: InputKind = "features"
    lengths: Lengths | None = None
    """Of a task of sequences."""
    targets: Literal["classes", "numbers"] | None = field(default=None, kw_only=True)
    """What a target is; None: what the parameter ``kind`` says, of a task of the user not known before it is loaded."""
    check: str | None = field(default=None, kw_only=True)
    """Of a task with a data file, ``"module:function"`` that reads it before a run, see `gradlab.datafiles.check`."""

    images: bool = field(default=False, kw_only=True)
    """Of a task of features: whether a sample has a shape, so that families of images take it too."""
    shape: Callable[[Mapping[str, Any]], tuple[int, ...]] | None = field(default=None, kw_only=True)
    """From its parameters to that shape, channels first, where it is known before the data are."""
    next_inputs: bool = field(default=False, kw_only=True)
    """Whether the target of a step is the input of the next one, so that a network must not see later steps."""

    @property
    def kinds(self) -> tuple[InputKind, ...]:
        """All that the inputs can be taken for."""
        return (self.inputs, "images") if self.images else (self.inputs,)

    def shape_of(self, named: Named) -> tuple[int, ...]:
        """Return the shape of a sample, channels first; empty where there is none, or none known before the data."""
        values = {name: param.default for name, param in self.params.items()} | dict(named.params)
        return () if self.shape is None else self.shape(values)

    @property
    def of_sequences(self) -> bool:
        """Whether a sample is a sequence of `seq_len` steps."""
        return self.inputs in ("sequences", "tokens")

    @property
    def of_indices(self) -> bool:
        """Whether the inputs are indices that a network looks up, not numbers."""
        return self.inputs in ("indices", "tokens")


Value = float | int | str | bool


@dataclass(frozen=True, slots=True)
class Named:
    """A component as a spec names it: `params` holds only what differs from the registry's defaults."""

    name: str
    params: tuple[tuple[str, Value], ...] = ()

    def resolve(self, registry: Mapping[str, Component]) -> dict[str, Any]:
        """Return every parameter of the component, defaults filled in."""
        return {key: param.default for key, param in registry[self.name].params.items()} | dict(self.params)

    def __str__(self) -> str:
        if not self.params:
            return self.name
        params = ", ".join(f"{k}={PurePath(str(v)).name if k == 'path' else _text(v)}" for k, v in self.params)
        return f"{self.name}({params})"


def _text(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice most like `name`, or None when nothing is close."""
    matches = difflib.get_close_matches(name.lower(), list(choices), n=1, cutoff=0.6)
    return matches[0] if matches else None
