"""Arrows point downwards only: who may import whom inside the package, and which outside package who may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gradlab

ROOT = Path(gradlab.__file__).parent

MAY_IMPORT = {
    "__init__": set(),
    "errors": set(),
    "components": set(),
    "streams": set(),
    "thresholds": set(),
    "shaping": set(),
    "families": {"errors", "components", "streams", "nn"},
    "cell": {"components", "families"},
    "spelling": {"cell"},
    "columns": {"cell"},
    "record": {"columns"},
    "definitions": {"record", "thresholds"},
    "terms": {"columns", "definitions", "thresholds"},
    "plugins": {"errors", "components", "families", "cell"},
    "query": {"errors", "components", "cell"},
    "spec": {"errors", "components", "families", "cell", "spelling", "query"},
    "grid": {"errors", "components", "families", "cell", "spec"},
    "planning": {"components", "families", "cell"},
    "nn": {"errors", "components", "streams", "shaping"},
    "datafiles": {"errors", "components"},
    "tasks": {"errors", "components", "streams", "datafiles"},
    "optim": {"components", "nn"},
    "probing": {"families", "nn"},
    "training": {
        "__init__", "errors", "components", "streams", "nn", "cell", "columns", "record", "tasks", "families", "optim",
        "probing",
    },
    "mean_field": {"errors", "components", "families", "cell", "definitions", "shaping"},
    "store": {"errors", "components", "cell", "columns", "record"},
    "results": {
        "errors", "components", "cell", "columns", "record", "definitions", "mean_field", "spec", "grid", "store",
    },
    "modules": {"errors", "record", "definitions", "results", "mean_field"},
    "module_banks": {
        "errors", "components", "streams", "cell", "families", "nn", "tasks", "plugins", "probing", "training",
        "modules",
    },
    "execution": {
        "__init__", "errors", "components", "cell", "columns", "plugins", "record", "definitions", "planning",
        "training", "store", "results",
    },
    "analysis": {
        "errors", "components", "families", "cell", "columns", "query", "thresholds", "record", "definitions", "store",
        "results",
    },
    "report": {
        "__init__", "errors", "components", "families", "cell", "columns", "thresholds", "record", "definitions",
        "spec", "grid", "query", "store", "results", "analysis", "modules",
    },
    "api": {
        "errors", "components", "families", "cell", "columns", "terms", "datafiles", "record", "spec", "query", "grid",
        "planning", "mean_field", "store", "results", "execution", "analysis", "report", "modules", "spelling",
    },
    "terminal": {"errors", "execution", "report"},
    "python": {
        "__init__", "errors", "components", "cell", "columns", "spec", "grid", "store", "results", "analysis", "report",
        "api", "terminal", "modules", "spelling",
    },
    "lightning": {"errors", "python", "modules"},
    "transformers": {"errors", "python", "modules"},
    "cli": {
        "__init__", "errors", "components", "cell", "plugins", "spec", "store", "execution", "analysis", "report",
        "api", "terminal", "spelling",
    },
    "__main__": {"cli"},
}  # fmt: skip
"""Who may import whom; every room is here."""
OUTSIDE = {
    # execution: the worker
    # api: it is handed a module of the user
    "torch": {
        "streams",
        "nn",
        "families",
        "tasks",
        "optim",
        "probing",
        "training",
        "execution",
        "modules",
        "module_banks",
        "api",
        "python",
        "lightning",
    },
    "lightning": {"lightning"},
    "pytorch_lightning": {"lightning"},
    "transformers": {"transformers"},
    "pandas": {"datafiles", "store", "results", "report", "analysis", "api", "python"},
    "filelock": {"store"},
    "pyarrow": {"store", "datafiles"},
    "ray": {"execution"},
    "rich": {"report", "terminal", "python", "cli"},
    "typer": {"cli"},
    "yaml": {"spec"},
    "matplotlib": {"report"},
    "tensorboard": {"report"},
}
IN_MODULES = (
    ("parts",), ("profile",), ("summary", "graph", "copies"), ("causes",), ("chains",), ("theory",), ("measuring",),
    ("cures", "watching", "width_record"), ("width",),
)  # fmt: skip
"""What lies in the room of models of the user, from below."""
NUMERICAL = {"module_banks", "nn", "tasks", "optim", "probing", "training", "streams"}


def imports() -> list[tuple[str, str, str]]:
    """Every import as (file, importing module, imported name), also those inside functions."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT)
        module = relative.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{relative}: imports are absolute here"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(str(relative), module, name) for name in names]
    return found


def target(name: str) -> str:
    """The module of ours that an imported name belongs to."""
    part = name.split(".")[1] if "." in name else "__init__"
    return part if (ROOT / part).is_dir() or (ROOT / f"{part}.py").is_file() else "__init__"


def test_rooms_import_only_what_lies_below_them():
    arrows = {(module, target(name)) for _, module, name in imports() if name.split(".")[0] == "gradlab"}
    up = {(module, below) for module, below in arrows if below not in {module, *MAY_IMPORT[module]}}
    assert not up


def test_the_table_has_no_cycle_and_names_every_room():
    order: list[str] = []
    left = dict(MAY_IMPORT)
    while left:
        free = sorted(module for module, below in left.items() if not below - set(order))
        assert free, f"a cycle among {sorted(left)}"
        order += free
        left = {module: below for module, below in left.items() if module not in free}
    there = {path.name.removesuffix(".py") for path in ROOT.iterdir() if path.name not in ("__pycache__", "py.typed")}
    assert there - {"__init__.pyi"} == set(MAY_IMPORT)


def test_inside_the_modules_arrows_point_downwards_too():
    place = {part: number for number, parts in enumerate(IN_MODULES) for part in parts}
    upwards = set()
    for path, _, name in imports():
        if path.startswith("modules/") and name.startswith("gradlab.modules."):
            above, below = Path(path).parts[1].removesuffix(".py"), name.split(".")[2]
            if above != below and place[below] >= place[above]:
                upwards.add((above, below))
    assert not upwards
    assert {path.name.removesuffix(".py") for path in (ROOT / "modules").iterdir()} - {"__init__", "__pycache__"} == {
        *place
    }


@pytest.mark.parametrize("package", OUTSIDE)
def test_outside_packages_stay_where_they_belong(package):
    wrong = [
        f"{file}: {name}"
        for file, module, name in imports()
        if name.split(".")[0] == package and module not in OUTSIDE[package]
    ]
    assert not wrong


def test_the_report_and_the_commands_know_no_networks():
    wrong = [
        f"{file}: {name}"
        for file, module, name in imports()
        if module
        in {"report", "cli", "python", "terminal", "api", "analysis", "query", "spec", "planning", "store", "results"}
        and target(name) in NUMERICAL
        and name.startswith("gradlab.")
    ]
    assert not wrong


@pytest.mark.parametrize("arguments", [["--help"], ["list", "activations"], ["run", "missing.yaml"]])
def test_light_commands_load_neither_torch_nor_pandas(arguments):
    code = (
        "import sys\nfrom gradlab.cli import main\n"
        f"sys.argv = ['gradlab', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'matplotlib'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)


def test_files_of_tests_have_names_of_their_own():
    """pytest imports them by their names alone."""
    names = [path.name for path in (Path(__file__).parent).rglob("test_*.py")]
    assert not {name for name in names if names.count(name) > 1}
