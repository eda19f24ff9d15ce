"""Every registered name: its code is there and takes its parameters, its defaults are within their own bounds."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
import torch

from gradlab.cell import REGISTRIES, SETTINGS, Cell
from gradlab.components import ALIASES, Param
from gradlab.families import FAMILIES
from gradlab.families.network import Network
from gradlab.mean_field.activations import KNOWN_ACTIVATIONS, NUMPY_ACTIVATIONS
from gradlab.mean_field.dispatch import theory_of

NAMES = [(key, name) for key, registry in REGISTRIES.items() for name in registry]
CALLED = {"activation": 1, "init": 1, "norm": 0, "task": 1, "clip": 3, "train.lr_schedule": 1}
"""What is called with the parameters of a component, and how many arguments stand before them."""


@pytest.mark.parametrize(("key", "name"), NAMES)
def test_the_code_of_a_component_is_there_and_takes_its_parameters(key: str, name: str) -> None:
    component = REGISTRIES[key][name]
    assert component.summary
    target = component.load()
    if key == "model":
        assert issubclass(target, Network)
        assert not inspect.isabstract(target)
    if target is None or key not in CALLED:
        return
    target = getattr(target, "function", target)  # of an activation that learns, with its parameter
    learned = ["start"] if key == "activation" and component.learned else []
    before = CALLED[key] + (key == "task" and component.of_sequences) + len(learned)
    try:
        arguments = list(inspect.signature(target).parameters.values())[before:]
    except ValueError:  # built in, like torch.tanh
        target(torch.zeros(2), **{name: param.default for name, param in component.params.items()})
        return
    named = {argument.name for argument in arguments}
    required = {argument.name for argument in arguments if argument.default is inspect.Parameter.empty}
    given = component.params.keys() - set(learned)
    assert required <= given <= named


@pytest.mark.parametrize(("key", "name"), NAMES)
def test_the_defaults_of_a_component_are_within_their_bounds(key: str, name: str) -> None:
    for parameter, param in REGISTRIES[key][name].params.items():
        _check_default(parameter, param)


@pytest.mark.parametrize("key", [key for key, setting in SETTINGS.items() if not setting.is_component])
def test_the_default_of_a_setting_is_within_its_bounds(key: str) -> None:
    _check_default(key, SETTINGS[key].param)


def _check_default(name: str, param: Param) -> None:
    if param.default is not None:
        assert param.check(param.default) == param.default, name
        assert type(param.check(param.default)) is type(param.default), name


@pytest.mark.parametrize("key", ALIASES)
def test_another_name_is_of_a_component_and_hides_none(key: str) -> None:
    for alias, name in ALIASES[key].items():
        assert name in REGISTRIES[key]
        assert alias not in REGISTRIES[key]


def test_every_field_of_a_cell_is_a_setting_with_help_and_a_default_out_of_its_registry() -> None:
    fields = {f.name for f in dataclasses.fields(Cell)}
    assert {setting.attribute for setting in SETTINGS.values()} == fields - {
        "data_digest",
        "plugin_digest",
        "profile_length",
    }
    for key, setting in SETTINGS.items():
        assert setting.help, key
        assert getattr(Cell(), setting.attribute) == setting.default
        assert setting.registry is None or setting.default.name in setting.registry
        assert setting.idle_beside.keys() <= fields
        for other, names in setting.idle_beside.items():
            assert set(names) <= next(s for s in SETTINGS.values() if s.attribute == other).registry.keys()


def test_every_activation_has_its_numpy_twin_or_a_reason_and_every_family_its_theory() -> None:
    assert REGISTRIES["activation"].keys() == NUMPY_ACTIVATIONS.keys() | KNOWN_ACTIVATIONS.reasons.keys()
    for name, family in FAMILIES.items():
        if name == "conv":  # its coverage is not written yet
            continue
        assert family.theory is not None, name
        assert theory_of(Cell(model=dataclasses.replace(Cell().model, name=name))) is not None
