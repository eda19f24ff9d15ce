"""The interpreter of conditions in the report page says the same as the one in Python, on the same cases."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from page_in_browser import needs_chromium
from query_cases import CASES, COLUMNS, HOSTILE, read

from gradlab.query import columns_json, expression_json

pytestmark = needs_chromium

SCRIPT = """
const [columns, rows, texts, trees] = arguments;
const say = (tree) => rows.map((row) => {
  const valueOf = (name) => columnValue(columns, name, (column) => row[column]);
  const truth = evaluateQuery(tree, valueOf, () => Object.values(row).join(" "));
  return truth === null ? "?" : String(Number(truth));
}).join("");
const refusal = (error) => {
  if (!(error instanceof QueryError)) throw error;
  return { at: error.at, message: error.message, hint: error.hint };
};
return texts.map((text, index) => {
  const begin = performance.now();
  try {
    const tree = parseQuery(text, columns);
    return { tree, rows: say(tree), exported: trees[index] ? say(trees[index]) : null, ms: performance.now() - begin };
  } catch (error) {
    return { error: refusal(error), ms: performance.now() - begin };
  }
});
"""


@pytest.fixture(scope="module")
def ask(browser: Any) -> Any:
    assets = resources.files("gradlab.report.page") / "assets" / "query"
    scripts = [(assets / f"{name}.js").read_text() for name in ("scanner", "parser", "columns", "expressions")]
    browser.get("about:blank")

    def answers(texts: list[str], trees: list[Any] | None = None) -> Any:
        columns = columns_json(COLUMNS)
        return browser.execute_script("\n".join([*scripts, SCRIPT]), columns, CASES["rows"], texts, trees or [])

    return answers


def test_expressions_have_the_same_trees_and_hold_for_the_same_rows(ask: Any) -> None:
    texts = [case["text"] for case in CASES["holds"]]
    trees = [expression_json(read(text)) for text in texts]
    for case, tree, answer in zip(CASES["holds"], trees, ask(texts, trees), strict=True):
        assert answer["tree"] == json.loads(json.dumps(tree)), case["text"]
        assert (answer["rows"], answer["exported"]) == (case["rows"], case["rows"]), case["text"]


def test_a_word_is_looked_for_in_all_texts_of_a_row(ask: Any) -> None:
    answers = ask([case["text"] for case in CASES["words"]])
    assert [answer.get("rows") for answer in answers] == [case["rows"] for case in CASES["words"]]


def test_what_cannot_be_read_is_refused_with_the_same_words(ask: Any) -> None:
    cases = [case for case in CASES["errors"] if not case.get("words")]
    for case, answer in zip(cases, ask([case["text"] for case in cases]), strict=True):
        assert answer["error"]["at"] == case["at"], case["text"]
        assert answer["error"]["message"] == case["message"]
        assert answer["error"]["hint"] == case["hint"] or not case["hint"]


def test_no_text_takes_long(ask: Any) -> None:
    for answer in ask(list(HOSTILE.values())):
        assert answer["ms"] < 2000
