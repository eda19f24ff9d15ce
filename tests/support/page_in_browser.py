"""The report page in a real browser: the browser, and what is seen in it.

Tests that import it are skipped where there is no selenium; those marked `needs_chromium`, where there is no Chromium
with its driver (Debian: chromium, chromium-driver), or ``GRADLAB_BROWSER=skip``. With ``GRADLAB_BROWSER=required``, as
`.ci/run` has it, nothing is skipped: a browser that is missing is an error.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_runs import rows_of
from processes import until

BROWSER = os.environ.get("GRADLAB_BROWSER", "")
if BROWSER != "required":
    pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains as ActionChains  # noqa: E402
from selenium.webdriver.common.by import By as By  # noqa: E402
from selenium.webdriver.common.keys import Keys as Keys  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    BROWSER == "skip" or (BROWSER != "required" and not (CHROMIUM and DRIVER)),
    reason="no chromium with chromedriver: apt-get install chromium chromium-driver",
)

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1400,1000",
    "--force-prefers-reduced-motion",
)  # fmt: skip


def chromium(folder: Path) -> Any:
    """Return a driver of a new browser that keeps its profile, and in ``saved`` what it downloads, in `folder`."""
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
    driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})  # whatever has the system's focus
    return driver


def emulate(browser: Any, width: int = 1400, height: int = 1000, scheme: str = "light", media: str = "") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


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


def amount(text: str) -> float:
    """The number that a chart says first after a colon: 0.2, or 2.1×10⁻⁷."""
    digits, _, power = text.split(": ")[1].split(" ")[0].rstrip(",").partition("×10")
    return float(digits) * 10.0 ** int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)


def table(page: Any) -> list[dict[str, str]]:
    """The overview as it is on the screen."""
    script = """return [...document.querySelectorAll(".overview tbody tr[data-row]")].map((row) =>
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


def saved(folder: Path, name: str) -> bytes:
    """The content of a file that the page has saved, as soon as it is there."""
    path = folder / "saved" / name
    until(lambda: path.is_file() and path.stat().st_size, f"{name} saved")
    return path.read_bytes()
