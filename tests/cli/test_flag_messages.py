"""A refused value is named as it was written: behind its flag, or by its keyword in Python; mistyped words get the
nearest one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

import gradlab as gl
from gradlab.api.options import RunOptions, options_of
from gradlab.cell import SETTINGS
from gradlab.cli import invoke
from gradlab.cli.app import app
from gradlab.cli.hints import usage_message
from gradlab.spelling import FLAGS, KEYS, keywords

COMMANDS: Any = typer.main.get_command(app)
REQUIRED = {"run": ["spec.yaml"], "plan": ["spec.yaml"], "sweep": [], "theory": []}
REFUSED = {
    "--out": "", "--name": "../outside", "--save": "spec.yaml", "--plugin": "missing.py", "--parameter": "nonsense",
    "--set": "nonsense",
}  # fmt: skip
"""Values that a flag refuses which takes most texts."""


def flags(command: str) -> Iterator[tuple[str, str]]:
    for param in COMMANDS.commands[command].params:
        for flag in param.opts:
            if param.param_type_name == "option" and flag.startswith("--"):
                yield command, flag


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text("name: x\n")
    return tmp_path


@pytest.mark.parametrize(("command", "flag"), [pair for command in REQUIRED for pair in flags(command)])
def test_a_refused_value_is_named_by_its_flag(
    place: Path, capsys: pytest.CaptureFixture[str], command: str, flag: str
) -> None:
    assert invoke([command, *REQUIRED[command], f"{flag}={REFUSED.get(flag, 'nonsense!')}"]) == 2
    message = capsys.readouterr().err.removeprefix("gradlab: ")
    written = {"--set": "-s nonsense", "--parameter": "--nonsense", "--plugin": "missing.py"}.get(flag, flag)
    first = message.partition("\n")[0]
    assert written in first
    assert not any(key in first for key in SETTINGS if "." in key or "_" in key), "a key that is not written there"


@pytest.mark.parametrize("key", [key for key in SETTINGS if key != "seed"])
def test_a_refused_value_is_named_by_its_keyword(key: str) -> None:
    for keyword in dict.fromkeys([SETTINGS[key].attribute, key.replace(".", "_"), key]):
        for function in (gl.sweep, gl.theory):
            with pytest.raises(gl.SpecError) as caught:
                function(**{keyword: "nonsense!"})
            assert str(caught.value).startswith(f"{keyword} nonsense!: ")


@pytest.mark.parametrize("name", options_of(RunOptions))
def test_a_refused_option_is_named_by_its_keyword(place: Path, name: str) -> None:
    bad: Any = {"workers": -1, "out": 3}.get(name, "nonsense!")
    with pytest.raises(gl.GradlabError) as caught:
        gl.run("spec.yaml", **{name: bad})
    assert str(caught.value).startswith((f"{name} ", f"{name}: "))
    assert "--" not in str(caught.value)


KEY = st.sampled_from([key for key in SETTINGS if key != "seed"])


@given(KEY, KEY)
def test_messages_hold_the_names_of_their_notation(key: str, other: str) -> None:
    message, hint = f"{key} must be below {other}, found 3", f"write {other}: 4, not '{key}'"
    flag, keyword = FLAGS.name(key), SETTINGS[key].attribute
    assert KEYS.message(message, "spec.yaml") == message
    assert FLAGS.message(message, f"{flag} 3").startswith("must be below")
    assert FLAGS.text(hint) == f"write {FLAGS.name(other)} 4, not '{key}'"
    assert keywords().text(hint) == f"write {SETTINGS[other].attribute}=4, not '{key}'"
    assert keywords().message(message, f"{keyword} 3").startswith("must be below")
    assert keywords({key: "mine"}).name(key) == "mine"


def test_options_of_other_rooms_are_keywords_in_python(place: Path) -> None:
    for call, says in (
        (lambda: gl.sweep(depth="2..50", limit=3), "or a higher limit"),
        (lambda: gl.run("spec.yaml", device="cuda:77"), "device cuda:77"),
        (lambda: gl.run("spec.yaml", ["depth=-1"]), "depth -1: must be a whole number"),
    ):
        with pytest.raises(gl.GradlabError) as caught:
            call()
        assert says in str(caught.value)
        assert "--" not in str(caught.value)


MISTYPED = {
    "frobnicate": "see gradlab --help",
    "rnu spec.yaml": "did you mean gradlab run?",
    "--versoin": "did you mean --version?",
    "run spec.yaml --devise cpu": "did you mean --device?",
    "run spec.yaml --plots": "did you mean --no-plots?",
    "run spec.yaml --stepz 3": "did you mean -s train.steps=VALUE?",
    "sweep --stps 3": "did you mean --steps?",
    "sweep --depth": "see gradlab sweep --help",
    "probe net.py:make --inptu 3": "did you mean --input?",
}


@pytest.mark.parametrize("line", MISTYPED)
def test_the_nearest_word_is_named(place: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    assert invoke(line.split()) == 2
    message = capsys.readouterr().err
    assert message.startswith("gradlab: ")
    assert message.endswith(f"\n  {MISTYPED[line]}\n")
    assert message.count("\n") == 2


@pytest.mark.parametrize("command", COMMANDS.commands)
def test_every_flag_with_a_letter_left_out_is_recognised(command: str) -> None:
    for param in COMMANDS.commands[command].params:
        flag = param.opts[-1]
        if param.param_type_name != "option" or len(flag) < 8:
            continue
        mistyped = flag[:4] + flag[5:]
        with pytest.raises(Exception, match="No such option") as caught:
            app(args=[command, mistyped], standalone_mode=False)
        message = usage_message([command, mistyped], caught.value, COMMANDS.commands)
        assert f"did you mean {flag}?" in message
