"""The page of the Python reference: directives for mkdocstrings, which reads signatures and docstrings."""

from __future__ import annotations

import gradlab

__all__ = ["GROUPS", "page"]

GROUPS = {
    "Runs": ("python.functions", "python.predictions"),
    "Models of your own": ("python.probe", "python.watch", "python.width", "python.healthy"),
    "Results": ("python.results", "python.comparison", "python.probe_comparison", "api.plan", "api.theory"),
    "Components of your own": ("plugins", "components", "mean_field.activations"),
    "Errors": ("errors",),
}
"""By heading, the modules whose public names stand below it."""
_OTHERS = "Others"
_CALLBACKS = tuple(f"gradlab.{module}.Watch" for module in gradlab._CALLBACKS)

_INTRODUCTION = """\
# Python reference

Every public name of `import gradlab as gl`, from its docstring. [Python](python.md) says what they are for.

"""


def page() -> str:
    """Return the text of the page."""
    headings = {module: heading for heading, group in GROUPS.items() for module in group}
    sections: dict[str, list[str]] = {heading: [] for heading in (*GROUPS, _OTHERS)}
    for name, module in gradlab._MODULES.items():
        sections[headings.get(module, _OTHERS)].append(f"gradlab.{module}.{name}")
    sections["Models of your own"] += _CALLBACKS
    parts = [f"## {heading}\n\n" + "\n".join(map(_directive, paths)) for heading, paths in sections.items() if paths]
    return _INTRODUCTION + "\n".join(parts)


def _directive(path: str) -> str:
    """Return what mkdocstrings reads, with the name as ``gl.`` has it."""
    *modules, name = path.split(".")
    shown = f"gl.{modules[-1]}.{name}" if path in _CALLBACKS else f"gl.{name}"
    options = [
        "heading: " + shown,
        "toc_label: " + shown,
        *(["members: false", "inherited_members: false"] if modules[-1] == "errors" else []),
    ]
    return f"::: {path}\n    options:\n" + "".join(f"      {option}\n" for option in options)
