"""A change that may help a model, as the lines of Python that a user would write."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Change"]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a model called ``model``; ``forward()`` calls the model with the batch."""

    what: str
    source: str
    code: str
