"""`--best` on the command line: of compare, run and sweep."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from best_runs import BEST, tuned_run
from PIL import Image

SPEC = """
name: rates
seeds: 3
train: {steps: 5}
grid: {depth: [2, 8], activation: [sigmoid, relu], lr: [0.01, 0.1]}
"""
Command = Callable[..., tuple[int, str, str]]


def test_compare_tells_the_choice_as_text_table_document_and_picture(command_line: Command) -> None:
    tuned_run(Path("results/tuned"))
    code, out, err = command_line("compare", "results", "--best", "lr", "--plot", "p.png", "--csv", "t.csv")
    assert (code, err) == (0, "")
    assert "At the best lr: accuracy on the test half" in out
    table = pd.read_csv("t.csv").set_index(["activation", "depth"])
    assert table["best_lr"].to_dict() == BEST
    with Image.open("p.png") as image:
        assert image.size[0] > 500
    document = json.loads(command_line("compare", "results", "--best", "lr", "--json")[1])
    assert document["metric"] == "metric"
    assert document["best"]["settings"] == ["lr"]
    chosen = {(row["activation"], row["depth"]): row["lr"] for row in document["best"]["values"] if row["chosen"]}
    assert chosen == BEST
    assert [row["ties"] for row in document["best"]["configurations"]] == [[], [], ["0.1", "1"], ["0.1"]]
    assert json.loads(command_line("compare", "results", "--json")[1])["best"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--best", "lrr"), "gradlab: --best lrr: there is no such setting\n  did you mean lr?\n"),
        (("--best", "width"), "gradlab: --best width: it is the same everywhere\n"),
        (("--plot", "p.png"), "gradlab: --plot p.png: the picture shows the values of --best\n"),
        (("--best", "lr", "--plot", "p.gif"), "gradlab: --plot p.gif: there is no such format\n"),
    ],
)
def test_a_question_without_an_answer_is_one_message(
    command_line: Command, arguments: tuple[str, ...], message: str
) -> None:
    tuned_run(Path("results/tuned"))
    code, out, err = command_line("compare", "results", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert len(err.splitlines()) <= 2
    assert not list(Path().glob("p.*"))


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_run_refuses_an_axis_that_there_is_not_before_it_computes_anything(
    command_line: Command, fake: Callable[..., list[str]], command: str
) -> None:
    Path("s.yaml").write_text(SPEC)
    given = ("run", "s.yaml") if command == "run" else ("sweep", "--depth", "2,8", "--lr", "0.01,0.1", "--seeds", "2")
    code, out, err = command_line(*given, "--executor", "inline", "--best", "width")
    assert (code, out) == (2, "")
    assert "--best width: it is the same everywhere" in err
    assert not list(Path("results").glob("*/parts/*"))


def test_a_run_reports_each_configuration_at_its_best(command_line: Command) -> None:
    Path("s.yaml").write_text(SPEC)
    given = ("run", "s.yaml", "--executor", "inline", "--no-plots")
    whole = command_line(*given)[1]
    code, out, _ = command_line(*given, "--best", "lr")
    assert code == 0
    before = "Survival before training"
    assert (
        out[out.index(before) : out.index("At the best lr")]
        == whole[whole.index(before) : whole.index("After 5 steps")]
    )
    assert "the same before training with every lr" in out
    rows = out[out.index("At the best lr") : out.index("Chosen lr")].splitlines()
    assert [sum(line.startswith(name) for line in rows) for name in ("sigmoid", "relu")] == [1, 1]
    assert whole[whole.index("After 5 steps") :].count("sigmoid") >= 2


def test_failed_cells_are_left_out_of_report_and_picture(command_line: Command) -> None:
    Path("s.yaml").write_text(SPEC)
    code, out, _ = command_line("run", "s.yaml", "--executor", "inline", "--no-plots", "--best", "lr", fail=8)
    assert code == 1
    assert "At the best lr: accuracy on the test half" in out
    assert "at depth" not in out[out.index("Chosen lr") : out.index("Failed")]  # depth 2 alone is left
    drawn = [command_line("plot", "results", "--only", "sensitivity", "--out", name) for name in ("a", "b")]
    assert [code for code, _, _ in drawn] == [0, 0]
    for ending in ("png", "svg"):
        assert Path(f"a/sensitivity.{ending}").read_bytes() == Path(f"b/sensitivity.{ending}").read_bytes()
