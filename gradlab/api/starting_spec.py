"""A spec to begin with: a commented one of every setting with its default, or the copy of an experiment."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from gradlab.api.experiments import experiment
from gradlab.cell import SETTINGS
from gradlab.components import Named
from gradlab.errors import UsageError
from gradlab.spec import loads
from gradlab.spec.json_schema import SCHEMA_TITLE, json_schema

__all__ = ["SCHEMA_FILE", "copied_spec", "starting_spec", "write_starting_spec"]

_HEAD = """\
# A spec of gradlab. Run it with
#
#     gradlab run {name}.yaml
#
# `gradlab plan {name}.yaml` says first what that takes; -s depth=2..16 overrides a setting from outside.

name: {name}  # of the run, and of its directory below results/
description: Does the gradient of a deep network survive?

seeds: 3  # 0 to 2; a list, [3, 7], names them

# What varies: every combination of these is a configuration. Values are a list or a range: 2..64, 2..64:2 (step),
# 2..64*2 (factor).
grid:
  depth: 2..16*2  # 2, 4, 8, 16
  activation: [sigmoid, tanh, relu]  # gradlab list activations
  # optimizer.momentum: [0.5, 0.9]  # a parameter of a component, with optimizer: momentum

# Combinations that are left out.
# exclude:
#   - activation=sigmoid and depth>=16

# What the results must show; gradlab run --check fails where it does not hold.
# expect:
#   - survival[activation=relu] > survival[activation=sigmoid]

# What is the same in every cell. All settings with their defaults; take the # away from those to change. The names of
# components are listed by gradlab list; parameters are written {{name: leaky_relu, negative_slope: 0.2}}.
"""
SCHEMA_FILE = "gradlab.schema.json"
_EDITOR_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"
"""What the YAML language server of an editor reads in the first line."""
_VARIED = ("depth", "activation")


def starting_spec(name: str) -> str:
    """Return the text of a commented spec called `name`. Raises SpecError for what cannot be a name."""
    lines = [f"# {key}: {_default(key)}" for key in SETTINGS if key != "seed" and key not in _VARIED]
    width = max(map(len, lines))
    helps = [setting.help for key, setting in SETTINGS.items() if key != "seed" and key not in _VARIED]
    text = _HEAD.format(name=name)
    text += "".join(f"{line.ljust(width)}  # {help}\n" for line, help in zip(lines, helps, strict=True))
    loads(text, f"{name}.yaml")
    return text


def copied_spec(source: str, name: str) -> str:
    """Return the text of the experiment `source`, with its comments, as a spec called `name`.

    Raises UsageError for an experiment that there is not, SpecError for what cannot be a name.
    """
    path = experiment(source)
    text = path.read_text(encoding="utf-8")
    text = re.sub(rf"(?<![\w/])experiments/(papers/)?{path.stem}\.yaml", f"{name}.yaml", text)
    text = re.sub(rf"(?<![\w/])results/{path.stem}(?!\w)", f"results/{name}", text)
    text = re.sub(r"^name: *\S+", f"name: {name}", text, flags=re.MULTILINE)
    loads(text, f"{name}.yaml")
    return text


def write_starting_spec(name: str | None = None, source: str | None = None, *, schema: bool = False) -> list[Path]:
    """Write `starting_spec`, or `copied_spec` of an experiment, to a new file ``NAME.yaml`` in the working directory.

    Returns its path; without `name` it is called as the experiment, or ``my_first_run``. With `schema` the JSON Schema
    of a spec is written beside it, for editors, the first line of the spec names it, and its path is returned too; an
    earlier schema of gradlab is replaced.
    Raises UsageError where there is such a file or it cannot be written, and for an experiment that there is not,
    SpecError for what cannot be a name.
    """
    if name is None:
        name = "my_first_run" if source is None else experiment(source).stem
    path = Path(f"{name.removesuffix('.yaml')}.yaml")
    text = starting_spec(path.stem) if source is None else copied_spec(source, path.stem)
    paths = [path]
    if schema:
        text = _EDITOR_LINE + text
        paths.append(_schema_to_write(path))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        for other in paths[1:]:
            other.write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")
    except FileExistsError:
        raise UsageError(f"{path}: there is such a file already", "choose another name, or delete it") from None
    except OSError as error:
        raise UsageError(f"{error.filename or path} cannot be written: {error.strerror or error}") from error
    return paths


def _schema_to_write(spec: Path) -> Path:
    """Return the path of the schema beside a spec. Raises UsageError where another file has it."""
    path = spec.with_name(SCHEMA_FILE)
    try:
        title = json.loads(path.read_text(encoding="utf-8")).get("title") if path.exists() else SCHEMA_TITLE
    except (OSError, ValueError, AttributeError):
        title = None
    if title != SCHEMA_TITLE:
        raise UsageError(f"{path}: there is another file of that name", "rename it, or leave --schema out")
    return path


def _default(key: str) -> str:
    default: Any = SETTINGS[key].default
    if default is None:
        return "none"
    return str(default) if isinstance(default, Named | str) else repr(default)
