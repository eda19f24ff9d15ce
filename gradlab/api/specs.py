"""Specs of several files at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradlab import spec
from gradlab.api.experiments import spec_path
from gradlab.errors import Problem, SpecError, UsageError
from gradlab.spec import Spec

__all__ = ["load_specs"]


def load_specs(paths: Sequence[Path], overrides: Sequence[str] = ()) -> tuple[Spec, ...]:
    """Read all specs, of which ``@NAME`` is an experiment that comes with gradlab.

    Raises one SpecError with the problems of all of them, UsageError for two of one name and for a name that there is
    not.
    """
    paths = [spec_path(path) for path in paths]
    specs: list[Spec] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            specs.append(spec.load(path, overrides=overrides))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(tuple(dict.fromkeys(problems)))
    first: dict[str, Path] = {}
    for path, loaded in zip(paths, specs, strict=True):
        if loaded.name in first:
            raise UsageError(
                f"{first[loaded.name]} and {path} both have the name {loaded.name!r}, which is their run directory",
                "change the name in one of them, or run them one after the other with different --out",
            )
        first[loaded.name] = path
    return tuple(specs)
