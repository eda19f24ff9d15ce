"""The built site in a real browser, opened from disk: the search, both colour schemes, and no request to a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_in_browser import By, chromium, emulate, needs_chromium
from selenium.webdriver.support.ui import WebDriverWait
from test_site import site as site  # the same site is built for these tests

pytestmark = [pytest.mark.slow, needs_chromium]

PATIENCE = 60
"""Seconds, of a machine on which everything is slow."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = chromium(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


def requested(browser: Any) -> set[str]:
    """The addresses that the browser has asked for since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return {
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    }


def test_the_search_works_from_disk_and_asks_no_network(site: Path, browser: Any) -> None:
    requested(browser)
    browser.get((site / "index.html").as_uri())
    field = browser.find_element(By.CSS_SELECTOR, "input.md-search__input")
    field.click()
    field.send_keys("leaky_relu")
    results = WebDriverWait(browser, PATIENCE).until(
        lambda page: page.find_elements(By.CSS_SELECTOR, ".md-search-result__item a")
    )
    addresses = [result.get_attribute("href") for result in results]
    assert any("components.html" in address for address in addresses)
    assert {address for address in requested(browser) if not address.startswith(("file:", "data:", "blob:"))} == set()
    severe = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []


def test_no_page_is_wider_than_a_phone(site: Path, browser: Any) -> None:
    emulate(browser, 390, 800)
    wide = {}
    for path in sorted(site.glob("*.html")):
        browser.get(path.as_uri())
        width = browser.execute_script("return document.documentElement.scrollWidth")
        if width > 390:
            wide[path.name] = width
    assert wide == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_are_those_that_the_reader_prefers(site: Path, browser: Any, scheme: str) -> None:
    emulate(browser, 1400, 1000, scheme)
    browser.get((site / "terms.html").as_uri())
    browser.execute_script("localStorage.clear()")  # the page remembers what it was shown in
    browser.refresh()
    colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    levels = [int(part) for part in colour.strip("rgba()").split(",")[:3]]
    assert (sum(levels) < 3 * 128) == (scheme == "dark")
