"""The report page in a real browser: it asks for nothing, every control works by mouse and keyboard, it fits anywhere.

Skipped where there is no Chromium with its driver (Debian: chromium, chromium-driver).
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import cells_of
from page_runs import rows_of, run_directory
from test_page import EVIL, hostile, scattered

from gradlab.report.page import build_page

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium with chromedriver: apt-get install chromium chromium-driver"
)

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1400,1000",
    "--force-prefers-reduced-motion",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    cells = cells_of(seeds=3)
    text = "name: small\ndescription: Which of these keeps its gradient?\n"
    path = run_directory(folder / "results" / "small", cells, scattered, spec=text, lost=cells[-3:])
    (path / "report.html").write_bytes(build_page([path]).html.encode())
    return path


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.set_capability("unhandledPromptBehavior", "accept")
    options.add_experimental_option("prefs", {"download.default_directory": str(folder / "saved")})
    (folder / "saved").mkdir()
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.execute_cdp_cmd("Page.enable", {})
    yield driver
    driver.quit()


def emulate(browser: Any, width: int = 1400, height: int = 1000, scheme: str = "light", media: str = "") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.fixture
def open_page(browser: Any) -> Callable[..., Any]:
    def show(path: Path, **look: Any) -> Any:
        emulate(browser, **look)
        browser.get((path / "report.html").as_uri())
        return browser

    return show


@pytest.fixture
def page(open_page: Callable[..., Any], run: Path) -> Any:
    return open_page(run)


def all_of(page: Any, selector: str) -> list[Any]:
    found: list[Any] = page.find_elements(By.CSS_SELECTOR, selector)
    return found


def one_of(page: Any, selector: str) -> Any:
    return page.find_element(By.CSS_SELECTOR, selector)


def texts(page: Any, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent.trim())"
    found: list[str] = page.execute_script(script, selector)
    return found


def plain(text: str) -> str:
    return text.replace("\u2212", "-").replace("\u221e", "inf")


def table(page: Any) -> list[dict[str, str]]:
    """The overview as it is on the screen."""
    script = """return [...document.querySelectorAll(".overview tbody tr")].map((row) =>
        Object.fromEntries([...row.cells].map((cell) => [cell.dataset.key, cell.textContent.trim()])))"""
    return [{key: plain(text) for key, text in row.items()} for row in page.execute_script(script)]


def log_g(run: Path, activation: str, depth: int, step: int = 0) -> np.ndarray[Any, Any]:
    """log10 g_l of the seeds of one configuration, from the CSV files, [S, L]."""
    cells = [
        row["cell"] for row in rows_of(run, "cells") if (row["activation"], row["depth"]) == (activation, str(depth))
    ]
    found: dict[str, list[float]] = {cell: [] for cell in cells}
    for row in rows_of(run, "layers"):
        if row["cell"] in found and row["step"] == str(step):
            found[row["cell"]].append(float(row["log10_grad_norm"]))
    return np.array(list(found.values()))


def field(page: Any, activation: str, depth: int) -> Any:
    return one_of(page, f'.map td[aria-label^="{activation}, depth {depth}:"]')


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
        assert (seen["activation"], seen["along"]) == (row["activation"], row["depth"])
        assert float(seen["log10_survival"]) == pytest.approx(float(row["log10_survival"]), abs=0.0051)
        assert float(seen["decay"]) == pytest.approx(float(row["decay"]), rel=6e-4)
        assert float(seen["reach"]) == pytest.approx(float(row["reach"]), rel=6e-3)
        assert float(seen["metric"]) == pytest.approx(float(row["metric"]), rel=6e-3)
        assert seen["learned"] == f"{round(float(row['learned']) * int(row['n']))}/{row['n']}"
        assert seen["n"] == row["n"]
        if row["theory_decay"]:
            assert float(seen["theory_decay"]) == pytest.approx(float(row["theory_decay"]), rel=6e-4)
            assert float(seen["theory_z"]) == pytest.approx(float(row["theory_z"]), abs=0.051)
    assert any(row["theory_decay"] for row in rows)
    assert shown[-1]["verdict"] == "× failed"
    assert shown[-1]["failed"] == "3"


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
    ],
)
def test_the_filter_leaves_what_fits_in_table_and_map(
    page: Any, run: Path, text: str, fits: Callable[[dict[str, str]], bool]
) -> None:
    wanted = {(row["activation"], row["depth"]) for row in rows_of(run, "summary") if fits(row)}
    one_of(page, "#filter").send_keys(text)
    shown = {(row["activation"], row["along"]) for row in table(page) if row["verdict"] != "× failed"}
    assert shown == wanted
    fields = [one.get_attribute("aria-label") or "" for one in all_of(page, ".map td[data-row]")]
    assert {tuple(one.split(":")[0].split(", depth ")) for one in fields if "failed" not in one} == wanted
    assert f"of {len(rows_of(run, 'summary')) + 1} configurations" in one_of(page, "#filter-message").text


def test_a_filter_that_cannot_be_read_says_why_and_changes_nothing(page: Any) -> None:
    before = table(page)
    one_of(page, "#filter").send_keys("dept>=3")
    assert "there is no column “dept”" in one_of(page, "#filter-message").text
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


def saved(folder: Path, name: str) -> bytes:
    path = folder / "saved" / name
    for _ in range(100):
        if path.is_file() and path.stat().st_size:
            return path.read_bytes()
        time.sleep(0.05)
    raise AssertionError(f"{name} was not saved; there are {sorted((folder / 'saved').iterdir())}")


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
for (const selector of [".hint", ".tile dt", ".tile.v dd", ".tile.e dd", ".readout", "a", ".facts dt"]) {
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
