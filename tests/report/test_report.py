from __future__ import annotations

import dataclasses
import re
from math import log
from types import SimpleNamespace

import numpy as np
import pytest
from fake_work import FACTORS, record
from reported import cells_of, result_of, text_of
from rich.console import Console
from rich.text import Text

from gradlab.cell import Cell, Named
from gradlab.record import Record
from gradlab.report import formatting
from gradlab.report.glyphs import ASCII, UNICODE, Glyphs, glyphs_for
from gradlab.report.model.causes import causes
from gradlab.report.model.marks import mark
from gradlab.report.model.rows import rows_of
from gradlab.report.terminal.entries import style
from gradlab.report.terminal.run import run_report
from gradlab.report.terminal.sparkline import spark

MORE = ["decay/block", "reach", "log10 |g| along the depth"]


def expected(name: str, depth: int) -> str:
    """log10 of the geometric mean over seeds 0, 1, 2 of the fake's survival (factor*(1 + seed/100))^(depth-1)."""
    value = np.mean([(depth - 1) * np.log10(FACTORS[name] * (1 + seed / 100)) for seed in range(3)])
    return f"{value:+.1f}" if abs(value) >= 0.05 else "0.0"


@pytest.mark.parametrize("width", [None, 200, 120, 80, 60])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_survival_is_there_at_every_width_and_no_line_is_longer(width: int | None, glyphs: Glyphs) -> None:
    result = result_of(cells_of())
    text = text_of(result, width, glyphs)
    for name in ("sigmoid", "relu", "selu"):
        rows = " ".join(line for line in text.splitlines() if line.startswith(name))
        for depth in (2, 8, 32):
            assert f"{expected(name, depth)} " in rows
    if width is not None:
        assert max(len(line) for line in text.splitlines()) <= width


def test_the_survival_table_reads_as_it_should() -> None:
    lines = text_of(result_of(cells_of())).splitlines()
    assert lines[0] == "demo · mlp on digits · width 64 · he_normal · sgd lr 0.1 · 300 steps · 3 seeds"
    assert lines[1] == "27 cells in 14 s · 0 failed · 0 diverged"
    assert "27 cells in 14 s on 2 workers · 0 failed" in text_of(result_of(cells_of(), workers=2))
    assert lines[3] == "Conclusions"
    first = lines.index("Survival before training: gradient norm, first block ÷ last (log10, mean of 3 seeds)")
    assert re.split(r"  +", lines[first + 2]) == ["activation", "2", "8", "32", *MORE]
    sigmoid = lines[first + 3]
    assert sigmoid.split()[:10] == ["sigmoid", "-0.6", "±0.01", "-4.2", "±0.07", "✗", "-18.5", "±0.33", "✗", "0.252"]
    assert "▲" in lines[first + 5]
    assert "▁" in sigmoid
    assert "█" in sigmoid
    assert lines[first + 6] == "▾ fading (<0.1)  ✗ vanished (<0.001)  ▴ growing (>10)  ▲ exploded (>1000)"


def test_without_a_second_depth_each_configuration_is_one_row() -> None:
    text = text_of(result_of(cells_of(depths=(8,), seeds=1)))
    assert "depth 8" in text.splitlines()[0]
    assert text.splitlines()[0].endswith("seed 0")
    assert re.search(r"sigmoid +-4.2 ✗ +0.250 +5.0 ", text)
    assert "trainable" not in text
    assert "±" not in text


def test_a_single_configuration_has_a_row_without_a_name() -> None:
    text = text_of(result_of([Cell(depth=4, lr=0.1, activation=Named("sigmoid"))], seconds=0.31))
    assert "1 cell in 0.3 s" in text
    assert re.search(r"^ +-1.8 ▾ +0.250", text, re.MULTILINE)
    over_depth = text_of(result_of([Cell(depth=d, lr=0.1, activation=Named("sigmoid")) for d in (2, 4)]))
    assert re.search(r"^ +-0.6 +-1.8 ▾", over_depth, re.MULTILINE)


def test_theory_has_columns_only_when_it_predicts() -> None:
    def predict(cell: Cell, **_: float) -> SimpleNamespace | None:
        if cell.activation.name != "sigmoid":
            return None
        profile = np.arange(1 - cell.depth, 1) * -log(0.3)
        return SimpleNamespace(
            log_survival=(cell.depth - 1) * log(0.3),
            log_survival_sd=0.5,
            log_survival_error=0.0,
            decay=0.3,
            log_grad_norm=profile,
            log_cell_survival=None,
            reason="",
        )

    assert "theory" not in text_of(result_of(cells_of()))
    with_theory = text_of(result_of(cells_of(), predict=predict), verbose=True)
    assert re.search(r"decay/block +theory +z +reach", with_theory)
    assert re.search(r"sigmoid .* 0.3000 +-\d", with_theory)
    assert "theory predicts 0.3 (z = -" in with_theory


def test_failed_cells_are_shown_where_they_are_missing_and_said() -> None:
    text = text_of(result_of(cells_of(), failed="relu"))
    assert re.search(r"relu +failed +failed +failed", text)
    assert (
        "Failed: 9 cells\n  9 cells: RuntimeError: no such luck (bank b9)\n  tracebacks: results/demo/run.log" in text
    )
    only = text_of(result_of([cell for cell in cells_of() if cell.activation.name == "relu"], failed="relu"))
    assert "9 failed" in only
    assert "Survival" not in only


def test_nothing_done_is_said_too() -> None:
    text = text_of(dataclasses.replace(result_of([]), cells=9, interrupted=True))
    assert "interrupted: 9 of 9 not run" in text


def test_what_is_zero_not_finite_or_diverged_is_shown_and_said() -> None:
    def make(cell: Cell) -> Record:
        one = record(cell)
        value = {"sigmoid": -np.inf, "relu": np.nan}.get(cell.activation.name)
        if value is not None and cell.depth == 32:
            one = one.with_values(log_grad_norm=np.full_like(one.log_grad_norm, value))
        if cell.activation.name == "selu" and cell.seed == 1:
            one = one.with_values(status="diverged", diverged_at=3)
        return one

    text = text_of(result_of(cells_of(), make), verbose=True)
    assert re.search(r"sigmoid .* zero ∅", text)
    assert re.search(r"relu .* not finite !", text)
    assert "∅ exactly zero  ! not finite" in text
    assert (
        "3 seeds have a gradient that is exactly zero at step 0, left out of the means: sigmoid at depth 32 (3)" in text
    )
    assert "3 diverged" in text
    assert re.search(
        r"diverged: selu at depth 2 at step 3 \(1 of 3 seeds; last finite loss 0.500\); selu at depth 8 at step 3", text
    )


def test_the_sentences_say_what_the_numbers_say() -> None:
    def make(cell: Cell) -> Record:
        return record(cell).with_values(learned=cell.activation.name == "selu")

    result = result_of(cells_of(), make)
    said = causes(rows_of(result.tables))
    assert said[0] == "learned: 3 of 9 configurations with most of their seeds (accuracy 1.50)."
    assert said[1].startswith("vanishing: sigmoid loses a factor 3.96 a block, down to 10^-18.5 over 32 blocks")
    assert "(from depth 8 on)" in said[1]
    assert said[2].startswith("exploding: selu gains a factor 2.02 a block, up to 10^9.5 over 32 blocks")
    assert said[3] == (
        "not learned, still falling, more steps may do: sigmoid at depth 2 (training loss 0.700 to 0.500 over the last "
        "half; accuracy 1.50, 0 of 3 seeds); sigmoid at depth 8 (training loss 0.700 to 0.500 over the last half; "
        "accuracy 1.50, 0 of 3 seeds); and 4 more."
    )
    assert said[4] == (
        "beyond a threshold before training, learned: selu at depth 32 (survival 10^9.5 before and 10^9.5 after; "
        "accuracy 1.50, 3 of 3 seeds)."
    )
    assert said[5].startswith("healthy gradient before and after training at every depth: relu (survival 1.4 before")


def test_long_labels_are_names_of_the_registry_and_nothing_of_them_is_cut() -> None:
    long = Named("leaky_relu", (("negative_slope", 0.123456789),))
    other = Named("leaky_relu", (("negative_slope", 0.2),))

    def text(activations: tuple[Named, ...], width: int | None) -> str:
        cells = [Cell(depth=d, lr=0.1, activation=a, width=w) for d in (2, 8) for a in activations for w in (8, 64)]
        return text_of(result_of(cells), width)

    assert re.search(r"^8 +leaky_relu ", text((long, Named("relu")), None), re.MULTILINE)
    both = text((long, other, Named("relu")), None)
    assert "leaky_relu(negative_slope=0.123456789)" in both
    assert "leaky_relu(negative_slope=0.2)" in both
    narrow = text((long, other, Named("relu")), 60)
    assert max(map(len, narrow.splitlines())) <= 60
    rows = narrow[narrow.index("Survival") :]
    assert "…" not in rows.partition("|g|")[0]
    assert re.search(r"^  1  8 +leaky_relu\(negative_slope=0.123456789\) ", rows, re.MULTILINE)
    assert re.search(r"^  5  8 +relu ", rows, re.MULTILINE)


@pytest.mark.parametrize(
    ("verdict", "value", "sign"),
    [
        ("healthy", 0.0, " "), ("healthy", -0.9, " "), ("healthy", -1.1, "▾"), ("vanishing", -4.0, "✗"),
        ("healthy", 1.1, "▴"), ("exploding", 4.0, "▲"), ("dead", float("nan"), "∅"), ("nonfinite", float("nan"), "!"),
        ("healthy", float("nan"), " "),
    ],
)  # fmt: skip
def test_the_verdict_can_be_read_without_colour(verdict: str, value: float, sign: str) -> None:
    assert UNICODE.sign(mark(verdict, value, 1e-3, 1e3).sign) == sign


def test_a_colour_sets_the_text_on_it_too_and_deepens_with_distance() -> None:
    styles = [
        style(mark("healthy" if v > -3 else "vanishing", v, 1e-3, 1e3)) for v in (0.0, -0.5, -2.0, -4.0, -10.0, -50.0)
    ]
    assert styles[0] == ""
    assert len(set(styles)) == 6
    assert all(" on " in one for one in styles[1:])
    assert not set(styles[1:]) & {style(mark("exploding", v, 1e-3, 1e3)) for v in (0.5, 2.0, 4.0, 10.0, 50.0)}


def test_bars_follow_the_values_and_noise_stays_flat() -> None:
    assert spark(UNICODE, [0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert set(spark(UNICODE, [0.0, 0.01, -0.01, 0.02])) <= {"▄", "▅"}
    assert spark(UNICODE, [0.0, float("nan"), 8.0]) == "▁ █"
    assert spark(UNICODE, [float("-inf")] * 3) == "   "
    assert len(spark(UNICODE, list(range(1000)))) == 24


@pytest.mark.parametrize(
    ("encoding", "glyphs"), [("utf-8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII), (None, ASCII), ("x-no", ASCII)]
)
def test_signs_fit_the_encoding_of_the_stream(encoding: str | None, glyphs: Glyphs) -> None:
    assert glyphs_for(encoding) is glyphs
    text_of(result_of(cells_of()), glyphs=ASCII).encode("ascii")


def test_no_colour_means_no_escape_for_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    def printed() -> str:
        console = Console(force_terminal=True, width=200, color_system="truecolor")
        with console.capture() as capture:
            for line in run_report(result_of(cells_of()), UNICODE, 200):
                console.print(line, soft_wrap=True)
        return capture.get()

    assert "48;2;" in printed()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = printed()
    assert "48;2;" not in plain
    assert Text.from_ansi(plain).plain.rstrip() == text_of(result_of(cells_of()), 200).rstrip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formatting.log_text(-0.04), "0.0"),
        (formatting.log_text(-125.34), "-125.3"),
        (formatting.log_text(float("nan")), ""),
        (formatting.power(0.5), "3.2"),
        (formatting.power(-19.5), "10^-19.5"),
        (formatting.duration(0.44), "0.4 s"),
        (formatting.duration(9.96), "10 s"),
        (formatting.duration(200), "3 min 20 s"),
        (formatting.duration(7500), "2 h 05 min"),
        (formatting.size(512), "512 B"),
        (formatting.size(1.4e6), "1.4 MB"),
        (formatting.size(3e12), "3000.0 GB"),
        (formatting.factor_text(4.236), "4.24"),
        (formatting.factor_text(1.0703), "1.070"),
        (formatting.factor_text(1.0003), "1.00030"),
        (formatting.joined(["a", "b", "c"]), "a, b and c"),
        (formatting.count(1, "cell"), "1 cell"),
        (formatting.count(1000, "cell"), "1,000 cells"),
    ],
)
def test_numbers_in_words(text: str, expected: str) -> None:
    assert text == expected
