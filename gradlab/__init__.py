"""gradlab: find out, with numbers that hold, whether gradients survive in a deep network.

    import gradlab as gl

    results = gl.run("experiments/sigmoid_vs_relu.yaml")    # the same as: gradlab run
    results = gl.load("results/")                           # what runs have left
    gl.theory(activation="tanh", depth=30)                  # what mean-field theory predicts

Importing this loads nothing else; each name is imported when it is used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_FROM = {
    "GradlabError": "errors",
    "Picture": "api.results",
    "Results": "api.results",
    "Theory": "api.python",
    "load": "api.python",
    "run": "api.python",
    "theory": "api.python",
    "theory_table": "api.python",
}
"""The module of each public name. No package of gradlab may have one of these names: importing it would hide them."""

__all__ = ["GradlabError", "Picture", "Results", "Theory", "__version__", "load", "run", "theory", "theory_table"]


def __getattr__(name: str) -> Any:
    if name in _FROM:
        return getattr(import_module(f"gradlab.{_FROM[name]}"), name)
    raise AttributeError(f"module 'gradlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
