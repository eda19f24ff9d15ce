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
    "registry": set(),
    "streams": set(),
    "record": set(),
    "cell": {"registry"},
    "expect": {"registry", "cell", "survival"},
    "spec": {"errors", "registry", "cell", "expect"},
    "grid": {"errors", "registry", "cell", "spec"},
    "cost": {"registry", "cell"},
    "plan": {"registry", "cell", "cost"},
    "nn": {"registry"},
    "models": {"registry", "streams", "nn"},
    "tasks": {"errors", "registry", "streams"},
    "batches": {"streams", "tasks"},
    "optim": {"registry", "nn"},
    "probe": {"models", "nn"},
    "checkpoint": set(),
    "precision": {"registry"},
    "graph": set(),
    "tally": {"cell", "record", "tasks", "optim", "probe"},
    "train": {
        "registry",
        "cell",
        "checkpoint",
        "record",
        "batches",
        "graph",
        "tally",
        "tasks",
        "models",
        "optim",
        "precision",
        "probe",
    },
    "worker": {"errors", "cell", "checkpoint", "executor", "train"},
    "theory": {"__init__", "errors", "registry", "cell", "nn"},
    "executor": {"errors", "cell", "record", "plan"},
    "measured": {"cell", "record"},
    "store": {"errors", "registry", "cell", "record", "measured"},
    "stats": {"record", "measured"},
    "survival": {"cell", "record", "measured", "stats"},
    "progress": {"cell", "executor", "plan", "record", "survival"},
    "session": {"__init__", "executor", "store"},
    "failures": {"cell", "measured", "session", "store"},
    "predictions": {"__init__", "cell", "store", "survival"},
    "scheduling": {"cell", "executor", "measured", "plan", "progress", "session", "store"},
    "run": {
        "__init__",
        "cell",
        "spec",
        "grid",
        "plan",
        "store",
        "executor",
        "failures",
        "measured",
        "predictions",
        "survival",
        "progress",
        "scheduling",
        "session",
    },
    "sweep": {"errors", "registry", "cell", "spec", "grid"},
    "compare": {"errors", "registry", "cell", "record", "measured", "stats", "survival", "store"},
}
OUTSIDE = {
    # theory: only for a user's own activation that has no numpy twin
    "torch": {
        "streams",
        "nn",
        "models",
        "tasks",
        "batches",
        "optim",
        "probe",
        "train",
        "worker",
        "theory",
        "checkpoint",
        "precision",
        "graph",
        "tally",
    },
    "sklearn": {"tasks"},
    "pandas": {"tasks", "store", "survival", "report", "compare", "cli", "results", "api"},
    "pyarrow": {"store"},
    "ray": {"executor"},
    "rich": {"report", "cli"},
    "typer": {"cli"},
    "yaml": {"spec"},
    "pydantic": {"spec"},
    "matplotlib": {"report"},
    "tensorboard": {"report"},
}
NUMERICAL = {"nn", "models", "tasks", "optim", "probe", "train", "batches", "streams"}


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


def test_modules_import_only_what_lies_below_them():
    wrong = [
        f"{file}: {name}"
        for file, module, name in imports()
        if name.split(".")[0] == "gradlab"
        and module in MAY_IMPORT
        and target(name) not in {module, *MAY_IMPORT[module]}
    ]
    assert not wrong


def test_the_table_has_no_cycle_and_names_every_module_below_the_report():
    order: list[str] = []
    left = {module: set(below) - {module} for module, below in MAY_IMPORT.items()}
    while left:
        free = sorted(module for module, below in left.items() if not below - set(order))
        assert free, f"a cycle among {sorted(left)}"
        order += free
        left = {module: below for module, below in left.items() if module not in free}
    above = {"report", "cli", "results", "api", "__main__", "__init__.pyi"}
    there = {path.name.removesuffix(".py") for path in ROOT.iterdir() if path.name not in ("__pycache__", "py.typed")}
    assert there - set(MAY_IMPORT) <= above


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
        if module in {"report", "cli", "compare", "run", "executor", "store", "survival"}
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
