"""The words that the filter of the page takes for nothing are those of Python."""

from __future__ import annotations

import re
from importlib import resources

from gradlab.components.foreign_words import NOTHING


def test_the_words_for_nothing_stand_alike_in_the_script_of_the_page() -> None:
    script = (resources.files("gradlab.report.page") / "assets" / "query" / "columns.js").read_text()
    (words,) = re.findall(r"NOTHING = new Set\(\[(.*?)\]\)", script)
    assert set(re.findall(r'"([^"]+)"', words)) == NOTHING
