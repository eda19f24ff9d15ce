"""Watched trainings and saved probes beside each other, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from gradlab.analysis.compare.comparison import Check
from gradlab.analysis.compare.conditions import read_condition, truth
from gradlab.api.measured import compared_model
from gradlab.api.options import CompareOptions, options_of
from gradlab.errors import OptionError, StoreError, UsageError
from gradlab.query import names
from gradlab.report.json_values import json_value
from gradlab.report.model.module_comparison import ComparedModel, comparison_document, summaries, values
from gradlab.results.directories import Directories, each_readable, names_apart

__all__ = ["ModelComparison", "compare_models", "refuse_named"]

_WITHOUT_MEANING = ("by", "best", "where", "baseline", "sort", "top", "metric")


@dataclass(frozen=True)
class ModelComparison:
    """Measured models, two at least, and what became of the conditions; `errors`: why others could not be read."""

    models: tuple[ComparedModel, ...]
    checks: tuple[Check, ...]
    errors: tuple[StoreError, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """One row for each block."""
        return pd.DataFrame(values(self.models))

    def document(self) -> dict[str, Any]:
        """Return the comparison as plain values for JSON."""
        checks = [
            {"condition": check.text, "failed": check.failed,
             **{key: getattr(check, key).to_dict("records") for key in ("holds", "unknown")}}
            for check in self.checks
        ]  # fmt: skip
        damaged = [error.message for error in self.errors]
        return comparison_document(self.models) | {"left_out": json_value(damaged), "checks": json_value(checks)}


def refuse_named(directories: Directories) -> None:
    """Raise UsageError where a measured model was named beside runs: they have no rows in common.

    Those that lie beside runs below a named directory are no part of the question.
    """
    for directory in directories.measured:
        if directory.path.resolve() in directories.named:
            raise UsageError(
                f"{directory.path} holds {directory.what}, {directories.runs[0].path} cells of a spec",
                "compare runs with runs, and watched trainings and saved probes with each other",
            )


def compare_models(directories: Directories, options: CompareOptions) -> ModelComparison:
    """Return the comparison of watched trainings (their last measured steps) and saved probes.

    Raises UsageError for options that ask for cells of a spec, and where there are not two; StoreError where none can
    be read.
    """
    first = directories.measured[0]
    described = options_of(CompareOptions)
    for name in _WITHOUT_MEANING:
        if getattr(options, name) != described[name].param.default:
            problem = f"it asks for cells of a spec, and {first.path} holds {first.what}"
            hint = "leave it out: measured models are compared block by block"
            raise OptionError(name, getattr(options, name), problem, hint)
    labels = dict(zip(directories.measured, names_apart(directories.measured), strict=True))
    readable, errors = each_readable(
        directories.measured, lambda directory: compared_model(directory, labels[directory])
    )
    models = tuple(readable.values())
    if len(models) < 2 and errors:
        raise next(iter(errors.values()))
    if len(models) < 2:
        raise UsageError(
            f"{first.path} holds {first.what}, and there is nothing to compare it with",
            f"name another one too; gradlab report {first.path} shows this one",
        )
    frame = pd.DataFrame(summaries(models))
    return ModelComparison(models, tuple(_check(text, frame) for text in options.fail_on), tuple(errors.values()))


def _check(text: str, frame: pd.DataFrame) -> Check:
    condition = read_condition(text, frame, "--fail-on")
    truths = truth(condition, frame)
    keys = list(dict.fromkeys(["name", *names(condition)]))
    return Check(text, names(condition), frame.loc[truths.holds, keys], frame.loc[truths.unknown, keys])
