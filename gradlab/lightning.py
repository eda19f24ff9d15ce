"""`gl.lightning.Watch`: a callback of Lightning that watches the model of a Trainer, see `gradlab.watch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.errors import UsageError
from gradlab.python.watch import watch

try:
    from lightning.pytorch import Callback
except ImportError:
    try:
        from pytorch_lightning import Callback
    except ImportError:
        raise UsageError("Lightning is not installed", "pip install lightning") from None

if TYPE_CHECKING:
    from torch import nn

    from gradlab.modules.chains.choice import Blocks
    from gradlab.python.watch import Watch as _Watch

__all__ = ["Watch"]


class Watch(Callback):  # type: ignore[misc]
    """Measures every N-th step of `Trainer(callbacks=[gl.lightning.Watch(every=100)])`.

    Where the LightningModule holds one module with all of its parameters that one is watched, else the LightningModule
    itself, whose forward `training_step` must call then: ``self(x)``. The measured loss is that of `training_step`.
    """

    def __init__(
        self, every: int = 100, out: str | Path | None = None, blocks: Blocks = "auto", name: str = "",
        model: str = "", optimizer: int = 0,
    ) -> None:  # fmt: skip
        """Take what `gradlab.watch` takes.

        Args:
            model: name of the module to watch in the LightningModule, ``"net.encoder"``.
            optimizer: the place of the one whose updates are the steps, of several.
        """
        super().__init__()
        self._options: dict[str, Any] = {"every": every, "out": out, "blocks": blocks, "name": name}
        self._name, self._optimizer = model, optimizer
        self._steps = 0
        self.watched: _Watch | None = None
        """The numbers: `frame`, `steps`, `report()`. None before training."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch. Raises UsageError as `gradlab.watch` does, and for a module that there is not."""
        if not self._optimizer < len(trainer.optimizers):
            raise UsageError(
                f"optimizer={self._optimizer}: the LightningModule has {len(trainer.optimizers)} optimizers",
                "count them from 0",
            )
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        self._steps = trainer.global_step
        self.watched = watch(
            _model(pl_module, self._name), optimizer=trainer.optimizers[self._optimizer], scaler=scaler, **self._options
        )

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Note the loss of the batch that ended a step."""
        updated, self._steps = trainer.global_step > self._steps, trainer.global_step
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if updated and loss is not None and self.watched is not None:
            self.watched.step(loss=loss)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """End the watch, also after an exception."""
        if self.watched is not None:
            self.watched.close()


def _model(module: nn.Module, name: str) -> nn.Module:
    from torch import nn

    if name:
        parts = dict(module.named_modules())
        if name not in parts:
            children = ", ".join(child for child, _ in module.named_children())
            raise UsageError(f"model={name!r} is no module of {type(module).__name__}", f"it has {children}")
        part: nn.Module = parts[name]
        return part
    trainable: list[nn.Module] = [child for child in module.children() if any(True for _ in child.parameters())]
    alone = len(trainable) == 1 and not any(True for _ in module.parameters(recurse=False))
    return trainable[0] if alone and not isinstance(trainable[0], nn.ModuleList | nn.ModuleDict) else module
