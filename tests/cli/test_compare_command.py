"""`gradlab compare` on the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from compared import cells_of, publish

from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Question, compare
from gradlab.results.directories import open_runs


@pytest.fixture
def gradlab(command_line: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    """Run ``gradlab compare`` in a directory with results/one and results/two, which share ten cells."""
    publish(Path("results/one"), cells_of(("sigmoid", "relu"), norms=("none",)))
    publish(Path("results/two"), cells_of(("relu", "selu"), norms=("none",)))
    return partial(command_line, "compare")


def test_a_comparison_is_one_report_on_stdout(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("results", "--baseline", "activation=sigmoid")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "2 runs · 30 cells · 6 configurations · 5 seeds"
    assert lines[1] == "from one (20), two (20, 10 of them counted already)"
    assert "Conclusions" in lines
    assert gradlab("results/one", "results/two", "--baseline", "activation=sigmoid")[1] == out


def test_json_is_one_strict_document(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("results", "--json", "--baseline", "activation=sigmoid", "--fail-on", "depth>100")
    document = json.loads(out, parse_constant=pytest.fail)
    assert (code, err) == (0, "")
    assert (document["cells"], document["seeds"], len(document["rows"])) == (30, 5, 6)
    assert [term["factors"] for term in document["factors"][0]["terms"]]
    assert {change["to"][0] for change in document["comparisons"]} == {"relu", "selu"}
    assert document["checks"] == [{"condition": "depth>100", "failed": False, "holds": [], "unknown": []}]
    assert document["conclusions"]


def test_the_table_as_csv_reads_back(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("results", "--csv", "-")
    table = pd.read_csv(io.StringIO(out))
    assert (code, err, len(table)) == (0, "", 6)
    assert {"activation", "depth", "n", "survival", "survival_lo", "survival_hi", "learns_to"} <= set(table)
    expected = compare(collect(open_runs([Path("results")])), Question()).table
    np.testing.assert_array_equal(table["log10_survival"], expected["log10_survival"])
    code, shown, _ = gradlab("results", "--csv", "table.csv", "--sort", "-survival", "--top", "1")
    assert "1 of 3 rows" in shown
    assert set(pd.read_csv("table.csv")["activation"]) == {"sigmoid"}
    assert gradlab("results", "--csv", "-", "--json")[0] == 2


def test_rows_are_sorted_by_their_deepest_network(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    orders = {"survival": "selu relu sigmoid", "-survival": "sigmoid relu selu", "activation": "relu selu sigmoid"}
    for flag, order in orders.items():
        table = pd.read_csv(io.StringIO(gradlab("results", "--csv", "-", "--sort", flag)[1]))
        assert " ".join(dict.fromkeys(table["activation"])) == order


def test_a_check_that_fails_is_exit_code_3_with_the_configurations(
    gradlab: Callable[..., tuple[int, str, str]],
) -> None:
    code, _, err = gradlab("results", "--fail-on", "survival<1e-3")
    assert code == 3
    assert err.splitlines()[0] == "--fail-on 'survival<1e-3' holds for 1 configuration:"
    assert err.splitlines()[1].startswith("  depth=16 activation=sigmoid survival=")
    assert gradlab("results", "--fail-on", "survival<1e-3", "--where", "depth<16")[0] == 0
    assert gradlab("results", "--fail-on", "depth>99", "--fail-on", "learned<0.5 and activation=selu")[0] == 3
    code, _, err = gradlab("results", "--fail-on", "theory_z>3.5 and depth=4")
    assert code == 3
    assert "cannot be told, for want of a value, of 3 configurations" in err


def test_damaged_parts_are_named_and_the_rest_compared(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    part = Path("results/one/parts/b0.parquet")
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    code, out, err = gradlab("results")
    assert code == 1
    assert "warning: results/one/parts/b0.parquet is damaged (its checksum does not fit its content)" in err
    assert out.startswith("2 runs · 20 cells ·")
    assert gradlab("results", "--fail-on", "depth=4")[0] == 3
    for path in Path("results").rglob("*.parquet"):
        path.write_bytes(b"PAR1")
    code, out, err = gradlab("results")
    assert (code, out) == (2, "")
    assert "no finished cell in results/one, results/two; results/one/parts/b0.parquet is damaged (" in err


def test_usage_errors_are_exit_code_2(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    for arguments in (["nowhere"], ["results", "--where", "depth>"], ["results", "--top", "0"], []):
        code, out, err = gradlab(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("gradlab: ")
        assert "Traceback" not in err


def test_an_unlike_run_is_a_warning_on_stderr(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    publish(Path("results/three"), cells_of(("tanh",), norms=("none",)), torch="3.0")
    code, _, err = gradlab("results")
    assert code == 0
    assert err == (
        "warning: the runs differ in torch (2.0: one, two; 3.0: three): "
        "what differs in the numbers may come from that\n"
    )
    assert json.loads(gradlab("results", "--json")[1])["warnings"]
