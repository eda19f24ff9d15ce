"""The state of a bank in training, kept on the disk now and then, so that a killed run loses seconds and not hours.

A file is a line of text with the SHA-256 of what follows, then what `torch.save` makes of the state. One that is
cut short, changed, from other cells or of another layout counts as none: the bank then begins anew.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gradlab import __version__

__all__ = ["Checkpoint"]

_MAGIC = b"gradlab checkpoint 4 "
_MADE_BY = {"gradlab": __version__, "torch": str(torch.__version__)}


class Checkpoint:
    """Where and how often a bank keeps its state."""

    def __init__(self, path: Path, every_s: float = 30.0) -> None:
        self._path, self._every_s = path, every_s
        self._last = time.monotonic()
        self.resumed_at = 0
        """The step that `load` found; 0 where the bank began anew."""

    def due(self) -> bool:
        """Return whether the last checkpoint is long enough ago."""
        return time.monotonic() - self._last >= self._every_s

    def save(self, cells: Sequence[str], step: int, state: dict[str, Any]) -> None:
        """Replace the file by the state before `step` of the bank with these cell ids.

        A disk that is full must not end the training: without room there is no new checkpoint, and the old one stays.
        """
        self._last = time.monotonic()
        buffer = io.BytesIO()
        torch.save({"cells": list(cells), "made_by": _MADE_BY, "step": step, "state": state}, buffer)
        data = buffer.getvalue()
        number = f"{os.getpid()}{secrets.randbelow(10**9):09d}"  # two containers with one disk have the same ids
        unfinished = self._path.with_name(f"{self._path.name}.{number}.tmp")
        try:
            with unfinished.open("xb") as file:
                file.write(_MAGIC + hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._path)
        except OSError:
            try:
                unfinished.unlink(missing_ok=True)
            except OSError:  # a directory that has gone, or may not be written to any more: the run will say so
                return

    def load(self, cells: Sequence[str], like: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Return (step, state) as `save` was given them for these cells by these versions of gradlab and torch, with
        the layout of the state `like`; or None."""
        try:
            data = self._path.read_bytes() if self._path.is_file() else b""
        except OSError:
            return None
        head, _, body = data.partition(b"\n")
        if head != _MAGIC + hashlib.sha256(body).hexdigest().encode():
            return None
        try:
            document = torch.load(io.BytesIO(body), weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError):
            return None
        if not isinstance(document, dict) or document.get("cells") != list(cells):
            return None
        if document.get("made_by") != _MADE_BY or not _same_layout(document.get("state"), like):
            return None
        step, state = document.get("step"), document["state"]
        tensors = {name: value for name, value in like.items() if isinstance(value, torch.Tensor)}
        if any((state[name].shape, state[name].dtype) != (value.shape, value.dtype) for name, value in tensors.items()):
            return None
        if not isinstance(step, int) or isinstance(step, bool) or step < 0:
            return None
        self.resumed_at = step
        return step, state


def _same_layout(state: Any, like: Any) -> bool:
    """Return whether two states have the same names and kinds of values; lists may differ in length."""
    if not isinstance(like, dict):
        return isinstance(state, type(like))
    if not isinstance(state, dict):
        return False
    # an optimiser has no state before its first step
    return not like or (state.keys() == like.keys() and all(_same_layout(state[name], like[name]) for name in like))
