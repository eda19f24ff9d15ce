"""`gradlab probe`: how much gradient arrives at each block of a model of the user, where it is lost, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gradlab.api.model_options import VERDICTS, ModelOptions, ProbeOptions
from gradlab.api.options import option
from gradlab.cli.flags import CompareOutput
from gradlab.cli.next_steps import after_probe, suggest
from gradlab.cli.run import DID_NOT_HOLD
from gradlab.errors import OptionError

__all__ = ["probe"]


@dataclass(frozen=True)
class ProbeOutput(CompareOutput):
    """What a measurement prints and writes, and what its exit code says."""

    cure: bool = option(False, "Measure changes that may help too, each on a copy of the model.")
    out: Path | None = option(
        None, "Write probe.html, blocks.csv and probe.json into this directory.", Path, metavar="DIR"
    )
    fail_on: tuple[str, ...] = option(
        (), "Exit code 3 at these verdicts: vanishing,dead.", metavar="VERDICT,...", offers=VERDICTS, separated=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.fail_on:
            if name not in VERDICTS:
                raise OptionError("fail_on", name, "there is no such verdict", f"choose from {', '.join(VERDICTS)}")


def probe(
    model: Annotated[
        str,
        typer.Argument(
            metavar="FILE.py:NAME", help="Function that makes the model, in a file or as package.module:NAME."
        ),
    ],
    model_options: ModelOptions,
    options: ProbeOptions,
    output: ProbeOutput,
) -> int:
    """Measure a model of your own, block by block: gradlab probe net.py:make_model --input 4x3x64x64.

    The function is called, and a copy of its model is measured in float64; nothing is trained. An exception of your
    code is shown with its line; the exit code is then 1.
    """
    from rich.text import Text

    from gradlab.api.probe import document
    from gradlab.api.probe_files import save
    from gradlab.api.user_model import measured, subject, tried
    from gradlab.report.model.module_cures import cure_rows
    from gradlab.report.terminal.module import cure_lines, module_report
    from gradlab.store.atomic import make_folder
    from gradlab.terminal.console import err, print_json, print_report, warn

    if output.out is not None:
        make_folder(output.out)  # before anything is computed
    chosen = subject(model, model_options)
    result = measured(chosen, options)
    cures, remarks = tried(chosen, options) if output.cure else ((), [])
    for remark in remarks:
        warn(remark)
    if output.out is not None:
        save(result, output.out, cures)
    if output.json:
        print_json(document(result, cures))
    else:
        print_report(lambda glyphs, width: module_report(result.report, glyphs, width))
        if output.cure:
            rows = cure_rows(cures, options.vanish, options.explode)
            print_report(lambda glyphs, width: [Text(), *cure_lines(rows, glyphs, width)])
        healthy = set(result.summary.verdicts) == {"healthy"}
        suggest(after_probe(model, (model_options, options), cured=output.cure, healthy=healthy, out=output.out))
    if failing := [name for name in dict.fromkeys(result.summary.verdicts) if name in output.fail_on]:
        err(f"--fail-on {','.join(output.fail_on)}: the model is {' and '.join(failing)}")
        return DID_NOT_HOLD
    return 0
