"""`gradlab show`: one cell by the beginning of its id."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import log10
from pathlib import Path

import pandas as pd
import pytest

from gradlab.cell import Cell, Named, cell_id

TEXT = "name: demo\nseeds: 2\nlr: 0.1\ntrain: {steps: 5}\ngrid: {depth: [2, 40], activation: [sigmoid, relu]}\n"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def gradlab(command_line: Call) -> Call:
    """Run the command line in a directory with a run of demo.yaml."""
    Path("demo.yaml").write_text(TEXT)
    assert command_line("run", "demo.yaml", "--no-plots", "-q", "--executor", "inline")[0] == 0
    return command_line


DEEP = cell_id(Cell(depth=40, activation=Named("sigmoid"), lr=0.1, steps=5, seed=1))


def test_a_cell_with_its_setting_profile_theory_and_history(gradlab: Call) -> None:
    code, out, err = gradlab("show", DEEP, "--verbose")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == f"{DEEP} · demo · seed 1 · ok"
    assert "depth=40" in lines[1]
    assert "activation=sigmoid" in lines[1]
    assert "train.steps=5" in lines[1]
    # the fake's profile: ln g_l = (L - l) ln(0.25 * 1.01) - 1
    assert f"10^{39 * log10(0.2525):.1f}, vanishing (theory 10^" in out
    table = [line.split() for line in lines[lines.index("") :] if line.strip()[:1].isdigit()]
    blocks = [row for row in table if len(row) > 6]
    shown = [int(row[0]) for row in blocks[:33]]
    assert (shown[0], shown[-1], len(set(shown))) == (1, 40, 33)
    assert max(map(len, lines)) <= 120  # in a pipe
    for row in (blocks[0], blocks[20], blocks[32]):
        assert float(row[1]) == pytest.approx((40 - int(row[0])) * log10(0.2525) - log10(2.718281828), abs=0.006)
    steps = out[out.index("Step by step") :]
    assert [line.split()[0] for line in steps.splitlines()[2:5]] == ["0", "1", "5"]


def test_a_cell_that_diverged_says_when_and_leaves_no_field_blank(
    command_line: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained for real: the loss is beyond float32 after the first update."""
    text = "name: lost\ndepth: 10\nwidth: 64\ninit: {name: normal, std: 1}\nlr: 0.01\ntrain: {steps: 8}\n"
    Path("lost.yaml").write_text(text)
    monkeypatch.delenv("GRADLAB_WORK")
    assert command_line("run", "lost.yaml", "--no-plots", "-q", "--executor", "inline")[0] == 0
    row = pd.read_csv("results/lost/cells.csv").iloc[0]
    assert (row["status"], row["diverged_at"]) == ("diverged", 1)
    out = command_line("show", row["cell"])[1]
    assert f"After 1 step: diverged at step 1, last finite loss {row['loss_last_finite']:.3e}; loss " in out
    table = out[out.index("Step by step") :].splitlines()
    assert [line.split()[0] for line in table[2:7]] == ["0", "1", "2", "4", "8"]
    for line in table[4:7]:
        assert line.count("not finite") == 5, line
    assert "nan" not in out


def test_the_beginning_of_an_id_is_enough_and_several_are_listed(gradlab: Call) -> None:
    assert gradlab("show", DEEP[:10].upper())[1].startswith(DEEP)
    ids = Path("results/demo/cells.csv").read_text().splitlines()[1:]
    first = {line[0] for line in ids}
    double = next(digit for digit in first if sum(line.startswith(digit) for line in ids) > 1)
    code, out, err = gradlab("show", double, "results/demo")
    assert (code, out) == (2, "")
    assert f"cells have an id that begins with '{double}'" in err
    code, _, err = gradlab("show", "xyz")
    assert code == 2
    assert "no finished cell of results has an id that begins with 'xyz'" in err
    assert "the 8 ids are in the first column of cells.csv" in err
    code, _, err = gradlab("show", DEEP, "nowhere")
    assert code == 2
    assert "there is nothing there" in err
    Path("loop").symlink_to("loop")
    code, _, err = gradlab("show", DEEP, "loop")
    assert code == 2
    assert "loop: there is nothing there" in err
    assert "did you mean" not in err


def test_json_has_everything(gradlab: Call) -> None:
    code, out, _ = gradlab("show", DEEP, "--json")
    document = json.loads(out, parse_constant=pytest.fail)
    assert code == 0
    assert (document["run"], document["setting"]["depth"], document["cell"]["cell"]) == ("demo", 40, DEEP)
    assert len(document["layers"]) == 3 * 40
    assert [row["step"] for row in document["steps"]] == [0, 1, 5]
    assert document["cell"]["decay"] == pytest.approx(0.2525)
    assert document["layers"][0]["theory_log10_grad_norm"] == pytest.approx(document["cell"]["theory_log10_survival"])


def test_a_terminal_gets_what_fits(gradlab: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = gradlab("show", DEEP)
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "33 of 40 blocks are shown; all are with --json" in out


def test_a_damaged_part_is_told(gradlab: Call) -> None:
    for part in Path("results/demo/parts").glob("*.parquet"):
        data = bytearray(part.read_bytes())
        data[len(data) // 3] ^= 1
        part.write_bytes(data)
    code, _, err = gradlab("show", DEEP)
    assert code == 2
    assert "damaged" in err
    assert "Traceback" not in err


def test_a_prediction_without_a_scatter_has_no_z(gradlab: Call) -> None:
    Path("norm.yaml").write_text("name: norm\nseeds: 1\ndepth: 8\nnorm: batch\ntrain: {steps: 5}\n")
    assert gradlab("run", "norm.yaml", "--no-plots", "-q", "--executor", "inline")[0] == 0
    code, out, _ = gradlab("show", (Path("results/norm/cells.csv").read_text().splitlines()[1]).split(",")[0])
    assert code == 0
    assert "(theory 1" in out  # sqrt(pi/(pi-1)) a block, of which only the mean is known
    assert "nan" not in out
