"""The report page as markup: no text of a run becomes an element, and nothing is asked for."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from importlib import resources
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
from drawn import cells_of
from hypothesis import given
from hypothesis import strategies as st
from page_runs import EVIL, Parsed, column, hostile, run_directory

from gradlab.report.page import build_page
from gradlab.report.page.build import _SCRIPTS, _STYLES, _compact
from gradlab.report.page.embed import as_json


def test_nothing_of_a_run_becomes_markup(tmp_path: Path) -> None:
    plain = Parsed(build_page([run_directory(tmp_path / "plain", cells_of(depths=(2, 8), names=("relu",)))]).html)
    path = hostile(tmp_path)
    html = build_page([path]).html
    page = Parsed(html)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert EVIL not in html
    assert page.contents["h1"] == path.name
    data = page.data
    assert f"relu {EVIL}?&amp;" in column(data, "activation")
    assert data["runs"][0]["failures"] == [{"error": EVIL, "cells": 1, "bank": "b9"}]
    assert data["runs"][0]["sessions"][0]["command"] == [EVIL]
    assert EVIL in data["runs"][0]["spec"]


PRINTABLE = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")))


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | PRINTABLE, lambda one: st.lists(one) | (
    st.dictionaries(PRINTABLE, one)), max_leaves=8))  # fmt: skip
def test_json_in_a_page_reads_back_and_has_no_markup(document: Any) -> None:
    text = as_json(document)
    assert json.loads(text) == document
    assert not set(text) & set("<>&\u2028\u2029")


@given(st.text())
def test_no_text_in_a_page_holds_what_a_browser_would_obey(text: str) -> None:
    ((key, value),) = json.loads(as_json({text: text})).items()
    assert key == value
    assert len(value) == len(text) or "\r" in text
    assert all(
        line.isprintable() for line in re.sub("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]", " ", value).split("\n")
    )


def test_json_writes_what_strict_json_cannot() -> None:
    assert as_json([inf, -inf, nan, np.float64(0.5), np.int64(3)]) == '["inf","-inf",null,0.5,3]'
    assert as_json("half \ud800") == '"half ?"'


def test_the_page_asks_for_nothing_and_runs_our_script_only(page: Parsed) -> None:
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
    assert policy is not None
    for name, text in (("style", page.contents["style"]), ("script", page.contents["script"])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    for tag, attrs in page.tags:
        assert not {"src", "style"} & set(attrs), tag
        assert attrs.get("href", "#").startswith(("#", "data:,")), tag  # type: ignore[union-attr]
        assert not [name for name in attrs if name.startswith("on")], tag
    assert not re.search(r"url\(|@import", page.contents["style"])
    addresses = re.findall(r"https?://[^\s\"'`]+", page.contents["script"])
    assert addresses == ["http://www.w3.org/2000/svg"]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", page.contents["script"]
    )


def test_every_asset_is_in_the_page() -> None:
    assets = Path(str(resources.files("gradlab.report.page") / "assets"))
    there = {path.relative_to(assets).as_posix() for path in assets.rglob("*.*")}
    assert there == {f"{name}.js" for name in _SCRIPTS} | {f"{name}.css" for name in _STYLES} | {"page.html"}


def test_no_two_scripts_declare_one_name() -> None:
    assets = resources.files("gradlab.report.page") / "assets"
    declared = re.compile(r"^(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)
    names = [name for script in _SCRIPTS for name in declared.findall((assets / f"{script}.js").read_text())]
    assert len(names) > 150
    assert [name for name, times in Counter(names).items() if times > 1] == []  # the last would silently win


def test_what_is_left_out_of_the_scripts_is_comments_alone() -> None:
    assert (
        _compact("a = 1; // why\n  // all of this line\n/** and\n * these */\n  b = `c`;\n")
        == "a = 1; // why\nb = `c`;\n"
    )
    assets = resources.files("gradlab.report.page") / "assets"
    for name in _SCRIPTS:
        for line in (assets / f"{name}.js").read_text().split("\n"):
            plain = re.sub(r"/(?:[^/\\\n]|\\.)+/[a-z]*(?=[.,;)])|\"[^\"]*\"|^\s*(?://|/?\*).*", "", line)
            assert plain.count("`") % 2 == 0, line  # no text goes over several lines: indents mean nothing


def test_the_same_run_gives_the_same_bytes(run: Path) -> None:
    assert build_page([run]).html == build_page([run]).html
