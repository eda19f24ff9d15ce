"""The path of a data file in a spec: whatever is wrong with it is a problem with its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gradlab import spec
from gradlab.errors import SpecError
from gradlab.spec.paths import data_file


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing.csv", "does not exist"),
        (".", "is a directory"),
        ("/dev/zero", "is not a regular file"),
        ("pipe", "is not a regular file"),
        ("loop", "cannot be reached: Too many levels of symbolic links"),
        ("x" * 300, "cannot be reached: File name too long"),
        ("~nobody_of_that_name/a.csv", "is no path"),
        ("a.csv/b.csv", "cannot be reached: Not a directory"),
    ],
)  # fmt: skip
def test_a_path_that_is_no_file(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "a.csv").write_text("a,y\n")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SpecError) as caught:
        spec.loads(f"name: x\ntask: {{char_lm: {path}}}\nmodel: lstm", base_dir=tmp_path)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.line == 2


def test_a_path_is_relative_to_its_base_and_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("a,y\n")
    (tmp_path / "link.csv").symlink_to("a.csv")
    monkeypatch.chdir(tmp_path)
    assert data_file("a.csv", Path()) == data_file("link.csv", tmp_path) == str(tmp_path / "a.csv")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_file("~/a.csv", Path("/nowhere")) == str(tmp_path / "a.csv")
