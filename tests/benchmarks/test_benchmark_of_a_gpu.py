"""benchmarks/gpu.py without a GPU: every section in tiny sizes, what fails or is late, the document."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gpu_sections import SECTIONS, Results
from gpu_sections.processes import run

ROOT = Path(__file__).parents[2]
COUNTED = """
import sys
from pathlib import Path
from gpu_sections import Results
results = Results(Path(sys.argv[1]))
results["before"] = 1.5
{then}
results["after"] = 2.5
"""


def section(tmp_path: Path, then: str, limit_s: float) -> dict[str, Any]:
    part = tmp_path / "part.json"
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'benchmarks')!r})\n{COUNTED.format(then=then)}"
    return run([sys.executable, "-c", code, str(part)], part, limit_s)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def test_a_section_that_fails_is_recorded_with_its_last_line_and_what_it_had_measured(tmp_path: Path) -> None:
    ended = section(tmp_path, "raise RuntimeError('no such kernel')", 120)
    assert (ended["error"], ended["late"], ended["result"]) == ("RuntimeError: no such kernel", False, {"before": 1.5})


@pytest.mark.slow
def test_a_section_that_is_late_is_ended_with_what_it_had_measured(tmp_path: Path) -> None:
    waiting = "import time\nwhile True: time.sleep(60)"
    part = tmp_path / "part.json"
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'benchmarks')!r})\n{COUNTED.format(then=waiting)}"
    ended = run([sys.executable, "-c", code, str(part)], part, 5)
    assert (ended["error"], ended["late"]) == ("took longer than 5 s", True)
    assert ended["result"] in ({"before": 1.5}, {})  # nothing, where the machine is too busy to start it in time


def test_a_section_that_ends_well_has_no_error(tmp_path: Path) -> None:
    ended = section(tmp_path, "", 120)
    assert (ended["error"], ended["result"]) == ("", {"before": 1.5, "after": 2.5})


def test_what_was_measured_is_written_at_once(tmp_path: Path) -> None:
    results = Results(tmp_path / "part.json")
    results["a"] = {"b": 1}
    assert json.loads((tmp_path / "part.json").read_text()) == {"a": {"b": 1}}


def test_the_sections_take_eight_minutes_at_most() -> None:
    assert sum(SECTIONS.values()) <= 480


@pytest.mark.slow
def test_every_section_measures_something_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--out", str(out), "--device", "cpu", "--tiny"]
    ended = subprocess.run(command, capture_output=True, text=True)
    document = json.loads(out.read_text())
    sections = document["sections"]
    assert {name: part["error"] for name, part in sections.items()} == dict.fromkeys(SECTIONS, "")
    assert ended.returncode == 0
    for name, part in sections.items():
        measured = list(numbers(part["result"]))
        assert measured, name
        assert all(map(math.isfinite, measured)), name
    results = {name: part["result"] for name, part in sections.items()}
    assert results["machine"]["card"] == "none"
    assert results["tests"]["counts"]["tests"] > 100
    assert results["tests"]["failed"] == []
    banks = [name for name in results["bank_and_loop"] if "R 4" in name]
    assert banks == ["width 8, R 4, graph off", "width 16, R 4, graph off"]
    grid = results["reference_grid"]
    assert grid["loop_cells_measured"] == grid["loop_cells_of_mixture"] == 2
    assert grid["loop_s"] == pytest.approx(grid["loop_cell_s"] * grid["cells"])
    assert results["many_cells"]["done"] == results["many_cells"]["cells"] == 30
    for part in (*results["float32"].values(), *results["newer"].values()):
        assert part["log10_grad_norm_first"] == part["relative_late_loss"] == 0
    assert [part["finite"] for part in results["mixed"].values()] == [True] * 3
    memory = results["memory"]
    assert memory["computed"] == memory["cells"] == 8
    assert memory["halved"] >= 1
    assert memory["banks"] > memory["banks_without_limit"]
    assert memory["largest_difference_log10_survival"] < 1e-12
    assert results["two_workers"]["same_tables"]
    assert results["two_workers"]["banks"] >= 2
