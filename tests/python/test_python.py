"""gradlab from Python: what `import gradlab as gl` promises."""

from __future__ import annotations

import ast
import inspect
import json
import pydoc
import re
import subprocess
import sys
from collections.abc import Callable
from math import log10
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from places import ROOT

import gradlab as gl
from gradlab import spec
from gradlab.api.options import CompareOptions, Options, PlanOptions, RunOptions, options_of
from gradlab.cli import invoke
from gradlab.report.json_values import json_value

MAPPING = {
    "name": "demo",
    "seeds": 2,
    "train": {"steps": 5},
    "grid": {"depth": [2, 8], "activation": ["sigmoid", "relu"]},
    "expect": ["survival[activation=sigmoid, depth=8] < 1e-4", "survival[activation=relu] > 2"],
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADLAB_WORK", "fake_work:train")


def demo(**options: object) -> gl.Results:
    return gl.run(MAPPING, workers=0, quiet=True, **options)  # type: ignore[arg-type]


def test_importing_it_loads_nothing() -> None:
    code = (
        "import sys\nbefore = set(sys.modules)\nimport gradlab as gl\n"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "assert not {'torch', 'pandas', 'numpy', 'matplotlib', 'rich', 'typer', 'yaml'} & loaded, loaded\n"
        "assert set(gl.__all__) <= set(dir(gl))\n"
        "import inspect\nassert inspect.isfunction(gl.run) and inspect.isfunction(gl.theory)\n"
        "gl.load, gl.theory_table, gl.Results, gl.Theory, gl.Picture, gl.GradlabError\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)


def test_the_stub_names_what_there_is() -> None:
    tree = ast.parse((ROOT / "gradlab" / "__init__.pyi").read_text())
    named = {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert named - {None} == set(gl.__all__) - {"__version__"}
    modules = {path.stem for path in (ROOT / "gradlab").iterdir()}
    assert not modules & named  # importing a module would put it in the place of the function
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gl.nothing  # type: ignore[attr-defined]
    assert list(inspect.signature(gl.run).parameters)[:2] == ["what", "settings"]
    assert "resumes where it stopped" in pydoc.render_doc(gl.run, renderer=pydoc.plaintext)
    for name in set(gl.__all__) - {"__version__"}:
        value = getattr(gl, name)
        assert inspect.getdoc(value), name
        assert not inspect.ismodule(value)
        if inspect.isfunction(value):
            signature = inspect.signature(value)
            assert signature.return_annotation is not inspect.Signature.empty, name
            assert all(given.annotation is not inspect.Parameter.empty for given in signature.parameters.values()), name
            assert re.search("raises|errors", value.__doc__ or "", re.IGNORECASE), name
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert [name for name in gl.__all__ if f"gl.{name}" not in text and not name.startswith("_")] == []


KEYWORDS: dict[Callable[..., object], tuple[type[Options], set[str], dict[str, object]]] = {
    gl.run: (RunOptions, {"what", "settings", "quiet", "changes"}, {"workers": None, "plots": False}),
    gl.plan: (PlanOptions, {"what", "settings", "changes"}, {}),
    gl.compare: (CompareOptions, {"path", "others"}, {}),
}
"""A function: its options, the arguments that are none, and the defaults that differ on purpose."""


@pytest.mark.parametrize("function", KEYWORDS)
def test_the_arguments_are_the_options_of_the_command(function: Callable[..., object]) -> None:
    options, own, different = KEYWORDS[function]
    parameters = inspect.signature(function).parameters
    defaults = {name: option.param.default for name, option in options_of(options).items()}
    given = {name: parameter.default for name, parameter in parameters.items() if name not in own}
    expected = {**defaults, **different}
    assert given.keys() == expected.keys()
    assert {name: Path(value) if name == "out" else value for name, value in given.items()} == expected


def test_run_takes_a_mapping_a_path_and_a_spec_and_does_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADLAB_FAKE", json.dumps({"calls": str(tmp_path / "calls")}))
    first = demo()
    assert len(first.cells) == 8
    text = "name: demo\nseeds: 2\ntrain: {steps: 5}\ngrid: {depth: [2, 8], activation: [sigmoid, relu]}\n"
    Path("demo.yaml").write_text(text)
    for again in ("demo.yaml", Path("demo.yaml"), spec.loads(text)):
        pd.testing.assert_frame_equal(gl.run(again, workers=0, quiet=True).summary, first.summary)
    assert len((tmp_path / "calls").read_text().splitlines()) == 8
    more = gl.run(MAPPING, {"depth": [2, 4], "train.steps": 5}, workers=0, quiet=True)
    assert sorted(set(more.cells["depth"])) == [2, 4]
    assert len((tmp_path / "calls").read_text().splitlines()) == 12
    assert sorted(set(gl.run(spec.loads(text), ["depth=2"], workers=0, quiet=True).cells["depth"])) == [2]


def test_a_run_packs_for_the_device_it_is_for(tmp_path: Path) -> None:
    grid = {"name": "wide", "seeds": 40, "train": {"steps": 5}, "width": 256, "depth": 8}
    on_cpu, on_gpu = gl.plan(grid), gl.plan(grid, device="cuda")
    assert len(on_cpu.banks) > 3 * len(on_gpu.banks)
    assert (on_cpu.on_gpu, on_gpu.on_gpu, on_gpu.devices) == (False, True, ("cuda",))
    for planned, device in ((on_cpu, "cpu"), (on_gpu, "cuda")):
        gl.run(grid, device=device, out=tmp_path / device, workers=0, quiet=True)
        parts = (tmp_path / device / "wide" / "parts").glob("*.parquet")
        assert {part.stem for part in parts} == {bank.id for bank in planned.banks}


def test_a_plan_is_that_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    Path("demo.yaml").write_text("name: demo\nseeds: 2\ngrid: {depth: [2, 8], activation: [sigmoid, relu]}\n")
    plan = gl.plan("demo.yaml", {"depth": [2, 4, 8]}, seed_offset=3)
    assert repr(plan) == f"<Plan demo: 12 cells, 12 new, {len(plan.banks)} banks>"
    assert invoke(["plan", "demo.yaml", "-s", "depth=2,4,8", "--seed-offset", "3"]) == 0
    assert capsys.readouterr().out == f"{plan}\n"
    assert invoke(["plan", "demo.yaml", "-s", "depth=2,4,8", "--seed-offset", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"plans": [plan.document()]}
    assert not Path("results").exists()


def test_a_sweep_is_that_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    swept = gl.sweep(depth="2..4", activation=["tanh", "relu"], train_steps=5, workers=0, quiet=True)
    flags = ["sweep", "--depth", "2..4", "--activation", "tanh,relu", "--steps", "5", "--dry-run"]
    assert invoke(flags) == 0
    assert "18: 0 new, 18 done" in capsys.readouterr().out
    assert len(swept.cells) == 18
    assert invoke([*flags[:-1], "--name", "mine", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("mine\n")


def test_a_comparison_is_that_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    demo()
    options = {"where": "depth=8", "baseline": "activation=relu", "fail_on": "survival<1e-3"}
    compared = gl.compare("results", **options)
    flags = ["--where", "depth=8", "--baseline", "activation=relu", "--fail-on", "survival<1e-3"]
    assert invoke(["compare", "results", *flags, "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(json_value(compared.document())))
    assert [check.failed for check in compared.checks] == [True]
    assert invoke(["compare", "results", *flags, "--verbose"]) == 3
    assert capsys.readouterr().out.rstrip() == compared.report(120).rstrip()
    assert "Against activation=relu" in compared._repr_html_()
    assert repr(compared) == "<Comparison of 1 runs: 4 cells, 2 rows>"


def test_the_frames_are_the_tables_on_the_disk() -> None:
    ran, loaded = demo(), gl.load("results/")
    assert loaded.names == ("demo",)
    for name in ("cells", "layers", "steps", "summary"):
        mine, theirs = getattr(ran, name), getattr(loaded, name)
        assert list(mine) == list(theirs)
        numbers = [key for key in mine if pd.api.types.is_float_dtype(mine[key])]
        assert len(numbers) > 2
        np.testing.assert_array_equal(mine[numbers].to_numpy(), theirs[numbers].to_numpy())
    deep = loaded.summary.query("activation == 'sigmoid' and depth == 8").iloc[0]
    # the fake's profile is 0.25^(L - l) for seed 0 and 0.2525^(L - l) for seed 1
    assert deep["log10_survival"] == pytest.approx(7 * (log10(0.25) + log10(0.2525)) / 2)


def test_the_expectations_are_judged_after_a_run_and_after_loading() -> None:
    for results in (demo(), gl.load("results/demo")):
        held, failed = results.expected
        assert (held.outcome, failed.outcome) == ("held", "did not hold")
        assert float(failed.measured or 0) == pytest.approx(1.01**0.5)
        assert "Expected: 1 of 2 held, 1 did not" in results.report()


def test_tables_that_are_gone_or_old_are_made_anew_from_the_parts() -> None:
    ran = demo()
    Path("results/demo/steps.csv").unlink()
    pd.testing.assert_frame_equal(gl.load("results").summary, ran.summary)
    demo()
    table = Path("results/demo/summary.csv")
    table.write_text(table.read_text().replace("relu", "tanh"))  # changed by hand
    assert set(gl.load("results").summary["activation"]) == {"sigmoid", "relu"}


def test_several_runs_are_one_table_with_each_cell_once() -> None:
    demo()
    other = {**MAPPING, "name": "other", "grid": {"depth": [8, 16], "activation": ["relu"]}, "expect": []}
    gl.run(other, workers=0, quiet=True)
    both = gl.load("results")
    assert (len(both), both.names) == (2, ("demo", "other"))
    assert both.cells.groupby("run").size().to_dict() == {"demo": 8, "other": 2}  # depth 8 is there already
    assert not both.cells["cell"].duplicated().any()
    assert set(both.layers["cell"].astype(str)) == set(both.cells["cell"])
    assert len(both["other"].cells) == 4
    assert repr(both) == "<Results demo, other: 10 cells, 6 configurations>"
    with pytest.raises(KeyError, match="there are demo, other"):
        both["none"]


def test_a_notebook_shows_the_report_and_pictures() -> None:
    results = demo()
    html = results._repr_html_()
    assert html.startswith("<pre")
    assert "Survival before training: gradient norm, first block" in html
    assert "survival[activation=relu] &gt; 2" in html  # escaped
    picture = results.picture("survival")
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert picture.save("a.svg").read_text().lstrip().startswith("<?xml")
    assert picture.save("a.png").read_bytes() == picture.png
    with pytest.raises(gl.GradlabError, match=r"saved as \.png or \.svg"):
        picture.save("a.pdf")
    with pytest.raises(gl.GradlabError, match="did you mean survival"):
        results.picture("surival")


MISTAKES = {
    "a setting": (lambda: gl.theory(activaton="tanh"), "did you mean activation"),
    "a value": (lambda: gl.theory(activation="tnah"), "did you mean 'tanh'"),
    "several": (lambda: gl.theory(depth=[2, 4]), "gl.theory_table"),
    "no name": (lambda: gl.run({"depth": 3}), "the spec has no name"),
    "one text": (lambda: gl.run(MAPPING, "depth=3"), "settings is 'depth=3'"),
    "no spec": (lambda: gl.run(7), "7 is no spec"),
    "no settings": (lambda: gl.run(MAPPING, 7), "settings is 7"),
    "a path": (lambda: gl.load(7), "7 is no path"),
    "a place": (lambda: gl.run(MAPPING, out=7), "7 is no path"),
    "workers": (lambda: gl.run(MAPPING, workers=-1), "workers -1: must be a whole number of at least 1"),
    "words for workers": (
        lambda: gl.run(MAPPING, workers="many"),
        "workers many: must be a whole number of at least 1",
    ),
    "a device": (lambda: gl.run(MAPPING, device="tpu"), "device tpu: there is no such device"),
    "inputs": (lambda: gl.theory(inputs=(64, 10)), "inputs (64, 10): must be the number of features"),
    "a depth too large to be written": (lambda: gl.theory(depth=10**5000), "depth: must be finite"),
    "inputs too large to be written": (lambda: gl.theory(inputs=(10**5000, 1, 1.0)), "inputs …: must be the number of"),
    "the seed": (lambda: gl.theory(seed=3), "there is no setting 'seed'"),
    "a line": (lambda: gl.critical_line(depth=3), "the critical line does not depend on depth"),
    "an object": (lambda: gl.theory(depth=object()), "depth: means nothing in a spec: it is of type object"),
    "no conditions": (lambda: gl.compare(fail_on=3), "fail_on 3: must be a list of texts"),
    "a condition": (lambda: gl.sweep(depth="abc", quiet=True), "depth abc: must be a whole number"),
    "no file": (lambda: gl.run("missing.yaml"), "there is no such file"),
    "no results": (lambda: gl.load("missing"), "there is nothing there"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_message(mistake: str) -> None:
    call, says = MISTAKES[mistake]
    with pytest.raises(gl.GradlabError) as caught:
        call()
    assert says in str(caught.value)


def test_an_interrupt_keeps_what_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADLAB_FAKE", json.dumps({"interrupt": "relu"}))
    with pytest.raises(KeyboardInterrupt):
        demo()
    monkeypatch.setenv("GRADLAB_FAKE", "{}")
    assert len(demo().cells) == 8


@pytest.mark.slow
def test_worker_processes_and_real_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADLAB_WORK")
    results = gl.run(
        {"name": "real", "train.steps": 0, "width": 64, "grid": {"depth": [8], "activation": ["sigmoid"]}, "seeds": 3},
        workers=1, quiet=True,
    )  # fmt: skip
    assert results.summary["decay"].iloc[0] == pytest.approx(results.summary["theory_decay"].iloc[0], rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [("notebook.ipynb", "Expected: 3 of 3 held"), ("own_models.ipynb", "It shrinks evenly: no block stands out")],
)
def test_the_example_notebooks_run(name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    monkeypatch.delenv("GRADLAB_WORK")
    path = ROOT / "docs" / name
    assert path.stat().st_size < 200_000
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert sum(words in html for html in shown) == 1
    assert {output.output_type for output in outputs if output.get("name") != "stderr"} == {"execute_result"}
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_results_have_figures_a_page_and_comparisons(tmp_path: Path) -> None:
    results = demo()
    figure = results.figure("survival", style="paper")
    assert figure.get_size_inches()[0] == pytest.approx(3.25)
    assert results.html(tmp_path / "page.html") == tmp_path / "page.html"
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    answer = results.compare(by="activation", baseline="activation=sigmoid")
    assert answer.table.equals(gl.compare(*results.paths, by="activation", baseline="activation=sigmoid").table)
    with pytest.raises(gl.UsageError, match="there is no picture 'x'"):
        results.figure("x")
    with pytest.raises(gl.UsageError, match="nothing for the picture 'recurrence'"):
        results.figure("recurrence")
    for method in (gl.Results.figure, gl.Results.html, gl.Results.compare):
        assert method.__doc__
        assert method.__annotations__["return"]
