"""`gradlab sweep`: a spec from flags, with defaults that already answer something."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from gradlab import grid, spec
from gradlab.cell import Cell, cell_id
from gradlab.components import MODELS
from gradlab.errors import SpecError
from gradlab.spec import Spec

__all__ = [
    "CLASSICAL",
    "CLASSICAL_RECURRENT",
    "DEFAULTS",
    "RECURRENT",
    "USUAL_INIT",
    "build",
    "with_usual_inits",
]

CLASSICAL = ("sigmoid", "tanh", "relu")
"""What is compared when no activation is named."""

CLASSICAL_RECURRENT = ("rnn", "lstm", "gru")
"""What is compared when no model is named, but a `seq_len` or a task of sequences."""

USUAL_INIT = dict.fromkeys(("relu", "leaky_relu", "prelu", "elu", "gelu", "silu", "mish", "softplus"), "he_normal") | {
    "selu": "lecun_normal"
}
"""The init that an activation is usually given: He for the one-sided ones, LeCun for selu, Xavier for all others."""

DEFAULTS: dict[str, object] = {"width": 32, "lr": 0.05, "train.steps": 100, "probe.at": [0], "seeds": 3}
"""Smaller than those of a spec, and probed at its two ends: sixty depths should take about a minute."""

RECURRENT: dict[str, object] = {
    "width": 32, "optimizer": "adam", "lr": 0.01, "train.steps": 300, "train.batch_size": 32, "probe.at": [0],
    "seeds": 3,
}  # fmt: skip
"""The same for recurrent networks: a gated one learns the adding problem over 40 steps with these."""


def build(settings: Mapping[str, str], *, name: str = "", description: str = "", limit: int = grid.LIMIT) -> Spec:
    """Return the spec of a sweep over `settings`, texts as they stand behind the flags (``{"depth": "2..64"}``).

    Without an activation the classical ones are compared; without an init each activation gets its usual one.
    Recurrent networks have tanh and orthogonal matrices unless told otherwise; where a `seq_len` or a task of
    sequences asks for them and no model is named, the classical ones are compared. The name, if none is given, is
    made of what varies and a hash of the cells, so that the same sweep is the same run.

    Raises:
        SpecError: with every problem found; messages name the flag.
    """
    settings = _with_models(settings)
    recurrent = "model" in settings and any(MODELS[cell.model.name].recurrent for cell in _cells(settings, limit))
    defaults = RECURRENT if recurrent else DEFAULTS
    mapping: dict[str, object] = {key: value for key, value in defaults.items() if key not in settings}
    if "optimizer" in settings:
        mapping.pop("lr", None)  # each optimiser has a default of its own
    mapping |= settings
    if recurrent:
        pass  # a spec's own defaults fit
    elif "init" not in settings:
        mapping |= with_usual_inits(mapping, limit)
    elif "activation" not in settings:
        mapping["activation"] = ",".join(CLASSICAL)
    draft = _spec(name or "sweep", mapping, description)
    if name:
        return draft
    expansion = grid.expand(draft, limit)
    ids = hashlib.sha256("".join(sorted(map(cell_id, expansion.cells))).encode()).hexdigest()[:8]
    varied = [axis.rpartition(".")[2] for axis in expansion.axes if axis not in ("seed", "lr", "init")]
    return _spec("-".join(["sweep", *varied[:4], ids]), mapping, description)


def with_usual_inits(mapping: Mapping[str, object], limit: int) -> dict[str, object]:
    """Return the activations and their inits as a `zip`; `mapping` keeps what else it holds."""
    names: list[str] = list(CLASSICAL)
    usual = [USUAL_INIT.get(name, "xavier_normal") for name in names]
    if "activation" in mapping:
        found = list(dict.fromkeys(cell.activation for cell in _cells(mapping, limit)))
        names = [str(one) for one in found]
        usual = [USUAL_INIT.get(one.name, "xavier_normal") for one in found]
    if len(names) == 1:
        return {"activation": names[0], "init": usual[0]}
    return {"activation": None, "zip": {"activation": names, "init": usual}}


def _with_models(settings: Mapping[str, str]) -> Mapping[str, str]:
    """Return the settings with the classical recurrent models, where one is needed and none is named."""
    if "model" in settings or not ("seq_len" in settings or _of_sequences(settings.get("task"))):
        return settings
    return {"model": ",".join(CLASSICAL_RECURRENT), **settings}


def _of_sequences(task: str | None) -> bool:
    try:
        return task is not None and bool(_spec("sweep", {"model": CLASSICAL_RECURRENT[0], "task": task}, ""))
    except SpecError:  # whatever is wrong is said when the sweep itself is checked
        return False


def _cells(settings: Mapping[str, object], limit: int) -> tuple[Cell, ...]:
    return grid.expand(_spec("sweep", {**settings, "seeds": 1}, ""), limit).cells


def _spec(name: str, mapping: Mapping[str, object], description: str) -> Spec:
    given = {key: value for key, value in mapping.items() if value is not None}
    return spec.from_mapping(name, given, description=description, source="--")
