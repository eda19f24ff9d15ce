"""Prints in README and docs: where they come from, and how what they leave out is marked."""

from __future__ import annotations

import subprocess
import tempfile

import pytest
from documented import text_of
from sitepages.printed import BLOCK, PAGES, WIDTH, reprinted, shortened

TEXT = """
name · mlp
3 cells

Conclusions
  learned: a
    and more
  vanishing: b
  healthy: c

Survival before training
a  1

Survival after
b  2

Tables: here
"""


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (None, TEXT[1:]),
        ("head", "name · mlp\n3 cells\n…\n"),
        (
            "head; Conclusions: learned, healthy; Tables",
            "name · mlp\n3 cells\n\nConclusions\n  learned: a\n    and more\n  …\n  healthy: c\n…\nTables: here\n",
        ),
        ("Conclusions; Survival", f"…\n{TEXT[TEXT.index('Conclusions') : TEXT.index('Tables') - 1]}…\n"),
    ],
)
def test_a_print_is_shortened_with_signs(parts: str | None, expected: str) -> None:
    assert shortened(TEXT, parts) == expected


def test_a_part_that_is_not_printed_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing printed begins with 'Expected'"):
        shortened(TEXT, "head; Expected")


def test_a_page_gets_prints_and_dates() -> None:
    page = "On 2020-01-02:\n\n<!-- printed by: gradlab x -y | head -->\n\n```\n$ gradlab x\nold\n```\n\n2020-01-02\n"
    asked: list[str] = []

    def printed(command: str) -> str:
        asked.append(command)
        return "one\n\ntwo\n"

    new = page.replace("On 2020-01-02", "On 2026-11-27").replace("old\n", "one\n…\n")
    assert reprinted(page, printed, "2026-11-27") == new
    assert asked == ["gradlab x -y"]


def test_a_command_reads_a_spec_of_its_page() -> None:
    page = "```yaml\na: 1\n```\n\n```yaml\nb: 2\n```\nas\n\n<!-- printed by: cat {yaml 2} -->\n\n```\n```\n"

    def printed(command: str) -> str:
        return subprocess.run(command, shell=True, check=True, capture_output=True, text=True, cwd=folder).stdout

    with tempfile.TemporaryDirectory() as folder:
        assert reprinted(page, printed, "2026-11-27").endswith("\n```\nb: 2\n```\n")


@pytest.mark.parametrize("name", PAGES)
def test_the_prints_of_a_page_are_marked_and_narrow_enough(name: str) -> None:
    text = text_of(name)
    blocks = list(BLOCK.finditer(text))
    assert len(blocks) == text.count("<!-- printed by: ") > 0
    for block in blocks:
        assert max(map(len, block["text"].splitlines())) <= WIDTH
        if block["parts"]:
            ends = [part for part in block["parts"].split("; ") if part != "head"]
            assert all(part.partition(": ")[0] in block["text"] for part in ends)
