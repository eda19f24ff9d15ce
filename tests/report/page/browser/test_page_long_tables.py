"""Long tables and wide maps of the report page in a browser: heads and chosen field in view, rows as needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn import cells_of
from page_in_browser import Keys, all_of, needs_chromium, one_of, table
from page_runs import rows_of, run_directory, scattered

from gradlab.report.page import build_page

pytestmark = needs_chromium

IN_VIEW = """const [inner, outer] = [...arguments].map((part) => part.getBoundingClientRect());
return inner.left >= outer.left - 1 && inner.right <= outer.right + 1 && inner.top >= outer.top - 1
  && inner.bottom <= outer.bottom + 1;"""
SCROLL = "arguments[0].scrollTop = arguments[1]; return new Promise((done) => requestAnimationFrame(() => done()))"


def test_of_a_long_table_only_the_rows_in_view_are_elements(open_page: Callable[..., Any], long_run: Path) -> None:
    page = open_page(long_run)
    wanted = [(row["activation"], row["width"], row["depth"]) for row in rows_of(long_run, "summary")]
    assert len(wanted) == 400
    box = one_of(page, "#overview .scroller")
    widths, seen, fewest = set(), set(), 0
    height = page.execute_script("return arguments[0].scrollHeight", box)
    for top in range(0, height, 300):
        page.execute_script(SCROLL, box, top)
        rows = table(page)
        assert len(rows) < 130
        seen |= {(row["activation"], row["width"], row["length"]) for row in rows if row}
        widths.add(tuple(page.execute_script(
            "return [...document.querySelectorAll('.overview thead th')].map((head) => head.offsetWidth)"
        )))  # fmt: skip
        gap = page.execute_script(
            """const box = arguments[0].getBoundingClientRect();
            const rows = [...arguments[0].querySelectorAll("tbody tr[data-row]")]
                .map((row) => row.getBoundingClientRect());
            return rows[0].top <= box.top + 40 && rows[rows.length - 1].bottom >= box.bottom - 14""",
            box,
        )
        fewest += not gap
    assert fewest == 0  # wherever it stands, the box is full of rows
    assert seen == set(wanted)
    assert len(widths) == 1  # no column changes its width while the table scrolls
    assert one_of(page, ".overview").get_attribute("aria-rowcount") == "401"


@pytest.mark.parametrize("table", [".overview", ".map"])
def test_the_heads_stay_in_view(open_page: Callable[..., Any], long_run: Path, table: str) -> None:
    page = open_page(long_run)
    box = one_of(page, table).find_element("xpath", "..")
    page.execute_script("arguments[0].scrollIntoView()", box)
    page.execute_script(SCROLL, box, 700)
    assert page.execute_script("return arguments[0].scrollTop", box) == 700
    for head in all_of(page, f"{table} tr:last-child > th")[:2]:
        top = page.execute_script("return arguments[0].getBoundingClientRect().top", head)
        assert 0 <= top - page.execute_script("return arguments[0].getBoundingClientRect().top", box) < 60
        assert page.execute_script(
            """const head = arguments[0].getBoundingClientRect();
            return arguments[0].contains(document.elementFromPoint(head.left + 6, head.top + 6))""",
            head,
        )


def test_a_configuration_chosen_elsewhere_comes_into_view(open_page: Callable[..., Any], long_run: Path) -> None:
    page = open_page(long_run, height=700)
    one_of(page, '.overview th[data-key="width"] button').click()
    for place in (0, 399):
        box = one_of(page, "#overview .scroller")
        page.execute_script(SCROLL, box, 10**6 if place else 0)
        row = all_of(page, ".overview tbody tr[data-row]")[-1 if place else 0]
        row.click()
        name = one_of(page, "#profile h3").text
        chosen = one_of(page, '.map td[aria-selected="true"]')
        assert (chosen.get_attribute("aria-label") or "").startswith(name.replace(" depth", ", depth"))
        assert page.execute_script(IN_VIEW, chosen, one_of(page, "#map .scroller"))
        one_of(page, "#map .scroller").find_element("xpath", ".//td[@aria-selected='true']").click()
        selected = one_of(page, ".overview tr.selected")
        assert page.execute_script(IN_VIEW, selected.find_element("tag name", "th"), box)


def test_the_arrow_keys_go_from_row_to_row(open_page: Callable[..., Any], long_run: Path) -> None:
    page = open_page(long_run)
    one_of(page, ".overview tbody button").send_keys(Keys.END)
    focused = "return document.activeElement.closest('tr')"
    assert page.execute_script(focused).get_attribute("aria-rowindex") == "401"
    page.switch_to.active_element.send_keys(Keys.ARROW_UP)
    page.switch_to.active_element.send_keys(Keys.PAGE_UP)
    row = page.execute_script(focused)
    assert row.get_attribute("aria-rowindex") == "390"
    assert page.execute_script(IN_VIEW, row.find_element("tag name", "th"), one_of(page, "#overview .scroller"))
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert row.get_attribute("class") == "selected"
    assert len(all_of(page, '.overview tbody button[tabindex="0"]')) == 1


@pytest.fixture(scope="module")
def dense(folder: Path) -> Path:
    """More depths than have room for numbers, some without a prediction and one that failed."""
    cells = cells_of(depths=range(2, 41), names=("sigmoid", "relu", "softsign"), seeds=1)
    path = run_directory(folder / "dense", cells, scattered, lost=cells[-1:])
    (path / "report.html").write_bytes(build_page([path]).html.encode())
    return path


@pytest.mark.parametrize("width", [1400, 390])
def test_no_box_of_a_dense_map_is_empty(open_page: Callable[..., Any], dense: Path, width: int) -> None:
    page = open_page(dense, width=width, height=844)
    for choice in all_of(page, "input[name=measure]"):
        choice.click()
        signs = page.execute_script(
            "return [...document.querySelectorAll('.map td[data-row]')].map((field) => field.textContent.trim())"
        )
        assert len(signs) == 3 * 39
        assert all(signs), choice.get_attribute("value")
        legend = one_of(page, ".keys").text
        assert set(signs) - {"·", "×"} <= set(legend.replace("-", "−") + "✓†–"), choice.get_attribute("value")


def test_a_map_that_is_too_wide_scrolls_with_its_labels_and_a_bar_in_view(
    open_page: Callable[..., Any], dense: Path
) -> None:
    page = open_page(dense, width=390, height=844)
    box = one_of(page, "#map .scroller")
    measures = (
        "const box = arguments[0]; return [box.scrollWidth - box.clientWidth, box.offsetHeight - box.clientHeight]"
    )
    beyond, bar = page.execute_script(measures, box)
    assert beyond > 100
    assert bar >= 8  # a bar that stays, also where the system hides them
    page.execute_script("arguments[0].scrollLeft = 0", box)
    page.execute_script("return new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert "more-right" in (box.get_attribute("class") or "")
    page.execute_script("arguments[0].scrollLeft = 1e6", box)
    page.execute_script("return new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert "more-right" not in (box.get_attribute("class") or "")
    label = one_of(page, ".map tbody th.label")
    assert page.execute_script(IN_VIEW, label, box)


def test_paper_has_all_rows_of_a_long_table(open_page: Callable[..., Any], long_run: Path) -> None:
    page = open_page(long_run)
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert len(all_of(page, ".overview tbody tr")) == 400
    assert len(all_of(page, ".map tbody tr")) == 200
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert len(all_of(page, ".overview tbody tr[data-row]")) < 130


def test_a_link_to_a_row_far_below_opens_with_it_in_view(open_page: Callable[..., Any], long_run: Path) -> None:
    page = open_page(long_run)
    one_of(page, ".overview tbody button").send_keys(Keys.END)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    link = page.execute_script("return location.hash")
    again = open_page(long_run, link)
    assert again.get_log("browser") == []
    row = one_of(again, ".overview tr.selected")
    assert row.get_attribute("aria-rowindex") == "401"
    assert again.execute_script(IN_VIEW, row.find_element("tag name", "th"), one_of(again, "#overview .scroller"))
    chosen = one_of(again, '.map td[aria-selected="true"]')
    assert again.execute_script(IN_VIEW, chosen, one_of(again, "#map .scroller"))
