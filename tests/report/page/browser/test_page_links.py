"""The address of the report page holds its state: links restore it, back and forward go through it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from drawn import cells_of
from page_in_browser import By, Keys, all_of, field, needs_chromium, one_of, table
from page_runs import SESSION, rows_of, run_directory

from gradlab.report.page import build_page

pytestmark = needs_chromium

SEEN = """return {
  title: document.querySelector("#profile h3").textContent,
  pinned: document.querySelector(".pins").textContent,
  tags: [...document.querySelectorAll("[data-pin]")].map((place) => place.dataset.pin + place.dataset.row),
  step: document.querySelector("#profile-step").value + document.querySelector("#map-step").value,
  figures: [...document.querySelectorAll("#profile h4")].map((title) => title.textContent),
  filter: document.querySelector("#filter").value,
  measure: document.querySelector("input[name=measure]:checked").value,
  rows: [...document.querySelectorAll(".overview tbody tr")].map((row) => row.textContent),
  open: [...document.querySelectorAll("details[open]")].map((part) => part.dataset.part),
  marked: [...document.querySelectorAll('.map [aria-selected="true"]')].map((field) => field.ariaLabel),
  sorted: [...document.querySelectorAll(".overview [aria-sort]")].map((head) => head.getAttribute("aria-sort")),
}"""


def seen(page: Any) -> dict[str, Any]:
    state: dict[str, Any] = page.execute_script(SEEN)
    return state


def fragment(page: Any) -> str:
    return str(page.execute_script("return location.hash"))


def test_a_link_opens_what_its_writer_saw(open_page: Callable[..., Any], run: Path) -> None:
    page = open_page(run)
    one_of(page, "#filter").send_keys("depth>=8")
    field(page, "relu", 8).click()
    one_of(page, 'input[value="z"]').click()
    one_of(page, '.overview th[data-key="decay"] button').click()
    one_of(page, "#profile summary").click()
    one_of(page, "#profile-title + button").click()
    field(page, "sigmoid", 8).send_keys("p")
    one_of(page, "#profile-step").send_keys(Keys.END)
    one_of(page, 'input[name="quantity"][value="dead"]').click()
    one_of(page, 'nav a[href="#overview"]').click()
    before, link = seen(page), fragment(page)
    assert (before["title"], before["filter"], before["measure"]) == ("relu depth 8", "depth>=8", "z")
    assert "① relu, depth 8" in before["pinned"]
    assert len(before["tags"]) == 4  # in the map and in the table
    assert before["step"] == "22"
    assert any(title.startswith("Share of dead units after step 300") for title in before["figures"])
    assert "open=numbers" in link
    again = open_page(run, link)
    assert seen(again) == before
    assert fragment(again) == link
    box = again.execute_script("return document.querySelector('#overview').getBoundingClientRect().top")
    assert abs(box) < 60 or again.execute_script(
        "return window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2"
    )


def test_a_link_names_the_first_cell_of_a_configuration(page: Any, run: Path) -> None:
    field(page, "sigmoid", 8).click()
    (name,) = parse_qs(fragment(page).lstrip("#"))["at"]
    cells = [row["cell"] for row in rows_of(run, "cells") if (row["activation"], row["depth"]) == ("sigmoid", "8")]
    assert cells[0].startswith(name)


def test_back_and_forward_go_through_what_was_seen(page: Any) -> None:
    states = [seen(page)]
    steps: list[Callable[[], Any]] = [
        lambda: field(page, "relu", 2).click(),
        lambda: one_of(page, "#filter").send_keys("relu"),  # typed at once: one entry of the history
        lambda: one_of(page, 'input[value="learned"]').click(),
        lambda: one_of(page, '.overview th[data-key="decay"] button').click(),
        lambda: one_of(page, "#provenance summary").click(),
    ]
    for step in steps:
        step()
        states.append(seen(page))
    assert len({str(state) for state in states}) == len(states)
    for state in states[-2::-1]:
        page.back()
        assert seen(page) == state
    for state in states[1:]:
        page.forward()
        assert seen(page) == state


@pytest.mark.parametrize(
    "bad", ["#at=nothing", "#show=nothing&sort=nothing&open=nothing", "#nowhere&x=y", "#=&&%zz", "#filter=dept%3D1"]
)
def test_a_link_that_fits_nothing_shows_the_page_all_the_same(
    open_page: Callable[..., Any], run: Path, bad: str
) -> None:
    fresh = seen(open_page(run))
    page = open_page(run, bad)
    assert seen(page) | {"filter": ""} == fresh
    assert ("not on this page" in one_of(page, "#link-message").text) == ("at=" in bad)
    assert ("did you mean 'depth'" in one_of(page, "#filter-message").text) == ("filter" in bad)
    assert page.get_log("browser") == []


def test_the_skip_link_and_the_links_to_parts_leave_the_state_alone(page: Any) -> None:
    one_of(page, "#filter").send_keys("relu")
    before = table(page)
    skip = one_of(page, ".skip")
    skip.send_keys(Keys.ENTER)
    assert page.switch_to.active_element.get_attribute("id") == "content"
    for link in all_of(page, "nav a"):
        link.click()
        assert table(page) == before
    assert page.switch_to.active_element.find_element(By.XPATH, "..").get_attribute("id") == "terms"


def test_the_link_and_the_command_can_be_copied(page: Any, run: Path) -> None:
    page.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    field(page, "relu", 32).click()
    read = "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(String(error)))"
    one_of(page, "nav button").click()
    assert page.execute_async_script(read) == page.current_url
    one_of(page, "header .command button").click()
    assert page.execute_async_script(read) == "gradlab run x.yaml"
    assert one_of(page, "header .command code").text == "gradlab run x.yaml"


def test_a_command_is_quoted_for_a_shell(open_page: Callable[..., Any], folder: Path) -> None:
    words = ["gradlab", "run", "a b.yaml", "--where", "norm='layer' and lr<1", "$HOME", "--out=é"]
    path = run_directory(folder / "quoted", cells_of((2,), ("relu",), 1), session={**SESSION, "command": words})
    (path / "report.html").write_bytes(build_page([path]).html.encode())
    assert shlex.split(one_of(open_page(path), "header .command code").text) == words
