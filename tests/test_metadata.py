"""What is said about the project elsewhere than in its code: citation, container, the ranges of its dependencies."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from built import distribution
from places import ROOT

import gradlab

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMAGE = "gradlab-test"


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == gradlab.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"] == [{"name": "the gradlab developers"}]


def test_a_range_is_the_same_wherever_it_stands_and_holds_the_version_known_to_work() -> None:
    ranges: dict[str, set[str]] = {}
    for line in [
        *PROJECT["dependencies"],
        *(line for part in PROJECT["optional-dependencies"].values() for line in part),
    ]:
        match = re.match(r"([\w.-]+)(?:\[\w+\])?(?:>=([\d.]+))?", line)
        assert match is not None
        ranges.setdefault(match[1].lower(), set()).add(match[2] or "0")
    assert {name: low for name, low in ranges.items() if len(low) > 1} == {}
    pinned = dict(re.findall(r"^([\w.-]+)==([\d.]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    for name, version in pinned.items():
        (low,) = ranges.get(name.lower(), {"0"})
        assert [int(part) for part in version.split(".") if part] >= [int(part) for part in low.split(".")], name


def test_what_goes_into_the_container_is_enough_to_build(tmp_path: Path) -> None:
    wanted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    folder = tmp_path / "source"
    folder.mkdir()
    for name in wanted:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    wheel = distribution(folder, tmp_path, "wheel")
    names = zipfile.ZipFile(wheel).namelist()
    assert "gradlab/cli/app.py" in names
    assert fnmatch.filter(names, "gradlab/experiments/*.yaml")


@pytest.mark.slow
def test_the_container_builds_and_runs(tmp_path: Path) -> None:
    """GRADLAB_DOCKER_PIP_ARGUMENTS: what pip is to be told inside, as an index with CPU builds of torch."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        pytest.skip("no docker that runs here")
    (base,) = re.findall(r"^FROM (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    known = subprocess.run([docker, "image", "inspect", base], capture_output=True, check=False).returncode == 0
    if not known and subprocess.run([docker, "pull", base], capture_output=True, check=False).returncode:
        pytest.skip(f"docker cannot get {base} from here")
    pip = os.environ.get("GRADLAB_DOCKER_PIP_ARGUMENTS", "")
    subprocess.run([docker, "build", "--tag", IMAGE, "--build-arg", f"PIP_ARGUMENTS={pip}", "."], cwd=ROOT, check=True)
    tmp_path.chmod(0o777)  # the user inside is another
    run = [docker, "run", "--rm", "--volume", f"{tmp_path}:/results", IMAGE]
    said = subprocess.run([*run, "--version"], check=True, capture_output=True, text=True).stdout
    assert said == f"gradlab {gradlab.__version__}\n"
    settings = ["-s", "depth=2", "-s", "seeds=1", "-s", "train.steps=2"]
    subprocess.run([*run, "run", "@sigmoid_vs_relu", *settings, "--quiet"], check=True)
    assert len((tmp_path / "results" / "sigmoid_vs_relu" / "cells.csv").read_text().splitlines()) == 4
