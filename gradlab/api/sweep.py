"""`gradlab sweep`: a spec from flags, with defaults that already answer something."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from gradlab import grid, spec
from gradlab.cell import SETTINGS, Cell, cell_id
from gradlab.errors import SpecError
from gradlab.families import FAMILIES, Family
from gradlab.spec import Spec

__all__ = [
    "CLASSICAL",
    "USUAL_INIT",
    "build",
    "with_usual_inits",
]

CLASSICAL = ("sigmoid", "tanh", "relu")
"""What is compared when no activation is named."""

USUAL_INIT = dict.fromkeys(("relu", "leaky_relu", "prelu", "elu", "gelu", "silu", "mish", "softplus"), "he_normal") | {
    "selu": "lecun_normal"
}
"""The init that an activation is usually given: He for the one-sided ones, LeCun for selu, Xavier for all others."""


def build(settings: Mapping[str, str], *, name: str = "", description: str = "", limit: int = grid.LIMIT) -> Spec:
    """Return the spec of a sweep over `settings`, texts as they stand behind the flags (``{"depth": "2..64"}``).

    Without an activation the classical ones are compared; without an init each activation gets its usual one.
    Families with defaults of their own keep them (recurrent networks: tanh, orthogonal matrices); where a `seq_len` or
    the task asks for other models than the default and none is named, the classical ones are compared. The name, if
    none is given, is made of what varies and a hash of the cells, so that the same sweep is the same run.

    Raises:
        SpecError: with every problem found; messages name the flag.
    """
    settings = _with_models(settings)
    family = _family(settings, limit)
    mapping: dict[str, object] = {key: value for key, value in family.sweep.items() if key not in settings}
    if "optimizer" in settings:
        mapping.pop("lr", None)  # each optimiser has a default of its own
    mapping |= settings
    if not family.init_of_activation:
        pass  # the family's defaults stand
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


def _family(settings: Mapping[str, str], limit: int) -> Family:
    """Return the family whose defaults a sweep takes: of several models, one that has its own before the general."""
    default: str = SETTINGS["model"].default.name
    names = {cell.model.name for cell in _cells(settings, limit)} if "model" in settings else {default}
    return FAMILIES[min(names, key=lambda name: (name == default, name))]


def _with_models(settings: Mapping[str, str]) -> Mapping[str, str]:
    """Return the settings with the models that are compared where the task, or a `seq_len`, asks for them and none is
    named."""
    if "model" in settings:
        return settings
    for names in _compared():
        family = FAMILIES[names[0]]
        if names != [SETTINGS["model"].default.name] and (
            ("seq_len" in settings and "seq_len" not in family.ignores) or _takes(names[0], settings.get("task"))
        ):
            return {"model": ",".join(names), **settings}
    return settings


def _compared() -> list[list[str]]:
    """Return the models that a sweep compares by itself, those with the same kinds of inputs together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, family in FAMILIES.items():
        if family.compared:
            groups.setdefault(family.inputs, []).append(name)
    return list(groups.values())


def _takes(model: str, task: str | None) -> bool:
    try:
        return task is not None and bool(_spec("sweep", {"model": model, "task": task}, ""))
    except SpecError:  # whatever is wrong is said when the sweep itself is checked
        return False


def _cells(settings: Mapping[str, object], limit: int) -> tuple[Cell, ...]:
    return grid.expand(_spec("sweep", {**settings, "seeds": 1}, ""), limit).cells


def _spec(name: str, mapping: Mapping[str, object], description: str) -> Spec:
    given = {key: value for key, value in mapping.items() if value is not None}
    return spec.from_mapping(name, given, description=description, source="--")
