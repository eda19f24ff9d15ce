"""Theory refuses what it was not told about: by name, and never with the prediction of something else."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest
from contract import FORMS

from gradlab.cell import Cell, setting
from gradlab.components import ACTIVATIONS, INITS, NORM_POSITIONS, NORMS, Component, Named, Param
from gradlab.families import FAMILIES
from gradlab.mean_field import fixed_point_of, predict
from gradlab.mean_field.dispatch import theory_of
from gradlab.mean_field.inputs import Inputs, inputs_of

DIGITS = {"in_features": 64, "out_features": 10, "input_mean_square": 1.0}
FEED_FORWARD = Cell(depth=4, width=16, lr=0.1)
ALONG_TIME = Cell(model=Named("rnn"), depth=1, width=16, seq_len=6, init=Named("orthogonal"), lr=0.1)
CELLS = pytest.mark.parametrize("cell", [FEED_FORWARD, ALONG_TIME], ids=["mlp", "rnn"])

REGISTRIES = {"norm": NORMS, "norm_position": NORM_POSITIONS, "residual": FORMS, "init": INITS}


@dataclass(frozen=True, slots=True)
class Extended(Cell):
    """A cell of a later version, with a setting that no theory was derived for."""

    groups: int = setting("norm_groups", 1, "", int)


def extended(cell: Cell, groups: int) -> Extended:
    return Extended(**{f.name: getattr(cell, f.name) for f in dataclasses.fields(cell)}, groups=groups)


@CELLS
def test_a_new_setting_is_refused_until_a_theory_declares_it(cell):
    known = predict(cell, **DIGITS)
    assert known.reason == ""
    assert predict(extended(cell, 1), **DIGITS).log_survival == known.log_survival
    refused = predict(extended(cell, 4), **DIGITS)
    assert "does not read the setting norm_groups, here 4" in refused.reason
    assert {getattr(refused, f.name) for f in dataclasses.fields(refused) if f.name not in ("reason", "note")} == {None}
    assert fixed_point_of(extended(cell, 4), Inputs(64, 10, 1.0)) is None


@CELLS
@pytest.mark.parametrize("setting", REGISTRIES)
def test_a_registered_component_that_no_theory_knows_is_refused_by_name(monkeypatch, cell, setting):
    if setting == "norm_position" and cell is ALONG_TIME:
        pytest.skip("means nothing along time")
    monkeypatch.setitem(REGISTRIES[setting], "toy", Component(None, "a toy"))
    changed = dataclasses.replace(cell, **{setting: Named("toy")})
    assert "toy" in predict(changed, **DIGITS).reason
    assert predict(changed, **DIGITS).log_survival is None
    assert fixed_point_of(changed, Inputs(64, 10, 1.0)) is None


def test_a_registered_norm_is_not_taken_for_none_anywhere(monkeypatch):
    monkeypatch.setitem(NORMS, "toy", Component(None, "a toy", {"eps": Param(1e-5)}))
    for residual in ("none", "add", "pre_norm", "post_norm"):
        cell = dataclasses.replace(FEED_FORWARD, norm=Named("toy"), residual=Named(residual))
        assert predict(cell, **DIGITS).reason == "mean-field theory of feed-forward networks does not know norm toy"


@pytest.mark.parametrize(
    ("setting", "registry", "name"),
    [("norm", NORMS, "layer"), ("init", INITS, "he_normal"), ("model", FAMILIES, "mlp")],
)
def test_a_parameter_that_theory_does_not_read_is_refused(monkeypatch, setting, registry, name):
    component = registry[name]
    params = {**component.params, "extra": Param(0.0)}
    monkeypatch.setitem(registry, name, dataclasses.replace(component, params=params))
    plain, changed = (
        predict(dataclasses.replace(FEED_FORWARD, **{setting: Named(name, params)}), **DIGITS)
        for params in ((), (("extra", 1.0),))
    )
    assert plain.reason == ""
    assert f"does not read the parameter extra of {setting} {name}, here 1.0" in changed.reason
    assert changed.log_survival is None


def test_a_word_that_theory_does_not_know_is_refused():
    reason = predict(dataclasses.replace(FEED_FORWARD, residual_scale="fixup"), **DIGITS).reason
    assert reason == "mean-field theory of feed-forward networks does not know residual_scale fixup"


def test_a_model_without_a_theory_has_no_prediction_nor_has_one_that_borrows_another_theory(monkeypatch):
    cell = dataclasses.replace(FEED_FORWARD, model=Named("toy"))
    for theory, words in ((None, "no theory of model toy"), (FAMILIES["mlp"].theory, "does not know model toy")):
        monkeypatch.setitem(FAMILIES, "toy", dataclasses.replace(FAMILIES["mlp"], theory=theory))
        assert words in predict(cell, **DIGITS).reason
        assert fixed_point_of(cell, None) is None


@pytest.mark.parametrize("model", [name for name, family in FAMILIES.items() if family.theory is not None])
def test_a_declaration_names_fields_of_a_cell(model):
    coverage = theory_of(Cell(model=Named(model))).coverage
    fields = {f.name for f in dataclasses.fields(Cell)}
    refused = {"input_shift", "target_scale"}  # known at their defaults only
    assert coverage.reads.keys() | coverage.irrelevant | refused == fields, "the settings of today are all declared"
    assert not coverage.reads.keys() & coverage.irrelevant


@pytest.mark.parametrize("setting", ["norm", "norm_position", "residual", "init", "activation"])
@CELLS
def test_every_registered_component_has_a_prediction_or_a_reason(cell, setting):
    for name, component in (REGISTRIES | {"activation": ACTIVATIONS})[setting].items():
        params = tuple((key, 0.1) for key, param in component.params.items() if param.required)
        prediction = predict(dataclasses.replace(cell, **{setting: Named(name, params)}), **DIGITS)
        assert (prediction.log_survival is None) == bool(prediction.reason)


def test_tasks_and_parameters_of_tasks_that_theory_does_not_know_have_no_inputs():
    assert inputs_of(Named("teacher", (("inputs", 5), ("noise", 0.2)))) == Inputs(5, 1, 1.0)
    assert inputs_of(Named("teacher", (("scale", 5.0),))) is None
    assert inputs_of(Named("table")) is None
