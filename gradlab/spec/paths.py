"""The path of a data file as a spec has it."""

from __future__ import annotations

import stat
from pathlib import Path

__all__ = ["data_file"]


def data_file(value: str, base: Path) -> str:
    """Return the absolute path of a file, which is relative to `base`.

    Raises ValueError for one that is none, with what is wrong with it: ``does not exist``.
    """
    try:
        file = base / Path(value).expanduser()
        mode = file.stat().st_mode
        file = file.resolve()
    except FileNotFoundError as error:
        raise ValueError("does not exist") from error
    except PermissionError as error:
        raise ValueError("cannot be reached: permission denied") from error
    except OSError as error:  # a loop of links, a name that is too long
        raise ValueError(f"cannot be reached: {error.strerror}") from error
    except (RuntimeError, ValueError) as error:  # ~ of a user that there is not, a null character
        raise ValueError("is no path") from error
    if not stat.S_ISREG(mode):
        raise ValueError("is a directory" if stat.S_ISDIR(mode) else "is not a regular file")
    return str(file)
