"""Judged statements as they are told: in reports, by `gradlab run` and its --check, and in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from judged import judged

from gradlab import spec
from gradlab.report.glyphs import ASCII, UNICODE, glyphs_for
from gradlab.report.model.expectations import document, number_text
from gradlab.report.terminal.expectations import expectation_lines


def test_the_block_of_a_report() -> None:
    held, failed, unknown = (
        judged("survival[activation=sigmoid, depth=32] < 1e-18"),
        judged("survival[activation=sigmoid] > 1e-6"),
        judged("survival[depth=32, activation=sigmoid] < 1e-6", overrides=("depth=4",)),
    )
    block = [line.plain for line in expectation_lines([held, failed, unknown], UNICODE, None, verbose=True)]
    assert block == [
        "Expected: 1 of 3 held, 1 did not, 1 not judged",
        "  ✓ survival[activation=sigmoid, depth=32] < 1e-18  2.17e-19",
        "  ✗ survival[activation=sigmoid] > 1e-6             2.17e-19 at depth=32; not in 1 of 3",
        "  ? survival[depth=32, activation=sigmoid] < 1e-6   not judged: no such cell",
    ]
    short = [line.plain for line in expectation_lines([held, failed, unknown], UNICODE, None)]
    assert [line.split()[:2] for line in short] == [
        ["Expected:", "1"], ["✗", "survival[activation=sigmoid]"], ["?", "survival[depth=32,"],
    ]  # fmt: skip
    assert [line.plain for line in expectation_lines([held, held], UNICODE, None)] == ["Expected: 2 of 2 held"]
    narrow = [line.plain for line in expectation_lines([held, failed], ASCII, 50, verbose=True)]
    assert all(len(line) <= 50 for line in narrow)
    assert "".join(narrow).isascii()
    assert expectation_lines([], UNICODE, None) == []
    assert glyphs_for("ascii") is ASCII
    report = document([held, failed, unknown])
    assert [one["outcome"] for one in report] == ["held", "did not hold", "not judged"]
    assert report[0]["measured"] == pytest.approx(0.25**31)
    assert (report[2]["measured"], report[2]["reason"]) == (None, "no such cell")


def test_numbers_in_words() -> None:
    texts = [
        number_text(Decimal(one), UNICODE.infinite)
        for one in ("3.2123e-627", "0.2361", "0", "inf", "-inf", "22883.4", "1e9")
    ]
    assert texts == ["3.21e-627", "0.2361", "0", "∞", "-∞", "22,883", "1.00e9"]


RUN = """name: demo
seeds: 2
train: {steps: 5}
grid: {depth: [2, 8], activation: [sigmoid, relu]}
expect:
  - {that: "survival[activation=sigmoid, depth=8] < 1e-4", because: 0.25^7}
  - survival[activation=relu] == 0
"""


@pytest.fixture
def gradlab(command_line: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    """Run demo.yaml."""
    Path("demo.yaml").write_text(RUN)
    return partial(command_line, "run", "demo.yaml", "--no-plots", "--executor", "inline")


def test_a_run_judges_and_fails_only_when_asked_to(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("--verbose")
    assert code == 0
    assert "--check" not in err
    block = out[out.index("Expected:") :].splitlines()
    assert block[0] == "Expected: 1 of 2 held, 1 did not"
    assert block[1].startswith("  ✓ survival[activation=sigmoid, depth=8] < 1e-4  6.3")  # (0.25 * 0.2525)^3.5 = 6.32e-5
    assert block[2] == "    0.25^7"
    assert block[3] == "  ✗ survival[activation=relu] == 0                1.035 at depth=8; not in 2 of 2"  # 1.01^3.5
    code, out, err = gradlab("--check")
    assert code == 3
    assert err.endswith("gradlab: --check: 1 of 2 held, 1 did not: survival[activation=relu] == 0\n")
    assert gradlab("--check", "-q")[0] == 3
    Path("demo.yaml").write_text(RUN.replace("== 0", "> 0.5"))
    assert gradlab("--check")[0] == 0


def test_what_cannot_be_judged_fails_the_check_too(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    Path("demo.yaml").write_text(RUN.replace("== 0", "> 0.5"))
    code, out, _ = gradlab("--check", fail="relu")
    assert code == 3
    assert "not judged: " in out
    assert "failed or were not run" in out
    code, out, _ = gradlab("--check", "--rerun-failed")
    assert code == 0
    code, out, _ = gradlab("--check", "-s", "activation=relu")
    assert code == 3
    assert "not judged: no such cell" in out


def test_the_json_of_a_run_has_the_judgements(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = gradlab("--json", "--check")
    assert code == 3
    (run,) = json.loads(out, parse_constant=pytest.fail)["runs"]
    held, failed = run["expected"]
    assert (held["outcome"], held["because"], held["compared"]) == ("held", "0.25^7", 1)
    assert held["measured"] == pytest.approx((0.25 * 0.2525) ** 3.5)
    assert (failed["outcome"], failed["failed"], failed["where"]) == ("did not hold", 2, "depth=8")


def test_the_resolved_spec_keeps_them(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    assert gradlab()[0] == 0
    again = spec.load("results/demo/spec.yaml")
    assert again.expect == spec.load("demo.yaml").expect
