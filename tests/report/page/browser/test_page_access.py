"""The report page by keyboard, read aloud, with few colours, and on narrow screens with all of its controls in use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_in_browser import ActionChains, Keys, all_of, emulate, field, needs_chromium, one_of

pytestmark = needs_chromium

INTERACTIVE = {
    "button",
    "link",
    "textbox",
    "searchbox",
    "slider",
    "radio",
    "gridcell",
    "image",
    "region",
    "table",
    "grid",
}


def in_use(page: Any) -> Any:
    """The page with pinned configurations, at a step of training, all its parts open."""
    for name, depth in (("relu", 32), ("sigmoid", 8)):
        field(page, name, depth).send_keys(Keys.ENTER)
        field(page, name, depth).send_keys("p")
    field(page, "sigmoid", 32).send_keys(Keys.ENTER)
    one_of(page, "#map-step").send_keys(Keys.END)
    for summary in all_of(page, "details:not([open]) > summary"):
        page.execute_script("arguments[0].click()", summary)
    return page


def test_everything_that_can_be_used_has_a_name(page: Any) -> None:
    in_use(page)
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    seen: dict[str, int] = {}
    for node in nodes:
        role = node.get("role", {}).get("value", "")
        if node.get("ignored") or role not in INTERACTIVE:
            continue
        seen[role] = seen.get(role, 0) + 1
        if role != "table":
            assert node.get("name", {}).get("value", "").strip(), (role, node)
    assert {"button", "link", "searchbox", "slider", "radio", "gridcell", "image", "region", "grid"} <= set(seen)
    names = [
        node["name"]["value"] for node in nodes
        if node.get("role", {}).get("value") == "slider" and not node.get("ignored")
    ]  # fmt: skip
    assert names == ["Map at step", "Training step"]
    assert one_of(page, "#map-step").get_attribute("aria-valuetext") == "step 300"


def test_tab_goes_through_the_parts_in_their_order(page: Any) -> None:
    place = """const at = document.activeElement;
    const part = at.closest("header, section");
    return at === document.body ? -1 : [...document.querySelectorAll("header, section")].indexOf(part)"""
    page.execute_script("window.scrollTo(0, 0)")
    reached = []
    for _ in range(150):
        ActionChains(page).send_keys(Keys.TAB).perform()
        at = page.execute_script(place)
        if at < 0 and len(reached) > 20:
            break
        reached.append(at)
    inside = [at for at in reached if at >= 0]
    assert inside == sorted(inside)
    assert len(set(inside)) >= 6
    assert len(inside) < 90  # neither map nor table keeps Tab for each of its rows


@pytest.mark.parametrize("width", [390, 320])
def test_no_control_makes_the_page_wider_than_the_screen(open_page: Callable[..., Any], run: Path, width: int) -> None:
    page = in_use(open_page(run, width=width, height=844))
    wide, inner = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= inner == width
    for control in all_of(page, "#map button, #map input, #map select"):
        box = control.rect
        if box["width"]:
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


PINS = """
const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
const light = (colour) => { const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => linear(Number(part) / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
const ground = light(getComputedStyle(document.querySelector(".panel")).backgroundColor);
const line = document.querySelector("#profile .line");
const tag = document.querySelector("#profile .tag");
return [1, 2, 3, 4, 5, 6].map((number) => {
  line.setAttribute("class", `line pin${number}`);
  tag.setAttribute("class", `tag pin${number}`);
  const [stroke, fill] = [getComputedStyle(line), getComputedStyle(tag)];
  return [ratio(light(stroke.stroke), ground), ratio(light(fill.fill), ground), stroke.strokeDasharray];
});
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pinned_lines_are_told_apart_without_their_colours(
    open_page: Callable[..., Any], run: Path, scheme: str
) -> None:
    page = in_use(open_page(run, scheme=scheme))
    looks = page.execute_script(PINS)
    assert min(stroke for stroke, _, _ in looks) >= 3  # WCAG 2.2: graphics
    assert min(fill for _, fill, _ in looks) >= 4.5
    assert len({dashes for _, _, dashes in looks}) == 6
    tags = {tag.text for tag in all_of(page, "#profile .charts > div:first-child .tag")}
    assert tags == {"①", "②"}


def test_with_the_system_s_colours_alone_nothing_is_lost(open_page: Callable[..., Any], run: Path) -> None:
    page = open_page(run)
    features = [{"name": "forced-colors", "value": "active"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
    in_use(page)
    one_of(page, 'input[value="before"]').click()
    assert page.execute_script("return matchMedia('(forced-colors: active)').matches")
    assert field(page, "sigmoid", 32).text.endswith("✗")
    outline = "return getComputedStyle(arguments[0]).outlineStyle"
    assert page.execute_script(outline, field(page, "sigmoid", 32)) == "solid"
    assert field(page, "relu", 32).get_attribute("data-pin") == "①"
    # lines of a chart keep their own colours and dashes: they would all be one colour otherwise
    strokes = page.execute_script(
        """return [...document.querySelectorAll("#profile .charts > div:first-child .plot .line")]
          .map((line) => getComputedStyle(line).stroke + getComputedStyle(line).strokeDasharray)"""
    )
    assert len(set(strokes)) > 2
    emulate(page)


def test_on_paper_there_is_no_control_and_the_figures_stay(open_page: Callable[..., Any], run: Path) -> None:
    page = in_use(open_page(run))
    emulate(page, scheme="dark", media="print")
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert not any(control.is_displayed() for control in all_of(page, "input, .save, .remove, .small"))
    assert all(line.is_displayed() for line in all_of(page, ".pins li"))
    assert all(plot.is_displayed() for plot in all_of(page, "#profile .plot"))
    ground = page.execute_script("return getComputedStyle(document.querySelector('.panel')).backgroundColor")
    assert ground == "rgb(246, 247, 249)"
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")
    emulate(page)
