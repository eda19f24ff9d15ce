"""What the number of cells costs: time and memory of each command on runs of growing size.

    python benchmarks/scale.py [--cells 1000 10000 100000] [--form seeds configurations] [--keep DIR]

The networks are as small as they get (width 4, depth 1 and 2, one step), so that what is measured is everything
around them. In the form `seeds` there are 100 configurations with more and more seeds, in the form `configurations`
10 seeds of more and more learning rates. Each command runs in a process of its own, whose processor time, that of its
workers included, and largest resident set are taken from the system at its exit. Microseconds a cell are those of
the additional cells beside the line before.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gradlab import grid
from gradlab import spec as specs
from gradlab.cell import cell_id

SPEC = """\
name: {name}
width: 4
train: {{steps: 1, batch_size: 4}}
probe: {{batch_size: 4}}
grid:
  depth: [1, 2]
  activation: [tanh, relu]
  lr: [{rates}]
seeds: {seeds}
"""
COMMAND = """
import resource, sys
code = 70
try:
    from gradlab.cli import invoke
    code = invoke(sys.argv[2:])
finally:
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in (own, others))
    with open(sys.argv[1], "w") as file:
        print(cpu, own.ru_maxrss, others.ru_maxrss, file=file)
raise SystemExit(code)
"""
FORMS = ("seeds", "configurations")


@dataclass(frozen=True)
class Usage:
    """What a command took; memory in MiB: of the command itself, and of the largest of its workers."""

    form: str
    cells: int
    command: str
    wall_s: float
    cpu_s: float
    memory: float
    worker_memory: float


def spec(form: str, cells: int) -> str:
    """Return the text of the spec with so many cells, of which there are a multiple of 1,000."""
    seeds, rates = (cells // 100, 25) if form == "seeds" else (10, cells // 40)
    values = ", ".join(f"{0.1 * (index + 1) / rates:.8g}" for index in range(rates))
    return SPEC.format(name=f"{form}_{cells}", rates=values, seeds=seeds)


def timed(form: str, cells: int, name: str, arguments: Sequence[str], folder: Path) -> Usage:
    """Run a command of gradlab in `folder`. Raises SystemExit where it fails."""
    usage = folder / "usage"
    begun = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", COMMAND, str(usage), *arguments],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wall = time.perf_counter() - begun
    if ended.returncode:
        raise SystemExit(f"gradlab {' '.join(arguments)} ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
    cpu, own, worker = map(float, usage.read_text().split())
    return Usage(form, cells, name, wall, cpu, own / 1024, worker / 1024)


def measure(form: str, cells: int, folder: Path) -> list[Usage]:
    """Return what each command takes for one number of cells, with a line on each on stderr."""
    name = f"{form}_{cells}"
    (folder / f"{name}.yaml").write_text(spec(form, cells))
    last = cell_id(grid.expand(specs.load(folder / f"{name}.yaml")).cells[-1])
    plan = ["plan", f"{name}.yaml", "--device", "cpu"]
    run = ["run", f"{name}.yaml", "--device", "cpu", "--no-plots"]
    directory = f"results/{name}"
    commands = {
        "plan": plan, "run": run, "run again": run, "plan, all done": plan,
        "report": ["report", directory, "--out", f"{name}.html"],
        "compare": ["compare", directory, "--baseline", "activation=tanh"],
        "show": ["show", last, directory],
    }  # fmt: skip
    usages = []
    for command, arguments in commands.items():
        usages.append(timed(form, cells, command, arguments, folder))
        print(f"{form} {cells:,} {command}: {usages[-1].wall_s:.1f} s", file=sys.stderr, flush=True)
    return usages


def table(usages: Sequence[Usage]) -> str:
    """Return what was measured as a table, commands in turn, with what each additional cell costs."""
    lines = [
        "| form | command | cells | wall s | processor s | us an additional cell | MiB | MiB of a worker |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    kinds = dict.fromkeys((usage.form, usage.command) for usage in usages)
    for form, command in kinds:
        before: Usage | None = None
        for usage in (usage for usage in usages if (usage.form, usage.command) == (form, command)):
            more = f"{(usage.cpu_s - before.cpu_s) / (usage.cells - before.cells) * 1e6:.0f}" if before else ""
            worker = f"{usage.worker_memory:.0f}" if usage.worker_memory else ""
            lines.append(
                f"| {form} | {command} | {usage.cells:,} | {usage.wall_s:.1f} | {usage.cpu_s:.1f} | {more} "
                f"| {usage.memory:.0f} | {worker} |"
            )
            before = usage
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[1_000, 10_000, 100_000], metavar="N")
    parser.add_argument("--form", choices=FORMS, nargs="+", default=list(FORMS))
    parser.add_argument("--keep", type=Path, help="make the results here and leave them")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if any(cells % 1000 for cells in options.cells):
        parser.error("the cells must be multiples of 1,000")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        usages = [
            usage for form in options.form for cells in sorted(options.cells) for usage in measure(form, cells, folder)
        ]
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the end")
    print(table(usages))
    if options.json:
        options.json.write_text(json.dumps([asdict(usage) for usage in usages], indent=1))


if __name__ == "__main__":
    main()
