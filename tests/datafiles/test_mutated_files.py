"""Any bytes whatever, and a valid file with some bytes changed: a table, or a message with the name of the file."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import ROWS, TABLE, read
from test_unreadable_files import zipped

from gradlab.datafiles.arrays import arrays
from gradlab.datafiles.ratings import ratings
from gradlab.datafiles.text_table import Reading
from gradlab.errors import DataError


def _parquet() -> bytes:
    buffer = io.BytesIO()
    pd.read_csv(io.StringIO(TABLE)).to_parquet(buffer, index=False)
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    rows = np.array([[float(field) for field in row.split(",")] for row in ROWS.split()])
    np.savez(buffer, x=rows[:, :2], y=rows[:, 2])
    return buffer.getvalue()


def _safetensors() -> bytes:
    x = {"dtype": "F64", "shape": [9, 2], "data_offsets": [0, 144]}
    y = {"dtype": "I64", "shape": [9], "data_offsets": [144, 216]}
    header = json.dumps({"x": x, "y": y}).encode()
    return len(header).to_bytes(8, "little") + header + np.arange(18.0).tobytes() + (np.arange(9) % 2).tobytes()


VALID = {
    "t.csv": TABLE.encode(),
    "t.data": ROWS.replace(",", " ").encode(),
    "t.txt": TABLE.replace(",", ";").replace(".", ",").encode("utf-16"),
    "t.csv.gz": gzip.compress(TABLE.encode()),
    "t.csv.bz2": bz2.compress(TABLE.encode()),
    "t.csv.zip": zipped(("t.csv", TABLE.encode())),
    "t.parquet": _parquet(),
    "t.npz": _npz(),
    "t.safetensors": _safetensors(),
}
PIECES = [
    b",",
    b";",
    b'"',
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"nan",
    b"#",
    b"-",
    b"\t",
    b" ",
    b"1" * 40,
    "é".encode(),
    TABLE.encode(),
]
CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 20), st.sampled_from(PIECES) | st.binary(max_size=4)),
    max_size=4,
)
"""Where (as a share of the file), how many bytes go, and what comes there instead."""
READINGS = st.builds(
    Reading, separator=st.sampled_from([None, None, "comma", "whitespace", "double_colon"]),
    decimal=st.sampled_from([None, None, "comma"]), header=st.sampled_from([None, None, True, False]),
    encoding=st.sampled_from([None, None, "utf-16", "shift_jis", "cp1252"]),
    missing=st.sampled_from([None, "empty", "? NA"]),
)  # fmt: skip
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def attempt(path: Path, content: bytes, kind: str, reading: Reading) -> None:
    path.write_bytes(content)
    try:
        if path.suffix in (".npz", ".safetensors"):
            arrays(str(path), kind, True, "x", "y")
        else:
            values = {name: getattr(reading, name) for name in Reading.__slots__}
            data = read(path, "y", kind, **values)
            assert np.isfinite(data.inputs).all()
            assert np.isfinite(data.targets).all()
    except DataError as error:
        if path.name not in str(error):
            raise AssertionError(str(error)) from error


@pytest.mark.parametrize("name", VALID)
@FEW
@given(changes=CHANGES, kind=st.sampled_from(["regression", "classification"]), reading=READINGS)
def test_a_changed_file(
    tmp_path: Path, name: str, changes: list[tuple[float, int, bytes]], kind: str, reading: Reading
) -> None:
    content = VALID[name]
    for place, length, piece in changes:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + length :]
    attempt(tmp_path / name, content, kind, reading)


@pytest.mark.parametrize("name", VALID)
@FEW
@given(content=st.binary(max_size=200) | st.text("0123456789.,;:| \t\n\"'#%e-a", max_size=200).map(str.encode))
def test_any_bytes(tmp_path: Path, name: str, content: bytes) -> None:
    attempt(tmp_path / name, content, "regression", Reading())
    if name == "t.csv":
        (tmp_path / name).write_bytes(content)
        try:
            ratings(str(tmp_path / name), "user", "item", "rating", Reading())
        except DataError as error:
            if name not in str(error):
                raise AssertionError(str(error)) from error
