"""`gradlab theory`: what mean-field theory says of a setting, without training anything."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from gradlab.api.options import TheoryOptions
from gradlab.cli.flags import CompareOutput, Settings
from gradlab.cli.help import OUTPUT
from gradlab.cli.next_steps import after_critical_line, after_theory, suggest

__all__ = ["theory"]


def theory(
    settings: Settings,
    options: TheoryOptions,
    output: CompareOutput,
    critical: Annotated[
        bool,
        typer.Option(
            "--critical",
            rich_help_panel=OUTPUT,
            help="The order-to-chaos line instead, for --activation and --bias-std or --init.",
        ),
    ] = False,
) -> int:
    """Predict survival with mean-field theory, without training: gradlab theory --activation tanh --depth 2..64*2.

    Settings that are left out have defaults: the classical activations, each with its usual init, depth 30, width 64,
    digits.
    """
    from gradlab.api.theory import critical_line
    from gradlab.api.theory import theory as predictions
    from gradlab.report.terminal.predictions import critical_lines, prediction_lines
    from gradlab.terminal.console import print_json, print_report

    if critical:
        rows = list(critical_line(settings, options))
        document, lines, step = {"critical": rows}, critical_lines, after_critical_line(rows)
    else:
        rows = [prediction.row() for prediction in predictions(settings, options)]
        document, lines, step = (
            {"predictions": rows},
            partial(prediction_lines, verbose=output.verbose),
            after_theory(settings, rows, options),
        )
    if output.json:
        print_json(document)
    else:
        print_report(lambda glyphs, width: lines(rows, glyphs, width))
        suggest(step)
    return 0
