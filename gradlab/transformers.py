"""`gl.transformers.Watch`: a callback of the Trainer of transformers that watches its model, see `gradlab.watch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.errors import UsageError
from gradlab.python.watch import watch

try:
    from transformers import TrainerCallback
except ImportError:
    raise UsageError("transformers is not installed", "pip install transformers") from None

if TYPE_CHECKING:
    from gradlab.modules.chains.choice import Blocks
    from gradlab.python.watch import Watch as _Watch

__all__ = ["Watch"]


class Watch(TrainerCallback):  # type: ignore[misc]
    """Measures every N-th step of `Trainer(callbacks=[gl.transformers.Watch(every=100)])`.

    The measured loss is the one that the model returns.
    """

    def __init__(
        self, every: int = 100, out: str | Path | None = None, blocks: Blocks = "auto", name: str = ""
    ) -> None:
        """Take what `gradlab.watch` takes."""
        self._options: dict[str, Any] = {"every": every, "out": out, "blocks": blocks, "name": name}
        self.watched: _Watch | None = None
        """The numbers: `frame`, `steps`, `report()`. None before training."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin to watch. Raises UsageError as `gradlab.watch` does."""
        optimizer = kwargs["optimizer"]
        scaler = getattr(optimizer, "scaler", None)
        self.watched = watch(kwargs["model"], optimizer=optimizer, scaler=scaler, **self._options)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the watch."""
        if self.watched is not None:
            self.watched.close()
