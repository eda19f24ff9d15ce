"""Two workers on one card: the time of a run, and the same tables as with one worker."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gpu_sections import Context, Results
from gpu_sections.runs import command

__all__ = ["measure"]

TEXT = """name: workers
width: {width}
activation: tanh
seeds: {seeds}
train: {{steps: {steps}}}
grid: {{depth: {depths}}}
"""


def measure(context: Context, results: Results) -> None:
    """Time the run with one and with two workers, in directories of their own."""
    large = {"width": 64, "seeds": 64, "steps": 200, "depths": [6, 8, 10, 12, 14, 16, 18, 20]}
    tiny = {"width": 4, "seeds": 2, "steps": 2, "depths": [2, 3, 4]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workers.yaml"
        path.write_text(TEXT.format(**tiny if context.tiny else large))
        for workers in (1, 2):
            out = Path(folder) / str(workers)
            results[f"seconds_{workers}"] = command(context, path, out, "--workers", str(workers))
        one, two = (Path(folder) / str(workers) / "workers" for workers in (1, 2))
        results["banks"] = len(list((one / "parts").glob("*.parquet")))
        results["ratio"] = results["seconds_1"] / results["seconds_2"]
        results["same_tables"] = all(
            (one / name).read_bytes() == (two / name).read_bytes()
            for name in ("layers.csv", "steps.csv", "summary.csv")
        )
