"""Code of the user on the command line: what is loaded, what is refused, and where an exception is said to be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gradlab.api.user_code import arguments, call, load, running
from gradlab.errors import UsageError, UserCodeError

FILE = """
from beside import VALUE

def make_model(width=4, *, seed=None):
    print("building")
    return width, seed, VALUE

class Nets:
    @staticmethod
    def deep(depth):
        return depth

def broken():
    raise ValueError("no such shape\\nsecond line")

answer = 42
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    (tmp_path / "mine.py").write_text(FILE)
    monkeypatch.delitem(sys.modules, "beside", raising=False)
    return tmp_path


def test_names_of_files_and_modules_are_objects(place: Path) -> None:
    assert load("mine.py:answer") == load(f"{place}/mine.py:answer") == load("mine:answer") == 42
    assert load("json:dumps") is json.dumps
    assert load("mine.py:Nets.deep")(3) == 3
    assert load("mine.py:make_model") is load("mine.py:make_model")


def test_a_changed_file_is_run_again(place: Path) -> None:
    assert load("mine.py:answer") == 42
    (place / "mine.py").write_text(FILE.replace("42", "43"))
    assert load("mine.py:answer") == 43


def test_arguments_are_python_values() -> None:
    given = arguments(["weights=None", "depth=12", "shape=(3, 4)", "name=resnet18", "bias=false", "path=a=b"])
    assert given == {
        "weights": None, "depth": 12, "shape": (3, 4), "name": "resnet18", "bias": False, "path": "a=b",
    }  # fmt: skip


def test_what_a_function_takes_is_offered(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make = load("mine.py:make_model")
    assert call(make, "mine.py:make_model", {"width": 8}, seed=3) == (8, 3, 7)
    assert call(load("mine.py:Nets.deep"), "x", {"depth": 2}, seed=3) == 2
    written = capsys.readouterr()
    assert not written.out
    assert "building" in written.err


@pytest.mark.parametrize(
    ("reference", "message", "way_out"),
    [
        ("mine.py", "mine.py names no object", "as in mine.py:make_model"),
        ("mine.py:", "names no object", "as in mine.py:make_model"),
        ("make_model", "names no object", "file.py:name"),
        ("", "names no object", "file.py:name"),
        ("min.py:make_model", "min.py cannot be read", "did you mean mine.py:make_model?"),
        ("gone/mine.py:make", "cannot be read", "package.module:name"),
        ("mine.py:make_modell", "mine.py has no make_modell", "did you mean make_model?"),
        ("mine.py:zzz", "mine.py has no zzz", "it has make_model, Nets, broken"),
        ("no_such_package.sub:make", "there is no module no_such_package", "install it"),
        ("json.no_such_part:make", "there is no module json.no_such_part", "install it"),
        ("..:make", "is no module", "package.module:name"),
        (".:make", "is no module", "package.module:name"),
    ],
)
def test_what_cannot_be_loaded_is_one_message(place: Path, reference: str, message: str, way_out: str) -> None:
    with pytest.raises(UsageError) as raised:
        load(reference)
    assert message in raised.value.message
    assert way_out in raised.value.hint


@pytest.mark.parametrize("text", ["depth", "=3", "a b=3", "1x=2"])
def test_what_is_no_argument(text: str) -> None:
    with pytest.raises(UsageError, match="no argument"):
        arguments([text])


def test_arguments_that_do_not_fit(place: Path) -> None:
    deep = load("mine.py:Nets.deep")
    with pytest.raises(UsageError) as raised:
        call(deep, "mine.py:Nets.deep", {})
    assert "--arg depth=VALUE" in raised.value.hint
    with pytest.raises(UsageError, match="unexpected keyword argument 'width'"):
        call(deep, "mine.py:Nets.deep", {"depth": 1, "width": 2})
    with pytest.raises(UsageError, match="twice"):
        arguments(["depth=1", "depth=2"])


def test_an_exception_has_the_line_of_the_user(place: Path) -> None:
    with pytest.raises(UserCodeError) as raised:
        call(load("mine.py:broken"), "mine.py:broken", {})
    line = FILE.split("\n").index('    raise ValueError("no such shape\\nsecond line")') + 1
    assert str(raised.value).split("\n") == [
        "ValueError: no such shape", f"  mine.py:{line}, in broken",
        r'    raise ValueError("no such shape\nsecond line")',
    ]  # fmt: skip
    assert raised.value.exit_code == 1


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("def f(:\n    pass\n", "SyntaxError", "bad.py:1"),
        ("import json\nx = json.loads('{')\n", "JSONDecodeError", "bad.py:2, in <module>"),
        ("import not_installed_here\n", "ModuleNotFoundError", "bad.py:1"),
        ("import sys\nsys.exit(3)\n", "sys.exit(3)", "bad.py:2"),
        ("raise KeyError('x')\n", "KeyError", "bad.py:1"),
    ],
)
def test_a_file_that_fails(place: Path, text: str, message: str, where: str) -> None:
    (place / "bad.py").write_text(text)
    with pytest.raises(UserCodeError) as raised:
        load("bad.py:f")
    assert message in str(raised.value)
    assert where in str(raised.value)
    (place / "bad.py").write_text("f = 1\n")
    assert load("bad.py:f") == 1


def test_no_memory_is_no_fault_of_the_code() -> None:
    with pytest.raises(UsageError, match="out of memory"), running():
        raise MemoryError


def test_what_gradlab_raises_passes() -> None:
    with pytest.raises(UsageError, match="as it is"), running():
        raise UsageError("as it is")
