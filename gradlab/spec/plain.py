"""Python values as a spec holds them: numbers, texts, true, false, none, lists and mappings of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from itertools import islice
from math import prod
from numbers import Integral, Real
from typing import Any

from gradlab.components import Named
from gradlab.errors import shorten
from gradlab.spec.reader import DEEPEST, MOST_VALUES

__all__ = ["plain"]


def plain(value: object, depth: int = 0) -> Any:
    """Return what a value means in a spec; scalars and arrays of numpy, pandas and torch are numbers and lists.

    Raises:
        ValueError: it means nothing there, or is too deep or too long; with why.
    """
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    try:
        return _plain(value, depth)
    except (ValueError, RecursionError) as error:
        raise ValueError(str(error)) from None
    except OverflowError:
        raise ValueError("must be finite") from None
    except Exception as error:  # of an array, a generator or a mapping of somebody else
        raise ValueError(f"cannot be read: {type(error).__name__}: {shorten(str(error), 200)}") from error


def _plain(value: object, depth: int) -> Any:
    if "dtype" in type(value).__name__.lower():  # torch.float64, numpy.dtype("float32")
        return str(value)
    value = _of_array(value)
    if isinstance(value, Enum):
        return plain(value.value, depth + 1)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Named):
        return plain({"name": value.name, **dict(value.params)}, depth)
    if isinstance(value, Integral):
        if int(value).bit_length() > 1024:  # the range of a float; Python writes no more than 4,300 digits
            raise ValueError("must be finite")
        return int(value)
    if isinstance(value, Real | Decimal):
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, Mapping):
        _check_size(len(value))
        return {str(plain(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray) and not hasattr(value, "read"):
        items = list(islice(value, MOST_VALUES + 1))
        _check_size(len(items))
        return [plain(item, depth + 1) for item in (_sorted(items) if isinstance(value, set | frozenset) else items)]
    by_name = ", write its name as text" if callable(value) else ""
    raise ValueError(f"means nothing in a spec: it is of type {type(value).__name__}{by_name}")


def _of_array(value: Any) -> Any:
    """Return an array or a scalar of numpy, pandas or torch as Python's own lists and numbers; others as they are."""
    if isinstance(value, type):  # whose attributes are functions without an object
        return value
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        _check_size(prod(shape))
    kinds = str(getattr(getattr(value, "dtype", None), "kind", ""))
    if kinds in ("m", "M", "V"):  # tolist would make plain numbers of dates
        raise ValueError(f"means nothing in a spec: it is of type {value.dtype}")
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    if isinstance(shape, tuple) and len(shape) > 1:
        raise ValueError(f"means nothing in a spec: it is of type {type(value).__name__}")
    return value


def _check_size(size: int) -> None:
    if size > MOST_VALUES:
        raise ValueError(f"holds more than {MOST_VALUES:,} values")


def _sorted(items: list[Any]) -> list[Any]:
    """Return the items of a set in an order that does not depend on how Python keeps it."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=lambda item: (type(item).__name__, str(item)))
