"""Every control of the report page works in a real browser, by mouse and by keyboard."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from math import log10
from pathlib import Path
from typing import Any

import pytest
from page_in_browser import ActionChains, By, Keys, all_of, field, log_g, needs_chromium, one_of, plain, saved, table
from page_runs import rows_of, run_directory

from gradlab import grid, spec
from gradlab.report.page import build_page

pytestmark = needs_chromium


def test_a_column_sorts_both_ways_and_keeps_empty_fields_last(page: Any, run: Path) -> None:
    wanted = sorted((float(row["log10_survival"]) for row in rows_of(run, "summary")), reverse=True)
    head = one_of(page, '.overview th[data-key="log10_survival"]')
    for way, order in (("descending", wanted), ("ascending", wanted[::-1])):
        head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
        assert head.get_attribute("aria-sort") == way
        seen = [row["log10_survival"] for row in table(page)]
        assert seen[-1] == "failed"
        assert [float(text) for text in seen[:-1]] == pytest.approx(order, abs=0.0051)
    one_of(page, '.overview th[data-key="activation"] button').click()
    names = [row["activation"] for row in table(page)]
    assert names == sorted(names)
    assert head.get_attribute("aria-sort") == "none"


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("relu", lambda row: row["activation"] == "relu"),
        ("vanished", lambda row: row["verdict"] == "vanishing"),
        ("depth>=8", lambda row: int(row["depth"]) >= 8),
        ("activation!=relu depth=32", lambda row: row["activation"] != "relu" and row["depth"] == "32"),
        ("survival<1e-3", lambda row: float(row["log10_survival"]) < -3),
        ("nothing", lambda row: False),
        (
            "activation in [relu, tanh] and not depth<8",
            lambda row: row["activation"] in ("relu", "tanh") and int(row["depth"]) >= 8,
        ),
        ("depth=2..8*2, norm=none", lambda row: row["depth"] in ("2", "4", "8")),
    ],
)
def test_the_filter_leaves_what_fits_in_table_and_map(
    page: Any, run: Path, text: str, fits: Callable[[dict[str, str]], bool]
) -> None:
    wanted = {(row["activation"], row["depth"]) for row in rows_of(run, "summary") if fits(row)}
    one_of(page, "#filter").send_keys(text)
    shown = {(row["activation"], row["length"]) for row in table(page) if row["verdict"] != "× failed"}
    assert shown == wanted
    fields = [one.get_attribute("aria-label") or "" for one in all_of(page, ".map td[data-row]")]
    assert {tuple(one.split(":")[0].split(", depth ")) for one in fields if "failed" not in one} == wanted
    assert f"of {len(rows_of(run, 'summary')) + 1} configurations" in one_of(page, "#filter-message").text


def test_a_filter_that_cannot_be_read_says_why_and_changes_nothing(page: Any) -> None:
    before = table(page)
    one_of(page, "#filter").send_keys("dept>=3")
    assert "column 1: there is no column 'dept'; did you mean 'depth'?" in one_of(page, "#filter-message").text
    assert one_of(page, "#filter").get_attribute("aria-invalid") == "true"
    assert table(page) == before


def test_a_click_on_the_map_shows_the_profile_with_the_numbers_of_the_csv(page: Any, run: Path) -> None:
    field(page, "sigmoid", 8).click()
    assert one_of(page, "#profile h3").text == "sigmoid depth 8"
    assert field(page, "sigmoid", 8).get_attribute("aria-selected") == "true"
    one_of(page, "#profile details summary").click()
    script = """return [...document.querySelectorAll("#profile .numbers tbody tr")].map((row) =>
        [...row.cells].map((cell) => cell.textContent))"""
    rows = [[float(plain(text)) for text in row] for row in page.execute_script(script)]
    relative = log_g(run, "sigmoid", 8)
    mean = (relative - relative[:, -1:]).mean(axis=0)
    assert [row[0] for row in rows] == list(range(1, 9))
    assert [row[1] for row in rows] == pytest.approx(mean.tolist(), abs=0.0011)
    theory = [
        float(row["theory_log10_grad_norm"]) for row in rows_of(run, "layers")
        if row["cell"] == next(one["cell"] for one in rows_of(run, "cells")
                               if (one["activation"], one["depth"]) == ("sigmoid", "8")) and row["step"] == "0"
    ]  # fmt: skip
    assert [row[-1] for row in rows] == pytest.approx(theory, abs=0.0011)
    assert len(all_of(page, "#profile .line.theory")) == 2  # the curve and its piece in the legend


def test_the_mouse_glances_and_goes_back(page: Any) -> None:
    field(page, "relu", 2).click()
    ActionChains(page).move_to_element(field(page, "sigmoid", 32)).perform()
    assert one_of(page, "#profile h3").text == "sigmoid depth 32"
    ActionChains(page).move_to_element(one_of(page, "h1")).perform()
    assert one_of(page, "#profile h3").text == "relu depth 2"


def test_the_arrow_keys_walk_through_the_map(page: Any) -> None:
    field(page, "sigmoid", 2).click()
    walk = {
        Keys.ARROW_DOWN: "relu depth 2", Keys.ARROW_RIGHT: "relu depth 8", Keys.END: "relu depth 32",
        Keys.ARROW_LEFT: "relu depth 8", Keys.ARROW_UP: "sigmoid depth 8", Keys.HOME: "sigmoid depth 2",
    }  # fmt: skip
    for key, wanted in walk.items():
        page.switch_to.active_element.send_keys(key)
        assert one_of(page, "#profile h3").text == wanted
        name, _, depth = wanted.partition(" depth ")
        assert page.switch_to.active_element == field(page, name, int(depth))
    assert len(all_of(page, '.map td[tabindex="0"]')) == 1
    assert "sigmoid, depth 2" in one_of(page, "#announcer").get_attribute("textContent")


def test_everything_can_be_reached_by_tab(page: Any, run: Path) -> None:
    reached = set()
    for _ in range(80):
        ActionChains(page).send_keys(Keys.TAB).perform()
        at = page.execute_script(
            "const one = document.activeElement; return one.id || one.dataset.key || one.dataset.file || "
            "one.dataset.row && 'map' || one.className || one.closest('tr') && 'row' || one.tagName"
        )
        reached.add(at)
    assert {"filter", "map", "plot", "file-0-summary", "file-0-layers", "row"} <= reached
    row = next(one for one in all_of(page, ".overview tbody button") if one.text == "relu")
    row.send_keys(Keys.ENTER)
    assert one_of(page, "#profile h3").text == "relu depth 2"
    assert row.get_attribute("aria-pressed") == "true"


def test_the_arrow_keys_read_a_curve(page: Any, run: Path) -> None:
    field(page, "sigmoid", 8).click()
    plot = one_of(page, "#profile .plot")
    plot.send_keys(Keys.HOME)
    relative = log_g(run, "sigmoid", 8)
    wanted = float((relative[:, 0] - relative[:, -1]).mean())
    said = one_of(page, "#profile .readout").text
    assert said.startswith("block 1: ")
    digits, _, power = said.removeprefix("block 1: ").split(" ")[0].partition("×10")
    exponent = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)
    assert log10(float(digits)) + exponent == pytest.approx(wanted, abs=0.03)
    plot.send_keys(Keys.ARROW_RIGHT)
    assert one_of(page, "#profile .readout").text.startswith("block 2: ")
    plot.send_keys(Keys.END)
    assert one_of(page, "#profile .readout").text.startswith("block 8: 1 ")


def test_the_map_shows_what_is_asked_for(page: Any, run: Path) -> None:
    rows = {(row["activation"], row["depth"]): row for row in rows_of(run, "summary")}
    for measure in ("before", "after", "learned", "z"):
        one_of(page, f'input[value="{measure}"]').click()
        for (name, depth), row in rows.items():
            text = plain(field(page, name, int(depth)).text)
            if measure == "learned":
                assert text.startswith(f"{round(float(row['learned']) * int(row['n']))}/{row['n']}")
                continue
            key = {"before": "log10_survival", "after": "log10_survival_final", "z": "theory_z"}[measure]
            if row[key]:
                assert float(text.split()[0]) == pytest.approx(float(row[key]), abs=0.051)
            if measure == "before" and row["verdict"] in ("vanishing", "exploding"):  # a sign beside the colour
                assert text.endswith({"vanishing": "✗", "exploding": "▲"}[row["verdict"]])


def test_every_table_can_be_saved_and_is_the_file(page: Any, run: Path, folder: Path) -> None:
    for table_name in ("summary", "cells", "steps", "layers"):
        one_of(page, f'[data-file="file-0-{table_name}"]').click()
        assert saved(folder, f"{table_name}.csv") == (run / f"{table_name}.csv").read_bytes()


def test_what_the_page_shows_can_be_saved(page: Any, run: Path, folder: Path) -> None:
    one_of(page, "#filter").send_keys("relu")
    one_of(page, "#overview button:not(table button)").click()
    rows = list(csv.DictReader(io.StringIO(saved(folder, "overview.csv").decode())))
    wanted = [row for row in rows_of(run, "summary") if row["activation"] == "relu"]
    assert [row["depth"] for row in rows] == [row["depth"] for row in wanted]
    for row, truth in zip(rows, wanted, strict=True):
        assert float(row["log10_survival"]) == pytest.approx(float(truth["log10_survival"]), rel=1e-6)
    one_of(page, "#effects > button").click()
    effects = list(csv.DictReader(io.StringIO(saved(folder, "effects.csv").decode())))
    assert {"depth", "activation"} <= {row["setting"] for row in effects}


def test_an_expectation_shows_the_configurations_it_speaks_of(open_page: Callable[..., Any], folder: Path) -> None:
    text = "name: expected\ngrid: {activation: [sigmoid, relu, leaky_relu(negative_slope=0.2)], depth: [2, 8, 32]}\n"
    text += "expect:\n  - survival[activation=leaky_relu or depth=2..8:6, activation!=relu] > 0\n  - survival > 0\n"
    cells = grid.expand(spec.loads(text)).cells
    path = run_directory(folder / "expected", cells, spec=text)
    (path / "report.html").write_bytes(build_page([path]).html.encode())
    page = open_page(path)
    assert "2 of 2 statements of the spec held" in one_of(page, "#expected").text
    one_of(page, "#expected summary").click()  # those that held are one line until then
    (button,) = all_of(page, "#expected button")  # the other statement speaks of all
    button.click()
    left = [(row["activation"], row["length"]) for row in table(page)]
    other = "leaky_relu(negative_slope=0.2)"
    assert left == [("sigmoid", "2"), ("sigmoid", "8"), (other, "2"), (other, "8"), (other, "32")]
    written = one_of(page, "#filter").get_attribute("value")
    assert written == "(activation=leaky_relu or depth=2..8:6) and activation!=relu"
    one_of(page, "#filter").send_keys(" depth=8")
    assert [row["length"] for row in table(page)] == ["8", "8"]
