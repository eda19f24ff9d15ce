"""The distribution: what an editable install makes of `import gradlab`, its name, and another project of our name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from built import distribution
from places import ROOT

from gradlab.cli.distributions import DISTRIBUTION, conflict

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder called gradlab with what a build needs."""
    folder = tmp_path_factory.mktemp("above") / "gradlab"
    for part in ("gradlab", "experiments"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def built(clone: Path, out: Path, kind: str) -> Path:
    """Build a wheel of the clone with the backend that pyproject.toml names; unpack it into a new environment."""
    wheel = distribution(clone, out, kind)
    venv.create(out / "venv", symlinks=os.name != "nt")
    python = next(path for path in (out / "venv/bin/python", out / "venv/Scripts/python.exe") if path.exists())
    site = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[-1])"], check=True, capture_output=True, text=True
    ).stdout.strip()
    zipfile.ZipFile(wheel).extractall(site)
    return python


@pytest.mark.parametrize("kind", ["editable", "wheel"])
def test_beside_a_clone_called_gradlab_the_import_is_the_package(clone: Path, tmp_path: Path, kind: str) -> None:
    python = built(clone, tmp_path, kind)
    code = (
        "import gradlab, sys; from importlib.metadata import version\n"
        f"print(gradlab.__file__, gradlab.__version__, version({DISTRIBUTION!r})); gradlab.GradlabError"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for folder in (clone.parent, clone, tmp_path):
        answer = subprocess.run(
            [python, "-c", code], cwd=folder, env=environment, check=True, capture_output=True, text=True
        ).stdout.split()
        assert Path(answer[0]).parts[-2:] == ("gradlab", "__init__.py")
        assert (Path(answer[0]).parent == clone / "gradlab") == (kind == "editable" or folder == clone)
        assert answer[1] == answer[2]


def test_a_wheel_has_what_is_no_python_too(clone: Path, tmp_path: Path) -> None:
    built(clone, tmp_path, "wheel")
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {path.relative_to(clone).as_posix() for path in (clone / "gradlab").rglob("*") if path.is_file()}
    assert files <= names
    experiments = [path.relative_to(clone).as_posix() for path in (clone / "experiments").rglob("*.yaml")]
    assert {name for name in names if name.endswith(".yaml")} == {f"gradlab/{name}" for name in experiments}
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {"gradlab"}
    assert {"gradlab/py.typed", "gradlab/report/page/assets/query/scanner.js"} <= names


@pytest.mark.parametrize("kind", ["editable", "wheel"])
def test_the_experiments_are_found_where_they_lie(clone: Path, tmp_path: Path, kind: str) -> None:
    python = built(clone, tmp_path, kind)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = "from gradlab.api.experiments import experiments; print(*experiments().values(), sep='\\n')"
    answer = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    paths = [Path(line) for line in answer.stdout.splitlines()]
    assert sorted(path.name for path in paths) == sorted(path.name for path in (clone / "experiments").rglob("*.yaml"))
    assert all(path.is_relative_to(clone / "experiments") == (kind == "editable") for path in paths)


def test_the_source_distribution_holds_what_the_tests_need_and_everything_once(tmp_path: Path) -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git work tree to list the tracked files of")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tracked = set(filter(None, listed.split("\0")))
    with tarfile.open(distribution(ROOT, tmp_path, "sdist")) as archive:
        names = [member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()]
        archive.extractall(tmp_path, filter="data")
    assert len(names) == len(set(names))
    assert tracked <= set(names)
    assert not [name for name in names if name.endswith(".pyc") or name.startswith((".venv", "dist/"))]
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    wheels = [distribution(root, tmp_path / name, "wheel") for root, name in ((ROOT, "clone"), (folder, "sdist"))]
    contents = [sorted(info.filename for info in zipfile.ZipFile(wheel).infolist()) for wheel in wheels]
    assert contents[0] == contents[1]


def test_the_name_of_the_distribution_is_one() -> None:
    assert PROJECT["project"]["name"] == DISTRIBUTION != "gradlab"
    assert PROJECT["project"]["scripts"] == {"gradlab": "gradlab.cli:main"}


OTHER_PROJECT = re.compile(
    r"(pip|uv|pipx|conda|poetry)\s+(install|add)\s+[^`\n]*?(?<![\w./-])['\"]?gradlab(?![\w./-])|gradlab\[\w"
)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("pip install gradlab", True),
        ("pip install 'gradlab[ray]'", True),
        ("python -m pip install --upgrade gradlab", True),
        ("uv add gradlab", True),
        ("extras: `gradlab[tensorboard]`", True),
        ("pip install '.[ray]', then gradlab".partition(",")[0], False),
        ("pip install gradient-survival", False),
        ("pip install -e /home/me/gradlab/", False),
    ],
)
def test_the_words_that_fetch_the_other_project_are_known(text: str, wrong: bool) -> None:
    assert bool(OTHER_PROJECT.search(text)) == wrong


def test_nothing_tells_anybody_to_install_the_other_project() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git work tree to list the tracked files of")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    wrong = []
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path == Path(__file__) or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture
            continue
        wrong += [f"{name}: {match[0]}" for match in OTHER_PROJECT.finditer(text)]
    assert wrong == []


def installed(site: Path, name: str, version: str, files: list[str]) -> None:
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def test_another_project_that_owns_the_import_name_is_named(tmp_path: Path) -> None:
    installed(tmp_path, "gradlab", "0.2.2", ["gradlab/__init__.py", "gradlab/clock.py"])
    installed(tmp_path, DISTRIBUTION, "0.1.0", ["gradlab/__init__.py"])
    message = conflict([str(tmp_path)])
    assert "two distributions of this environment own the import name gradlab" in message
    assert "gradlab 0.2.2" in message
    assert DISTRIBUTION in message
    assert "pip uninstall gradlab" in message


@pytest.mark.parametrize(
    ("name", "files"),
    [
        (DISTRIBUTION, ["gradlab/__init__.py"]),  # this one alone
        ("gradlab", ["__editable__.gradlab-0.1.0.pth"]),  # a former editable install of this one
        ("gradlab-extras", ["gradlab_extras/__init__.py"]),
        ("grad-lab", ["grad_lab.py"]),
    ],
)
def test_what_owns_no_file_of_the_package_is_no_conflict(tmp_path: Path, name: str, files: list[str]) -> None:
    installed(tmp_path, name, "1.0", files)
    assert conflict([str(tmp_path)]) == ""


def test_the_egg_info_of_a_clone_under_its_former_name_is_no_conflict(tmp_path: Path) -> None:
    folder = tmp_path / "gradlab.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: gradlab\nVersion: 0.1.0\n")
    (folder / "SOURCES.txt").write_text("gradlab/__init__.py\n")
    assert conflict([str(tmp_path)]) == ""


def test_damaged_metadata_keep_nobody_from_working(tmp_path: Path) -> None:
    (tmp_path / "gradlab-1.dist-info").mkdir()
    (tmp_path / "gradlab-1.dist-info" / "RECORD").write_bytes(b"\xff\xfe\0gradlab/__init__.py")
    assert isinstance(conflict([str(tmp_path)]), str)


def test_the_command_line_says_it_once_and_works(tmp_path: Path) -> None:
    installed(tmp_path, "gradlab", "0.2.2", ["gradlab/clock.py"])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    done = subprocess.run(
        [sys.executable, "-m", "gradlab", "--version"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.startswith("gradlab ")) == (0, True)
    assert done.stderr.count("two distributions") == 1


def test_where_files_of_the_other_project_lie_in_the_place_of_ours_there_is_no_traceback(
    clone: Path, tmp_path: Path
) -> None:
    shutil.copytree(clone / "gradlab", tmp_path / "gradlab")
    (tmp_path / "gradlab" / "__init__.py").write_text('"""Another project."""\n')
    installed(tmp_path, "gradlab", "0.2.2", ["gradlab/__init__.py"])
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "gradlab", "list"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "another project" in done.stderr
