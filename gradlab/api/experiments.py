"""The experiments that come with gradlab, by name: ``@sigmoid_vs_relu`` is the path of its spec.

They lie in the folder experiments/ of a clone, and inside the package where it was installed from a wheel.
"""

from __future__ import annotations

import os.path
from pathlib import Path

from gradlab.components import nearest
from gradlab.errors import UsageError, shorten

__all__ = ["PREFIX", "experiment", "experiments", "spec_path"]

PREFIX = "@"
"""What stands before the name of an experiment where a path may stand too."""
_PACKAGE = Path(__file__).parent.parent


def experiments() -> dict[str, Path]:
    """Return the specs by name, those of papers last; none where they were left out of an installation."""
    inside, beside = _PACKAGE / "experiments", _PACKAGE.parent / "experiments"
    folder = beside if not inside.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file() else inside
    return {path.stem: path for part in ("", "papers") for path in sorted((folder / part).glob("*.yaml"))}


def experiment(name: str) -> Path:
    """Return the path of an experiment, with or without the sign before its name. Raises UsageError for another."""
    name, bundled = name.removeprefix(PREFIX), experiments()
    if name not in bundled:
        close = nearest(name, bundled)
        hint = f"did you mean {PREFIX}{close}?" if close else "gradlab list experiments names them"
        raise UsageError(f"there is no experiment {shorten(name)!r}", hint)
    return bundled[name]


def spec_path(path: Path) -> Path:
    """Return the path of a spec: that of the experiment for ``@NAME``, unless there is a file of this name.

    Raises UsageError for an experiment that there is not, and for a missing file with the name of an experiment.
    """
    if os.path.exists(path):  # noqa: PTH110 - Path.exists raises an OSError for a name that is too long
        return path
    if str(path).startswith(PREFIX):
        return experiment(str(path))
    if path.suffix in ("", ".yaml") and path.stem in experiments():
        raise UsageError(
            f"{path}: there is no such file", f"the experiment that comes with gradlab is {PREFIX}{path.stem}"
        )
    return path
