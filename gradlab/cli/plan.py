"""`gradlab plan`: what a run would do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradlab.api.options import PlanOptions
from gradlab.cli.flags import Overrides, PlanOutput, Specs

if TYPE_CHECKING:
    from gradlab.spec import Spec

__all__ = ["plan", "print_plans"]


def plan(specs: Specs, options: PlanOptions, output: PlanOutput, settings: Overrides = None) -> int:
    """Say what a run of each SPEC would do: cells, banks, new and done, time, memory and disk."""
    from gradlab.api.specs import load_specs

    return print_plans(load_specs(specs, settings or ()), options, output)


def print_plans(specs: Sequence[Spec], options: PlanOptions, output: PlanOutput) -> int:
    """Print the plan of every spec; return the exit code."""
    from gradlab.api.plan import plan as plans_of
    from gradlab.terminal.console import print_json

    plans = plans_of(specs, options)
    for spec in specs:
        for warning in spec.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    if output.json:
        print_json({"plans": [plan.document() for plan in plans]})
    else:
        print("\n\n".join("\n".join(plan.lines(banks=output.verbose)) for plan in plans))
    return 0
