"""The cell: one point of a grid with one seed, as a full, frozen setting whose hash is its identity.

The fields of `Cell` *are* the settings of a spec, in the order of the table columns. Each carries a `Setting`: the key
under which a spec knows it, its kind, bounds and help, the registry it names a component of, and what the planner,
the grid and theory ask of it. A field is shared inside a bank unless it is marked: a new one then splits banks (slow,
right) and never mixes them (fast, wrong).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal

from gradlab.components import (
    ACTIVATIONS,
    BRANCH_INITS,
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
    Param,
    Value,
)  # fmt: skip
from gradlab.families import FAMILIES

__all__ = [
    "ID_SCHEMA",
    "REGISTRIES",
    "SETTINGS",
    "Cell",
    "Named",
    "Setting",
    "cell_id",
    "columns_of_settings",
    "configuration_id",
    "mixes_activations",
    "named_components",
    "parameter_of",
    "parameter_value",
    "parameters_of",
    "plain_value",
    "probe_steps",
    "setting",
    "setting_behind",
    "settings_of",
]

ID_SCHEMA = 1
"""Part of every cell id. Raised when the same setting comes to mean other numbers."""


MILLION = 10**6
"""The most blocks, units or time steps: beyond it a single list of them fills a machine."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A field of `Cell` as the rest of gradlab knows it."""

    key: str
    """In a spec and as a column of the tables; dotted where it is nested."""
    param: Param
    registry: dict[str, Any] | None = None
    """Of a component: those that it can name."""
    per_replica: bool = False
    """Whether replicas of one bank may differ in it."""
    rank: int = 99
    """Replicas are sorted by their settings in this order, then in that of the fields: equal ones are then computed
    together, an activation as one call, an optimizer as one group."""
    training: bool = False
    """Whether it means nothing before the first update: cells that differ in such settings alone begin alike."""
    idle_beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By the attribute of another setting, the components beside which this one means nothing."""
    late: bool = False
    """Whether its column stands behind those of tables that are older than it."""
    attribute: str = ""
    """Name of the field."""

    @property
    def default(self) -> Any:
        """The value that a cell has where nothing is said."""
        return self.param.default

    @property
    def help(self) -> str:
        """One line about it."""
        return self.param.help

    @property
    def is_component(self) -> bool:
        """Whether a value is a `Named` out of `registry`."""
        return self.registry is not None


_ABOUT = tuple(f.name for f in dataclasses.fields(Setting))


def setting(key: str, default: Any, help: str, kind: type = float, **attributes: Any) -> Any:
    """Return a field of `Cell`; `attributes` are fields of its `Setting` and of its `Param`."""
    about = {name: attributes.pop(name) for name in _ABOUT if name in attributes}
    return field(
        default=default, metadata={"setting": Setting(key, Param(default, kind, help=help, **attributes), **about)}
    )


def _component(key: str, default: str, help: str, registry: dict[str, Any], **about: Any) -> Any:
    return setting(key, Named(default), help, Named, registry=registry, **about)


@dataclass(frozen=True, slots=True)
class Cell:
    """One full setting. Made by `gradlab.grid`, which fills in `lr` and folds settings without meaning."""

    model: Named = _component("model", "mlp", "the architecture", FAMILIES)
    task: Named = _component("task", "digits", "where data and loss come from", TASKS)
    depth: int = setting("depth", 8, "blocks before the readout", int, low=1, high=MILLION)
    width: int = setting("width", 64, "units of a block", int, low=1, high=MILLION)
    seq_len: int | None = setting(
        "seq_len", None, "time steps of a recurrent network's sequences; left out: the task's own",
        int, low=1, high=MILLION,
    )  # fmt: skip
    activation: Named = _component("activation", "relu", "the nonlinearity", ACTIVATIONS, per_replica=True, rank=1)
    init: Named = _component("init", "he_normal", "distribution of the initial weights", INITS, per_replica=True)
    bias_std: float | Literal["auto"] = setting(
        "bias_std", "auto", "deviation of the initial biases; auto: as the init has it, mostly 0",
        low=0, choices=("auto",), off=True, per_replica=True,
    )  # fmt: skip
    norm: Named = _component("norm", "none", "normalisation inside a block", NORMS)
    norm_position: Named = _component(
        "norm_position", "pre_activation", "where a block without a fixed place has its norm", NORM_POSITIONS,
        idle_beside={
            "norm": ("none", "weight"),
            "residual": ("pre_norm", "post_norm", "sandwich", "layer_scale", "deepnorm", "resnet_v1", "fixup"),
        },
    )  # fmt: skip
    residual: Named = _component("residual", "none", "form of the skip connection", RESIDUALS)
    residual_scale: float | Literal["1/sqrt(depth)", "1/sqrt(2*depth)", "learned_zero"] = setting(
        "residual_scale", 1.0,
        "factor on the residual branch: a number, 1/sqrt(depth), 1/sqrt(2*depth) or learned_zero (ReZero)",
        choices=("1/sqrt(depth)", "1/sqrt(2*depth)", "learned_zero"),
        idle_beside={"residual": ("none", "deepnorm", "fixup", "t_fixup")},
    )  # fmt: skip
    branch_init: Named = _component(
        "branch_init", "none", "the matrix of a residual branch at the start, where not as `init` has it", BRANCH_INITS,
        per_replica=True, late=True, idle_beside={"residual": ("none", "fixup")},
    )  # fmt: skip
    dropout: float = setting(
        "dropout", 0.0, "share of a block's outputs dropped in training", low=0, high=1, below=True, off=True
    )
    optimizer: Named = _component(
        "optimizer", "sgd", "the update rule (torch.optim)", OPTIMIZERS, per_replica=True, rank=2, training=True
    )
    lr: float | None = setting(
        "lr", None, "learning rate; left out: the optimizer's own", low=0, per_replica=True, rank=3, training=True
    )
    clip: Named = _component("clip", "none", "gradient clipping", CLIPS, per_replica=True, rank=5, training=True)
    l1: float = setting(
        "l1", 0.0, "penalty l1*sum|w| on the weights", low=0, off=True, per_replica=True, rank=6, training=True
    )
    l2: float = setting(
        "l2", 0.0, "penalty l2*sum(w^2) on the weights", low=0, off=True, per_replica=True, rank=7, training=True
    )
    weight_decay: float = setting(
        "weight_decay", 0.0, "torch.optim's weight_decay, on all parameters or, by `decay` of the optimizer, matrices",
        low=0, off=True, per_replica=True, rank=4, training=True,
    )  # fmt: skip
    precision: Named = _component(
        "precision", "float32", "number format of training (probes are float64)", PRECISIONS, training=True
    )
    steps: int = setting("train.steps", 300, "updates", int, low=0, training=True)
    batch_size: int = setting("train.batch_size", 64, "samples in a batch", int, low=1, training=True)
    lr_schedule: Named = _component(
        "train.lr_schedule", "constant", "course of the learning rate", SCHEDULES, training=True
    )
    warmup: int = setting("train.warmup", 0, "steps of linear warm-up", int, low=0, off=True, training=True)
    probe_at: Literal["log"] | tuple[int, ...] = setting(
        "probe.at", "log", "steps to measure at: log (0, 1, 2, 4, ..., last) or a list",
        int, low=0, choices=("log",), many=True, training=True,
    )  # fmt: skip
    probe_batch_size: int = setting("probe.batch_size", 128, "samples in the probe batch", int, low=1)
    probe_record: Literal["all", "profile"] = setting(
        "probe.record", "all", "what a probe measures: all, or the gradient norms, loss and metric alone (profile)",
        str, choices=("all", "profile"), training=True, late=True,
    )  # fmt: skip
    vanish: float = setting(
        "thresholds.vanish", 1e-3, "survival below which a gradient has vanished", low=0, above=True, training=True
    )
    explode: float = setting(
        "thresholds.explode", 1e3, "survival above which a gradient has exploded", low=0, above=True, training=True
    )
    input_scale: float = setting(
        "inputs.scale", 1.0, "factor on the inputs of the task", low=0, above=True, high=1e100, late=True
    )
    input_shift: float = setting(
        "inputs.shift", 0.0, "added to the inputs, after the factor", low=-1e100, high=1e100, late=True
    )
    target_scale: float = setting(
        "targets.scale", 1.0, "factor on the targets of a regression", low=0, above=True, high=1e100, late=True
    )
    seed: int = setting(
        "seed", 0, "of data order and initial weights", int, low=0, high=2**64 - 1, per_replica=True, training=True
    )
    data_digest: str = ""
    """SHA-256 of the user's data file, so that changed data are new cells; empty for the built-in tasks."""
    plugin_digest: str = ""
    """SHA-256 of the source of the components of the user that the cell names; empty where all are gradlab's own."""
    profile_length: int | None = None
    """Blocks of the profile where a plugin has said how many; kept so that results can be read without the plugin, and
    not hashed, as it follows from the rest."""

    @property
    def blocks(self) -> int:
        """Length of a profile, as the family has it: blocks along the depth, or time steps.

        Raises ValueError for a cell of sequences whose `seq_len` the grid has not filled in.
        """
        if self.profile_length is not None:
            return self.profile_length
        family = FAMILIES.get(self.model.name)
        if family is None:  # of a plugin that is not loaded; `grid` leaves a seq_len to what has time steps alone
            return self.depth if self.seq_len is None else self.seq_len
        return family.length(self)

    def configuration(self) -> Cell:
        """Return what the seeds of a cell share: this cell with seed 0."""
        return dataclasses.replace(self, seed=0)


SETTINGS: dict[str, Setting] = {
    f.metadata["setting"].key: dataclasses.replace(f.metadata["setting"], attribute=f.name)
    for f in dataclasses.fields(Cell)
    if "setting" in f.metadata
}
"""Every setting by the key a spec uses for it (``"train.steps"``), in column order, `seed` last."""


REGISTRIES: dict[str, dict[str, Any]] = {key: s.registry for key, s in SETTINGS.items() if s.registry is not None}
"""By setting, the components that it can name."""


def parameter_of(key: str) -> tuple[str, str] | None:
    """Return the setting and the parameter that a dotted key such as ``optimizer.eps`` names; None for other keys."""
    owner, _, name = key.rpartition(".")
    known = owner in REGISTRIES and key not in SETTINGS and bool(parameters_of(key))
    return (owner, name) if known else None


def setting_behind(key: str) -> Setting:
    """Return the setting of a key, of a dotted parameter that of its component."""
    return SETTINGS[key] if key in SETTINGS else SETTINGS[key.rpartition(".")[0]]


def parameters_of(key: str) -> list[Param]:
    """Return the parameter of a dotted key of each component that has it."""
    owner, _, name = key.rpartition(".")
    return [component.params[name] for component in REGISTRIES[owner].values() if name in component.params]


def parameter_value(key: str, component: Named) -> Value | None:
    """Return the parameter of a dotted key that a component has, its default where it is given none; None without."""
    owner, _, name = key.rpartition(".")
    known = REGISTRIES[owner].get(component.name)
    values = dict(component.params)
    if name in values or known is None or name not in known.params:
        return values.get(name)
    default: Value | None = known.params[name].default
    return default


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
    return {key: plain_value(getattr(cell, f.attribute)) for key, f in SETTINGS.items()}


def columns_of_settings(cells: Sequence[Cell]) -> dict[str, list[Value]]:
    """Return what `settings_of` has of some cells by setting, with a value for each cell."""
    columns: dict[str, list[Value]] = {}
    for key, f in SETTINGS.items():
        values = list(map(attrgetter(f.attribute), cells))
        if f.is_component or f.param.many:
            plain = {value: plain_value(value) for value in set(values)}
            values = [plain[value] for value in values]
        columns[key] = values
    return columns


def plain_value(value: Any) -> Value:
    """Return a value of a setting as a table has it: a component or a list as text."""
    if isinstance(value, Named):
        return str(value)
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    plain: Value = value
    return plain


_DEFAULTS = tuple((key, f.default) for key, f in SETTINGS.items())
_values = attrgetter(*(f.attribute for f in SETTINGS.values()))
"""The settings of a cell, in their order."""


@lru_cache(maxsize=65536)
def _encoded(value: Named) -> Any:
    return [value.name, dict(value.params)]


def _payload(cell: Cell) -> dict[str, Any]:
    """Return what identifies a cell: the settings that differ from their defaults, as JSON-able values."""
    payload: dict[str, Any] = {}
    for value, (key, default) in zip(_values(cell), _DEFAULTS, strict=True):
        if value is not default and value != default:
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
