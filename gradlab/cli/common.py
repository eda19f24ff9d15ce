"""What `run`, `sweep` and `plan` share: the choice made by flags, the specs behind it, and where output goes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.errors import Problem, SpecError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from gradlab.api.run import Prepared
    from gradlab.spec import Spec

__all__ = ["Choice", "console", "load_specs", "plain", "prepared", "print_json", "report_width"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The flags that `run`, `sweep` and `plan` have in common."""

    out: Path
    limit: int
    seed_offset: int
    fresh: bool
    json: bool
    verbose: bool
    rerun_failed: bool = False


def load_specs(paths: Sequence[Path], overrides: Sequence[str]) -> tuple[Spec, ...]:
    """Read all specs. Raises one SpecError with the problems of all of them, UsageError for two of one name."""
    from gradlab import spec

    found: list[Spec] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            found.append(spec.load(path, overrides=overrides))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(tuple(dict.fromkeys(problems)))
    first: dict[str, Path] = {}
    for path, one in zip(paths, found, strict=True):
        if one.name in first:
            raise UsageError(
                f"{first[one.name]} and {path} both have the name {one.name!r}, which is their run directory",
                "change the name in one of them, or run them one after the other with different --out",
            )
        first[one.name] = path
    return tuple(found)


def prepared(choice: Choice, spec: Spec, *, verify: bool, device: str = "auto") -> Prepared:
    """Return what a run of `spec` on `device` would do."""
    from gradlab.api.run import prepare
    from gradlab.execution.processes.machine import has_gpu
    from gradlab.planning import banks as plan

    return prepare(
        spec,
        choice.out,
        limit=choice.limit,
        seed_offset=choice.seed_offset,
        fresh=choice.fresh,
        rerun_failed=choice.rerun_failed,
        verify=verify,
        limits=plan.CUDA if has_gpu(device) else plan.CPU,
    )


def console(*, stderr: bool = False) -> Console:
    """Return a console on one of the streams; rich sees to NO_COLOR, FORCE_COLOR and TERM."""
    from rich.console import Console

    return Console(
        file=sys.stderr if stderr else sys.stdout, highlight=False, markup=False, emoji=False, force_jupyter=False
    )


def report_width(target: Console) -> int | None:
    """Return the width to fold at: that of the terminal or COLUMNS; None in a pipe, where nothing is folded."""
    if target.is_terminal or os.environ.get("COLUMNS", "").isdigit():
        return target.width
    return None


def plain(value: Any) -> Any:
    """Return a value that strict JSON can carry: NaN becomes null, infinities the texts inf and -inf."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return None if isnan(value) else str(value)
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def print_json(document: Any) -> None:
    """Print one document on stdout."""
    print(json.dumps(plain(document), indent=2, allow_nan=False))
