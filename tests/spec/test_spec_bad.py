"""Bad specs and what each is told: `bad_specs.txt` holds them with the whole message."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gradlab import grid, spec
from gradlab.cell import REGISTRIES, SETTINGS
from gradlab.errors import Problem, SpecError
from gradlab.spec.node import MOST_PROBLEMS


def bad_specs() -> dict[str, tuple[str, str]]:
    """Return {title: (spec, message)} from the blocks ``=== title``, spec, ``--- says``, message."""
    text = Path(__file__).with_name("bad_specs.txt").read_text(encoding="utf-8")
    cases = {}
    for block in text.removeprefix("=== ").split("\n\n=== "):
        title, _, body = block.partition("\n")
        bad, _, says = body.partition("--- says\n")
        cases[title] = (bad, says.rstrip("\n"))
    return cases


BAD = bad_specs()


def test_there_are_many() -> None:
    assert len(BAD) > 120


@pytest.mark.parametrize("title", BAD)
def test_a_bad_spec_is_told(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bad, says = BAD[title]
    names = {"here": str(tmp_path), "settings": ", ".join(key for key in SETTINGS if key != "seed")}
    for key, registry in {**{key: ", ".join(known) for key, known in REGISTRIES.items()}, **names}.items():
        says = says.replace(f"{{{key}}}", registry)
    with pytest.raises(SpecError) as caught:
        grid.expand(spec.loads(bad, "spec.yaml"))
    assert str(caught.value) == says
    lines = [problem.line for problem in caught.value.problems if problem.line]
    assert lines == sorted(lines)


def test_a_billion_cells_are_refused_without_making_them() -> None:
    large = spec.loads("name: x\ngrid: {depth: 1..1000, width: 1..1000, lr: [0.1, 0.2], seeds: 500}\n")
    with pytest.raises(SpecError, match="1,000,000,000 cells"):
        grid.expand(large)


FILES = {
    "binary": (b"name: x\0\n", "{file}: is a binary file, not a spec"),
    "not UTF-8": (b"name: x\n# \xff\n", "{file}: is not UTF-8 text (line 2)\n    save it as UTF-8"),
    "UTF-16": ("name: x\n".encode("utf-16"), "{file}: is UTF-16 text\n    save it as UTF-8"),
    "too large": (b"#" * 1_000_001, "{file}: is larger than 1,000,000 bytes: this is not a spec"),
    "empty": (b"", "{file}: is empty\n    a spec needs at least a name, as in: name: my_first_run"),
    "control character": (
        b'name: x\ndescription: "a\x07b"\n',
        '{file}:2:16: the character U+0007 cannot stand in a spec\n    description: "a?b"\n' + " " * 19 + "^",
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_bad_file_is_told(kind: str, tmp_path: Path) -> None:
    data, says = FILES[kind]
    file = tmp_path / "spec.yaml"
    file.write_bytes(data)
    with pytest.raises(SpecError) as caught:
        spec.load(file)
    assert str(caught.value) == says.replace("{file}", str(file))


def test_a_missing_file_and_a_directory_are_told(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("name: x\n")
    with pytest.raises(SpecError) as caught:
        spec.load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a directory, not a spec\n    it holds one.yaml"
    with pytest.raises(SpecError) as caught:
        spec.load(tmp_path / "two.yaml")
    assert str(caught.value) == f"{tmp_path / 'two.yaml'}: there is no such file"
    with pytest.raises(SpecError, match="cannot be read: file name too long"):
        spec.load(tmp_path / ("a" * 5000))


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: x\r\ndepth: 3\r\n")
    assert dict(spec.load(file).subgrids[0].fixed)["depth"] == 3


def test_many_problems_are_counted_not_listed() -> None:
    bad = "name: x\ngrid:\n  depth: [" + ", ".join(f"a{i}" for i in range(MOST_PROBLEMS + 7)) + "]\n"
    with pytest.raises(SpecError) as caught:
        spec.loads(bad, "spec.yaml")
    assert len(caught.value.problems) == MOST_PROBLEMS + 1
    assert str(caught.value).endswith("spec.yaml: and 7 more problems")


def test_a_long_line_is_shown_around_the_place() -> None:
    text = "x" * 400 + "here" + "y" * 400
    _, line, caret = str(Problem("wrong", "spec.yaml", 1, 401, text)).split("\n")
    assert len(line) < 200
    assert line[caret.index("^") :].startswith("here")


def test_a_long_list_is_checked_in_good_time() -> None:
    """Thousands of values against tens of thousands: neither is gone through for each of the other."""
    many = ",".join(map(str, range(1, 1900)))
    text = f"name: x\ngrid: {{depth: 1..30000}}\nexclude: ['depth in [{many}] and not depth=[{many}]']\n"
    begin = time.process_time()
    spec.loads(f"{text}expect: ['survival[depth in [{many}]] > 0']\n")
    assert time.process_time() - begin < 20
