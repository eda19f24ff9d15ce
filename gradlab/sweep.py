"""`gradlab sweep`: a spec from flags, with defaults that already answer something."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from gradlab import grid, spec
from gradlab.cell import cell_id
from gradlab.spec import Spec

__all__ = ["CLASSICAL", "DEFAULTS", "USUAL_INIT", "build", "with_usual_inits"]

CLASSICAL = ("sigmoid", "tanh", "relu")
"""What is compared when no activation is named."""

USUAL_INIT = dict.fromkeys(("relu", "leaky_relu", "prelu", "elu", "gelu", "silu", "mish", "softplus"), "he_normal") | {
    "selu": "lecun_normal"
}
"""The init that an activation is usually given: He for the one-sided ones, LeCun for selu, Xavier for all others."""

DEFAULTS: dict[str, object] = {"width": 32, "lr": 0.05, "train.steps": 100, "probe.at": [0], "seeds": 3}
"""Smaller than those of a spec, and probed at its two ends: sixty depths should take about a minute."""


def build(settings: Mapping[str, str], *, name: str = "", description: str = "", limit: int = grid.LIMIT) -> Spec:
    """Return the spec of a sweep over `settings`, texts as they stand behind the flags (``{"depth": "2..64"}``).

    Without an activation the classical ones are compared; without an init each activation gets its usual one. The
    name, if none is given, is made of what varies and a hash of the cells, so that the same sweep is the same run.

    Raises:
        SpecError: with every problem found; messages name the flag.
    """
    mapping: dict[str, object] = {key: value for key, value in DEFAULTS.items() if key not in settings}
    if "optimizer" in settings:
        mapping.pop("lr", None)  # each optimiser has a default of its own
    mapping |= settings
    if "init" not in settings:
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
        cells = grid.expand(_spec("sweep", {**mapping, "seeds": 1}, ""), limit).cells
        found = list(dict.fromkeys(cell.activation for cell in cells))
        names = [str(one) for one in found]
        usual = [USUAL_INIT.get(one.name, "xavier_normal") for one in found]
    if len(names) == 1:
        return {"activation": names[0], "init": usual[0]}
    return {"activation": None, "zip": {"activation": names, "init": usual}}


def _spec(name: str, mapping: Mapping[str, object], description: str) -> Spec:
    given = {key: value for key, value in mapping.items() if value is not None}
    return spec.from_mapping(name, given, description=description, source="--")
