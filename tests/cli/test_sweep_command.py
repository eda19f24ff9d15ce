"""`gradlab sweep`: the run it makes of flags, and the file it saves."""

from __future__ import annotations

import pytest

from gradlab import grid, spec
from gradlab.api.sweep import sweep_spec
from gradlab.cli import invoke


def test_a_saved_sweep_is_the_same_cells_and_nothing_is_overwritten(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    flags = ["sweep", "--depth", "2..4", "--train.steps", "5", "--weight-decay", "0,1e-4", "--save", str(path)]
    assert invoke(flags) == 0
    assert capsys.readouterr().out == f"saved as {path}\n"
    expected = sweep_spec({"depth": "2..4", "train.steps": "5", "weight_decay": "0,1e-4"})
    assert set(grid.expand(spec.load(path)).cells) == set(grid.expand(expected).cells)
    before = path.read_text()
    assert invoke(flags) == 2
    assert "there is such a file already" in capsys.readouterr().err
    assert path.read_text() == before
    assert invoke([*flags[:-1], str(tmp_path / "no" / "such" / "folder.yaml")]) == 2


@pytest.mark.slow
def test_the_command_runs_its_grid(tmp_path, capsys):
    flags = ["sweep", "--depth", "1,2", "--activation", "tanh", "--seeds", "2", "--steps", "2", "--width", "4"]
    assert invoke([*flags, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "4 cells" in shown
    assert [path.name for path in tmp_path.iterdir()] == [sweep_spec({
        "depth": "1,2", "activation": "tanh", "seeds": "2", "train.steps": "2", "width": "4",
    }).name]  # fmt: skip
    assert invoke([*flags, "--dry-run", "--out", str(tmp_path)]) == 0
    assert "0 new, 4 done" in capsys.readouterr().out
