"""float32 against the CPU: the same cells on both devices."""

from __future__ import annotations

from gpu_sections import Context, Results
from gpu_sections.compared import differences
from gpu_sections.device import cells
from gradlab.components import Named

__all__ = ["measure"]

SETTINGS = {
    "tanh": {},
    "relu, he_normal": {"activation": Named("relu"), "init": Named("he_normal")},
    "layer norm, pre_norm": {"norm": Named("layer"), "residual": Named("pre_norm")},
    "lstm": {"model": Named("lstm"), "task": Named("adding"), "seq_len": 20, "depth": 1, "width": 16},
}


def measure(context: Context, results: Results) -> None:
    """At step 0 the probe is float64 on both sides; after training rounding has grown."""
    size = {"depth": 3, "width": 8, "steps": 12} if context.tiny else {"depth": 16, "width": 64, "steps": 40}
    for name, setting in SETTINGS.items():
        results[name] = differences(context, cells(4, **size | setting))
