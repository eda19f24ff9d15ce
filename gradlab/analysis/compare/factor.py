"""A factor of a design: a setting that varies, with its levels."""

from __future__ import annotations

from dataclasses import dataclass

from gradlab.store.records import Integers

__all__ = ["Factor"]


@dataclass(frozen=True, slots=True)
class Factor:
    """A setting that varies. `codes` [N] index `levels`, of which each occurs."""

    name: str
    levels: tuple[str, ...]
    codes: Integers
    confounded: tuple[str, ...] = ()
    """Settings that change only together with this one: every effect is that of all of them."""
    labels: tuple[str, ...] = ()
    """The levels with those of the `confounded` settings; empty without any."""

    @property
    def title(self) -> str:
        """The setting, and those that cannot be told from it: ``optimizer with lr``."""
        return " with ".join((self.name, *(", ".join(self.confounded),) * bool(self.confounded)))

    @property
    def level_labels(self) -> tuple[str, ...]:
        """The levels as a report names them: ``adam, lr 0.001``."""
        return self.labels or self.levels
