"""Help: nothing cut, one name for each flag, and examples of values that mean what stands beside them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from gradlab import grid, spec
from gradlab.cli import invoke
from gradlab.cli.app import COMMANDS
from gradlab.cli.help import VALUE_EXAMPLES

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_every_command_has_its_sentence_whole(
    columns: str, command_line: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    code, out, err = command_line("--help")
    assert (code, err) == (0, "")
    assert "..." not in out.partition("\n")[2]
    text = " ".join(out.split())
    for name, command in COMMANDS.items():
        sentence = " ".join((command.__doc__ or "").split("\n\n")[0].split()).partition(": gradlab ")[0]
        assert f"{name} {sentence}" in text, name
    assert max(map(len, out.splitlines())) <= min(int(columns), 100)


def test_without_a_command_there_is_help(command_line: Command) -> None:
    assert command_line() == command_line("--help")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_flag_has_one_name_and_stands_in_a_panel(command: str, command_line: Command) -> None:
    code, out, _ = command_line(command, "--help")
    assert code == 0
    flags = re.findall(r"^  (?:-\w, )?(--\S+)(.*)", out, re.MULTILINE)
    names = [name for name, _ in flags if not name.startswith("--optimizer") or "VALUES" in _]
    assert "--help" in names
    assert not [name for name in names if "_" in name or "." in name]
    assert not [rest for _, rest in flags if rest.startswith(", --")]
    assert not re.search(r"<\w+>|\{[A-Z]", out), "a placeholder of the parser"
    assert "\nOptions:" not in out


@pytest.mark.parametrize("example", VALUE_EXAMPLES)
def test_examples_of_values_are_what_they_say(example: str, tmp_path: Path) -> None:
    path = tmp_path / "saved.yaml"
    flag, value = shlex.split(example)
    others = [] if flag == "--depth" else ["--depth", "2"]
    assert invoke(["sweep", flag, value, *others, "--seeds", "1", "--save", str(path)]) == 0
    key = flag[2:]
    cells = grid.expand(spec.load(path)).cells
    values = {getattr(cell, key) for cell in cells}
    meanings = {
        "--depth 8": {8}, "--depth 2..5": {2, 3, 4, 5}, "--dropout 0..0.4:0.2": {0.0, 0.2, 0.4},
        "--width 16..64*2": {16, 32, 64}, "--lr 1e-3..1e-1*10": {0.001, 0.01, 0.1},
    }  # fmt: skip
    if example in meanings:
        assert sorted(values) == pytest.approx(sorted(meanings[example]))
    elif key == "activation":
        assert {value.name for value in values} == {"relu", "tanh"}
    else:
        (only,) = values
        assert (only.name, dict(only.params)) == ("adam", {"eps": 1e-4})


def test_flags_have_the_forms_of_specs_too(tmp_path: Path) -> None:
    texts = []
    for flags in (("--steps", "2", "--batch-size", "8"), ("--train.steps", "2", "--train.batch_size=8"),
                  ("--steps", "2", "--batch_size", "8")):  # fmt: skip
        path = tmp_path / "saved.yaml"
        path.unlink(missing_ok=True)
        assert invoke(["sweep", "--depth", "2", *flags, "--name", "same", "--save", str(path)]) == 0
        texts.append(path.read_text())
    assert texts[0] == texts[1] == texts[2]
