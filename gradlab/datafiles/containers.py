"""Arrays out of NumPy's `.npz` and out of `.safetensors` (https://huggingface.co/docs/safetensors), by name."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from gradlab.datafiles.files import LARGEST, content, guarded, shown_name
from gradlab.datafiles.source import quoted
from gradlab.errors import DataError, shorten

__all__ = ["ENDINGS", "Array", "named_arrays"]

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]

ENDINGS = (".npz", ".safetensors")
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8",
    "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "BF16": "<u2",
}  # fmt: skip
_LONGEST_HEADER = 10**8


def named_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of a file by name.

    Raises:
        DataError: it is none of these files, is damaged, or an array holds objects.
    """
    name = shown_name(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DataError(
            f"{name}: arrays must be .npz or .safetensors", "numpy.savez('data.npz', x=..., y=...) writes one"
        )
    data = content(path, zipped=ending == ".npz")
    with guarded(name):
        arrays = _npz(name, data) if ending == ".npz" else _safetensors(name, data)
        if not arrays:
            raise DataError(f"{name} holds no arrays")
        return arrays


def _npz(name: str, data: bytes) -> dict[str, Array]:
    if not data.startswith(b"PK"):
        raise DataError(f"{name} is no .npz file, as its name says", "numpy.savez('data.npz', x=..., y=...) writes one")
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        if sum(info.file_size for info in members) > LARGEST:
            raise DataError(f"{name} has more than {LARGEST:,} bytes", "take a part of it")
        _check_twice(name, [info.filename.removesuffix(".npy") for info in members])
        for info in members:
            arrays[info.filename.removesuffix(".npy")] = _npy(
                f"{name}: array {quoted(info.filename)}", archive.read(info)
            )
    return arrays


def _check_twice(name: str, names: list[str]) -> None:
    for key, count in Counter(names).items():
        if count > 1:
            raise DataError(f"{name}: there are {count} arrays {quoted(key)}", "rename or delete one")


def _unique(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _check_twice(name, [key for key, _ in pairs])
    return dict(pairs)


def _npy(subject: str, data: bytes) -> Array:
    """Return the array of a `.npy` file, whose header must tell the bytes that are there: no more is allocated."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(stream)
    if dtype.hasobject:
        raise DataError(f"{subject} holds Python objects", "make it an array of numbers before it is saved")
    count = math.prod(shape)
    if count * dtype.itemsize != len(data) - stream.tell() or any(length < 0 for length in shape):
        raise DataError(f"{subject} is damaged: its size does not fit its shape", "make the file again")
    flat = np.frombuffer(data, dtype, count, stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _safetensors(name: str, data: bytes) -> dict[str, Array]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, _LONGEST_HEADER):
        raise DataError(f"{name} is no .safetensors file, or ends too early", "fetch or make the file again")
    header = json.loads(data[8 : 8 + length], object_pairs_hook=lambda pairs: _unique(name, pairs))
    body = data[8 + length :]
    arrays: dict[str, Array] = {}
    for key, entry in header.items():
        if key == "__metadata__":
            continue
        kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        subject = f"{name}: array {quoted(key)}"
        if kind not in _DTYPES:
            raise DataError(
                f"{subject} has the type {shorten(str(kind), 20)}", f"save it as one of {', '.join(_DTYPES)}"
            )
        dtype = np.dtype(_DTYPES[kind])
        fits = all(isinstance(n, int) and n >= 0 for n in (*shape, begin, end)) and begin <= end <= len(body)
        if not fits or math.prod(shape) * dtype.itemsize != end - begin:
            raise DataError(f"{subject} is damaged: its size does not fit its shape", "make the file again")
        array = np.frombuffer(body[begin:end], dtype).reshape(shape)
        if kind == "BF16":  # the upper half of a float32
            array = (array.astype(np.uint32) << 16).view(np.float32)
        arrays[key] = array
    return arrays
