"""What came of a spec's expectations, at the end of a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from gradlab.api.run import Prepared, RunResult
from gradlab.cli.common import console, report_width
from gradlab.query import Judgement, judge

__all__ = ["DID_NOT_HOLD", "complain", "expected", "judged", "show"]

DID_NOT_HOLD = 3
"""Exit code of a command that was asked to check something which is not so."""


def judged(plan: Prepared, result: RunResult) -> tuple[Judgement, ...]:
    """Return the judgements on the expectations of the spec that was run."""
    return judge(plan.spec.expect, plan.cells, plan.ids, result.tables)


def show(judgements: Sequence[Judgement]) -> None:
    """Print the block "Expected"."""
    from gradlab.report.expected import lines
    from gradlab.report.glyphs import glyphs_for

    if not judgements:
        return
    target = console()
    target.print()
    for line in lines(judgements, glyphs_for(target.encoding), report_width(target)):
        target.print(line, soft_wrap=True)


def expected(judgements: Sequence[Judgement]) -> dict[str, Any]:
    """Return what they add to the JSON of a run."""
    from gradlab.report.expected import document

    return {"expected": document(judgements)}


def complain(judgements: Sequence[Judgement]) -> bool:
    """Say on stderr what did not hold or could not be judged; return whether there is such a thing."""
    from gradlab.report.expected import summary_text

    wrong = [one for one in judgements if one.outcome != "held"]
    if wrong:
        print(f"gradlab: --check: {summary_text(judgements)}: {wrong[0].text}", file=sys.stderr)
    return bool(wrong)
