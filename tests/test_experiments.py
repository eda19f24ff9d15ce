"""The library of experiments: each is whole, belongs to a claim, and, in the long version, comes out as it says."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
import yaml
from places import ROOT

import gradlab as gl
from gradlab import grid, spec
from gradlab.cli import invoke
from gradlab.planning import banks as plan

SPECS = sorted((ROOT / "experiments").glob("*.yaml"))
PAPERS = sorted((ROOT / "experiments" / "papers").glob("*.yaml"))
CLAIMS = yaml.safe_load((ROOT / "docs" / "claims.yaml").read_text())
MINUTES = 5
"""Of one core, as the cost model has it: what `about a minute on two cores` may come to at the most."""


@pytest.mark.parametrize("path", [*SPECS, *PAPERS], ids=lambda path: path.stem)
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


def test_the_page_of_the_papers_has_each_with_every_statement() -> None:
    page = (ROOT / "experiments" / "papers" / "README.md").read_text()
    for path in PAPERS:
        section = page.partition(f"\n### {path.stem}\n")[2].partition("\n### ")[0]
        assert f"`gradlab run experiments/papers/{path.name}`" in section
        assert f"| [{path.stem}](#{path.stem}) |" in page
        stale = f"{path.name}: run experiments/regenerate.py --papers --only {path.stem}"
        judged = [line.split("`")[1] for line in section.splitlines() if line[:2] == "| " and line[2] in "✓✗?"]
        assert judged == [expectation.text for expectation in spec.load(path).expect], stale


def test_the_page_of_the_papers_has_those_that_no_spec_can_say() -> None:
    page = (ROOT / "experiments" / "papers" / "README.md").read_text()
    for path in sorted((ROOT / "experiments" / "papers").glob("*.py")):
        section = page.partition(f"\n### {path.stem}\n")[2].partition("\n### ")[0]
        assert f"`python experiments/papers/{path.name}`" in section
        comment = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")[2]
        assert comment in section


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("GRADLAB_LONG"), reason="runs for a quarter of an hour; set GRADLAB_LONG=1")
@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_an_experiment_comes_out_as_it_says(path: Path, tmp_path: Path) -> None:
    assert invoke(["run", str(path), "--out", str(tmp_path), "--check", "--no-plots", "--quiet"]) == 0


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("GRADLAB_LONG"), reason="runs for twenty minutes; set GRADLAB_LONG=1")
@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.stem)
def test_a_paper_comes_out_as_its_page_says(path: Path, tmp_path: Path) -> None:
    """What did not hold stands on the page, and is allowed to fail here: the same statements hold, and no fewer."""
    section = (ROOT / "experiments" / "papers" / "README.md").read_text().partition(f"\n### {path.stem}\n")[2]
    held = {line.split("`")[1] for line in section.partition("\n### ")[0].splitlines() if line.startswith("| ✓")}
    result = gl.run(path, out=tmp_path, quiet=True)
    assert held <= {judgement.text for judgement in result.expected if judgement.outcome == "held"}
