"""The text of a file: which encoding it has, and what is no text at all."""

from __future__ import annotations

import codecs
import re

from gradlab.datafiles.files import kind_of
from gradlab.errors import DataError

__all__ = ["decoded"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
"""Characters that no text has; ends of lines, tabs and form feeds it may."""
_BYTES = bytes([*range(9), *range(14, 32)])
"""The same as bytes, which are found faster."""


def decoded(name: str, data: bytes, encoding: str | None = None) -> tuple[str, str]:
    """Return the text of a file without a byte-order mark, and the name of its encoding.

    What has no byte-order mark is UTF-8, else UTF-16 where every other byte is 0, else cp1252 or latin-1: in these two
    numbers, separators and different texts are what they would be in any 8-bit encoding.

    Raises:
        DataError: it is not in the given `encoding`, or no text.
    """
    if kind := kind_of(data):
        raise DataError(f"{name} is no text: it looks like {_a(kind)} file", "save the table as a CSV file")
    if encoding is None:
        text, encoding = _guessed(name, data)
    else:
        text = _strict(name, data, encoding)
    text = text.removeprefix("\ufeff").removesuffix("\x1a")  # DOS ended a text with the latter
    wide = encoding.startswith(("utf-16", "utf-32"))
    if (wide or len(data.translate(None, _BYTES)) < len(data)) and (character := _CONTROL.search(text)):
        row = text.count("\n", 0, character.start()) + 1
        code = ord(character.group())
        raise DataError(f"{name} is no text: line {row:,} holds the character {code}", "save the table as a CSV file")
    return text, encoding


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEHS' and kind not in ('HDF5', 'SQLite') else 'a'} {kind}"


def _guessed(name: str, data: bytes) -> tuple[str, str]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strict(name, data, encoding), encoding
    if b"\0" in data[:4096]:
        for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            half = data[offset:4096:2]
            if half.count(0) > 0.7 * len(half):
                return _strict(name, data, encoding), "utf-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), "latin-1"


def _strict(name: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        at = error.start if isinstance(error, UnicodeDecodeError) else 0
        row = data.count(b"\n", 0, at) + 1
        raise DataError(
            f"{name} is not {encoding} text: byte {at + 1:,}, in line {row:,}",
            "leave encoding out, or name another: utf-8, utf-16, latin-1, cp1252, …",
        ) from error
