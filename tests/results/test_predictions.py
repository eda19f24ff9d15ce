"""Predictions that a run directory keeps are those of the theory, and of this version of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from gradlab.cell import Cell, Named
from gradlab.mean_field import predict
from gradlab.results.theory_cache import NAME, Predictions
from gradlab.store import RunDirectory

SEEN = {"in_features": 64, "out_features": 10, "input_mean_square": 0.37}
CELLS = [
    Cell(depth=7, activation=Named("tanh"), bias_std=0.2),
    Cell(depth=12, activation=Named("relu"), norm=Named("batch")),
    Cell(depth=1, activation=Named("sigmoid")),
    Cell(depth=60, width=8, activation=Named("gelu")),
]
TRAINED_OTHERWISE = {
    "optimizer": Named("adam"), "lr": 0.25, "weight_decay": 0.1, "clip": Named("norm", (("max", 1.0),)), "l1": 0.1,
    "l2": 0.1, "precision": Named("float64"), "steps": 7, "lr_schedule": Named("cosine"), "warmup": 3,
    "probe_at": (0, 3), "vanish": 0.1, "explode": 10.0, "seed": 9,
}  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    return directory


def same(left: object, right: object) -> None:
    for field in dataclasses.fields(right):  # type: ignore[arg-type]
        one, other = getattr(left, field.name), getattr(right, field.name)
        assert np.array_equal(one, other) if isinstance(other, np.ndarray) else one == other, field.name


def test_they_are_the_theory_to_the_last_bit_and_after_reading_too(directory: RunDirectory) -> None:
    first = Predictions(directory)
    for cell in CELLS:
        same(first(cell, **SEEN), predict(cell, **SEEN))
    first.save()
    again = Predictions(directory)
    again._load()
    again._function = "gone"  # nobody is asked
    for cell in CELLS:
        same(again(cell, **SEEN), predict(cell, **SEEN))


@pytest.mark.parametrize("name", TRAINED_OTHERWISE)
def test_how_a_network_is_trained_says_nothing_of_its_start(directory: RunDirectory, name: str) -> None:
    for cell in CELLS:
        other = dataclasses.replace(cell, **{name: TRAINED_OTHERWISE[name]})
        assert other != cell
        same(predict(other, **SEEN), predict(cell, **SEEN))


def test_every_other_setting_has_a_prediction_of_its_own(directory: RunDirectory) -> None:
    predictions = Predictions(directory)
    cell = CELLS[0]
    other_cells = [
        {"depth": 8}, {"width": 65}, {"activation": Named("erf")}, {"init": Named("orthogonal")}, {"bias_std": 0.3},
        {"residual": Named("add")}, {"norm": Named("layer")}, {"dropout": 0.1}, {"probe_batch_size": 16},
    ]  # fmt: skip
    for changes in other_cells:
        other = dataclasses.replace(cell, **changes)
        same(predictions(other, **SEEN), predict(other, **SEEN))
    for inputs in ({**SEEN, "in_features": 65}, {**SEEN, "out_features": 3}, {**SEEN, "input_mean_square": 0.38}):
        same(predictions(cell, **inputs), predict(cell, **inputs))


def test_another_version_of_the_theory_or_a_damaged_file_is_worked_out_anew(directory: RunDirectory) -> None:
    first = Predictions(directory)
    expected = first(CELLS[0], **SEEN)
    first.save()
    path = directory.path / NAME
    document = json.loads(path.read_text())
    (key,) = document["predictions"]
    document["predictions"][key]["log_survival"] = 0.0
    directory.write_text(NAME, json.dumps(document))
    assert Predictions(directory)(CELLS[0], **SEEN).log_survival == 0.0  # it is used as long as all is in order
    directory.write_text(NAME, json.dumps({**document, "theory": "of old"}))
    same(Predictions(directory)(CELLS[0], **SEEN), predict(CELLS[0], **SEEN))
    directory.write_text(NAME, json.dumps(document))
    path.write_text(path.read_text().replace("0.0", "0.5"))  # not by us: the checksum does not fit
    assert Predictions(directory)(CELLS[0], **SEEN).log_survival == expected.log_survival
    for text in ("[]", "{", '{"theory": 1}'):
        directory.write_text(NAME, text)
        assert Predictions(directory)(CELLS[0], **SEEN).log_survival == expected.log_survival
