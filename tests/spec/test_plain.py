"""Values from Python: numbers and arrays of other libraries are what they mean, anything else is refused by name."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from gradlab import grid, spec
from gradlab.errors import SpecError


class Width(Enum):
    WIDE = 128


VALUES = {
    "np.int64": (np.int64(4), 4),
    "np.float32": (np.float32(0.5), 0.5),
    "np.bool": (np.bool_(True), True),
    "np.str": (np.str_("relu"), "relu"),
    "array": (np.arange(2, 5), [2, 3, 4]),
    "0-d array": (np.array(3), 3),
    "tensor": (torch.tensor([1, 2]), [1, 2]),
    "0-d tensor": (torch.tensor(0.5), 0.5),
    "Series": (pd.Series([1, 2]), [1, 2]),
    "range": (range(2, 4), [2, 3]),
    "generator": ((2 * i for i in (1, 2)), [2, 4]),
    "set": ({3, 1}, [1, 3]),
    "Decimal": (Decimal("0.1"), 0.1),
    "Fraction": (Fraction(1, 4), 0.25),
    "Path": (Path("a.csv"), "a.csv"),
    "Enum": (Width.WIDE, 128),
    "nested": ({"name": "normal", "std": np.float64(0.1)}, {"name": "normal", "std": 0.1}),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_what_it_means(name: str) -> None:
    value, plain = VALUES[name]
    converted = spec.plain(value)
    assert converted == plain
    assert type(converted) is type(plain)


def test_the_cells_are_those_of_plain_values() -> None:
    of_numpy = spec.from_mapping(
        "x", {"depth": np.array([2, 4]), "lr": np.float32(0.5), "train": {"steps": np.int64(3)}}
    )
    plain = spec.from_mapping("x", {"depth": [2, 4], "lr": 0.5, "train": {"steps": 3}})
    assert grid.expand(of_numpy) == grid.expand(plain)


def deep() -> list[object]:
    nested: list[object] = []
    nested.append(nested)
    return nested


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (SimpleNamespace(), "means nothing in a spec: it is of type SimpleNamespace"),
        (1j, "means nothing in a spec: it is of type complex"),
        (b"relu", "means nothing in a spec: it is of type bytes"),
        (deep(), "nested more than 20 levels deep"),
        (range(10**9), "holds more than 100,000 values"),
    ],
)
def test_what_means_nothing_is_refused_with_its_key(value: object, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec.from_mapping("x", {"depth": 2, "width": value})
    assert str(caught.value) == f"width: {says}"
