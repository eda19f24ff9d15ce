"""The line after a command: each is a command line of gradlab that parses and can be carried out."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from gradlab import grid, spec
from gradlab.api.model_options import BatchOptions, ModelOptions, ProbeOptions
from gradlab.api.options import CompareOptions, GridOptions, PlanOptions, RunOptions, TheoryOptions, options_of
from gradlab.api.theory import theory
from gradlab.cell import SETTINGS, settings_of
from gradlab.cli.app import app
from gradlab.cli.flags import _options, _parsed_name
from gradlab.cli.next_steps import flags_of

Command = Callable[..., tuple[int, str, str]]
SPEC = "name: demo\nseeds: 2\ntrain: {steps: 5}\ngrid: {depth: [2, 8], activation: [sigmoid, relu]}\n"
MODEL = """
from torch import nn
def make(width=8, act=nn.Sigmoid):
    return nn.Sequential(*[layer for _ in range(12) for layer in (nn.Linear(width, width), act())])
def healthy():
    return make(act=nn.Identity)
def make_model(width):
    return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 1))
"""


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, command_line: Command, tmp_path: Path) -> Callable[..., list[str]]:
    """Run a command as on a terminal; the answer is the command line of its last line, without gradlab."""
    Path("demo.yaml").write_text(SPEC)
    Path("net.py").write_text(MODEL)

    def call(*arguments: str, code: int = 0) -> list[str]:
        monkeypatch.setattr("gradlab.terminal.console.on_terminal", lambda: True)
        got, _, err = command_line(*arguments)
        assert got == code, err
        lines = err.splitlines()
        assert sum(": gradlab " in line for line in lines) == 1, err
        return shlex.split(lines[-1].partition(": gradlab ")[2])

    return call


RUN = ["run", "demo.yaml", "--executor", "inline", "--no-plots"]


def test_after_a_run_each_step_leads_to_the_next(shown: Callable[..., list[str]]) -> None:
    assert shown("init", "mine") == ["run", "mine.yaml"]
    assert shown("plan", "demo.yaml", "-s", "depth=2,4", "--seed-offset", "3") == [
        "run", "demo.yaml", "-s", "depth=2,4", "--seed-offset", "3",
    ]  # fmt: skip
    assert shown(*RUN, "--dry-run") == RUN
    assert shown(*RUN) == ["report", "results/demo", "--open"]
    assert shown("report", "results/demo") == ["report", "results/demo", "--open"]
    step = shown("compare", "results/demo", "--metric", "decay")
    assert step == ["compare", "results/demo", "--metric", "decay", "--baseline", "activation=relu"]
    step = shown(*step)
    assert step[-1] == "--verbose"
    assert shown(*step)[-1] == "--csv=-"
    assert shown("plot", "results/demo", "--only", "survival", "--format", "svg") == [
        "report",
        "results/demo",
        "--open",
    ]


def test_of_several_runs_it_is_a_comparison(shown: Callable[..., list[str]]) -> None:
    Path("other.yaml").write_text(SPEC.replace("demo", "other").replace("seeds: 2", "seeds: 3"))
    step = shown("run", "demo.yaml", "other.yaml", "--executor", "inline", "--no-plots")
    assert step == ["compare", "results/demo", "results/other"]
    assert shown(*step)[:1] == ["compare"]


def test_several_learning_rates_lead_to_each_configuration_at_its_best(shown: Callable[..., list[str]]) -> None:
    Path("demo.yaml").write_text(SPEC.replace("grid: {", "grid: {lr: [0.01, 0.1], "))
    step = shown(*RUN)
    assert step == ["compare", "results/demo", "--best", "lr"]
    assert shown(*RUN, "--best", "lr") == ["report", "results/demo", "--open"]
    assert shown("compare", "results/demo", "--where", "depth=8") == [
        "compare", "results/demo", "--where", "depth=8", "--best", "lr",
    ]  # fmt: skip
    assert shown("compare", "results/demo", "--by", "lr")[-2] == "--baseline"
    assert shown(*step)[-2:] == ["--baseline", "activation=relu"]


@pytest.mark.parametrize(
    "flags",
    [
        [], ["--activation", "tanh", "--depth", "2..8*2"], ["--model", "conv", "--activation", "relu"],
        ["--model", "transformer"], ["--model", "rnn", "--seq-len", "20", "--task", "adding"],
        ["--init", "normal", "--init.std", "0.1", "--activation", "tanh", "--norm", "{group: {groups: 4}}"],
    ],
)  # fmt: skip
def test_a_sweep_measures_what_theory_predicts(shown: Callable[..., list[str]], flags: list[str]) -> None:
    step = shown("theory", *flags)
    assert step[0] == "sweep"
    assert shown(*step, "--save", "saved.yaml") == ["run", "saved.yaml"]
    measured = {_before(cell) for cell in grid.expand(spec.load("saved.yaml")).cells}
    keyed = {flag[2:].replace("-", "_"): value for flag, value in zip(flags[::2], flags[1::2], strict=True)}
    assert {_before(prediction.cell) for prediction in theory(keyed, TheoryOptions())} == measured


def _before(cell: Any) -> tuple[str, ...]:
    return tuple(
        str(value)
        for key, value in settings_of(cell).items()
        if not SETTINGS[key].training and key not in ("seed", "probe.at")
    )


def test_after_the_critical_line_it_is_the_prediction_there(shown: Callable[..., list[str]]) -> None:
    step = shown("theory", "--critical", "--activation", "tanh", "--bias-std", "0.1")
    assert step[:3] == ["theory", "--activation", "tanh"]
    assert shown(*step)[0] == "sweep"


def test_after_a_probe_changes_are_measured_then_it_is_kept(shown: Callable[..., list[str]]) -> None:
    step = shown("probe", "net.py:make", "--input", "4x8", "--arg", "width=8")
    assert step == ["probe", "net.py:make", "--input", "4x8", "--arg", "width=8", "--cure"]
    step = shown(*step)
    assert step[-2:] == ["--out", "probe"]
    step = shown(*step)
    assert step == ["report", "probe", "--open"]
    assert shown(*step[:-1]) == ["report", "probe", "--open"]
    assert shown("probe", "net.py:healthy", "--input", "4x8")[-2:] == ["--out", "probe"]


def test_after_a_coordinate_check_it_is_a_profile(shown: Callable[..., list[str]]) -> None:
    step = shown("width", "net.py:make_model", "--widths", "8,16,32", "--input", "4x4", "--loss", "normal")
    assert step == ["probe", "net.py:make_model", "--input", "4x4", "--loss", "normal", "--arg", "width=8"]
    assert shown(*step)[0] == "probe"


@pytest.mark.parametrize(
    "arguments", [["list"], ["list", "activations"], ["explain"], ["explain", "survival"], ["explain", "width"]]
)
def test_names_lead_to_their_meaning(shown: Callable[..., list[str]], arguments: list[str]) -> None:
    step = shown(*arguments)
    assert step[0] == "explain"
    assert shown(*step)


def test_an_experiment_is_run(shown: Callable[..., list[str]]) -> None:
    step = shown("list", "experiments")
    assert step[0] == "run"
    assert shown("plan", step[1])[:2] == step


def test_a_plugin_stays(shown: Callable[..., list[str]]) -> None:
    Path("mine.py").write_text("import numpy as np\nimport gradlab as gl\n")
    assert shown("theory", "--depth", "4", "--plugin", "mine.py")[-2:] == ["--plugin", "mine.py"]


@pytest.mark.parametrize("arguments", [RUN, [*RUN, "--quiet"], ["theory", "--depth", "4"], ["init", "mine"], ["list"]])
def test_a_pipe_gets_none(command_line: Command, arguments: list[str]) -> None:
    Path("demo.yaml").write_text(SPEC)
    code, out, err = command_line(*arguments)
    assert code == 0
    assert ": gradlab " not in err
    assert "gradlab report" not in out


@pytest.mark.parametrize("arguments", [[*RUN, "--quiet"], [*RUN, "--json"], ["theory", "--depth", "4", "--json"]])
def test_a_quiet_command_and_a_document_have_none(
    command_line: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    Path("demo.yaml").write_text(SPEC)
    monkeypatch.setattr("gradlab.terminal.console.on_terminal", lambda: True)
    code, _, err = command_line(*arguments)
    assert code == 0
    assert ": gradlab " not in err


TEXT = st.text(st.characters(codec="ascii", exclude_characters=",\x00", categories=["L", "N", "P"]), min_size=1)
PARSERS: Any = typer.main.get_command(app)
GIVEN: list[tuple[type[Any], str, st.SearchStrategy[dict[str, Any]]]] = [
    (RunOptions, "run", st.fixed_dictionaries({}, optional={
        "workers": st.integers(1, 9), "seed_offset": st.integers(0, 9), "fresh": st.booleans(), "plots": st.booleans(),
        "bank_timeout": st.floats(1, 9), "retries": st.integers(0, 3), "limit": st.integers(1, 9),
        "out": st.just(Path("some where")), "device": st.sampled_from(["cpu", "cuda:0,1"])})),
    (PlanOptions, "plan", st.fixed_dictionaries({}, optional={"rerun_failed": st.booleans()})),
    (GridOptions, "theory", st.fixed_dictionaries({}, optional={"limit": st.integers(1, 9)})),
    (CompareOptions, "compare", st.fixed_dictionaries({}, optional={
        "by": TEXT, "where": TEXT, "sort": TEXT, "top": st.integers(1, 9), "fail_on": st.lists(TEXT).map(tuple)})),
    (ModelOptions, "probe", st.fixed_dictionaries({}, optional={
        "arg": st.lists(TEXT).map(tuple), "blocks": st.lists(TEXT, min_size=1).map(tuple)})),
    (ProbeOptions, "probe", st.fixed_dictionaries({}, optional={
        "train": st.booleans(), "seeds": st.integers(1, 9), "vanish": st.floats(1e-9, 1)})),
    (BatchOptions, "width", st.fixed_dictionaries({}, optional={"input": st.just("4x8")})),
]  # fmt: skip


@settings(deadline=None)
@given(st.sampled_from(GIVEN).flatmap(lambda item: st.tuples(st.just(item[0]), st.just(item[1]), item[2])))
def test_flags_make_the_options_again(drawn: tuple[type[Any], str, dict[str, Any]]) -> None:
    kind, command, values = drawn
    options = kind(**values)
    required = {"run": ["s"], "plan": ["s"], "compare": ["r"], "probe": ["m"], "width": ["m", "--widths", "1"]}
    context = PARSERS.commands[command].make_context(command, [*required.get(command, []), *flags_of(options)])
    parsed = {_parsed_name(name, described): context.params[_parsed_name(name, described)]
              for name, described in options_of(kind).items()}  # fmt: skip
    assert _options(kind, parsed) == options
