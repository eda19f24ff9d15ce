"""The commands on directories of models: watched trainings and saved probes."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.cells import cell_len
from torch import nn
from watched_runs import said, train

import gradlab as gl

Capture = pytest.CaptureFixture[str]


def test_the_report_is_that_of_python_and_there_is_a_page(models: Path, capsys: Capture) -> None:
    for name in ("a", "p"):
        out, err = said(capsys, "report", f"results/{name}")
        report, end = out.rstrip("\n").rsplit("\n\n", 1)
        assert report == gl.load(f"results/{name}").report(120).rstrip()
        assert end.startswith(f"results/{name}/report.html (")
        assert err == ""
        page = (models / "results" / name / "report.html").read_text(encoding="utf-8")
        assert gl.load(f"results/{name}").conclusions[0] in page.replace("&#x27;", "'")
        assert "<script" not in page
        assert "http://" not in page.replace("http://www.w3.org", "")
    out, _ = said(capsys, "report", "results")
    assert re.findall(r"^(\S+) \(.* kB\)$", out, re.M) == [f"results/{name}/report.html" for name in "abp"]
    assert "|gradient|, clipping" in out


def test_a_page_goes_to_one_place(models: Path, capsys: Capture) -> None:
    said(capsys, "report", "results/a", "--out", "there.html")
    assert Path("there.html").is_file()
    _, err = said(capsys, "report", "results", "--out", "all.html", code=2)
    assert "these are 3 pages, and --out names one file" in err
    assert not Path("all.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("arguments", [["report", "results"], ["compare", "results"], ["watch", "results/a"]])
def test_no_line_is_wider_than_the_terminal(
    width: int, arguments: list[str], models: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    out, _ = said(capsys, *arguments)
    assert [line for line in out.split("\n") if cell_len(line) > width] == []


def test_the_table_of_a_comparison_is_csv_and_json(models: Path, capsys: Capture) -> None:
    out, _ = said(capsys, "compare", "results/a", "results/p", "--csv", "-")
    table = pd.read_csv(io.StringIO(out), dtype={"name": str})
    for name in "ap":
        rows = gl.load(f"results/{name}").module_report.blocks
        np.testing.assert_allclose(table[f"log10_survival_{name}"], [row["log10_survival"] for row in rows], rtol=1e-15)
    out, _ = said(capsys, "compare", "results/a", "results/p", "--json")
    document = json.loads(out)
    assert [model["name"] for model in document["models"]] == ["a", "p"]
    assert [block["log10_survival_ratio"] for block in document["blocks"]] == table["log10_survival_ratio"].tolist()
    assert document == gl.compare("results/a", "results/p").document() | {"checks": [], "left_out": []}


@pytest.mark.parametrize(
    ("condition", "code"), [("survival<1e-3", 3), ("survival<1e-30", 0), ("verdict=vanishing", 3), ("loss>1e6", 0)]
)
def test_a_condition_holds_for_a_model_or_for_none(condition: str, code: int, models: Path, capsys: Capture) -> None:
    assert gl.load("results/b").module_report.summary.verdict == "vanishing"  # 12 sigmoid blocks: 0.25^11 at most
    _, err = said(capsys, "compare", "results/a", "results/b", "--fail-on", condition, code=code)
    assert ("holds for 1 measured model:\n  name=b" in err) == (code == 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "results/a"], "there is nothing to compare it with"),
        (["compare", "results/a", "results/b", "--by", "depth"], "--by depth: it asks for cells of a spec"),
        (["compare", "results/a", "results/b", "--metric", "loss"], "--metric loss: it asks for cells of a spec"),
        (["compare", "results/a", "results/b", "--best", "lr"], "--best lr: it asks for cells of a spec"),
        (["compare", "results/a", "results/b", "--top", "3"], "--top 3: it asks for cells of a spec"),
        (["compare", "results/a", "results/b", "--fail-on", "depth=3"], "there is no column 'depth'"),
        (["show", "abc", "results/a"], "results/a holds measured steps of a training loop (gl.watch), and no cells"),
        (["show", "abc", "results/p"], "results/p holds a saved probe (gl.probe), and no cells of a spec"),
        (["watch", "results/p"], "results/p holds a saved probe (gl.probe): nothing goes on there"),
        (["watch", "results"], "results holds 2 runs"),
        (["plot", "results/a", "--only", "trainin"], "there is no picture 'trainin'; did you mean training?"),
    ],
)
def test_what_has_no_meaning_is_one_message(
    arguments: list[str], words: str, models: Path, capsys: Capture
) -> None:  # fmt: skip
    out, err = said(capsys, *arguments, code=2)
    assert words in err
    assert out == ""
    assert err.count("gradlab: ") == 1


@pytest.fixture
def mixed(models: Path) -> Path:
    """The same, with a run of a spec beside them."""
    gl.run({"name": "run", "depth": [2, 4], "width": 4, "train.steps": 0}, out="results", workers=0, quiet=True)
    return models


def test_runs_and_models_are_not_compared_with_each_other(mixed: Path, capsys: Capture) -> None:
    _, err = said(capsys, "compare", "results/run", "results/a", code=2)
    assert "results/a holds measured steps of a training loop (gl.watch), results/run cells of a spec" in err
    out, _ = said(capsys, "compare", "results")  # those beside the run were not asked for
    assert "measured model" not in out
    assert gl.load("results").names == ("run",)


@pytest.mark.slow
def test_pages_pictures_and_events_are_made_of_all_of_them(mixed: Path, capsys: Capture) -> None:
    out, _ = said(capsys, "report", "results")
    pages = ["results/report.html", *(f"results/{name}/report.html" for name in "abp")]
    assert re.findall(r"^(\S+) \(.*B\)$", out, re.M) == pages
    out, _ = said(capsys, "plot", "results", "--format", "svg")
    drawn = {tuple(Path(line).relative_to("results").parts) for line in out.split()}
    assert {("a", "plots", "training.svg"), ("a", "plots", "survival.svg"), ("p", "plots", "profiles.svg")} < drawn
    assert any(parts[0] == "run" for parts in drawn)
    said(capsys, "plot", "results/a", "results/p", "--out", "there")
    assert sorted(path.name for path in Path("there/p").iterdir()) == ["profiles.png", "profiles.svg"]


def test_what_is_damaged_is_named_and_the_others_are_shown(models: Path, capsys: Capture) -> None:
    Path("results/a/run.json").write_text("{")
    out, err = said(capsys, "compare", "results", code=1)
    assert err.splitlines()[0] == "warning: results/a/run.json is damaged: it is no JSON document: compared without it"
    assert "2 measured models" in out
    out, err = said(capsys, "report", "results", code=1)
    assert "results/a/run.json is damaged: it is no JSON document: left out" in err
    assert re.findall(r"^(\S+) \(.* kB\)$", out, re.M) == [f"results/{name}/report.html" for name in "bp"]
    for command in ("plot", "report"):
        assert "is damaged" in said(capsys, command, "results/a", code=2)[1]
    _, err = said(capsys, "compare", "results/a", "results/b", code=2)
    assert "is damaged" in err


def test_names_of_any_signs_are_shown_as_they_are(models: Path, capsys: Capture) -> None:
    train(Path("results/$a_{$b^"))
    for command in ("report", "plot", "tensorboard", "compare"):
        said(capsys, command, "results")
    assert "$a_{$b^" in Path("results/$a_{$b^/plots/survival.svg").read_text(encoding="utf-8")


def test_steps_whose_gradients_overflowed_are_told(models: Path, capsys: Capture) -> None:
    steps = pd.read_csv("results/a/steps.csv", dtype={"overflow_at": str})
    steps.loc[3, ["overflows", "overflow_at"]] = [2, "6"]
    steps["loss_scale"] = [1024.0] * 3 + [256.0] * 2
    steps.to_csv("results/a/steps.csv", index=False)
    out, _ = said(capsys, "report", "results/a")
    header, *rows = [re.split(r"  +", line.strip()) for line in out.split("\n\n")[1].splitlines()[1:]]
    assert header[-3:] == ["loss scale", "overflows", "overflow at"]
    assert rows[3][-3:] == ["256", "2", "6"]
    assert [row[-1] for row in rows[:3]] == ["1024"] * 3
    out, _ = said(capsys, "watch", "results/a")
    assert "2 overflows before, first at 6" in " ".join(out.split())
    said(capsys, "report", "results/a")
    assert "overflows before" in Path("results/a/report.html").read_text(encoding="utf-8")


def test_a_training_without_a_step_has_a_report_and_is_left_out_of_a_comparison(models: Path, capsys: Capture) -> None:
    gl.watch(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), out="results/0").close()
    out, _ = said(capsys, "report", "results/0")
    assert out.startswith("0 · Sequential · 0 steps measured · every 100 steps · ended")
    said(capsys, "plot", "results/0")
    said(capsys, "tensorboard", "results/0")
    _, err = said(capsys, "compare", "results", code=1)
    assert err.startswith("warning: results/0 has no measured step yet: compared without it")


def test_where_locks_are_unknown_nothing_is_said_about_a_process(models: Path, capsys: Capture) -> None:
    document = json.loads(Path("results/a/run.json").read_text())
    assert document["locks"] is True
    Path("results/a/run.json").write_text(json.dumps(document | {"ended": None, "locks": False}))
    assert "at work or killed: a file system without locks does not tell" in said(capsys, "report", "results/a")[0]
    Path("results/a/run.json").write_text(json.dumps(document | {"ended": None}))
    assert "ended early" in said(capsys, "report", "results/a")[0]


def test_a_deep_comparison_is_folded(models: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "cd":
        train(Path(f"results/{name}"), steps=1, depth=100)
    monkeypatch.setenv("COLUMNS", "80")
    out, _ = said(capsys, "compare", "results/c", "results/d")
    assert "40 of 100 blocks are shown" in out
    assert re.search(r"^0 ", out, re.M)
    assert re.search(r"^198 ", out, re.M)


def test_no_link_is_followed_for_writing(models: Path, capsys: Capture) -> None:
    elsewhere = models / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("mine")
    Path("results/a/plots").symlink_to(elsewhere)
    Path("results/a/report.html").symlink_to(elsewhere / "file")
    _, err = said(capsys, "plot", "results/a", code=2)
    assert "it is a symbolic link" in err
    said(capsys, "report", "results/a")
    assert (elsewhere / "file").read_text() == "mine"
    assert [path.name for path in elsewhere.iterdir()] == ["file"]


def test_events_hold_the_numbers_of_the_tables(models: Path, capsys: Capture) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    said(capsys, "tensorboard", "results")
    events = EventAccumulator("results/a/tensorboard/all")
    events.Reload()

    def scalars(tag: str) -> list[tuple[int, float]]:
        return [(event.step, event.value) for event in events.Scalars(tag)]

    loaded = gl.load("results/a")
    for tag, column in (
        ("survival/log10", "log10_survival"),
        ("training/loss", "loss"),
        ("clip/coefficient", "clip_coef"),
    ):
        expected = [*zip(loaded.steps["step"], np.float32(loaded.steps[column]), strict=True)]
        assert scalars(tag) == expected
    for name, rows in loaded.frame.groupby("name"):
        block = rows["block"].iloc[0]
        expected = [*zip(rows["step"], np.float32(rows["log10_grad_norm"]), strict=True)]
        assert scalars(f"log10 gradient/block {block} {name}") == expected
    last = loaded.frame[loaded.frame["step"] == 4]
    expected = [*zip(last["block"], np.float32(last["log10_grad_norm"]), strict=True)]
    assert scalars("profile/log10 gradient along the blocks, last step") == expected
    before = Path("results/a/tensorboard/all/events.out.tfevents.gradlab").read_bytes()
    said(capsys, "tensorboard", "results/a")
    assert Path("results/a/tensorboard/all/events.out.tfevents.gradlab").read_bytes() == before


# following
