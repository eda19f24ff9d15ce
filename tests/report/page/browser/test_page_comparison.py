"""Pinned configurations, the slider over training steps and the curves of the report page in a real browser."""

from __future__ import annotations

from math import log10
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest
from page_in_browser import Keys, all_of, amount, field, log_g, needs_chromium, one_of, plain, texts
from page_runs import rows_of

pytestmark = needs_chromium

PATHS = """return [...document.querySelectorAll(arguments[0])].map((line) =>
  [...line.getAttribute("d").matchAll(/[ML]([-\\d.]+) ([-\\d.]+)/g)]
    .map((point) => [Number(point[1]), Number(point[2])]))"""
FIRST = "#profile .charts .figure"


def pin(page: Any, activation: str, depth: int) -> None:
    field(page, activation, depth).click()
    one_of(page, "#profile-title + button").click()


def slide(page: Any, slider: str, place: int) -> None:
    page.execute_script(
        """const input = document.getElementById(arguments[0]); input.value = arguments[1];
        input.dispatchEvent(new Event("input")); input.dispatchEvent(new Event("change"))""",
        slider,
        place,
    )


def relative(run: Path, activation: str, depth: int, step: int = 0) -> np.ndarray[Any, Any]:
    profiles = log_g(run, activation, depth, step)
    means: np.ndarray[Any, Any] = (profiles - profiles[:, -1:]).mean(axis=0)
    return means


def test_pinned_profiles_lie_over_the_chosen_one(page: Any, run: Path) -> None:
    pin(page, "relu", 32)
    pin(page, "sigmoid", 8)
    field(page, "sigmoid", 32).click()
    assert texts(page, ".pins .link:not(.remove)") == ["① relu, depth 32", "② sigmoid, depth 8"]
    figure = all_of(page, FIRST)[0]
    assert {"① relu, depth 32", "② sigmoid, depth 8"} <= {
        entry.text for entry in figure.find_elements("css selector", "li")
    }
    lines = {
        kind: np.array(page.execute_script(PATHS, f"{FIRST}:first-child .plot .line.{kind}")[0])
        for kind in ("mean", "pin1", "pin2")
    }
    places, values = [], []
    for kind, activation, depth in (("mean", "sigmoid", 32), ("pin1", "relu", 32), ("pin2", "sigmoid", 8)):
        assert len(lines[kind]) == depth
        places += lines[kind][:, 1].tolist()
        values += relative(run, activation, depth).tolist()
    slope, offset = np.polyfit(values, places, 1)
    np.testing.assert_allclose(places, slope * np.array(values) + offset, atol=0.15)  # all on one axis
    np.testing.assert_allclose(lines["pin2"][:, 0], lines["pin1"][:8, 0], atol=0.11)  # block by block
    marked = {field_.get_attribute("data-pin"): field_ for field_ in all_of(page, ".map td[data-pin]")}
    assert set(marked) == {"①", "②"}
    assert (marked["②"].get_attribute("aria-label") or "").startswith("sigmoid, depth 8")
    one_of(page, ".pins .remove").send_keys(Keys.ENTER)
    assert texts(page, ".pins .link:not(.remove)") == ["① sigmoid, depth 8"]


def test_the_key_p_pins_and_a_click_in_the_list_chooses(page: Any) -> None:
    field(page, "relu", 8).click()
    page.switch_to.active_element.send_keys("p")
    assert texts(page, ".pins .link:not(.remove)") == ["① relu, depth 8"]
    field(page, "sigmoid", 2).click()
    one_of(page, ".pins .link").click()
    assert one_of(page, "#profile h3").text == "relu depth 8"
    field(page, "relu", 8).send_keys("p")
    assert not one_of(page, ".pins").is_displayed()
    one_of(page, "#filter").send_keys("p")
    assert not one_of(page, ".pins").is_displayed()


def test_no_more_than_six_are_pinned(page: Any) -> None:
    fields = [(name, depth) for name in ("sigmoid", "relu") for depth in (2, 8, 32)] + [("selu", 2)]
    for name, depth in fields:
        pin(page, name, depth)
    names = texts(page, ".pins .link:not(.remove)")
    assert len(names) == 6
    assert names[0].endswith("sigmoid, depth 8")
    assert names[-1].endswith("selu, depth 2")


def test_the_slider_shows_map_and_profile_at_a_training_step(page: Any, run: Path) -> None:
    steps = sorted({int(row["step"]) for row in rows_of(run, "steps")})
    field(page, "sigmoid", 8).click()
    assert one_of(page, "#map-step").get_attribute("max") == str(len(steps) - 1)
    survival = {row["cell"]: {} for row in rows_of(run, "cells")}  # type: ignore[var-annotated]
    for row in rows_of(run, "steps"):
        survival[row["cell"]][int(row["step"])] = float(row["log10_survival"])
    for place, step in enumerate(steps):
        slide(page, "map-step", place)
        assert one_of(page, 'input[value="step"]').is_selected()
        assert one_of(page, "#profile-step").get_attribute("value") == str(place)
        for name, depth in (("sigmoid", 8), ("relu", 32)):
            cells = [
                row["cell"] for row in rows_of(run, "cells") if (row["activation"], row["depth"]) == (name, str(depth))
            ]
            shown = float(plain(field(page, name, depth).text).split()[0])
            assert shown == pytest.approx(mean(survival[cell][step] for cell in cells), abs=0.051)
        title = one_of(page, f"{FIRST} h4").text
        assert (f"after step {step}" in title) == (step > 0)
        line = np.array(page.execute_script(PATHS, f"{FIRST}:first-child .plot .line.mean")[0])
        slope, offset = np.polyfit(relative(run, "sigmoid", 8, step), line[:, 1], 1)
        np.testing.assert_allclose(line[:, 1], slope * relative(run, "sigmoid", 8, step) + offset, atol=0.15)
    one_of(page, 'input[value="before"]').click()
    one_of(page, "#profile-step").send_keys(Keys.HOME)  # by keyboard, and the map stays as it is
    assert "before training" in one_of(page, f"{FIRST} h4").text
    assert one_of(page, 'input[value="before"]').is_selected()


CURVES = {
    "Survival over training": ("log10_survival", True),
    "Loss over training": ("loss", False),
    "Weight gradient over training": ("grad_norm_total", True),
}


@pytest.mark.parametrize("title", CURVES)
def test_the_curves_have_the_numbers_of_the_tables(page: Any, run: Path, title: str) -> None:
    field(page, "relu", 8).click()
    figure = next(each for each in all_of(page, "#profile .histories .figure") if each.text.startswith(title))
    column, log = CURVES[title]
    cells = {row["cell"] for row in rows_of(run, "cells") if (row["activation"], row["depth"]) == ("relu", "8")}
    plot = figure.find_element("css selector", ".plot")
    for step in sorted({int(row["step"]) for row in rows_of(run, "steps")}):
        values = [
            float(row[column]) for row in rows_of(run, "steps") if row["cell"] in cells and int(row["step"]) == step
        ]
        if log and column == "grad_norm_total":
            values = list(map(log10, values))
        plot.send_keys(Keys.HOME if step == 0 else Keys.ARROW_RIGHT)
        said = figure.find_element("css selector", ".readout").text
        assert said.startswith(f"step {step}: ")
        assert amount(said) == pytest.approx(10 ** mean(values) if log else mean(values), rel=0.06), said


@pytest.mark.parametrize(
    ("key", "column", "log"),
    [("weights", "weight_grad_norm", True), ("deviation", "act_std", True), ("dead", "dead", False)],
)
def test_other_quantities_stand_along_the_blocks(page: Any, run: Path, key: str, column: str, *, log: bool) -> None:
    field(page, "sigmoid", 8).click()
    one_of(page, f'input[name="quantity"][value="{key}"]').click()
    cells = {row["cell"] for row in rows_of(run, "cells") if (row["activation"], row["depth"]) == ("sigmoid", "8")}
    figure = all_of(page, FIRST)[0]
    plot = figure.find_element("css selector", ".plot")
    for block in range(1, 9):
        values = [
            float(row[column]) for row in rows_of(run, "layers")
            if row["cell"] in cells and row["step"] == "0" and int(row["layer"]) == block
        ]  # fmt: skip
        plot.send_keys(Keys.HOME if block == 1 else Keys.ARROW_RIGHT)
        said = figure.find_element("css selector", ".readout").text
        wanted = 10 ** mean(map(log10, values)) if log else mean(values)
        assert amount(said) == pytest.approx(wanted, rel=0.06), said
