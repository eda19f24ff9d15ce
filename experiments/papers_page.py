"""The page of experiments/papers: each paper, its statement beside what was measured, and whether it held."""

from __future__ import annotations

import ast
import itertools
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from gradlab.analysis.expectations.aggregates import GEOMETRIC
from gradlab.cell import SETTINGS, plain_value
from gradlab.columns import columns_of
from gradlab.query import Quantity, evaluate
from gradlab.report.model.expectations import number_text
from gradlab.results.run import Run
from gradlab.results.statistics import mean_interval

MARKS = {"held": "✓", "did not hold": "✗", "not judged": "?"}
HEAD = """\
# Papers

One spec for each paper. Each says in its `expect:` block what the paper publishes, or what follows from its formulas,
with a tolerance from the scatter over seeds; it was written before the result was seen, and where a setting was changed
after a first run the text says so. What did not come out stands here as such. The settings are the smallest that show
the effect on two cores, and the text says what they do not show. Where a statement speaks of several configurations,
the number is that of the one nearest to failing, in brackets its 95 % interval over seeds (Student t).
This page is written by `make papers`, which runs them all.
"""


class Entry(NamedTuple):
    """What the page has of one paper."""

    row: str
    """Its line of the first table."""
    section: str
    """Its section, heading included, without white space at the end."""


def entries(page: str) -> dict[str, Entry]:
    """Return what a page has of each paper, by the name of its spec."""
    rows = {match[1]: match[0] for match in re.finditer(r"^\| .*\| \[(\w+)\]\(#\1\) \|.*$", page, re.MULTILINE)}
    sections = {text.partition("\n")[0]: f"### {text.rstrip()}" for text in page.split("\n### ")[1:]}
    return {name: Entry(row, sections[name]) for name, row in rows.items() if name in sections}


def page(papers: list[Entry]) -> str:
    """Return the text of the page."""
    marks = re.findall(r"^\| ([✓✗?]) \|", "\n".join(paper.section for paper in papers), re.MULTILINE)
    lines = [
        HEAD,
        f"{len(papers)} papers: {marks.count('✓')} of {len(marks)} statements held.",
        "",
        "| paper | claim | spec | statements held | time |",
        "| --- | --- | --- | --- | --- |",
        *[paper.row for paper in papers],
        "",
        "## What came out",
        "",
        *[f"{paper.section}\n" for paper in papers],
    ]
    return "\n".join(lines).rstrip() + "\n"


def entry(spec: Path, document: dict[str, Any], directory: Path, took: float) -> Entry:
    """Return what the page says of a spec: `document` is that of ``gradlab run --json``, `took` its time in seconds."""
    text = spec.read_text()
    comment = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    judged, run = document["expected"], Run(directory)
    measured = [
        judgement["reason"] or _measured(judgement, expectation.statement.left, run)
        for judgement, expectation in zip(judged, run.spec.expect if run.spec else (), strict=True)
    ]
    command = f"gradlab run experiments/papers/{spec.name}"
    description = yaml.safe_load(text)["description"]
    return _entry(spec.stem, description, [line[1:].strip() for line in comment], command, document, measured, took)


def script_entry(script: Path, document: dict[str, Any], took: float) -> Entry:
    """Return what the page says of a script, whose docstring is the description and what follows it.

    `document` is what it prints: as that of ``gradlab run --json``, but with what was measured as text.
    """
    description, _, comment = (ast.get_docstring(ast.parse(script.read_text())) or "").partition("\n\n")
    measured = [judgement["measured"] for judgement in document["expected"]]
    command = f"python experiments/papers/{script.name}"
    return _entry(script.stem, description, comment.splitlines(), command, document, measured, took)


def _entry(
    name: str,
    description: str,
    comment: list[str],
    command: str,
    document: dict[str, Any],
    measured: list[str],
    took: float,
) -> Entry:
    paper, _, claim = description.partition(": ")
    judged = document["expected"]
    held = sum(judgement["outcome"] == "held" for judgement in judged)
    section = [
        f"### {name}",
        "",
        f"{paper}: {claim}",
        "",
        *comment,
        "",
        f"`{command}` · {document['cells']} networks, {took:.0f} s, {datetime.now(UTC):%Y-%m-%d}",
        "",
        "| | statement | measured | against | because |",
        "| --- | --- | --- | --- | --- |",
    ]
    for judgement, number in zip(judged, measured, strict=True):
        statement = f"| {MARKS[judgement['outcome']]} | `{judgement['that']}` |"
        section.append(f"{statement} {number} | {_shown(judgement['against'])} | {judgement['because']} |")
    row = f"| {paper} | {claim} | [{name}](#{name}) | {held} of {len(judged)} | {took:.0f} s |"
    return Entry(row, "\n".join(section))


def _shown(number: Any) -> str:
    return "" if number is None else number if isinstance(number, str) else f"{number:.4g}"


def _measured(judgement: dict[str, Any], left: Quantity, run: Run) -> str:
    """Return the measured number with its interval over seeds, and the configuration that it is of."""
    where = judgement["where"]
    interval = _interval(left, where, run) if left.column and not left.aggregate and left.factor == 1 else ""
    return _shown(judgement["measured"]) + interval + (f" at {where}" if where else "")


def _interval(left: Quantity, where: str, run: Run) -> str:
    """Return the interval of a column at the configuration that `where` names among those of `left`.

    It is empty of shares and counts, and of columns that have no value for a cell.
    """
    keys = [key for key in SETTINGS if re.search(rf"(^|, ){re.escape(key)}=", where)]
    ids = []
    for cell_id, cell in run.cells.items():
        settings = {key: getattr(cell, setting.attribute) for key, setting in SETTINGS.items()}
        chosen = left.selection is None or evaluate(left.selection, settings)
        if chosen and ", ".join(f"{key}={plain_value(settings[key])}" for key in keys) == where:
            ids.append(cell_id)
    cells = run.tables.cells
    rows, geometric = cells[cells["cell"].isin(ids)], left.column in GEOMETRIC
    name = next((c.name for c in columns_of("cells") if geometric and c.log10_of == left.column), left.column)
    if name not in rows or rows[name].dtype.kind != "f" or left.column in ("theory_z", "reach"):
        return ""
    values = rows[name].to_numpy()
    if geometric and name == left.column:
        values = np.log10(values)
    interval = mean_interval(values, np.zeros(len(rows), np.int64), 1)
    ends = [Decimal(float(end)) for end in (interval.low[0], interval.high[0]) if np.isfinite(end)]
    return f" [{', '.join(number_text(10**end if geometric else end, '∞') for end in ends)}]" if ends else ""
