"""gradlab: find out, with numbers that hold, whether gradients survive in a deep network.

    import gradlab as gl

    results = gl.run("experiments/sigmoid_vs_relu.yaml")    # the same as: gradlab run
    results = gl.load("results/")                           # what runs have left
    gl.theory(activation="tanh", depth=30)                  # what mean-field theory predicts

Importing this loads nothing else; each name is looked up when it is used.
"""

from importlib import import_module
from inspect import Signature, signature
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_FROM = {
    "GradlabError": "errors",
    "Picture": "results",
    "Results": "results",
    "Theory": "api",
    "load": "api",
    "theory_table": "api",
}
_MODULES = ("run", "theory")
"""Modules that can be called: ``gl.run(...)`` is `gradlab.api.run`, and `gradlab.run` still the module."""

__all__ = ["GradlabError", "Picture", "Results", "Theory", "__version__", "load", "run", "theory", "theory_table"]


class CallableModule(ModuleType):
    """A module that is also the function of its name in `gradlab.api`."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._function(*arguments, **named)

    @property
    def __signature__(self) -> Signature:
        return signature(self._function)

    @property
    def _function(self) -> Any:
        return getattr(import_module("gradlab.api"), self.__name__.rpartition(".")[2])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"gradlab.{name}")
    if name in _FROM:
        return getattr(import_module(f"gradlab.{_FROM[name]}"), name)
    raise AttributeError(f"module 'gradlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
