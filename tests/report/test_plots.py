"""The files of the pictures: every kind of grid, the same bytes again, and the command line."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from drawn import NAMES, cells_of, many_cells, tables_of, with_profile
from fake_work import record
from PIL import Image

from gradlab.cell import Cell, Named
from gradlab.errors import UsageError
from gradlab.record import Record
from gradlab.report import plots

pytestmark = pytest.mark.slow

SVG = "{http://www.w3.org/2000/svg}"

EDGES: dict[str, tuple[list[Cell], Callable[[Cell], Record]]] = {
    "one cell": (cells_of(depths=(6,), names=("relu",), seeds=1), record),
    "one block": (cells_of(depths=(1,)), record),
    "one configuration": (cells_of(names=("relu",)), record),
    "one depth": (cells_of(depths=(8,)), record),
    "one seed": (cells_of(seeds=1), record),
    "all dead": (cells_of(), with_profile(-np.inf, *NAMES)),
    "all zero": (cells_of(depths=(1, 2)), with_profile(-np.inf, *NAMES)),
    "none finite": (cells_of(depths=(8,)), with_profile(np.nan, *NAMES)),
    "some dead": (cells_of(), with_profile(-np.inf, "relu")),
    "a thousand blocks": (cells_of(depths=(10, 1000), names=("sigmoid", "relu"), seeds=2), record),
    "every depth": (cells_of(depths=range(2, 65), seeds=2), record),
    "200 configurations": (many_cells(), record),
    "long names": (
        cells_of(names=("relu",), depths=(2, 8), clip=Named("norm", (("max", 1.0),)))
        + [Cell(depth=d, activation=Named("leaky_relu", (("negative_slope", 0.123456789),)), lr=0.1) for d in (2, 8)],
        record,
    ),
}

_SLOW = ("200 configurations", "every depth", "a thousand blocks")


@pytest.mark.parametrize("case", [pytest.param(name, marks=[pytest.mark.slow] * (name in _SLOW)) for name in EDGES])
def test_every_grid_gives_legible_pictures(case: str, tmp_path: Path) -> None:
    cells, make = EDGES[case]
    written = plots.draw(tables_of(cells, make), tmp_path, formats=["svg"])
    names = {path.stem for path in written}
    assert {"profiles", "survival", "heatmap", "training"} <= names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in written)
    for path in written:
        assert path.stat().st_size < 1_000_000
        root = ET.parse(path).getroot()
        width, height = (float(root.attrib[name].removesuffix("pt")) / 72 for name in ("width", "height"))
        assert 6 <= width <= 16
        assert height <= 16
        assert "NaN" not in path.read_text()
        assert any(re.search("[Gg]radient|[Ss]urvival|[Ll]oss", node.text or "") for node in root.iter(f"{SVG}text"))


def test_the_same_tables_give_the_same_bytes_whatever_the_user_has_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tables_of(cells_of(depths=(2, 8), seeds=2))
    first = plots.draw(made, tmp_path / "a")
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 20.0)
    second = plots.draw(made, tmp_path / "b")
    assert len(first) == 2 * (len(plots.PICTURES) - 2)  # nothing recurs, and no number of the training varies
    for path in first:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
                assert 800 <= image.width <= 2000
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert matplotlib.rcParams["font.size"] == 20.0


def test_a_picture_that_is_not_there_any_more_is_removed(tmp_path: Path) -> None:
    plots.draw(tables_of(cells_of(depths=(2,))), tmp_path, only=["effects"])
    assert (tmp_path / "effects.png").exists()
    plots.draw(tables_of(cells_of(depths=(2,), names=("relu",))), tmp_path, only=["effects"], formats=["png"])
    assert [path.name for path in tmp_path.iterdir()] == ["effects.svg"]


def test_tables_without_cells_give_no_picture(tmp_path: Path) -> None:
    assert plots.draw(tables_of(cells_of(), lost=cells_of()), tmp_path / "plots") == ()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"only": ["profile"]}, "there is no picture 'profile'; did you mean profiles?"),
        ({"formats": ["gif"]}, "there is no format 'gif'"),
    ],
)
def test_unknown_names(asked: dict[str, list[str]], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        plots.draw(tables_of(cells_of()), tmp_path, **asked)
    assert caught.value.message == message


TEXT = """
name: demo
seeds: 2
train: {steps: 5}
grid: {depth: [2, 8], activation: [sigmoid, relu, selu]}
"""


@pytest.fixture
def gradlab(command_line: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in a directory with demo.yaml."""
    Path("demo.yaml").write_text(TEXT)
    return command_line


def test_a_run_draws_and_plot_draws_the_same_from_the_tables(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = gradlab("run", "demo.yaml", fail=8)
    assert code == 1
    assert out.endswith("Plots: results/demo/plots\n")
    drawn = {path.name: path.read_bytes() for path in Path("results/demo/plots").iterdir()}
    assert len(drawn) == 2 * (len(plots.PICTURES) - 2)  # nothing recurs, and no number of the training varies
    code, out, err = gradlab("plot", "results", "--out", "elsewhere")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "elsewhere/profiles.png"
    assert {path.name: path.read_bytes() for path in Path("elsewhere").iterdir()} == drawn


def test_no_plots_and_quiet(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    assert "Plots" not in gradlab("run", "demo.yaml", "--no-plots")[1]
    assert not Path("results/demo/plots").exists()
    assert gradlab("run", "demo.yaml", "-q") == (0, "", "")
    assert Path("results/demo/plots/heatmap.svg").exists()


def test_what_plot_cannot_do_is_said(gradlab: Callable[..., tuple[int, str, str]]) -> None:
    gradlab("run", "demo.yaml", "--no-plots")
    code, out, err = gradlab("plot", "results/demo", "--only", "heatmap,survival", "--format", "svg")
    assert (code, out) == (0, "results/demo/plots/heatmap.svg\nresults/demo/plots/survival.svg\n")
    assert gradlab("plot", "nowhere")[0] == 2
    assert gradlab("plot", "results/demo", "--only", "heat")[2].startswith("gradlab: there is no picture 'heat'")
    Path("results/demo/layers.csv").write_bytes(b"cell,step\n\xff\xfe,1\n")
    code, out, err = gradlab("plot", "results/demo", "--format", "svg")
    assert code == 0
    assert "results/demo/plots/heatmap.svg\n" in out
    assert err.startswith("warning: results/demo/layers.csv does not fit its checksum: made anew from parts/")
    Path("results/demo/layers.csv").unlink()
    code, _, err = gradlab("plot", "results/demo")
    assert (code, err.splitlines()[0]) == (0, "warning: results/demo/layers.csv is missing: made anew from parts/")


def test_matplotlib_is_loaded_only_to_draw() -> None:
    code = (
        "import sys, gradlab.cli, gradlab.api.exports, gradlab.report.plots as p; "
        "print('matplotlib' in sys.modules, 'pandas' in sys.modules, len(p.PICTURES))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "8"]
