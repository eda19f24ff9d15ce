"""Expressions over rows: what they say, where they are refused, and that neither takes long.

The interpreter of the report page is held to the same cases in a browser.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from query_cases import CASES, HOSTILE, read

from gradlab.components import Named
from gradlab.errors import printable
from gradlab.query import QueryError, evaluate, evaluate_columns, expression_json, names

ROWS = CASES["rows"]


def refusal(text: str) -> QueryError | None:
    """Return why a text is refused; None where it is not."""
    try:
        read(text)
    except QueryError as error:
        return error
    return None


def shown(truth: bool | None) -> str:
    return "?" if truth is None else str(int(truth))


@pytest.mark.parametrize("case", CASES["holds"], ids=lambda case: case["text"])
def test_an_expression_holds_where_it_should(case: dict[str, str]) -> None:
    expression = read(case["text"])
    assert "".join(shown(evaluate(expression, row)) for row in ROWS) == case["rows"]
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    assert "".join(map(shown, evaluate_columns(expression, columns, len(ROWS)))) == case["rows"]
    json.dumps(expression_json(expression), allow_nan=False)


@pytest.mark.parametrize("case", CASES["holds"], ids=lambda case: case["text"])
def test_an_expression_is_written_as_it_can_be_read(case: dict[str, str]) -> None:
    text = str(read(case["text"]))
    if "forget_bias=1" not in case["text"] and "negative_slope=0.01" not in case["text"]:  # a default is not written
        assert "".join(shown(evaluate(read(text), row)) for row in ROWS) == case["rows"]


@pytest.mark.parametrize("case", CASES["errors"], ids=lambda case: case["text"])
def test_what_cannot_be_read_is_refused_with_place_and_reason(case: dict[str, Any]) -> None:
    with pytest.raises(QueryError) as caught:
        read(case["text"])
    assert (caught.value.at, caught.value.message) == (case["at"], case["message"])
    if case["hint"]:
        assert caught.value.hint == case["hint"]


@pytest.mark.parametrize("text", ["relu", "relu depth>=8", "'relu'", ""])
def test_a_word_alone_is_no_condition(text: str) -> None:
    with pytest.raises(QueryError, match=r"expected (a comparison after relu|the name of a column)"):
        read(text)


def test_components_are_compared_by_name_and_parameters() -> None:
    rows = [{"activation": Named("leaky_relu")}, {"activation": Named("leaky_relu", (("negative_slope", 0.2),))}]
    assert [evaluate(read("activation=leaky_relu"), row) for row in rows] == [True, True]
    assert [evaluate(read("activation=leaky_relu(negative_slope=0.2)"), row) for row in rows] == [False, True]
    assert evaluate(read("probe.at=[0, 10]"), {"probe.at": (0, 10)}) is True
    assert evaluate(read("depth=3"), {}) is None


def test_the_columns_it_speaks_of() -> None:
    assert names(read("depth>3 and (norm=none or not depth<2)")) == ("depth", "norm")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_long(text: str) -> None:
    begin = time.process_time()
    problem = refusal(text)
    assert problem is None or (len(problem.message) < 300 and problem.message.isprintable())
    assert time.process_time() - begin < 2


@given(st.text("depth=<>! []()norm'\",16.e-andotri\x00\n"))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    problem = refusal(text)
    if problem is None:
        assert evaluate(read(text), ROWS[0]) in (True, False, None)
    else:
        assert 0 <= problem.at <= len(text)


def test_parameters_of_components_under_dotted_keys() -> None:
    values = [Named("adam"), Named("adam", (("eps", 1e-4),)), Named("sgd"), "rmsprop(eps=0.001)", None]
    rows = [{"optimizer": value} for value in values]
    assert [evaluate(read("optimizer.eps<1e-6"), row) for row in rows] == [True, False, None, False, None]
    assert [evaluate(read("not optimizer.eps=1e-4"), row) for row in rows] == [True, False, None, True, None]
    assert [evaluate(read("optimizer.eps in 1e-8..1e-3*10"), row) for row in rows] == [True, True, None, True, None]
    assert names(read("optimizer.eps>0 and optimizer=adam")) == ("optimizer",)
    assert "no optimizer" not in str(refusal("optimizer.epz>0"))
    assert refusal("optimizer.eps=small") is not None


TEXTS = tuple(case["text"].encode() for case in (*CASES["holds"], *CASES["errors"]) if case["text"])
PIECES = (b"(", b")", b"[", b"]", b"not ", b" and ", b" or ", b"'", b'"', b"..", b"1e9", b"{", b",", b"=", b"<", b"\0",
          b"\xff", b"optimizer.eps",
          b"((((((((((", b"9" * 50, b"in ", b"\xe2\x80\xa8", b"nan", b"inf", b"*")  # fmt: skip


@given(st.data())
def test_mutated_bytes_of_a_condition_are_an_expression_or_refused(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        inserted = data.draw(st.sampled_from(PIECES) | st.binary(max_size=3))
        text = text[:start] + inserted * data.draw(st.sampled_from([1, 1, 1, 60])) + text[end:]
    decoded = text.decode("utf-8", "surrogateescape")
    problem = refusal(decoded)
    if problem is None:
        expression = read(decoded)
        assert {evaluate(expression, row) for row in ROWS} <= {True, False, None}
        json.dumps(expression_json(expression), allow_nan=False)
    else:
        assert problem.message
        assert printable(problem.message) == problem.message
        assert 0 <= problem.at <= len(decoded)


def test_words_for_nothing_and_names_of_other_tools() -> None:
    row = {"dropout": 0.0, "norm": "none", "clip": "none", "optimizer": "adam", "depth": 3}
    for text in ("dropout=off", "norm=off", "clip=false", "optimizer=torch.optim.Adam", "l1=none or norm=no"):
        assert evaluate(read(text), row) is True, text
    problem = refusal("depth=off")
    assert problem is not None
    assert "depth is a number" in problem.message
