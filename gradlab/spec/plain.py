"""Python values as a spec holds them: numbers, texts, true, false, none, lists and mappings of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Set
from decimal import Decimal
from enum import Enum
from itertools import islice
from numbers import Integral, Real
from typing import Any

from gradlab.spec.reader import DEEPEST, MOST_VALUES

__all__ = ["plain"]


def plain(value: object, depth: int = 0) -> Any:
    """Return what a value means in a spec; scalars and arrays of numpy, pandas and torch are numbers and lists.

    Raises:
        ValueError: it means nothing there, or is too deep or too long; with why.
    """
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    if callable(getattr(value, "tolist", None)):
        value = value.tolist()  # type: ignore[attr-defined]
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        if int(value).bit_length() > 1024:  # the range of a float; Python writes no more than 4,300 digits
            raise ValueError("must be finite")
        return int(value)
    if isinstance(value, Real | Decimal):
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        items = list(islice(sorted(value) if isinstance(value, Set) else value, MOST_VALUES + 1))
        if len(items) > MOST_VALUES:
            raise ValueError(f"holds more than {MOST_VALUES:,} values")
        return [plain(item, depth + 1) for item in items]
    raise ValueError(f"means nothing in a spec: it is of type {type(value).__name__}")
