"""The commented spec to begin with: it runs as it stands, and with every comment taken away from a setting."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gradlab import grid, spec
from gradlab.api.starting_spec import starting_spec
from gradlab.cell import SETTINGS, Cell
from gradlab.cli import invoke
from gradlab.spec.json_schema import json_schema


def test_it_has_every_setting_at_its_default() -> None:
    text = starting_spec("mine")
    settings = dict(re.findall(r"^# ([a-z_0-9.]+): (.*?)  +# ", text, re.MULTILINE))
    assert settings.keys() == SETTINGS.keys() - {"seed", "depth", "activation"}
    commented = grid.expand(spec.loads(text)).cells
    assert {cell.activation.name for cell in commented} == {"sigmoid", "tanh", "relu"}
    assert len(commented) == 36
    default = Cell(depth=2, lr=0.1)
    assert default in [*commented, *[cell for cell in commented if cell.activation == default.activation]]
    for key in settings:
        bare = re.sub(rf"^# ({re.escape(key)}: )", r"\1", text, flags=re.MULTILINE)
        assert bare != text
        assert grid.expand(spec.loads(bare)).cells == commented, key


def test_what_is_commented_out_is_right_too() -> None:
    text = (
        starting_spec("mine").replace("# exclude:\n#   -", "exclude:\n  -").replace("# expect:\n#   -", "expect:\n  -")
    )
    loaded = spec.loads(text.replace("  # optimizer.momentum", "  optimizer.momentum") + "optimizer: momentum\n")
    assert len(grid.expand(loaded).cells) == 66
    assert len(loaded.expect) == 1


def test_the_command_writes_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["init"]) == 0
    assert invoke(["init", "other.yaml"]) == 0
    assert "wrote other.yaml\n" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_first_run.yaml", "other.yaml"]
    assert invoke(["plan", "my_first_run.yaml", "other.yaml"]) == 0
    Path("other.yaml").write_text("mine")
    assert invoke(["init", "other"]) == 2
    assert "there is such a file already" in capsys.readouterr().err
    assert Path("other.yaml").read_text() == "mine"
    for name in ("no/such/folder", "a b", "..", "", "x" * 300, "a\tb"):
        assert invoke(["init", name]) == 2, name
    assert len(list(tmp_path.iterdir())) == 2


def test_with_a_schema_an_editor_checks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["init", "mine", "--schema"]) == 0
    assert capsys.readouterr().out == "wrote mine.yaml\nwrote gradlab.schema.json\n"
    first, _, rest = Path("mine.yaml").read_text().partition("\n")
    assert first == "# yaml-language-server: $schema=gradlab.schema.json"
    assert rest == starting_spec("mine")
    assert json.loads(Path("gradlab.schema.json").read_text()) == json_schema()
    assert invoke(["plan", "mine.yaml"]) == 0
    Path("gradlab.schema.json").write_text(json.dumps({"title": "A spec of gradlab"}))  # of an earlier version
    assert invoke(["init", "second", "--schema", "--from", "clipping"]) == 0
    assert json.loads(Path("gradlab.schema.json").read_text()) == json_schema()
    for other in ("[1]", "{}", "not JSON"):
        Path("gradlab.schema.json").write_text(other)
        capsys.readouterr()
        assert invoke(["init", "third", "--schema"]) == 2
        assert "there is another file of that name" in capsys.readouterr().err
        assert Path("gradlab.schema.json").read_text() == other
        assert not Path("third.yaml").exists()
