"""`gradlab plan`: what a run would do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from gradlab.api.run import Prepared
from gradlab.cell import settings_of
from gradlab.cli.common import Choice, prepared, print_json
from gradlab.planning.banks import Bank, estimate
from gradlab.report.words import count, duration, size
from gradlab.spec import Spec

__all__ = ["plan"]


def plan(specs: Sequence[Spec], choice: Choice) -> int:
    """Print the plan of every spec; return the exit code."""
    plans = [prepared(choice, spec, verify=False) for spec in specs]
    for one in plans:
        for warning in one.spec.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    if choice.json:
        print_json({"plans": [_document(one) for one in plans]})
    else:
        print("\n\n".join("\n".join(_lines(one, banks=choice.verbose)) for one in plans))
    return 0


def _replicas(banks: tuple[Bank, ...]) -> str:
    sizes = sorted({len(bank.cells) for bank in banks})
    return f"R = {sizes[0]}" if len(sizes) == 1 else f"R = {sizes[0]} to {sizes[-1]}"


def _lines(one: Prepared, *, banks: bool) -> list[str]:
    new = len(one.cells) - len(one.done) - len(one.failed)
    total = one.estimate
    lines = [one.spec.name, f"  cells   {len(one.cells):,}: {new:,} new, {len(one.done):,} done"]
    dropped = [
        (len(one.failed), "failed before and left alone (run with --rerun-failed)"),
        (one.duplicates, "the same as another"),
        (one.excluded, "excluded"),
        (one.aside, "stored, not in this spec"),
    ]
    lines += [f"          {number:,} {what}" for number, what in dropped if number]
    lines += [f"          {part} is damaged ({reason}): its cells run again" for part, reason in one.damaged]
    if one.banks:
        lines += [
            f"  banks   {len(one.banks):,}, {_replicas(one.banks)}",
            f"  time    about {duration(total.seconds)} in one process",
            f"  memory  {size(total.memory_bytes)} for the largest bank",
            f"  disk    {size(total.disk_bytes)} in {one.directory.path}",
        ]
    else:
        lines.append(f"  nothing to do: {one.directory.path} has it all")
    return lines + (_banks(one) if banks else [])


def _varying(one: Prepared) -> list[str]:
    rows = [settings_of(cell) for cell in one.cells]
    return [key for key in rows[0] if len({row[key] for row in rows}) > 1] if rows else []


def _banks(one: Prepared) -> list[str]:
    varying = _varying(one)
    lines = []
    for bank in one.banks:
        rows = [settings_of(cell) for cell in bank.cells]
        each = {key: list(dict.fromkeys(str(row[key]) for row in rows)) for key in varying}
        what = ", ".join(f"{key} {' '.join(values)}" for key, values in each.items())
        cost = estimate(bank)
        costs = f"{duration(cost.seconds)}, {size(cost.memory_bytes)}"
        lines.append(f"    {bank.id}  {count(len(bank.cells), 'cell')}, {costs}: {what}")
    return lines


def _document(one: Prepared) -> dict[str, Any]:
    total = one.estimate
    return {
        "name": one.spec.name,
        "directory": str(one.directory.path),
        "cells": len(one.cells),
        "new": len(one.cells) - len(one.done) - len(one.failed),
        "done": len(one.done),
        "failed": len(one.failed),
        "aside": one.aside,
        "damaged": [{"part": part, "reason": reason} for part, reason in one.damaged],
        "duplicates": one.duplicates,
        "excluded": one.excluded,
        "estimate": {
            "seconds": total.seconds, "memory_bytes": total.memory_bytes, "disk_bytes": total.disk_bytes,
        },
        "banks": [{"bank": bank.id, "cells": len(bank.cells), "seconds": estimate(bank).seconds} for bank in one.banks],
        "warnings": list(one.spec.warnings),
    }  # fmt: skip
