"""Options: what a value may be is said once, and a command line that says nothing means the defaults."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradlab import spec
from gradlab.api import options
from gradlab.api.options import CompareOptions, Options, PlanOptions, PlotOptions, RunOptions, WatchOptions, options_of
from gradlab.api.plan import prepare
from gradlab.cli.app import COMMANDS
from gradlab.cli.flags import Settings, with_flags
from gradlab.errors import OptionError

EVERY = [kind for kind in vars(options).values() if isinstance(kind, type) and issubclass(kind, Options)]


def test_values_of_another_kind_that_mean_the_same_are_taken() -> None:
    made = RunOptions(out="results", limit=np.int64(5), bank_timeout=3)  # type: ignore[arg-type]
    assert (made.out, made.limit, made.bank_timeout) == (Path("results"), 5, 3.0)
    assert type(made.limit) is int
    assert CompareOptions(fail_on=["survival<1"]).fail_on == ("survival<1",)  # type: ignore[arg-type]
    assert RunOptions(workers=4).workers == 4


MISTAKES: dict[str, tuple[type[Options], dict[str, Any], str]] = {
    "kind": (PlanOptions, {"limit": "ten"}, "limit ten: must be a whole number"),
    "a truth is no number": (PlanOptions, {"limit": True}, "limit True: must be a whole number"),
    "too small": (PlanOptions, {"limit": 0}, "limit 0: must be a whole number of at least 1"),
    "too large to be written": (PlanOptions, {"limit": 10**5000}, "limit …: must be finite"),
    "below 0": (RunOptions, {"retries": -1}, "retries -1: must be a whole number of at least 0"),
    "not above": (RunOptions, {"bank_timeout": 0}, "bank_timeout 0: must be a number above 0"),
    "no number": (RunOptions, {"bank_timeout": float("nan")}, "bank_timeout nan: must be finite"),
    "endless": (WatchOptions, {"every": float("inf")}, "every inf: must be finite"),
    "no path": (PlanOptions, {"out": 3}, "out 3: must be a path"),
    "a word that there is not": (RunOptions, {"executor": "slurm"}, "executor slurm: must be local, inline or ray"),
    "a device": (PlanOptions, {"device": "cuda:0,x"}, "device cuda:0,x: there is no such device"),
    "not a list": (CompareOptions, {"fail_on": 3}, "fail_on 3: must be a list of texts"),
    "workers": (RunOptions, {"workers": 0}, "workers 0: must be a whole number of at least 1 or auto"),
    "alone": (RunOptions, {"executor": "inline", "bank_timeout": 3.0}, "bank_timeout 3: the executor inline has no"),
    "no cluster": (RunOptions, {"address": "a:1"}, "address a:1: only a Ray cluster has an address"),
    "no format": (PlotOptions, {"format": ()}, "format '': a picture needs a file format"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_value_that_cannot_be_is_one_message_with_the_name_or_the_flag(name: str) -> None:
    kind, given, message = MISTAKES[name]
    with pytest.raises(OptionError) as caught:
        kind(**given)
    assert str(caught.value).startswith(message)
    option, _, rest = message.partition(" ")
    assert caught.value.on_command_line().startswith(f"--{option.replace('_', '-')} {rest}")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_line_without_flags_means_the_defaults(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = inspect.signature(COMMANDS[name], eval_str=True).parameters
    received: dict[str, Any] = {}

    def command(**values: Any) -> int:
        received.update(values)
        return 0

    command.__signature__ = inspect.signature(COMMANDS[name], eval_str=True)  # type: ignore[attr-defined]
    registered = with_flags(command)
    flags = inspect.signature(registered).parameters
    action = registered(**{name: flag.default for name, flag in flags.items()})
    assert action() == 0
    for parameter in declared.values():
        if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, Options):
            assert received[parameter.name] == parameter.annotation()
        if parameter.annotation == Settings:
            assert received[parameter.name] == {}


@pytest.mark.parametrize("kind", EVERY)
def test_every_option_is_described_and_frozen(kind: type[Options]) -> None:
    for name, option in options_of(kind).items():
        assert option.param.help.endswith("."), name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(kind(), name, option.param.default)


def test_a_seed_offset_beyond_the_largest_seed_is_refused(tmp_path: Path) -> None:
    plan = prepare(spec.loads("name: x\nseeds: 2"), PlanOptions(out=tmp_path, seed_offset=2**64 - 2))
    assert [cell.seed for cell in plan.cells] == [2**64 - 2, 2**64 - 1]
    with pytest.raises(OptionError, match="a seed can be at most 18,446,744,073,709,551,615"):
        prepare(spec.loads("name: x\nseeds: 2"), PlanOptions(out=tmp_path, seed_offset=2**64 - 1))
