"""`gradlab explain`: every number and word of a report has a meaning, and its formula gives what is measured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gradlab import terms
from gradlab.api.explain import explain, explained_names
from gradlab.api.model_options import VERDICTS
from gradlab.cell import REGISTRIES, SETTINGS
from gradlab.columns import COLUMNS
from gradlab.definitions import verdicts
from gradlab.errors import UsageError
from gradlab.report.glyphs import UNICODE
from gradlab.thresholds import UNEXPLAINED_Z

ROOT = Path(terms.__file__).parents[1]
Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("name", ["survival", "decay", "reach", "verdicts", "z", "main effect", "±", "χ"])
def test_a_term_is_explained(name: str, command_line: Command) -> None:
    code, out, err = command_line("explain", *name.split())
    assert (code, err) == (0, "")
    entry = terms.term(name)
    assert entry is not None
    assert out.startswith(f"{entry.name} · term\n")
    assert " ".join(entry.text.split()) in " ".join(out.split())
    assert "used in:" in out


def test_meanings_of_columns_are_those_of_the_schema_and_limits_those_of_the_thresholds() -> None:
    for entry in terms.TERMS:
        if entry.column:
            assert not entry.meaning
            assert entry.text in [column.help for column in COLUMNS if column.name == entry.column]
    (z,) = explain("z")[:1]
    assert f"|z| > {UNEXPLAINED_Z:g}" in z.formula


def test_whatever_a_report_can_show_is_explained() -> None:
    shown = {column.title for column in COLUMNS} | {column.name for column in COLUMNS} | set(SETTINGS) | set(VERDICTS)
    shown |= {"seeds", *verdicts.__doc__.partition("holds: ")[2].strip().rstrip(".").split(", ")}  # type: ignore[union-attr]
    shown |= {UNICODE.sign(name) for name in ("fading", "vanished", "growing", "exploded", "dead")} | {UNICODE.learned}
    shown |= {name for known in REGISTRIES.values() for name in known}
    for name in (*shown, *explained_names()):
        assert all(meaning.meaning for meaning in explain(name)), name
    for entry in terms.TERMS:
        for related in entry.related:
            assert explain(related), (entry.name, related)


def test_names_are_listed_and_each_of_them_is_explained(command_line: Command) -> None:
    code, out, _ = command_line("explain", "--json")
    listed = json.loads(out)
    assert code == 0
    assert {"terms", "columns", "settings"} == set(listed)
    names = [name for kind in listed.values() for name in kind]
    for name in names:
        assert explain(name)
    shown = command_line("explain")[1]
    assert all(name in " ".join(shown.split()) for name in names)


def test_a_wrong_word_gets_the_nearest(command_line: Command) -> None:
    code, out, err = command_line("explain", "survial")
    assert (code, out) == (2, "")
    assert "did you mean survival?" in err
    with pytest.raises(UsageError) as caught:
        explain("qqqqqq")
    assert caught.value.message == "there is no explanation of 'qqqqqq'"


def test_names_are_short_words_and_no_two_terms_share_one() -> None:
    names = [name for entry in terms.TERMS for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))
    assert not [entry.name for entry in terms.TERMS if entry.text.endswith(".")]


def test_the_page_of_terms_is_that_of_the_table() -> None:
    text = (ROOT / "docs" / "terms.md").read_text(encoding="utf-8")
    assert text == terms.markdown(), "python -m gradlab.terms > docs/terms.md"
    assert len(re.findall(r"^\| ", text, re.MULTILINE)) == len(terms.TERMS) + 2
