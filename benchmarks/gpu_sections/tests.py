"""The tests that need a GPU: how many pass, fail and are skipped."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from gpu_sections import Context, Results

__all__ = ["measure"]

ROOT = Path(__file__).parents[2]


def measure(context: Context, results: Results) -> None:
    """Run tests/**/test_gpu*.py; without a GPU all of them are skipped."""
    files = sorted(str(path) for path in (ROOT / "tests").rglob("test_gpu*.py"))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "4",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
            *files,
        ]
        try:
            subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, timeout=max(5.0, context.left + 10))
        except subprocess.TimeoutExpired:
            results["unfinished"] = True
            return
        suite = next(iter(ElementTree.parse(report).getroot().iter("testsuite")))
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    results["counts"] = counts | {"passed": counts["tests"] - sum(list(counts.values())[1:])}
    results["failed"] = [
        f"{case.get('name')}: {str(child.get('message')).splitlines()[0][:300]}"
        for case in suite.iter("testcase") for child in case if child.tag in ("failure", "error")
    ]  # fmt: skip
