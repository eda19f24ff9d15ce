"""torch.optim's classes without torch._dynamo, which takes longer to import than a small bank to train.

`Optimizer.__init__` and `step` import torch._dynamo only to tell the compiler not to look inside them. Nothing is
compiled here, so the methods are called without those decorators: `inspect.unwrap` follows the ``__wrapped__`` that
functools.wraps leaves behind, and where a version of torch has no such decorator it returns the method itself.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import torch

__all__ = ["light"]

_DECORATED = ("add_param_group", "state_dict", "load_state_dict", "zero_grad")


@cache
def light(kind: Any) -> Any:
    """Return a subclass of a class of torch.optim with the same arithmetic; any other class as it is."""
    if not kind.__module__.startswith("torch.optim"):
        return kind
    plain = inspect.unwrap(kind.step)

    @torch.no_grad()
    def step(self: Any) -> None:
        plain(self)

    step.hooked = True  # type: ignore[attr-defined]  # else __init__ wraps it again, for the profiler
    members = {name: inspect.unwrap(getattr(kind, name)) for name in _DECORATED}
    return type(kind.__name__, (kind,), {**members, "step": step, "__module__": kind.__module__})
