"""Documents by accident or by malice: one message or a spec, at once; nothing runs, and nothing grows without bound."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gradlab import spec
from gradlab.errors import SpecError, printable
from gradlab.spec.node import MOST_PROBLEMS
from gradlab.spec.reader import LARGEST_FILE


def laughs(levels: int) -> str:
    lines = ["name: x", "l0: &l0 [y, y, y, y, y, y, y, y, y, y]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


REFUSED: dict[str, tuple[bytes | str, str]] = {
    "billion laughs": (laughs(10), ":6:"),
    "billion laughs in keys": ("name: x\n? " + "[" * 25, "nested more than 20 levels deep"),
    "flow lists": ("name: x\ngrid: " + "[" * 100_000, "nested more than 20 levels deep"),
    "flow mappings": ("name: x\ngrid: " + "{a: " * 100_000, "nested more than 20 levels deep"),
    "blocks": ("name: x\n" + "".join(f"{' ' * i}a:\n" for i in range(400)), "nested more than 20 levels deep"),
    "dashes": ("name: x\ngrid:\n" + "- " * 50_000, "nested more than 20 levels deep"),
    "questions": ("? " * 50_000, "nested more than 20 levels deep"),
    "an alias of itself": ("name: x\ngrid: &a [*a]", "stands inside of what it stands for"),
    "an alias of nothing": ("name: *b", "there is no &b above it"),
    "python object": ("name: !!python/object/apply:os.system ['touch run_by_yaml']", "is not allowed"),
    "python name": ("name: x\ndepth: !!python/name:os.system", "is not allowed"),
    "a tag of its own": ("%TAG ! tag:a,2000:\n---\nname: !x y", "is not allowed"),
    "binary tag": ("name: !!binary aGk=", "is not allowed"),
    "merge key": ("name: x\n<<: {depth: 3}", "merge keys (<<) are not known here"),
    "merged anchor": ("name: x\ntrain: &t {steps: 3}\ninclude:\n- {<<: *t}", ":4:4: merge keys"),
    "duplicate keys": ("name: x\ndepth: 2\n'depth': 3", "duplicate key 'depth', first given at line 2"),
    "duplicates in flow": ("name: x\ntrain: {steps: 1, steps: 2}", "duplicate key 'steps'"),
    "tab": ("name: x\ngrid:\n\tdepth: [1]", ":3:1: a tab where YAML wants spaces"),
    "NUL": ("name: x\0", "is a binary file"),
    "NUL by an escape": ('name: "x\\0"', "the character U+0000 cannot stand in a spec"),
    "escape sequence": ("name: \x1b[31m", "the character U+001B cannot stand in a spec"),
    "C1 control": ("name: x\ndescription: \x9b", "the character U+009B cannot stand in a spec"),
    "lone surrogate": ('name: "\\ud800"', "the character U+D800 cannot stand in a spec"),
    "beyond Unicode": ('name: "\\U00110000"', "this is not YAML"),
    "UTF-16": ("name: x".encode("utf-16"), "is UTF-16 text"),
    "UTF-16 without a mark": ("name: x".encode("utf-16-le"), "is a binary file"),
    "UTF-32": ("name: x".encode("utf-32"), "is UTF-16 text"),
    "Latin-1": ("name: x\ndescription: caf\xe9".encode("latin-1"), "is not UTF-8 text (line 2)"),
    "half a character": (b"name: x\n\xe2\x82", "is not UTF-8 text (line 2)"),
    "a mark in the middle": (b"name: x\n\xef\xbb\xbfdepth: 3\n", ":2:1: unknown key"),
    "old Mac line ends": ("name: x\rdepth: 3\rdeph: 3\r", ":3:1: unknown key 'deph'"),
    "NEL line ends": ("name: x\x85depth: 3\x85deph: 3", ":3:1: unknown key 'deph'"),
    "a list for a key": ("name: x\n? [a]\n: b", "a key must be a name"),
    "a date for a key": ("name: x\n2001-01-01: 2", "unknown key '2001-01-01'"),
    "YAML 3": ("%YAML 3.0\n---\nname: x", "this is not YAML"),
    "two documents": ("name: x\n---\nname: y", "a second document begins here"),
    "a number of many digits": ("name: x\ndepth: " + "9" * 900_000, "depth must be a whole number"),
    "a long key": ("k" * 100_000 + ": 3\nname: x", "a second ':' in one value"),
    "a long name": ("name: " + "x" * 900_000, "name has 900,000 characters"),
    "no file of text": ("#" * (LARGEST_FILE + 1), "is larger than 1,000,000 bytes"),
    "a minus sign of a text program": ("name: x\nlr: 1e−3", "write 1e-3, in plain ASCII"),
    "typographic quotes": ("name: “x”", "cannot be the name of a directory"),
    "nothing": ("", "is empty"),
    "a comment": ("# nothing\n", "is empty"),
    "a null": ("null", "this is a single value"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_spec_is_one_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content, says = REFUSED[name]
    file = tmp_path / "spec.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SpecError) as caught:
        spec.load(file)
    message = str(caught.value)
    assert says in message
    assert all(printable(line) == line for line in message.split("\n"))
    assert len(message) < 2000 + 800 * len(caught.value.problems)
    assert [path.name for path in tmp_path.iterdir()] == ["spec.yaml"]


TAKEN = {
    "a mark at the start": b"\xef\xbb\xbfname: x\ndepth: 3",
    "Windows line ends": b"name: x\r\ndepth: 3\r\n",
    "old Mac line ends": b"name: x\rdepth: 3\r",
    "one document with its marks": b"%YAML 1.2\n---\nname: x\ndepth: 3\n...\n",
    "JSON": json.dumps({"name": "x", "depth": 3, "description": "\U0001f389 é"}).encode(),
    "an anchor and its alias": b"name: x\ndescription: &d '3'\ndepth: 3\n",
    "a second anchor of one name": b"name: &a x\nwidth: &a 3\ndepth: *a",
    "comments and empty lines": b"\n\n# one\nname: x # two\n\ndepth: 3\n\n",
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_unusual_and_right_is_taken(name: str, tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_bytes(TAKEN[name])
    loaded = spec.load(file)
    assert (loaded.name, dict(loaded.subgrids[0].fixed)["depth"]) == ("x", 3)
    if name == "JSON":
        assert loaded.description == "\U0001f389 é"


GROWING: dict[str, Callable[[int], str]] = {
    "unknown keys": lambda n: "".join(f"k{i}: 1\n" for i in range(n)),
    "unknown keys of a grid": lambda n: "grid:\n" + "".join(f"  k{i}: [1]\n" for i in range(n)),
    "unknown names": lambda n: f"grid: {{activation: [{', '.join(f'a{i}' for i in range(n))}]}}",
    "unknown parameters": lambda n: f"activation: {{elu: {{{', '.join(f'a{i}: 1' for i in range(n))}}}}}",
    "dotted parameters": lambda n: "".join(f"optimizer.e{i}: 1\n" for i in range(n)),
    "an axis of a parameter": lambda n: f"optimizer: adam\ngrid: {{optimizer.eps: [{', '.join(map(str, range(n)))}]}}",
    "an axis of text": lambda n: f"grid: {{depth: '{' '.join(map(str, range(1, n)))}'}}",
    "a range that is no range": lambda n: f"grid: {{depth: '{'1..' * n}'}}",
    "brackets": lambda n: f"grid: {{depth: '{'(' * n}'}}",
    "calls": lambda n: f"grid: {{depth: '{'list(' * n}'}}",
    "parameters in brackets": lambda n: f"activation: 'relu({'a=1,' * n})'",
    "duplicates": lambda n: "depth: 1\n" * n,
    "merge keys": lambda n: "<<: {a: 1}\n" * n,
    "included configurations": lambda n: "include:\n" + "- {depth: 3}\n" * n,
    "sub-grids": lambda n: "grids:\n" + "".join(f"- {{depth: {i + 1}}}\n" for i in range(n)),
    "excludes": lambda n: "exclude:\n" + "".join(f"- depth={i + 1}\n" for i in range(n)),
    "expectations": lambda n: "expect:\n" + "- survival > 1\n" * n,
    "anchors": lambda n: "".join(f"a{i}: &a{i} 1\n" for i in range(n)),
    "aliases": lambda n: f"width: &a 3\ngrid: {{depth: [{', '.join(['*a'] * n)}]}}",
    "seeds": lambda n: f"seeds: [{', '.join(map(str, range(n)))}]",
    "a long line": lambda n: f"description: {'a ' * n}",
    "quotation marks": lambda n: f"description: {chr(39) * (2 * n)}",
    "an option": lambda n: f"description: {'a,' * n}",
}  # fmt: skip


def calls(text: str) -> int:
    """Return how many functions a load calls, which unlike time depends on nothing else."""
    count = problems = 0

    def counted(_frame: object, _event: str, _argument: object) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        spec.loads(f"name: x\n{text}", "spec.yaml")
    except SpecError as error:
        problems = len(error.problems)
    finally:
        sys.setprofile(before)
    assert problems <= MOST_PROBLEMS + 1
    return count


@pytest.mark.slow
@pytest.mark.parametrize("name", GROWING)
def test_twice_the_text_is_twice_the_work(name: str) -> None:
    grow = GROWING[name]
    calls(grow(10))  # what is imported and compiled once
    small, large = calls(grow(400)), calls(grow(800))
    assert large < 2.3 * small + 1000
