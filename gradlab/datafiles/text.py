"""A text as indices of its characters, for the task `char_lm`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from gradlab.datafiles.checks import Checked
from gradlab.datafiles.files import content, guarded, shown_name
from gradlab.errors import DataError

__all__ = ["TEST_SHARE", "check", "read"]

TEST_SHARE = 0.1
KINDS = 256
"""Most kinds of characters; the rarest of more than that count as one."""

Indices = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def check(seq_len: int, path: str | None) -> Checked | None:
    """Return what there is to say of a text; None for the one that ships with gradlab. Raises what `read` raises."""
    if path is None:
        return None
    text, kinds = read(Path(path), seq_len)
    return Checked(f"{shown_name(Path(path))}: {len(text):,} characters, {kinds} kinds; UTF-8")


def read(path: Path, seq_len: int) -> tuple[Indices, int]:
    """Return the text of a file as indices `[characters]`, and how many kinds there are.

    Raises:
        DataError: it cannot be read as UTF-8, or is too short for windows of `seq_len` + 1 characters.
    """
    data = content(path)
    name = shown_name(path)
    with guarded(name):
        try:
            text = data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: is not UTF-8 text (byte {error.start + 1})", "save it as UTF-8") from None
        return _indices(name, text, seq_len)


def _indices(name: str, text: str, seq_len: int) -> tuple[Indices, int]:
    shortest = int((seq_len + 1) / TEST_SHARE) + 1
    if len(text) < shortest:
        message = f"{name}: {len(text):,} characters are too few for sequences of {seq_len}"
        raise DataError(message, f"it takes {shortest:,}, a tenth of which is held out")
    common = [character for character, _ in Counter(text).most_common()]
    if len(common) < 2:
        raise DataError(f"{name}: has one kind of character only; there is nothing to predict")
    # in the order of the alphabet, so that equal counts cannot change places
    characters = sorted(common if len(common) <= KINDS else common[: KINDS - 1])
    index = {character: i for i, character in enumerate(characters)}
    other_index = len(characters)
    indices = np.fromiter((index.get(character, other_index) for character in text), np.uint8, len(text))
    return indices, min(len(common), KINDS)
