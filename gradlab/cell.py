"""The cell: one point of a grid with one seed, as a full, frozen setting whose hash is its identity.

The fields of `Cell` *are* the settings of a spec, in the order of the table columns. Each carries in its
metadata the key under which a spec knows it (`key`, dotted where it is nested), one line of help, and
whether replicas of one bank may differ in it (`per_replica`). A field is shared inside a bank unless it
is marked: a new field then splits banks (slow, right) and never mixes them (fast, wrong).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, get_type_hints

from annotated_types import Ge, Gt, Lt

from gradlab.components import (
    ACTIVATIONS,
    CLIPS,
    INITS,
    NORM_POSITIONS,
    NORMS,
    OPTIMIZERS,
    PRECISIONS,
    RESIDUALS,
    SCHEDULES,
    TASKS,
    Named,
    Value,
)  # fmt: skip
from gradlab.families import FAMILIES

__all__ = [
    "ID_SCHEMA",
    "REGISTRIES",
    "SETTINGS",
    "Cell",
    "Named",
    "SettingField",
    "cell_id",
    "configuration_id",
    "mixes_activations",
    "named_components",
    "probe_steps",
    "settings_of",
]

ID_SCHEMA = 1
"""Part of every cell id. Raised when the same setting comes to mean other numbers."""


def _setting(key: str, default: Any, help: str, *, per_replica: bool = False) -> Any:
    return field(default=default, metadata={"key": key, "help": help, "per_replica": per_replica})


Positive = Annotated[int, Ge(1)]
NonNegative = Annotated[float, Ge(0)]
AboveZero = Annotated[float, Gt(0)]


@dataclass(frozen=True, slots=True)
class Cell:
    """One full setting. Made by `gradlab.grid`, which fills in `lr` and folds settings without meaning."""

    model: Named = _setting("model", Named("mlp"), "the architecture")
    task: Named = _setting("task", Named("digits"), "where data and loss come from")
    depth: Positive = _setting("depth", 8, "blocks before the readout")
    width: Positive = _setting("width", 64, "units of a block")
    seq_len: Positive | None = _setting(
        "seq_len", None, "time steps of a recurrent network's sequences; left out: the task's own"
    )
    activation: Named = _setting("activation", Named("relu"), "the nonlinearity", per_replica=True)
    init: Named = _setting("init", Named("he_normal"), "distribution of the initial weights", per_replica=True)
    bias_std: NonNegative | Literal["auto"] = _setting(
        "bias_std", "auto", "deviation of the initial biases; auto: as the init has it, mostly 0", per_replica=True
    )
    norm: Named = _setting("norm", Named("none"), "normalisation inside a block")
    norm_position: Named = _setting(
        "norm_position", Named("pre_activation"), "where a block without a fixed place has its norm"
    )
    residual: Named = _setting("residual", Named("none"), "form of the skip connection")
    residual_scale: float | Literal["1/sqrt(depth)", "learned_zero"] = _setting(
        "residual_scale", 1.0, "factor on the residual branch: a number, 1/sqrt(depth) or learned_zero (ReZero)"
    )
    dropout: Annotated[float, Ge(0), Lt(1)] = _setting("dropout", 0.0, "share of a block's outputs dropped in training")
    optimizer: Named = _setting("optimizer", Named("sgd"), "the update rule (torch.optim)", per_replica=True)
    lr: NonNegative | None = _setting("lr", None, "learning rate; left out: the optimizer's own", per_replica=True)
    clip: Named = _setting("clip", Named("none"), "gradient clipping", per_replica=True)
    l1: NonNegative = _setting("l1", 0.0, "penalty l1*sum|w| on the weights", per_replica=True)
    l2: NonNegative = _setting("l2", 0.0, "penalty l2*sum(w^2) on the weights", per_replica=True)
    weight_decay: NonNegative = _setting(
        "weight_decay", 0.0, "torch.optim's weight_decay, on every parameter", per_replica=True
    )
    precision: Named = _setting("precision", Named("float32"), "number format of training (probes are float64)")
    steps: Annotated[int, Ge(0)] = _setting("train.steps", 300, "updates")
    batch_size: Positive = _setting("train.batch_size", 64, "samples in a batch")
    lr_schedule: Named = _setting("train.lr_schedule", Named("constant"), "course of the learning rate")
    warmup: Annotated[int, Ge(0)] = _setting("train.warmup", 0, "steps of linear warm-up")
    probe_at: Literal["log"] | tuple[Annotated[int, Ge(0)], ...] = _setting(
        "probe.at", "log", "steps to measure at: log (0, 1, 2, 4, ..., last) or a list"
    )
    probe_batch_size: Positive = _setting("probe.batch_size", 128, "samples in the probe batch")
    vanish: AboveZero = _setting("thresholds.vanish", 1e-3, "survival below which a gradient has vanished")
    explode: AboveZero = _setting("thresholds.explode", 1e3, "survival above which a gradient has exploded")
    seed: Annotated[int, Ge(0)] = _setting("seed", 0, "of data order and initial weights", per_replica=True)
    data_digest: str = field(default="", metadata={"key": "", "help": "", "per_replica": False})
    """SHA-256 of the user's data file, so that changed data are new cells; empty for the built-in tasks."""
    plugin_digest: str = field(default="", metadata={"key": "", "help": "", "per_replica": False})
    """SHA-256 of the source of the components of the user that the cell names; empty where all are gradlab's own."""

    @property
    def blocks(self) -> int:
        """Length of a profile, as the family has it: blocks along the depth, or time steps.

        Raises ValueError for a cell of sequences whose `seq_len` the grid has not filled in.
        """
        return FAMILIES[self.model.name].length(self)

    def configuration(self) -> Cell:
        """Return what the seeds of a cell share: this cell with seed 0."""
        return dataclasses.replace(self, seed=0)


@dataclass(frozen=True)
class SettingField:
    """What a spec needs to know of one field of `Cell`."""

    attribute: str
    key: str
    annotation: Any
    default: Any
    help: str
    per_replica: bool

    @cached_property
    def is_component(self) -> bool:
        """Whether a value is a `Named` out of ``REGISTRIES[key]``."""
        return self.annotation is Named


def _settings() -> dict[str, SettingField]:
    hints = get_type_hints(Cell, include_extras=True)
    return {
        f.metadata["key"]: SettingField(
            f.name, f.metadata["key"], hints[f.name], f.default, f.metadata["help"], f.metadata["per_replica"]
        )
        for f in dataclasses.fields(Cell)
        if f.metadata["key"]
    }


SETTINGS: dict[str, SettingField] = _settings()
"""Every setting by the key a spec uses for it (``"train.steps"``), in column order, `seed` last."""


REGISTRIES: dict[str, dict[str, Any]] = {
    "model": FAMILIES,
    "task": TASKS,
    "activation": ACTIVATIONS,
    "init": INITS,
    "norm": NORMS,
    "norm_position": NORM_POSITIONS,
    "residual": RESIDUALS,
    "optimizer": OPTIMIZERS,
    "clip": CLIPS,
    "train.lr_schedule": SCHEDULES,
    "precision": PRECISIONS,
}
"""By setting, the components that it can name."""


def named_components(cell: Cell) -> Iterator[tuple[str, Named]]:
    """Yield the components of a cell, each with the setting that names it."""
    return ((key, getattr(cell, f.attribute)) for key, f in SETTINGS.items() if f.is_component)


def mixes_activations(cell: Cell) -> bool:
    """Return whether a bank with `cell` may hold other activations: if its family can, and if the activation does not
    bring a learned parameter of its own.

    A name that no registry knows counts as an ordinary one.
    """
    activation, family = ACTIVATIONS.get(cell.activation.name), FAMILIES.get(cell.model.name)
    return (activation is None or not activation.learned) and (family is None or family.mixes_activations)


def probe_steps(steps: int, at: str | tuple[int, ...]) -> tuple[int, ...]:
    """Return the steps to probe at, ascending: ``"log"`` is 0, 1, 2, 4, ...; 0 and the last always belong to them."""
    listed = tuple(2**k for k in range(steps.bit_length())) if isinstance(at, str) else at
    return tuple(sorted({0, *(step for step in listed if step <= steps), steps}))


def settings_of(cell: Cell) -> dict[str, Value]:
    """Return the settings of a cell as plain values for a table row: components as text, in column order."""
    return {key: _plain(getattr(cell, f.attribute)) for key, f in SETTINGS.items()}


def _plain(value: Any) -> Value:
    if isinstance(value, Named):
        return str(value)
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    plain: Value = value
    return plain


@lru_cache(maxsize=65536)
def _encoded(value: Named) -> Any:
    return [value.name, dict(value.params)]


def _payload(cell: Cell) -> dict[str, Any]:
    """Return what identifies a cell: the settings that differ from their defaults, as JSON-able values."""
    payload: dict[str, Any] = {}
    for key, f in SETTINGS.items():
        value = getattr(cell, f.attribute)
        if value != f.default:
            payload[key] = _encoded(value) if isinstance(value, Named) else value
    if cell.data_digest:  # the data are what counts, not the place they lie at
        name, params = payload["task"]
        payload["task"] = [name, {**params, "path": cell.data_digest}]
    if cell.plugin_digest:
        payload["plugins"] = cell.plugin_digest
    return payload


def _hash(payload: dict[str, Any]) -> str:
    text = json.dumps({"schema": ID_SCHEMA, **payload}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cell_id(cell: Cell) -> str:
    """Return the identity of a cell: 16 hex digits of a SHA-256 over its settings that are not defaults.

    It does not depend on the order of keys, on how a value was written, or on fields added later.
    """
    return _hash(_payload(cell))


def configuration_id(cell: Cell) -> str:
    """Return the identity of a cell without its seed."""
    payload = _payload(cell)
    payload.pop("seed", None)
    return _hash({"configuration": True, **payload})
