"""What theory says of a run's configurations, worked out once and kept in its directory as ``theory.json``.

A prediction takes some hundredths of a second, so of thousands of configurations a minute: too long to be made anew at
the end of each session. The file is a cache: it can be deleted, and one of another `THEORY_VERSION` is ignored.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gradlab.cell import SETTINGS, Cell, configuration_id
from gradlab.store import RunDirectory
from gradlab.store.documents import parse

if TYPE_CHECKING:
    from gradlab.mean_field import Prediction
    from gradlab.results.theory import Predict

__all__ = ["Predictions"]

NAME = "theory.json"
_TEXTS = ("reason", "note")

_TRAINING = {setting.attribute: setting.default for setting in SETTINGS.values() if setting.training}
"""Settings without a meaning before the first update, at their defaults: cells that differ in these alone share a
prediction."""


class Predictions:
    """A `results.theory.Predict` that asks `theory`, ``"package:function"``, for what the directory does not know.

    The package has a `THEORY_VERSION`, which stands in the header of the file. With ``ask=False`` what the directory
    does not know has no prediction.
    """

    def __init__(
        self, directory: RunDirectory, theory: str = "gradlab.mean_field:predict", *, ask: bool = True
    ) -> None:
        package, _, self._function = theory.partition(":")
        self._directory, self._package, self._ask = directory, package, ask
        self._known: dict[str, Any] | None = None
        self._new = False

    def __call__(
        self, cell: Cell, *, in_features: int, out_features: int, input_mean_square: float
    ) -> Prediction | None:
        """Return the prediction, see `results.theory.Predict`. Raises what the theory raises."""
        known = self._load() if self._known is None else self._known
        setting = configuration_id(dataclasses.replace(cell, **_TRAINING))
        key = f"{setting} {in_features} {out_features} {float(input_mean_square).hex()}"
        if not _fits(known.get(key), cell.blocks):
            known.pop(key, None)
        if key not in known and self._ask:
            predict: Predict = getattr(importlib.import_module(self._package), self._function)
            prediction = predict(
                cell, in_features=in_features, out_features=out_features, input_mean_square=input_mean_square
            )
            known[key] = None if prediction is None else _plain(prediction)
            self._new = True
        return _object(known.get(key))

    def save(self) -> None:
        """Write what is new into the directory. Raises StoreError when that cannot be."""
        if self._new:
            text = json.dumps({"theory": self._version(), "predictions": self._known}, separators=(",", ":"))
            self._directory.write_text(NAME, text + "\n")
            self._new = False

    def _load(self) -> dict[str, Any]:
        data = self._directory.read_bytes(NAME)
        try:
            document = parse(data or b"{}")
            predictions = document["predictions"] if document["theory"] == self._version() else {}
        except (ValueError, KeyError, TypeError):
            predictions = {}
        self._known = predictions if isinstance(predictions, dict) else {}
        return self._known

    def _version(self) -> str:
        return f"{self._package} {importlib.import_module(self._package).THEORY_VERSION}"


def _plain(prediction: Any) -> dict[str, Any]:
    values = {field.name: getattr(prediction, field.name) for field in dataclasses.fields(prediction)}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}


def _fits(values: Any, blocks: int) -> bool:
    """Return whether this is what `_plain` makes of a prediction for a profile of this length."""
    from gradlab.mean_field import Prediction

    if values is None:
        return True
    if not isinstance(values, dict) or values.keys() != {field.name for field in dataclasses.fields(Prediction)}:
        return False
    numbers = [value for name, value in values.items() if name not in _TEXTS and value is not None]
    lists = [value for value in numbers if isinstance(value, list)]
    single = [*(value for value in numbers if not isinstance(value, list)), *itertools.chain(*lists)]
    return (
        all(isinstance(values[name], str) for name in _TEXTS)
        and all(len(profile) == blocks for profile in lists)
        and all(isinstance(value, float | int) for value in single)
    )


def _object(values: dict[str, Any] | None) -> Prediction | None:
    if values is None:
        return None
    arrays = {name: np.array(value) if isinstance(value, list) else value for name, value in values.items()}
    return cast("Prediction", SimpleNamespace(**arrays))
