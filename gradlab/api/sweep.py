"""A spec made of settings alone, with defaults that already answer something."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradlab import grid
from gradlab.api.defaults import CLASSICAL, DEFAULT_MODEL, Settings, models_of, with_usual_inits
from gradlab.cell import SETTINGS, cell_id
from gradlab.errors import OptionError, SpecError
from gradlab.families import FAMILIES
from gradlab.spec import Spec, dump, from_mapping
from gradlab.spelling import FLAGS, Spelling

__all__ = ["measuring", "save_spec", "sweep_spec"]


def sweep_spec(settings: Settings, *, name: str = "", limit: int = grid.LIMIT, spelling: Spelling = FLAGS) -> Spec:
    """Return the spec of a sweep over `settings` (``{"depth": "2..64"}``); messages name keys as they are spelled.

    Without an activation the classical ones are compared; without an init each activation gets its usual one.
    Families with defaults of their own keep them (recurrent networks: tanh, orthogonal matrices); where a `seq_len` or
    the task asks for other models than the default and none is named, the classical ones are compared. The name, if
    none is given, is made of what varies and a hash of the cells, so that the same sweep is the same run.

    Raises:
        SpecError: with every problem found.
    """
    settings = _with_models(settings, spelling)
    from_mapping("sweep", settings, spelling=spelling)  # says all that is wrong before anything is filled in
    # of several models one that has defaults of its own stands before the general one
    family = FAMILIES[min(models_of(settings, limit, spelling), key=lambda name: (name == DEFAULT_MODEL, name))]
    mapping = {key: value for key, value in family.sweep.items() if key not in settings}
    if "optimizer" in settings:
        mapping.pop("lr", None)  # each optimiser has a default of its own
    mapping |= settings
    if not family.init_of_activation:
        pass  # the family's defaults stand
    elif "init" not in settings:
        mapping = with_usual_inits(mapping, limit, spelling)
    else:
        mapping.setdefault("activation", ",".join(CLASSICAL))
    draft = from_mapping(name or "sweep", mapping, spelling=spelling)
    if name:
        return draft
    expansion = grid.expand(draft, limit)
    ids = hashlib.sha256("".join(sorted(map(cell_id, expansion.cells))).encode()).hexdigest()[:8]
    varied = [axis.rpartition(".")[2] for axis in expansion.axes if axis not in ("seed", "lr", "init")]
    return replace(draft, name="-".join(["sweep", *varied[:4], ids]))


def measuring(settings: Settings, rows: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Return the settings of a sweep that measures, before training, the predictions of `theory` for `settings`.

    `rows` are those of the predictions; where the defaults of the two commands differ, their values are named.
    """
    families = [FAMILIES[name] for name in dict.fromkeys(str(row["model"]).partition("(")[0] for row in rows)]
    keys = dict.fromkeys(key for family in families for key in (*family.explored, *family.sweep))
    if not all(family.init_of_activation for family in families):
        keys["activation"] = None  # a sweep of such a model takes one, theory compares several
    set_keys = {key for setting in settings for key in (setting, setting.partition(".")[0])}
    values = {key: ",".join(dict.fromkeys(str(row[key]) for row in rows if key in row)) for key in keys}
    swept = {
        key: text
        for key, text in values.items()
        if text and key not in set_keys and not SETTINGS[key].training and key != "probe.at"
    }
    return {**settings, **swept, **({} if "train.steps" in settings else {"train.steps": 0})}


def save_spec(spec: Spec, path: Path) -> None:
    """Write a spec for the user, but never over a file that is there. Raises OptionError where that cannot be."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(dump(spec, defaults=False))
    except FileExistsError:
        raise OptionError("save", path, "there is such a file already", "choose another name, or delete it") from None
    except OSError as error:
        raise OptionError("save", path, str(error.strerror or error)) from error


def _with_models(settings: Settings, spelling: Spelling) -> Settings:
    """Return the settings with the models that are compared where the task, or a `seq_len`, asks for them and none is
    named."""
    if "model" in settings:
        return settings
    for names in _compared():
        family = FAMILIES[names[0]]
        along_sequences = "seq_len" in settings and "seq_len" not in family.ignores
        if names != [DEFAULT_MODEL] and (along_sequences or _takes(names[0], settings.get("task"))):
            return {"model": ",".join(names), **settings}
    return settings


def _compared() -> list[list[str]]:
    """Return the models that a sweep compares by itself, those with the same kinds of inputs together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, family in FAMILIES.items():
        if family.compared:
            groups.setdefault(family.inputs, []).append(name)
    return list(groups.values())


def _takes(model: str, task: object) -> bool:
    try:
        return task is not None and bool(from_mapping("sweep", {"model": model, "task": task}))
    except SpecError:  # whatever is wrong is said when the sweep itself is checked
        return False
