"""What theory says of a run's configurations, worked out once and kept in its directory as ``theory.json``.

A prediction takes some hundredths of a second, so of thousands of configurations a minute: too long to be made anew at
the end of each session. The file is a cache: it can be deleted, and one made by another version of the theory, which
its sources tell, is not used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gradlab import __version__
from gradlab.cell import SETTINGS, Cell, configuration_id
from gradlab.store import RunDirectory

if TYPE_CHECKING:
    from gradlab.results.predicted import Predict, Prediction

__all__ = ["Predictions"]

NAME = "theory.json"

_TRAINING = {setting.attribute: setting.default for setting in SETTINGS.values() if setting.training}
"""Settings without a meaning before the first update, at their defaults: cells that differ in these alone share a
prediction."""


class Predictions:
    """A `results.predicted.Predict` that asks `theory`, ``"package:function"``, for what the directory does not know.

    The package is imported when it is first needed, which in a run that has been finished before is never.
    """

    def __init__(self, directory: RunDirectory, theory: str = "gradlab.mean_field:predict") -> None:
        self._directory, self._theory = directory, theory
        self._source = ""
        self._known: dict[str, Any] | None = None
        self._new = False

    def __call__(
        self, cell: Cell, *, in_features: int, out_features: int, input_mean_square: float
    ) -> Prediction | None:
        """Return the prediction, see `results.predicted.Predict`. Raises what the theory raises."""
        known = self._load() if self._known is None else self._known
        setting = configuration_id(dataclasses.replace(cell, **_TRAINING))
        key = f"{setting} {in_features} {out_features} {float(input_mean_square).hex()}"
        if key not in known:
            module, _, name = self._theory.partition(":")
            predict: Predict = getattr(importlib.import_module(module), name)
            found = predict(
                cell, in_features=in_features, out_features=out_features, input_mean_square=input_mean_square
            )
            known[key] = None if found is None else _plain(found)
            self._new = True
        return _object(known[key])

    def save(self) -> None:
        """Write what is new into the directory. Raises StoreError when that cannot be."""
        if self._new:
            text = json.dumps({"theory": self._source, "predictions": self._known}, separators=(",", ":"))
            self._directory.write_text(NAME, text + "\n")
            self._new = False

    def _load(self) -> dict[str, Any]:
        self._source = _digest(self._theory.partition(":")[0])
        data = self._directory.read_bytes(NAME)
        try:
            document = json.loads(data or b"{}")
            found = document["predictions"] if document["theory"] == self._source else {}
        except (ValueError, KeyError, TypeError):
            found = {}
        self._known = found if isinstance(found, dict) else {}
        return self._known


def _plain(found: Any) -> dict[str, Any]:
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}


def _object(values: dict[str, Any] | None) -> Prediction | None:
    if values is None:
        return None
    arrays = {name: np.array(value) if isinstance(value, list) else value for name, value in values.items()}
    return cast("Prediction", SimpleNamespace(**arrays))


def _digest(package: str) -> str:
    """Return what tells one version of a package from another: a SHA-256 over its sources, and ours."""
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    digest = hashlib.sha256(f"gradlab {__version__}, {package}\n".encode())
    for path in sorted(path for folder in folders for path in Path(folder).glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
