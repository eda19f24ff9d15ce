"""Arrays of the user: shapes, names, types, standardising, and training on them."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import gradlab as gl
from gradlab import grid, spec
from gradlab.components import Named
from gradlab.datafiles import check
from gradlab.datafiles.arrays import arrays
from gradlab.datafiles.containers import named_arrays
from gradlab.errors import DataError
from gradlab.families import FAMILIES
from gradlab.tasks import load
from gradlab.training.loop import train_bank

RNG = np.random.default_rng(0)
X = RNG.normal(5, 3, (40, 6, 4))
LABELS = (X[:, -1, 0] > 5).astype(np.int64)


def put(value: float) -> np.ndarray:
    """The samples with another value at one place."""
    changed = X.copy()
    changed[3, 2, 1] = value
    return changed


def saved(folder: Path, name: str = "d.npz", **named: object) -> Path:
    np.savez(folder / name, **named)  # type: ignore[arg-type]
    return folder / name


def safetensors(path: Path, **named: np.ndarray) -> Path:
    """Write a file by the description of the format: length of the header, header, bytes."""
    names = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "uint8": "U8", "bool": "BOOL"}
    header: dict[str, object] = {"__metadata__": {"made": "by hand"}}
    body = b""
    for key, array in named.items():
        end = len(body) + array.nbytes
        offsets = [len(body), end]
        header[key] = {"dtype": names[array.dtype.name], "shape": list(array.shape), "data_offsets": offsets}
        body += np.ascontiguousarray(array).tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


def read(path: Path, kind: str = "classification", standardize: object = True, seq_len: int | None = None,
         x: str = "x", y: str = "y") -> object:  # fmt: skip
    return arrays(str(path), kind, standardize, x, y, seq_len)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8"])
def test_both_containers_hold_the_same_arrays(tmp_path: Path, dtype: str) -> None:
    named = {"x": np.abs(X).astype(dtype), "y": LABELS, "flags": LABELS.astype(bool)}
    for path in (saved(tmp_path, **named), safetensors(tmp_path / "d.safetensors", **named)):
        arrays_read = named_arrays(path)
        assert arrays_read.keys() == named.keys()
        for name, array in named.items():
            np.testing.assert_array_equal(arrays_read[name], array)
            assert arrays_read[name].dtype == array.dtype


def test_bfloat16_is_the_upper_half_of_float32(tmp_path: Path) -> None:
    values = torch.linspace(-3, 3, 24).to(torch.bfloat16).view(12, 2)
    body = values.view(torch.int16).numpy().tobytes()
    header = json.dumps({"x": {"dtype": "BF16", "shape": [12, 2], "data_offsets": [0, len(body)]}}).encode()
    (tmp_path / "d.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + body)
    np.testing.assert_array_equal(named_arrays(tmp_path / "d.safetensors")["x"], values.float().numpy())


def test_order_and_compression_of_numpy(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "d.npz", x=np.asfortranarray(X), y=LABELS.astype(">i4"))
    arrays_read = named_arrays(tmp_path / "d.npz")
    np.testing.assert_array_equal(arrays_read["x"], X)
    np.testing.assert_array_equal(arrays_read["y"], LABELS)


def test_samples_are_standardised_as_a_table_and_images_as_digits(tmp_path: Path) -> None:
    flat = arrays(str(saved(tmp_path, x=X[:, 0], y=LABELS)), "classification", True, "x", "y")
    train = X[flat.train, 0]
    np.testing.assert_allclose(flat.inputs, (X[:, 0] - train.mean(0)) / train.std(0), rtol=1e-12)
    images = arrays(str(saved(tmp_path, x=X, y=LABELS)), "classification", True, "x", "y")
    assert images.inputs.shape == (40, 24)
    train = X[images.train]
    expected = (X - train.mean(0)) / np.sqrt(np.square(train - train.mean(0)).mean())
    np.testing.assert_allclose(images.inputs, expected.reshape(40, 24), rtol=1e-10)
    assert "40 samples, 24 inputs (x [40, 6, 4]: 1 channel of 6 x 4), 2 classes of y" in images.checked.read


def test_sequences_are_the_last_steps_standardised_by_feature(tmp_path: Path) -> None:
    path = saved(tmp_path, x=X, y=LABELS)
    for steps in (6, 4, 1):
        data = arrays(str(path), "classification", True, "x", "y", steps)
        last = X[:, 6 - steps :]
        train = last[data.train]
        expected = (last - train.mean((0, 1))) / train.std((0, 1))
        np.testing.assert_allclose(data.inputs, expected, rtol=1e-12)
    series = arrays(str(saved(tmp_path, x=X[:, :, 0], y=LABELS)), "classification", False, "x", "y", 6)
    np.testing.assert_array_equal(series.inputs, X[:, :, :1])
    with pytest.raises(DataError, match=r"d.npz: the sequences of 'x' have 6 steps, seq_len is 50\n  write seq_len: 6"):
        check(Named("array_sequences", (("path", str(path)), ("kind", "classification"))), 50)


def test_targets_of_a_regression_are_numbers_of_any_count(tmp_path: Path) -> None:
    y = X[:, 0, :3] * 1000 + 7
    data = arrays(str(saved(tmp_path, x=X, y=y)), "regression", True, "x", "y")
    train = y[data.train]
    np.testing.assert_allclose(data.targets, (y - train.mean(0)) / train.std(0), rtol=1e-12)
    raw = arrays(str(saved(tmp_path, x=X, y=y)), "regression", "inputs", "x", "y")
    np.testing.assert_array_equal(raw.targets, y)


@pytest.mark.parametrize("names", [("X", "y"), ("inputs", "targets"), ("data", "labels"), ("x_train", "y_train")])
def test_usual_names_are_found(tmp_path: Path, names: tuple[str, str]) -> None:
    path = saved(tmp_path, **{names[0]: X, names[1]: LABELS, "more": X})
    assert arrays(str(path), "classification", True, "x", "y").inputs.shape == (40, 24)
    assert arrays(str(path), "classification", True, *names).inputs.shape == (40, 24)


@pytest.mark.parametrize(
    ("axes", "channels", "shape"),
    [
        ((2, 6, 4), None, (2, 6, 4)), ((2, 6, 4), "first", (2, 6, 4)), ((2, 6, 4), "last", (4, 2, 6)),
        ((6, 4), None, (1, 6, 4)), ((6, 4), "first", (6, 4)), ((6, 4), "last", (4, 6)), ((4,), None, ()),
    ],
)  # fmt: skip
def test_the_shape_of_a_sample_has_the_channels_first(
    tmp_path: Path, axes: tuple[int, ...], channels: str | None, shape: tuple[int, ...]
) -> None:
    values = RNG.normal(0, 1, (40, *axes))
    path = saved(tmp_path, x=values, y=LABELS)
    params = (("channels", channels),) if channels else ()
    task = Named("arrays", (("path", str(path)), ("kind", "classification"), ("standardize", False), *params))
    data = load(task, (0,))
    assert data.shape == shape
    ordered = np.moveaxis(values, -1, 1) if channels == "last" else values
    first = arrays(str(path), "classification", False, "x", "y").train[0]
    np.testing.assert_array_equal(data.train_x[0, 0].numpy(), ordered[first].reshape(-1))
    text = check(task).read
    if shape:
        assert f": {shape[0]} channel{'s' * (shape[0] > 1)} of {' x '.join(map(str, shape[1:]))})" in text


def test_samples_of_one_axis_have_no_channels(tmp_path: Path) -> None:
    path = str(saved(tmp_path, x=X[:, 0], y=LABELS))
    with pytest.raises(DataError, match=r"d\.npz: the samples of 'x' have no axis of channels\n  leave channels out"):
        arrays(path, "classification", True, "x", "y", channels="last")


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ((4,), "d.npz: samples of one axis are no images, and model picture takes no others"),
        ((2, 3, 2, 2), "d.npz: samples of 2 x 3 x 2 x 2 are no images: model picture takes channels, height and width"),
    ],
)
def test_models_of_images_refuse_other_samples_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, axes: tuple[int, ...], words: str
) -> None:
    monkeypatch.setitem(FAMILIES, "picture", dataclasses.replace(FAMILIES["mlp"], inputs=("images",)))
    saved(tmp_path, x=RNG.normal(0, 1, (40, *axes)), y=LABELS)
    task = f"{{name: arrays, path: {tmp_path / 'd.npz'}, kind: classification}}"
    (tmp_path / "s.yaml").write_text(f"name: pictures\ntask: {task}\ngrid: {{model: [picture]}}\n")
    with pytest.raises(DataError) as raised:
        gl.plan(str(tmp_path / "s.yaml"), out=str(tmp_path))
    assert raised.value.message == words


def test_arrays_that_are_not_read_are_said(tmp_path: Path) -> None:
    parts = {"x_train": X, "y_train": LABELS, "x_test": X, "y_test": LABELS}
    text = arrays(str(saved(tmp_path, **parts)), "classification", True, "x", "y").checked.read
    assert text.endswith(
        "24 inputs (x_train [40, 6, 4]: 1 channel of 6 x 4), 2 classes of y_train; not read: x_test, y_test"
    )
    alone = arrays(str(saved(tmp_path, x=X, y=LABELS)), "classification", True, "x", "y").checked.read
    assert alone.endswith("2 classes of y")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, x=X, y=LABELS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x.npy", archive.read("x.npy"))
    with pytest.raises(DataError, match=r"d.npz: there are 2 arrays 'x'"):
        read(path)
    entry = b'"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}'
    header = b"{" + entry + b"," + entry + b"}"
    (tmp_path / "d.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(2))
    with pytest.raises(DataError, match=r"d.safetensors: there are 2 arrays 'x'"):
        read(tmp_path / "d.safetensors")


@pytest.mark.parametrize(
    ("named", "kind", "words"),
    [
        ({"a": X, "y": LABELS}, "classification", "there is no array 'x'\n  name it: x: one of a, y"),
        ({"x": X, "yy": LABELS}, "classification", "there is no array 'y'\n  did you mean y: yy?"),
        ({"x": X, "y": LABELS[:39]}, "classification", "'x' and 'y' have [40, 6, 4] and [39]"),
        ({"x": X, "y": np.float64(3)}, "regression", "'x' and 'y' have [40, 6, 4] and []"),
        ({"x": X[:, 0, 0], "y": LABELS}, "classification", "'x' has [40], an array of samples has at least two axes"),
        ({"x": X[:7], "y": LABELS[:7]}, "classification", "7 samples are too few"),
        ({"x": X[:, :0], "y": LABELS}, "classification", "the samples of 'x' are empty: [40, 0, 4]"),
        ({"x": X.astype(str), "y": LABELS}, "classification", "'x' must hold numbers, its type is <U"),
        ({"x": X.astype(complex), "y": LABELS}, "classification", "'x' must hold numbers, its type is complex128"),
        ({"x": np.datetime64("2020-01-01") + np.zeros((40, 2), int), "y": LABELS}, "classification", "datetime64"),
        ({"x": X.astype(object), "y": LABELS}, "classification", "array 'x.npy' holds Python objects"),
        ({"x": put(np.nan), "y": LABELS}, "classification", "'x' is not a number at [3, 2, 1]"),
        ({"x": put(np.inf), "y": LABELS}, "classification", "'x' is infinite at [3, 2, 1]"),
        ({"x": X, "y": np.eye(2)[LABELS]}, "classification", "of one-hot rows take y.argmax(1)"),
        ({"x": X, "y": X[:, 0, 0]}, "classification", "array 'y' has 40 different values in 40 rows"),
        ({"x": X, "y": np.zeros(40, int)}, "classification", "array 'y' has one class only"),
        ({"x": X, "y": np.full(40, 2.5)}, "regression", "array 'y' has one value only"),
        ({"x": X, "y": np.where(LABELS > 0, 1.0, np.nan)}, "regression", "'y' is not a number at [0]"),
        ({"x": X, "y": np.where(LABELS > 0, 1.0, np.nan)}, "classification", "array 'y' is not finite for sample 0"),
        ({"x": X, "y": LABELS.astype(str)}, "regression", "'y' must hold numbers, its type is <U"),
        ({"x": np.ones((40, 5, 5)), "y": LABELS}, "classification", "the samples of 'x' are all the same"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_arrays_that_cannot_be_used(tmp_path: Path, named: dict[str, np.ndarray], kind: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(saved(tmp_path, **named), kind)
    assert words in str(caught.value)
    assert str(caught.value).startswith("d.npz")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("d.npz", b"", "d.npz is empty"),
        ("d.npz", b"x,y\n1,2\n", "d.npz is no .npz file, as its name says"),
        ("d.npz", b"PK\x03\x04" + bytes(50), "d.npz is damaged"),
        ("d.npy", b"\x93NUMPY", "arrays must be .npz or .safetensors"),
        ("d.safetensors", b"\xff" * 40, "d.safetensors is no .safetensors file, or ends too early"),
        ("d.safetensors", b"\x02" + bytes(7) + b"[]", "d.safetensors cannot be read"),
        ("d.safetensors", b"\x02" + bytes(7) + b"{}", "d.safetensors holds no arrays"),
    ],
    ids=range(7),
)  # fmt: skip
def test_files_that_hold_no_arrays(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(tmp_path / name)
    assert words in str(caught.value)


def test_a_header_that_promises_more_than_there_is_takes_no_memory(tmp_path: Path) -> None:
    path = safetensors(tmp_path / "d.safetensors", x=X, y=LABELS)
    path.write_bytes(path.read_bytes().replace(b"[40, 6, 4]", b"[9999999999999, 6, 4]".ljust(10)))
    with pytest.raises(DataError, match=r"d\.safetensors"):
        read(path)
    short = saved(tmp_path, x=X, y=LABELS)
    changed = short.read_bytes().replace(b"(40, 6, 4)", b"(40, 6, 9)")
    assert changed != short.read_bytes()
    short.write_bytes(changed)
    with pytest.raises(DataError, match=r"d\.npz is damaged"):  # the checksum of the archive
        read(short)


@pytest.mark.parametrize("task", ["arrays", "array_sequences"])
def test_networks_train_on_them(tmp_path: Path, task: str) -> None:
    path = saved(tmp_path, x=X, y=LABELS)
    model = "model: rnn\nseq_len: 3\nlr: 0.1\n" if task == "array_sequences" else ""
    text = f"name: x\n{model}task: {{name: {task}, path: {path}, kind: classification}}\ntrain: {{steps: 3}}\nwidth: 8"
    (cell,) = grid.expand(spec.loads(text)).cells
    (record,) = train_bank([cell])
    assert (record.status, record.out_features, record.metric_name) == ("ok", 2, "accuracy")
    data = load(cell.task, (0,), cell.seq_len)
    assert data.train_x.shape == ((1, 30, 3, 4) if cell.seq_len else (1, 30, 24))
    checked = check(cell.task, cell.seq_len)
    assert checked is not None
    assert ("3 steps of 4 inputs" if cell.seq_len else "24 inputs") in checked.read
