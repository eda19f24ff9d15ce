"""What a GPU does with banks of networks: in at most eight minutes, everything in one JSON file.

    python benchmarks/gpu.py --out gpu.json                        # the first CUDA device
    python benchmarks/gpu.py --out gpu.json --section mixed memory # some of the sections
    python benchmarks/gpu.py --out cpu.json --device cpu --tiny    # the logic alone, in tiny sizes, in a minute

Sections: the tests that need a GPU; banks against a plain loop over widths and sizes, with and without a CUDA graph;
the reference grid of `runners.py` against a plain loop on the same card; ten thousand cells; float32 against the CPU;
mixed precision; a bank too large for the memory; two workers on one card; optimisers, clipping and loss curve against
the CPU. Each runs in a process of its own under a time limit. One that fails or is late is recorded as such with what
it had measured by then, and the others go on. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

from gpu_sections import SECTIONS, Context, Results
from gpu_sections.processes import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--section", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--one", choices=SECTIONS, help=argparse.SUPPRESS)  # this process is that of the section
    options = parser.parse_args()
    if options.one:
        limit = SECTIONS[options.one]
        context = Context(options.device, options.tiny, time.monotonic() + 0.8 * limit)
        section = importlib.import_module(f"gpu_sections.{options.one}")
        section.measure(context, Results(options.out))
        return 0
    document: dict[str, object] = {"device": options.device, "tiny": options.tiny}
    sections: dict[str, object] = {}
    options.out.write_text("{}")  # a path that cannot be written to is found out first
    with tempfile.TemporaryDirectory() as folder:
        for name in options.section:
            part = Path(folder) / f"{name}.json"
            command = [sys.executable, __file__, "--one", name, "--out", str(part), "--device", options.device]
            sections[name] = run([*command, *["--tiny"] * options.tiny], part, SECTIONS[name])
            print(f"{name}: {json.dumps(sections[name])[:600]}", file=sys.stderr, flush=True)
            options.out.write_text(json.dumps(document | {"sections": sections}, indent=1) + "\n")
    return int(any(section["error"] for section in sections.values()))  # type: ignore[index]


if __name__ == "__main__":
    raise SystemExit(main())
