"""Run every experiment and write README.md: each claim, the command that tests it, and what came out.

    python experiments/regenerate.py [--papers] [--out results] [--only NAME ...]

What is done already is not run again. With --only the other experiments are taken as they lie in --out. --papers runs
those of papers/ and writes papers/README.md, where with --only the others stay as the page has them.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import papers_page
import yaml

HERE = Path(__file__).parent
MARKS = {"held": "✓", "did not hold": "✗", "not judged": "?"}


def specs() -> list[Path]:
    """Every experiment, in alphabetical order."""
    return sorted(HERE.glob("*.yaml"))


def run(spec: Path, out: Path) -> dict[str, Any]:
    """Return the document of `gradlab run SPEC --json`."""
    command = [sys.executable, "-m", "gradlab", "run", str(spec), "--out", str(out), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{spec.name}: gradlab left with {done.returncode}")
    document: dict[str, Any] = json.loads(done.stdout)["runs"][0]
    return document


def seconds(out: Path, name: str) -> float:
    """The time that the sessions took which computed the cells of a run."""
    total = 0.0
    for session in json.loads((out / name / "run.json").read_text())["sessions"]:
        if session.get("finished") and session.get("computed"):
            begun, ended = (datetime.fromisoformat(session[key]) for key in ("started", "finished"))
            total += (ended - begun).total_seconds()
    return total


def table(claims: list[dict[str, Any]], judged: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The claims as a Markdown table; an outcome that the run did not bear out says so."""
    lines = ["| # | claim | tested by | outcome |", "| --- | --- | --- | --- |"]
    for number, claim in enumerate(claims, 1):
        outcome = claim["outcome"]
        wrong = [name for name in claim["experiments"] if any(one["outcome"] != "held" for one in judged[name])]
        if wrong:
            outcome += f" (in this run not all statements of {', '.join(wrong)} held)"
        named = ", ".join(f"[{name}](#{name})" for name in claim["experiments"])
        lines.append(f"| {number} | {claim['claim']} | {named} | {outcome} |")
    return lines


def section(spec: Path, document: dict[str, Any], took: float) -> list[str]:
    """One experiment: its description, its command, and its statements with what was measured."""
    text = yaml.safe_load(spec.read_text())
    lines = [
        f"### {spec.stem}",
        "",
        text["description"],
        "",
        f"`gradlab run experiments/{spec.name}` · {document['cells']} networks, {took:.0f} s",
        "",
        "| | statement | measured | because |",
        "| --- | --- | --- | --- |",
    ]
    for one in document["expected"]:
        measured = one["reason"] or says(one)
        lines.append(f"| {MARKS[one['outcome']]} | `{one['that']}` | {measured} | {one['because']} |")
    return [*lines, ""]


def says(one: dict[str, Any]) -> str:
    """The comparison of a statement that came nearest to failing, or failed most."""
    number = one["measured"]
    text = number if isinstance(number, str) else f"{number:.4g}"
    return text + (f" at {one['where']}" if one["where"] else "")


def papers(out: Path, only: list[str] | None) -> None:
    """Run the specs and scripts of papers/, or those named, and write the page of all of them."""
    page = HERE / "papers" / "README.md"
    entries = papers_page.entries(page.read_text() if page.exists() else "")
    specs = sorted([*(HERE / "papers").glob("*.yaml"), *(HERE / "papers").glob("*.py")])
    for spec in specs:
        if only is not None and spec.stem not in only:
            continue
        print(spec.stem, file=sys.stderr)
        if spec.suffix == ".py":
            begun = time.monotonic()
            done = subprocess.run([sys.executable, str(spec)], stdout=subprocess.PIPE, text=True, check=True)
            took = time.monotonic() - begun
            entries[spec.stem] = papers_page.script_entry(spec, json.loads(done.stdout), took)
        else:
            document = run(spec, out)
            entries[spec.stem] = papers_page.entry(spec, document, out / spec.stem, seconds(out, spec.stem))
    missing = [spec.stem for spec in specs if spec.stem not in entries]
    if missing:
        sys.exit(f"not run yet: {', '.join(missing)}")
    page.write_text(papers_page.page([entries[spec.stem] for spec in specs]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--papers", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--only", nargs="*", default=None, metavar="NAME")
    chosen = parser.parse_args()
    if chosen.papers:
        papers(chosen.out, chosen.only)
        return
    documents: dict[str, dict[str, Any]] = {}
    for spec in specs():
        if chosen.only is None or spec.stem in chosen.only or (chosen.out / spec.stem).is_dir():
            print(spec.stem, file=sys.stderr)
            documents[spec.stem] = run(spec, chosen.out)
    missing = [spec.stem for spec in specs() if spec.stem not in documents]
    if missing:
        sys.exit(f"not run yet: {', '.join(missing)}")
    judged = {name: document["expected"] for name, document in documents.items()}
    claims = yaml.safe_load((HERE.parent / "docs" / "claims.yaml").read_text())
    held = sum(one["outcome"] == "held" for those in judged.values() for one in those)
    lines = [
        "# Experiments",
        "",
        "One spec for each question. Each states the claim it tests, runs in about a minute on two cores, and says in",
        "its `expect:` block what must come out, which `gradlab run` judges (`--check` makes it an exit code). Where a",
        "statement speaks of several configurations, the number is that of the one nearest to failing.",
        "This page is written by `make experiments`, which runs them all.",
        "The field's papers have specs and a page of their own: [papers](papers/README.md).",
        "",
        f"Last written {datetime.now(UTC):%Y-%m-%d} on {platform.machine()}: {held} of "
        f"{sum(map(len, judged.values()))} statements held.",
        "",
        *table(claims, judged),
        "",
        "## What each experiment showed",
        "",
    ]
    for spec in specs():
        lines += section(spec, documents[spec.stem], seconds(chosen.out, spec.stem))
    (HERE / "README.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
