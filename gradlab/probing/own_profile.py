"""The profile of a model that is no chain of links, and measures itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor

from gradlab.families.network import Model
from gradlab.probing.profile import Loss, Numbers

__all__ = ["OwnProfile"]


class OwnProfile(Model):
    """A model that a probe cannot walk along, such as one of the user's whose blocks are the cuts of its graph."""

    @abstractmethod
    def profile(
        self, flat_RP: Tensor, x: Tensor, target: Tensor, loss: Loss, running: Sequence[Tensor],
        smallest_R: Tensor | None, *, everything: bool,
    ) -> Numbers:  # fmt: skip
        """Return the fields of a `Profile` that there are, by name, but the norms of the weights.

        The arguments are those of `probing.probe`. `everything`: else `loss_R` and `log_grad_norm_RL` alone, to the bit
        the same.
        """
