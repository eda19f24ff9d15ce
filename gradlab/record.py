"""The record: what one trained cell leaves behind. It crosses from worker to store; plain numpy, no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradlab import columns

__all__ = ["Floats", "Record"]

Floats = NDArray[np.float64]


class Record:
    """One cell as measured: an attribute for each field of the schema (`columns.fields`), and `probe_steps` [K].

    K probed steps, L blocks (of a recurrent network its time steps), D stacked layers; block 1 and layer 1 come first.
    NaN where there is nothing to say. Logarithms are natural: -inf is exactly zero, never underflow, as gradients are
    measured in float64 with an extended exponent.

    - A value of the cell: text, bool, int (None: there is none) or float.
    - ``kept="step"``: [K], ``kept="layer"``: [K, L], ``kept="stacked"``: [K, L, D] in float64. The last, as
      `log_grad_norm_by_layer`, is left out by networks without stacked recurrent layers and has then D = 0.
    """

    __slots__ = ("_values", "probe_steps")
    probe_steps: NDArray[np.int64]

    def __init__(self, *, probe_steps: NDArray[np.int64], log_grad_norm: Floats, **values: Any) -> None:
        """Take the value of every field. Raises TypeError for one that is missing or unknown."""
        values["log_grad_norm"] = log_grad_norm
        for field in columns.fields("stacked"):
            values.setdefault(field.name, np.empty((*log_grad_norm.shape, 0)))
        names = {field.name for field in columns.fields()}
        if unlike := sorted(names ^ values.keys()):
            raise TypeError(f"a record has the fields of gradlab.columns: {', '.join(unlike)} missing or unknown")
        self.probe_steps, self._values = probe_steps, values

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"a record has no field {name!r}")
        return self._values[name]

    def with_values(self, **changes: Any) -> Record:
        """Return a record with other values of some fields."""
        return Record(**{"probe_steps": self.probe_steps, **self._values, **changes})
