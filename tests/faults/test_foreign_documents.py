"""Documents and parts of other versions, of somebody who means harm, or damaged."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forged import change_part, change_settings, vouch

import gradlab as gl
from gradlab.store import sessions
from gradlab.store.documents import parse

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="links and pipes are POSIX")]

Command = Callable[..., tuple[int, str, str]]

DOCUMENTS = [
    "[" * 100_000,
    '{"sessions": ' + "[" * 500 + "]" * 500 + "}",
    '{"sessions": [{"cells": "many", "failed": [], "started": 5, "finished": {}}]}',
    '{"sessions": [{"cells": -1, "failed": true, "started": "0001-01-01T00:00:00"}]}',
    '{"sessions": [{"cells": 1e999, "failed": NaN, "started": "9999-12-31T23:59:59+00:00"}]}',
    '{"sessions": [{"cells": 1' + "0" * 400 + ', "finished": "x"}]}',
    '{"format": 9, "sessions": [{"cells": 8, "future": {"a": [{"b": null}]}}]}',
    '{"sessions": [{"cells": 1' + "0" * 6000 + "}]}",
    '{"sessions": {"0": {}}}',
    "\ufeff{}",
    '"' + "x" * 1_000_000 + '"',
]


@pytest.mark.parametrize("text", DOCUMENTS, ids=range(len(DOCUMENTS)))
@pytest.mark.parametrize("name", ["run.json", "tables.json", "theory.json", "failures.jsonl"])
def test_a_document_of_any_content_stops_nothing(run: Path, command_line: Command, name: str, text: str) -> None:
    (run / name).write_text(text, encoding="utf-8")
    vouch(run)
    for arguments in (
        ("watch", "results/demo"),
        ("compare", "results"),
        ("report", "results"),
        ("run", "demo.yaml", "--executor", "inline", "--no-plots"),
    ):
        code, _, err = command_line(*arguments)
        assert code in (0, 1), (arguments, err)
        assert "Traceback" not in err


@pytest.mark.parametrize("value", [True, -1, "3", 2.0, None, [], 2**63, 10**400])
def test_numbers_of_cells_that_are_none_are_left_out(value: Any) -> None:
    text = json.dumps({"sessions": [{"cells": value, "failed": 2, "device": "cpu"}]})
    assert sessions.decode(text) == [{"failed": 2, "device": "cpu"}]


@pytest.mark.parametrize("depth", [1, 5, 31])
def test_documents_within_the_bound_are_read(depth: int) -> None:
    assert parse("[" * depth + "]" * depth) is not None


@pytest.mark.parametrize("text", ["[" * 40 + "]" * 40, "[" * 10**6, '{"a":' * 40 + "1" + "}" * 40, "1" * 5000, ""])
def test_documents_beyond_it_are_not(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the json module too
        parse(text)


def test_a_line_of_failures_without_an_end_is_never_in_memory(run: Path, command_line: Command) -> None:
    own = (run / "failures.jsonl").read_text()
    with (run / "failures.jsonl").open("w") as file:
        file.write(own)
        for _ in range(100):
            file.write('{"cell": "' + "x" * (1 << 20))
        file.write("\n")
    code, _, err = command_line("run", "demo.yaml", "--executor", "inline", "--no-plots")
    assert code == 1
    assert "4 cells failed before and stay so" in err


PARTS: list[tuple[str, Callable[[Path], Any]]] = [
    ("a newer model", lambda run: change_settings(run, model=["mamba", {}])),
    ("a newer setting", lambda run: change_settings(run, sparsity=0.5)),
    ("a setting that is a text", lambda run: change_settings(run, depth="deep")),
    ("a setting beyond its bound", lambda run: change_settings(run, width=10**30)),
    ("no object", lambda run: change_part(run, setting=lambda _: "[1]")),
    ("nested deeply", lambda run: change_part(run, setting=lambda _: "[" * 100_000)),
    ("no setting", lambda run: change_part(run, setting=lambda _: None)),
    ("no id", lambda run: change_part(run, cell=lambda _: None)),
    ("an id that is a path", lambda run: change_part(run, cell=lambda _: "../../../x")),
    ("no steps", lambda run: change_part(run, probe_steps=lambda _: [])),
    ("steps missing", lambda run: change_part(run, probe_steps=lambda _: None)),
    ("steps before the first", lambda run: change_part(run, probe_steps=lambda steps: [-5 - step for step in steps])),
    ("a short profile", lambda run: change_part(run, log_grad_norm=lambda rows: [row[:-1] for row in rows])),
    ("a long profile", lambda run: change_part(run, log_grad_norm=lambda rows: [[*row, 0.0] for row in rows])),
    ("profiles of other lengths", lambda run: change_part(
        run, log_grad_norm=lambda rows: [rows[0][:1], [*rows[1], rows[0][1]], *rows[2:]])),
    ("a short series", lambda run: change_part(run, loss=lambda values: values[:-1])),
    ("another depth", lambda run: change_settings(run, depth=3)),
    ("a status of its own", lambda run: change_part(run, status=lambda _: "splendid")),
    ("no outputs", lambda run: change_part(run, out_features=lambda _: 0)),
    ("negative sizes", lambda run: change_part(run, in_features=lambda _: -(2**62))),
]  # fmt: skip


@pytest.mark.parametrize("change", [change for _, change in PARTS], ids=[name for name, _ in PARTS])
def test_a_part_of_another_form_hides_no_other_run(
    run: Path, command_line: Command, change: Callable[[Path], Any]
) -> None:
    shutil.copytree(run, "results/sound")
    change(run)
    for arguments in (
        ("compare", "results"),
        ("report", "results"),
        ("plot", "results"),
        ("watch", "results/demo"),
        ("show", "0", "results"),
        ("plan", "demo.yaml"),
    ):
        code, out, err = command_line(*arguments)
        assert code in (0, 1, 2), (arguments, err)
        assert "bug in gradlab" not in err
        if arguments[0] in ("compare", "report", "plot"):
            left_out = "left out" in err or "compared without" in err
            assert code == (1 if left_out else 0), (arguments, err)
            assert "sound" in out or arguments[0] == "report"
    assert gl.load("results").cells is not None
    code, _, err = command_line("run", "demo.yaml", "--executor", "inline", "--no-plots")
    assert code in (0, 1, 2)
    assert "bug in gradlab" not in err
    code, _, err = command_line("run", "demo.yaml", "--executor", "inline", "--no-plots", "--fresh")
    assert code == 0
