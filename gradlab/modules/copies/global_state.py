"""The global state that code of the user reads: random streams and the default dtype, as contexts that put it back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["default_dtype", "random_streams"]


@contextmanager
def random_streams(seed: int) -> Iterator[None]:
    """As a context: torch's, numpy's and Python's global streams begin at a seed, and are afterwards as before."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    # without a context there is no state of a GPU to keep, and asking for it would make one
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """As a context: constants that a forward pass creates (`torch.zeros(n)`) fit the parameters."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
