"""`gradlab width`: whether the learning rate of a model of the user transfers to other widths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from gradlab.api.model_options import TRAINING, BatchOptions, WidthOptions
from gradlab.api.options import option
from gradlab.cli.flags import CompareOutput
from gradlab.cli.next_steps import after_width, suggest
from gradlab.cli.run import DID_NOT_HOLD
from gradlab.errors import OptionError

__all__ = ["width"]

_VERDICTS = ("grows", "shrinks", "undecided")


@dataclass(frozen=True)
class WidthOutput(CompareOutput):
    """What a coordinate check prints, and what its exit code says."""

    fail_on: tuple[str, ...] = option(
        (), "Exit code 3 at these verdicts: grows,shrinks.", metavar="VERDICT,...", offers=_VERDICTS, separated=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.fail_on:
            if name not in _VERDICTS:
                raise OptionError("fail_on", name, "there is no such verdict", f"choose from {', '.join(_VERDICTS)}")


def width(
    model: Annotated[
        str,
        typer.Argument(
            metavar="FILE.py:NAME", help="Function of a width that makes a model, in a file or as package.module:NAME."
        ),
    ],
    widths: Annotated[
        str,
        typer.Option(
            "--widths",
            metavar="N,...",
            rich_help_panel=TRAINING,
            help="At least three widths: 64..1024*2, or 64,128,256.",
        ),
    ],
    batch: BatchOptions,
    options: WidthOptions,
    output: WidthOutput,
) -> int:
    """Train a model of your own at several widths for a few steps, and report whether its learning rate transfers.

    The coordinate check of muP: gradlab width net.py:make_model --widths 256..2048*2 --batch net.py:make_batch --loss
    cross_entropy. The function is called with width=… and, where it takes one, seed=….
    """
    from gradlab.api.user_model import checked_widths
    from gradlab.api.width import document
    from gradlab.report.terminal.width import width_report
    from gradlab.terminal.console import err, print_json, print_report

    check = checked_widths(model, widths, batch, options)
    if output.json:
        print_json(document(check))
    else:
        print_report(lambda glyphs, columns: width_report(check, glyphs, columns))
        suggest(after_width(model, min(check.widths), batch))
    if failing := [name for name in dict.fromkeys(check.verdicts) if name in output.fail_on]:
        layers = [layer for layer, name in zip(check.layers, check.verdicts, strict=True) if name in output.fail_on]
        err(f"--fail-on {','.join(output.fail_on)}: {' and '.join(failing)} at {', '.join(layers)}")
        return DID_NOT_HOLD
    return 0
