"""What the report page shows in a real browser: the tables' numbers, legible on any screen, quiet and unharmed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_in_browser import all_of, emulate, field, log_g, needs_chromium, one_of, table, texts
from page_runs import EVIL, hostile, number, rows_of, run_directory

from gradlab.report.model.marks import reach_text
from gradlab.report.page import build_page

pytestmark = needs_chromium


def test_it_loads_without_errors_and_without_asking_for_anything(browser: Any, run: Path) -> None:
    emulate(browser)
    browser.get("about:blank")
    browser.get_log("browser"), browser.get_log("performance")
    browser.get((run / "report.html").as_uri())
    assert one_of(browser, "h1").text == "small"
    one_of(browser, ".overview tbody tr")
    assert browser.get_log("browser") == []
    sent = [
        message["params"]["request"]["url"]
        for message in (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [address for address in sent if not address.startswith("data:")] == [(run / "report.html").as_uri()]


def test_the_overview_shows_the_numbers_of_the_summary(page: Any, run: Path) -> None:
    rows = rows_of(run, "summary")
    shown = table(page)
    assert len(shown) == len(rows) + 1  # the last configuration has failed
    for row, seen in zip(rows, shown, strict=False):
        assert (seen["activation"], seen["length"]) == (row["activation"], row["depth"])
        assert float(seen["log10_survival"]) == pytest.approx(float(row["log10_survival"]), abs=0.0051)
        assert float(seen["decay"]) == pytest.approx(float(row["decay"]), rel=6e-4)
        assert seen["reach"] == reach_text({key: number(row[key]) for key in ("reach", "reach_lo", "reach_hi")}, "inf")
        assert float(seen["metric"]) == pytest.approx(float(row["metric"]), rel=6e-3)
        assert seen["learned"] == f"{round(float(row['learned']) * int(row['n']))}/{row['n']}"
        assert seen["n"] == row["n"]
        if row["theory_decay"]:
            assert float(seen["theory_decay"]) == pytest.approx(float(row["theory_decay"]), rel=6e-4)
            assert float(seen["theory_z"]) == pytest.approx(float(row["theory_z"]), abs=0.051)
    assert any(row["theory_decay"] for row in rows)
    assert shown[-1]["verdict"] == "× failed"
    assert shown[-1]["failed"] == "3"


def test_the_curve_is_drawn_where_its_numbers_are(page: Any, run: Path) -> None:
    field(page, "sigmoid", 8).click()
    script = """const line = document.querySelector("#profile .plot path.line.mean").getAttribute("d");
        return [...line.matchAll(/[ML]([-\\d.]+) ([-\\d.]+)/g)].map((one) => [Number(one[1]), Number(one[2])])"""
    points = np.array(page.execute_script(script))
    relative = log_g(run, "sigmoid", 8)
    mean = (relative - relative[:, -1:]).mean(axis=0)
    assert len(points) == 8
    np.testing.assert_allclose(np.diff(points[:, 0]), (points[-1, 0] - points[0, 0]) / 7, atol=0.2)
    slope, offset = np.polyfit(mean, points[:, 1], 1)
    assert slope < 0  # a pixel further down is a smaller gradient
    np.testing.assert_allclose(points[:, 1], slope * mean + offset, atol=0.15)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 768, 390, 320])
def test_nothing_is_wider_than_the_screen(open_page: Callable[..., Any], run: Path, width: int, scheme: str) -> None:
    page = open_page(run, width=width, height=844, scheme=scheme)
    wide, inner = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= inner == width
    red, green, blue = page.execute_script(
        "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert (red + green + blue < 150) == (scheme == "dark")


CONTRAST = """
const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
const light = (colour) => { const [r, g, b] = colour.match(/[\\d.]+/g).map((one) => linear(Number(one) / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
const behind = (one) => { const own = getComputedStyle(one).backgroundColor;
    return own === "rgba(0, 0, 0, 0)" ? behind(one.parentElement) : own; };
const cell = document.querySelector(".map td[data-row]");
const found = {};
for (const shade of "v1 v2 v3 v4 v5 e1 e2 e3 e4 e5 l1 l2 l3 l4 off none".split(" ")) {
  cell.className = shade;
  found[shade] = ratio(light(getComputedStyle(cell).color), light(behind(cell)));
}
for (const selector of [".hint", ".tile dt", ".tile.v dd", ".tile.e dd", ".readout", "a", ".number-list dt"]) {
  const one = document.querySelector(selector);
  found[selector] = ratio(light(getComputedStyle(one).color), light(behind(one)));
}
return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(open_page: Callable[..., Any], run: Path, scheme: str) -> None:
    found = open_page(run, scheme=scheme).execute_script(CONTRAST)
    assert len(found) == 23
    assert min(found.values()) >= 4.5, found  # WCAG 2.2, level AA


def test_on_paper_the_controls_are_gone_and_all_is_open(open_page: Callable[..., Any], run: Path) -> None:
    page = open_page(run, scheme="dark", media="print")
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert not any(one.is_displayed() for one in all_of(page, "#filter, nav, [data-file], .choices"))
    assert all_of(page, "#provenance details[open]")
    assert one_of(page, ".overview tbody tr").is_displayed()
    ground = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"  # paper is not dark
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert not all_of(page, "#provenance details[open]")


def test_a_hostile_run_is_shown_and_does_nothing(browser: Any, folder: Path) -> None:
    path = hostile(folder)
    target = folder / "hostile"
    target.mkdir()
    (target / "report.html").write_bytes(build_page([path]).html.encode())
    emulate(browser)
    browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "window.alert = () => { window.hacked = 1 }"}
    )
    browser.get_log("browser")
    browser.get((target / "report.html").as_uri())
    for one in all_of(browser, ".map td[data-row], section > details > summary"):
        one.click()
    assert browser.execute_script("return window.hacked") is None
    assert (
        browser.execute_script("return document.querySelectorAll('img, iframe, main script, header script').length")
        == 0
    )
    assert browser.get_log("browser") == []
    assert one_of(browser, "h1").text == path.name
    assert any(EVIL in text for text in texts(browser, ".overview tbody th"))
    assert EVIL in texts(browser, "#failures code")


def test_recurrent_networks_speak_of_time(open_page: Callable[..., Any], folder: Path) -> None:
    from gradlab.cell import Cell, Named

    cells = [
        Cell(model=Named("rnn"), task=Named("adding"), depth=1, seq_len=length, activation=Named("tanh"), lr=0.1)
        for length in (5, 20)
    ]
    path = run_directory(folder / "memory", cells)
    (path / "report.html").write_bytes(build_page([path]).html.encode())
    page = open_page(path)
    assert one_of(page, ".map .group").text == "seq_len"
    assert one_of(page, "#profile h3").text.endswith("seq_len 20")
    assert "time step" in " ".join(texts(page, "#profile .axis"))
    assert "block" not in one_of(page, "#content").text
