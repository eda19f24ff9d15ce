"""The run directory: what is done, atomic publishing, derived tables. Knows file names and columns, no torch."""

from gradlab.store.rundir import RunDirectory
from gradlab.store.setting import decode, encode

__all__ = ["RunDirectory", "decode", "encode"]
