"""What it takes to add something: a toy of each kind is put into a copy of the package, and everything takes it."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT
from toys import REFERENCES, TOYS, put

SPEC = """
name: toys
task: {teacher: 6}
width: 6
init: toy_init
train: {steps: 2, batch_size: 8}
probe: {batch_size: 16}
grid: {activation: [toy_act, relu], norm: [none, toy_norm], toy_setting: [0, 0.5]}
include: [{model: toy_net, activation: toy_act}]
"""
CONTRACTS = (
    "training/test_bank.py", "nn/test_inits.py", "mean_field/test_activations.py", "families/test_chain.py",
    "spec/test_spec.py",
    "components/test_registries.py",
)  # fmt: skip


def test_the_page_about_the_structure_counts_the_places() -> None:
    page = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8")
    counted = dict(re.findall(r"^\| an? (\w+) \| (\d+) \|", page, re.MULTILINE))
    touched = {kind: len({place.file for place in places}) for kind, places in TOYS.items()}
    assert {kind: int(counted[kind]) for kind in TOYS} == touched


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with every toy in it, and of the contract tests."""
    root = tmp_path_factory.mktemp("toys")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "gradlab", root / "gradlab", ignore=ignored)
    for folder in ("support", *{name.partition("/")[0] for name in CONTRACTS}):
        shutil.copytree(ROOT / "tests" / folder, root / "tests" / folder, ignore=ignored)
    shutil.copytree(ROOT / "experiments", root / "experiments")
    shutil.copy(ROOT / "pyproject.toml", root)
    for places in TOYS.values():
        put(root / "gradlab", places)
    return root


def run(copy: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=copy, env={**os.environ, "PYTHONPATH": str(copy), **environment},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_run_takes_all_of_them(copy: Path) -> None:
    (copy / "toys.yaml").write_text(SPEC)
    done = run(copy, "gradlab", "run", "toys.yaml", "--executor", "inline", "--toy-flag", "--no-plots")
    assert done.returncode == 0, done.stderr
    for name in ("toy_act", "toy_norm", "toy_net"):
        assert name in done.stdout
    cells = rows(copy / "results" / "toys" / "cells.csv")
    assert len({cell["cell"] for cell in cells}) == len(cells) == 9
    assert {cell["toy_setting"] for cell in cells} == {"0", "0.5"}
    assert all(row["toy_column"] for row in rows(copy / "results" / "toys" / "layers.csv"))

    def noted(**settings: str) -> dict[str, str]:
        summary = rows(copy / "results" / "toys" / "summary.csv")
        return next(row for row in summary if all(row[key] == value for key, value in settings.items()))

    plain = {"activation": "toy_act", "norm": "none", "toy_setting": "0"}
    assert noted(**plain, model="mlp")["theory_survival"]
    assert "no theory of model toy_net" in noted(**plain, model="toy_net")["theory_note"]
    assert "does not know norm toy_norm" in noted(**{**plain, "norm": "toy_norm"})["theory_note"]
    assert "does not read the setting toy_setting" in noted(**{**plain, "toy_setting": "0.5"})["theory_note"]
    for command in (["report", "results"], ["compare", "results", "--by", "norm"], ["plot", "results"]):
        assert run(copy, "gradlab", *command).returncode == 0, command


@pytest.mark.slow
def test_lists_help_completion_and_python_know_them(copy: Path) -> None:
    for kind in ("activation", "init", "norm"):
        listed = json.loads(run(copy, "gradlab", "list", kind, "--json").stdout)
        assert any(entry["name"].startswith("toy_") for entry in listed["names"])
    assert "--toy-flag" in run(copy, "gradlab", "run", "--help").stdout
    assert "--toy-setting" in run(copy, "gradlab", "sweep", "--help").stdout
    words = {"COMP_WORDS": "gradlab\nsweep\n--activation\ntoy", "COMP_CWORD": "3"}
    assert "toy_act" in run(copy, "gradlab", _GRADLAB_COMPLETE="complete_bash", **words).stdout
    (copy / "bad.yaml").write_text("name: x\nactivation: toy_akt\nnorm: toy_norn\ntoy_seting: 1\n")
    refused = run(copy, "gradlab", "plan", "bad.yaml")
    assert re.findall(r"did you mean '(\w+)'", refused.stderr) == ["toy_act", "toy_norm", "toy_setting"]


@pytest.mark.slow
def test_the_contract_covers_them_unasked_and_fails_where_a_reference_is_missing(copy: Path) -> None:
    tests = [f"tests/{name}" for name in CONTRACTS]
    selected = "toy_init or (toy_act and not batch and not rms) or (toy_norm and relu)"
    without = run(copy, "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests, "-k", selected)
    assert "KeyError: 'toy_" in without.stdout
    put(copy / "tests", REFERENCES)
    covered = run(copy, "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", selected)
    assert covered.returncode == 0, covered.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", covered.stdout)[-1]) > 40
