"""Frames per second while the long tables of a report page scroll, measured in Chromium.

    python benchmarks/page_scrolling.py [--configurations 5000] [--seconds 4]

A synthetic run of so many configurations is written, and its page opened in headless Chromium without a GPU (selenium,
chromium and chromedriver are needed). The overview and the heat map are then scrolled by 1,500 pixels a second and by
15,000, their position being set in every frame of ``requestAnimationFrame``; printed are the mean rate of the frames,
the longest frame, the rows that are elements of the page, and what loading and one keystroke in the filter take.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from page_in_browser import chromium, emulate
from page_runs import run_directory, scattered

from gradlab.cell import Cell, Named
from gradlab.report.page import build_page

ACTIVATIONS = ("sigmoid", "relu", "tanh", "selu", "gelu")
RATES = (1.0, 0.3, 0.1, 0.03, 0.01)
DEPTHS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48)

SCROLL = """
const [selector, speed, seconds, done] = arguments;
const box = document.querySelector(selector).parentElement;
box.scrollIntoView();
const times = [];
let down = 1;
const frame = (now) => {
  if (times.length) {
    box.scrollTop += (down * speed * (now - times[times.length - 1])) / 1000;
    if (box.scrollTop <= 0) down = 1;
    if (box.scrollTop + box.clientHeight >= box.scrollHeight - 1) down = -1;
  }
  times.push(now);
  if (now - times[0] < 1000 * seconds) return requestAnimationFrame(frame);
  const gaps = times.slice(1).map((time, index) => time - times[index]);
  done([(1000 * gaps.length) / (now - times[0]), Math.max(...gaps), box.querySelectorAll("tbody tr").length]);
};
box.scrollTop = 0;
requestAnimationFrame(frame);
"""
TYPE = """
const box = document.querySelector("#filter");
box.value = arguments[0];
const begun = performance.now();
box.dispatchEvent(new Event("input"));
document.body.offsetHeight;
return performance.now() - begun;
"""


def cells(number: int) -> list[Cell]:
    """Return so many configurations of one seed, ten depths each."""
    widths = range(8, 8 + -(-number // (len(ACTIVATIONS) * len(RATES) * len(DEPTHS))))
    settings = product(ACTIVATIONS, widths, RATES, DEPTHS)
    every = [Cell(depth=depth, width=width, activation=Named(name), lr=lr) for name, width, lr, depth in settings]
    return every[:number]


def measured(browser: Any, seconds: float) -> None:
    """Print the rates of both tables, and what loading and filtering take."""
    load = browser.execute_script(
        "const entry = performance.getEntriesByType('navigation')[0]; return entry.loadEventEnd - entry.responseEnd"
    )
    print(f"loading, without reading the file: {load:,.0f} ms")
    for text in ("depth>=16", "activation=relu and survival<1e-3", ""):
        print(f"filter {text!r}: {browser.execute_script(TYPE, text):,.0f} ms")
    for selector in (".overview", ".map"):
        for speed in (1_500, 15_000):
            rate, longest, rows = browser.execute_async_script(SCROLL, selector, speed, seconds)
            print(f"{selector} at {speed:,} px/s: {rate:.0f} frames a second, longest {longest:.0f} ms, {rows} rows")


def main() -> None:
    """Measure as the options say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="of scrolling, for each table and speed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run = run_directory(folder / "scrolling", cells(options.configurations), scattered)
        text = build_page([run]).html
        (folder / "report.html").write_text(text, encoding="utf-8")
        print(f"{options.configurations:,} configurations, a page of {len(text.encode()) / 1e6:.1f} MB")
        browser = chromium(folder)
        try:
            browser.set_script_timeout(60 + options.seconds)
            emulate(browser)
            browser.get((folder / "report.html").as_uri())
            measured(browser, options.seconds)
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
