"""The options of a transformer, without torch."""

from __future__ import annotations

from gradlab.components import Param

__all__ = ["OPTIONS"]

_AUTO = Param("auto", bool, choices=("auto",))
_GAIN = Param(1.0, low=0)

OPTIONS: dict[str, Param] = {
    "heads": Param(4, int, low=1),
    "ff": Param(4, int, low=0),
    "attention": Param("softmax", str, choices=("softmax", "shaped", "none")),
    "causal": _AUTO,
    "positions": Param("learned", str, choices=("learned", "sinusoidal", "none")),
    "pool": Param("mean", str, choices=("mean", "first", "last")),
    "patch": Param(2, int, low=1),
    "embedding_std": Param(1.0, low=0, above=True),
    "qk_norm": Param(False, bool),
    "softcap": Param(0.0, low=0, off=True),
    "gate": Param(False, bool),
    "qk_gain": _GAIN,
    "vo_gain": _GAIN,
    "in_gain": _GAIN,
    "out_gain": _GAIN,
    "final_norm": _AUTO,
}
