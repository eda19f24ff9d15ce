"""docs/models.md names every model and every option that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gradlab.families import FAMILIES

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


def section(name: str) -> str:
    """The text under the heading that names a model."""
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (text,) = [part for part in parts if name in part.splitlines()[0].split(", ")]
    return text


@pytest.mark.parametrize("name", FAMILIES)
def test_the_page_has_every_option_of_a_model(name: str) -> None:
    words = set(re.findall(r"[a-z_]+", section(name)))
    assert FAMILIES[name].params.keys() <= words


@pytest.mark.parametrize("name", ["conv", "transformer"])
def test_the_tables_have_the_defaults(name: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)`(?:, `\w+`)? \| (\S+) \|", section(name), flags=re.MULTILINE))
    for option, shown in rows.items():
        default = FAMILIES[name].params[option].default
        assert shown == (f"{default:g}" if type(default) in (int, float) else str(default).lower()), option


@pytest.mark.parametrize("name", ["conv", "transformer"])
def test_the_page_has_the_residual_forms(name: str) -> None:
    words = set(re.findall(r"\w+", section(name)))
    assert set(FAMILIES[name].allows["residual"]) <= words
