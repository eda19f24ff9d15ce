"""Links between the files of the repository, as somebody follows them who reads the files themselves."""

from __future__ import annotations

import re

import pytest
from documented import NAMES, outside_of_blocks
from places import ROOT
from sitepages import pages

GENERATED = {f"docs/{name}" for name in pages.GENERATED}
"""Pages that are there in the site alone."""


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_file(name: str) -> None:
    missing = []
    for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", outside_of_blocks(name)):
        path = (ROOT / name).parent / target
        if re.match(r"[a-z]+:", target) or path.resolve().relative_to(ROOT).as_posix() in GENERATED:
            continue
        if not path.exists():
            missing.append(target)
    assert missing == []
