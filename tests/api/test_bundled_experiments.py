"""The experiments that come with gradlab: named by ``@NAME`` wherever a spec is, listed, and copied to begin with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from places import ROOT

import gradlab as gl
from gradlab import grid, spec
from gradlab.api.experiments import experiments, spec_path
from gradlab.api.starting_spec import copied_spec
from gradlab.cli import invoke
from gradlab.errors import UsageError

FILES = sorted(path for part in ("", "papers") for path in (ROOT / "experiments" / part).glob("*.yaml"))


def test_every_spec_of_the_folder_has_a_name_of_its_own() -> None:
    assert sorted(experiments().values()) == FILES
    assert len({path.stem for path in FILES}) == len(FILES) > 25


def test_a_name_stands_where_a_path_may_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plan", "@sigmoid_vs_relu", "@yang_2019", "-s", "seeds=1", "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert [plan["name"] for plan in plans] == ["sigmoid_vs_relu", "yang_2019"]
    path = ROOT / "experiments" / "sigmoid_vs_relu.yaml"
    planned = gl.plan("@sigmoid_vs_relu", depth=[2, 4]).cells
    assert planned
    assert planned == gl.plan(path, depth=[2, 4]).cells


def test_a_file_of_that_name_is_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("@sigmoid_vs_relu").write_text("name: mine\ndepth: 2\n")
    assert spec_path(Path("@sigmoid_vs_relu")) == Path("@sigmoid_vs_relu")
    assert spec_path(Path("@width")) == ROOT / "experiments" / "width.yaml"


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("@sigmoid_vs_rel", "did you mean @sigmoid_vs_relu?"),
        ("@", "gradlab list experiments"),
        ("@" + "x" * 5000, "gradlab list experiments"),
        ("@../experiments/width", "gradlab list experiments"),
        ("experiments/width.yaml", "the experiment that comes with gradlab is @width"),
        ("width", "the experiment that comes with gradlab is @width"),
    ],
)
def test_what_there_is_not(
    argument: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["run", argument]) == 2
    message = capsys.readouterr().err
    assert says in message
    assert len(message.splitlines()) == 2
    with pytest.raises(UsageError):
        gl.plan(argument)


def test_the_list_has_them_all_with_what_they_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["list", "experiments", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["names"]
    assert {row["name"]: row["summary"] for row in rows} == {
        f"@{path.stem}": spec.load(path).description for path in FILES
    }
    assert invoke(["list", "experiment"]) == 0
    assert "@rnn_long_range" in capsys.readouterr().out


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_copy_is_the_same_under_another_name(path: Path) -> None:
    text = copied_spec(path.stem, "mine")
    copy, original = spec.loads(text), spec.load(path)
    assert copy.name == "mine"
    assert grid.expand(copy).cells == grid.expand(original).cells
    assert copy.expect == original.expect
    assert text.count("\n") == path.read_text().count("\n")
    assert f"experiments/{path.name}" not in text
    assert f"results/{path.stem}" not in text


def test_init_copies_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["init", "--from", "rnn_long_range"]) == 0
    assert invoke(["init", "mine", "--from", "@rnn_long_range"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "rnn_long_range.yaml"]
    assert Path("rnn_long_range.yaml").read_text() == (ROOT / "experiments" / "rnn_long_range.yaml").read_text()
    assert invoke(["init", "mine", "--from", "rnn_long_range"]) == 2
    assert invoke(["init", "other", "--from", "rnn_long"]) == 2
    assert "did you mean @rnn_long_range?" in capsys.readouterr().err
    assert not Path("other.yaml").exists()
