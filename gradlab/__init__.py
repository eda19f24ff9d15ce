"""gradlab: find out, with numbers that hold, whether gradients survive in a deep network.

    import gradlab as gl

    results = gl.run("experiments/sigmoid_vs_relu.yaml")    # the same as: gradlab run
    results = gl.load("results/")                           # what runs have left
    gl.probe(model, batch, loss="cross_entropy")            # a model of your own
    gl.watch(model, optimizer=optimizer)                    # its training loop
    gl.theory(activation="tanh", depth=30)                  # what mean-field theory predicts

Importing this loads nothing else; each name is imported when it is used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "Comparison": "python.comparison",
    "GradlabError": "errors",
    "Lengths": "components",
    "NumpyActivation": "mean_field.activations",
    "OptionError": "errors",
    "Param": "components",
    "Picture": "python.results",
    "Plan": "api.plan",
    "PluginError": "errors",
    "Probe": "python.probe",
    "ProbeComparison": "python.probe_comparison",
    "Results": "python.results",
    "SpecError": "errors",
    "StoreError": "errors",
    "Theory": "api.theory",
    "UsageError": "errors",
    "Watch": "python.watch",
    "Width": "python.width",
    "activation": "plugins",
    "assert_healthy": "python.healthy",
    "compare": "python.functions",
    "critical_line": "python.predictions",
    "family": "plugins",
    "init": "plugins",
    "load": "python.functions",
    "module": "plugins",
    "norm": "plugins",
    "optimizer": "plugins",
    "plan": "python.functions",
    "plugin": "plugins",
    "probe": "python.probe",
    "run": "python.functions",
    "sweep": "python.functions",
    "task": "plugins",
    "theory": "python.predictions",
    "theory_table": "python.predictions",
    "watch": "python.watch",
    "width": "python.width",
}
"""The module of each public name. No package of gradlab may have one of these names: importing it would hide them."""

_CALLBACKS = ("lightning", "transformers")
"""Modules with a callback for a package that need not be installed."""

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"gradlab.{_MODULES[name]}"), name)
    if name in _CALLBACKS:
        return import_module(f"gradlab.{name}")
    raise AttributeError(f"module 'gradlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
