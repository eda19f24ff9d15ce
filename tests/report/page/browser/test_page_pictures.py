"""Every figure of the report page is saved as SVG and as PNG, light and with its numbers, also from a dark page."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from page_in_browser import all_of, field, needs_chromium, one_of, saved
from page_runs import rows_of
from processes import until

pytestmark = needs_chromium

NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def dark(open_page: Callable[..., Any], run: Path, folder: Path) -> Any:
    for path in (folder / "saved").glob("*.[sp][vn]g"):
        path.unlink()
    page = open_page(run, scheme="dark")
    field(page, "sigmoid", 8).click()
    return page


def drawing(folder: Path, name: str) -> ElementTree.Element:
    return ElementTree.fromstring(saved(folder, name).decode())


def words(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{NAMESPACE}text")]


def test_a_chart_has_its_title_its_lines_and_its_legend(dark: Any, folder: Path) -> None:
    one_of(dark, "#profile .charts .figure .save button").click()
    root = drawing(folder, "profile_sigmoid_depth_8.svg")
    said = words(root)
    assert said[0] == "Gradient norm before training, last block = 1 · sigmoid, depth 8"
    assert {"theory", "mean of the seeds", "block (input → loss)", "1", "8"} <= set(said)
    fills = {rect.get("fill") for rect in root.iter(f"{NAMESPACE}rect")}
    assert "#ffffff" in fills  # paper, whatever the page is
    strokes = {path.get("stroke") for path in root.iter(f"{NAMESPACE}path")}
    assert "#0b62a8" in strokes  # the light theme's colour of what is measured
    for element in root.iter():
        assert "class" not in element.attrib
        for name in ("fill", "stroke"):
            assert element.get(name, "none").startswith(("#", "none", "rgb(0, 0, 0)")), element.attrib


def test_a_picture_of_pixels_has_something_on_it(dark: Any, folder: Path) -> None:
    all_of(dark, "#profile .charts .figure .save button")[1].click()
    data = saved(folder, "profile_sigmoid_depth_8.png")
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width == 2 * (680 + 28)
    assert height > 500
    image = pytest.importorskip("matplotlib.image").imread(folder / "saved" / "profile_sigmoid_depth_8.png")
    assert image[0, 0, :3].min() == 1.0
    assert image[..., 2].max() - image[..., 0].min() > 0.7
    assert ((image[..., 2] - image[..., 0]) > 0.3).sum() > 500  # the blue of the measured line


def test_the_map_is_saved_with_every_field_in_its_place(dark: Any, run: Path, folder: Path) -> None:
    one_of(dark, "#map .figure-head .save button").click()
    root = drawing(folder, "map_small.svg")
    said = words(root)
    for row in rows_of(run, "summary"):
        assert any(text.replace("−", "-").startswith(f"{float(row['log10_survival']):.1f}".replace("-0.0", "0.0"))
                   for text in (text.lstrip("+") for text in said)), row["log10_survival"]  # fmt: skip
    framed = [rect for rect in root.iter(f"{NAMESPACE}rect") if rect.get("stroke")]
    assert len(framed) == 9
    assert len({(rect.get("x"), rect.get("y")) for rect in framed}) == 9
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for text in root.iter(f"{NAMESPACE}text"):
        assert 0 <= float(text.get("x", -1)) < width
        assert 0 < float(text.get("y", -1)) < height


@pytest.mark.slow
def test_every_figure_is_saved_in_both_forms(dark: Any, folder: Path) -> None:
    one_of(dark, 'input[name="quantity"][value="weights"]').click()
    titles = [button.get_attribute("aria-label") for button in all_of(dark, ".save button")]
    charts = len(all_of(dark, ".chart"))
    tables = len(all_of(dark, ".map, .shares, .levels"))
    assert len(titles) == len(set(titles)) == 2 * (charts + tables)

    def files() -> list[str]:
        return sorted(path.suffix for path in (folder / "saved").glob("*.[sp][vn]g"))

    link = dark.current_url
    for place in range(len(titles)):
        if place % 8 == 0:  # the browser takes ten files from a page without a question
            dark.get("about:blank")
            dark.get(link)
        all_of(dark, ".save button")[place].click()
        until(lambda saved_so_far=place + 1: len(files()) == saved_so_far, f"{titles[place]} saved")
    assert files() == [".png"] * (len(titles) // 2) + [".svg"] * (len(titles) // 2)
    assert dark.get_log("browser") == []
