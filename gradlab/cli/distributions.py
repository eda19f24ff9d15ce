"""Two distributions with one import name: on the package index ``gradlab`` is the name of another project.

Loads nothing else of gradlab, since files of the other project may have taken the place of ours.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import distributions

__all__ = ["DISTRIBUTION", "conflict"]

DISTRIBUTION = "gradient-survival"
"""The name of this project's distribution; command and import are ``gradlab``."""
_OTHER = "gradlab"


def conflict(path: Sequence[str] | None = None) -> str:
    """Return a message where another distribution in the environment (on `path`) has files of the package gradlab.

    Empty where there is none.
    """
    try:
        candidates = distributions(name=_OTHER, path=list(sys.path if path is None else path))
        # what pip has installed has a RECORD; an egg-info without one lies in a clone and is of an older name of ours
        installed = [distribution for distribution in candidates if distribution.read_text("RECORD") is not None]
        owners = [distribution for distribution in installed if _owns_package(distribution.files or ())]
        if not owners:
            return ""
        version = owners[0].version
    except Exception:  # metadata that is damaged says nothing, and must not keep anybody from working
        return ""
    return (
        f"warning: two distributions of this environment own the import name gradlab: {DISTRIBUTION} (this one) and "
        f"gradlab {ascii(version)[1:-1]}, another project; each may have replaced files of the other\n"
        f"  pip uninstall {_OTHER}, then install {DISTRIBUTION} again; or give each an environment of its own"
    )


def _owns_package(files: Sequence[object]) -> bool:
    return any(str(file).replace("\\", "/").startswith(f"{_OTHER}/") for file in files)
