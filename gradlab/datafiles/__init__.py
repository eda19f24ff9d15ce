"""Data files of the user: read, checked and described in numpy and pandas, so that a plan needs no torch.

`gradlab.tasks` makes tensors of what is read here; `check` says what is wrong with a file before anything runs.
"""

from gradlab.datafiles.checks import Checked, check, require_image

__all__ = ["Checked", "check", "require_image"]
