"""The library of experiments: each is whole, belongs to a claim, and, in the long version, comes out as it says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from places import ROOT

from gradlab import grid, spec
from gradlab.cli import invoke
from gradlab.planning import banks as plan

SPECS = sorted((ROOT / "experiments").glob("*.yaml"))
CLAIMS = yaml.safe_load((ROOT / "docs" / "claims.yaml").read_text())
MINUTES = 5
"""Of one core, as the cost model has it: what `about a minute on two cores` may come to at the most."""


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_an_experiment_is_whole(path: Path) -> None:
    found = spec.load(path)
    assert found.name == path.stem
    assert found.expect, "it says what must come out"
    assert not found.warnings
    assert "description" in yaml.safe_load(path.read_text())
    cells = grid.expand(found).cells
    assert sum(plan.estimate(bank).seconds for bank in plan.pack(cells)) < MINUTES * 60


def test_every_claim_has_its_experiments_and_its_outcome() -> None:
    assert len(CLAIMS) == 20
    names = {path.stem for path in SPECS}
    for claim in CLAIMS:
        assert claim["experiments"]
        assert set(claim["experiments"]) <= names
        assert claim["outcome"].startswith("**")


def test_the_page_has_every_experiment_with_every_statement() -> None:
    """It is written by a command; this notices when a spec was changed and the page was not written again."""
    page = (ROOT / "experiments" / "README.md").read_text()
    for claim in CLAIMS:
        assert claim["claim"] in page
        assert claim["outcome"] in page
    for path in SPECS:
        assert f"`gradlab run experiments/{path.name}`" in page
        for one in spec.load(path).expect:
            assert f"`{one.text}`" in page, f"{path.name}: run experiments/regenerate.py"


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("GRADLAB_LONG"), reason="runs for a quarter of an hour; set GRADLAB_LONG=1")
@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_an_experiment_comes_out_as_it_says(path: Path, tmp_path: Path) -> None:
    assert invoke(["run", str(path), "--out", str(tmp_path), "--check", "--no-plots", "--quiet"]) == 0
