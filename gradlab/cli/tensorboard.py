"""`gradlab tensorboard`: the tables of runs as event files beside them."""

from __future__ import annotations

from gradlab.api.options import TensorboardOptions
from gradlab.cli.flags import Results

__all__ = ["tensorboard"]


def tensorboard(results: Results, options: TensorboardOptions) -> int:
    """Write what TensorBoard reads into the tensorboard/ of each run directory."""
    from gradlab.api.tensorboard import tensorboard as write_boards
    from gradlab.report.formatting import count, duration
    from gradlab.terminal.console import warn

    boards, errors = write_boards(results, options)
    for board in boards:
        for warning in board.warnings:
            warn(*warning)
        print(f"{board.directory}: {count(len(board.files), 'run')} of TensorBoard in {duration(board.seconds)}")
    print(f"look at them with: tensorboard --logdir {results[0]}")
    for error in errors:
        warn(f"{error.message}: left out", error.hint)
    return 1 if errors else 0
