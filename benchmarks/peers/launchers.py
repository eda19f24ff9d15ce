"""The runners: each trains all cells of a grid and returns their numbers at each probe, in the order of the cells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

from peers import by_gradlab
from peers.setting import AXES, Cell, cells

__all__ = ["RUNNERS", "Runner"]

Grid = dict[str, Any]
Probes = list[dict[str, Any]]


def _train(cell: Cell) -> Probes:
    from peers import loop

    return loop.run(cell)


def _train_together(members: Sequence[Cell]) -> list[Probes]:
    from peers import ensemble

    return ensemble.run(members)


def sequential(grid: Grid) -> list[Probes]:
    """One cell after another in this process."""
    return [_train(cell) for cell in cells(grid)]


def joblib(grid: Grid) -> list[Probes]:
    """The same on two processes."""
    from joblib import Parallel, delayed

    return list(Parallel(n_jobs=2)(delayed(_train)(cell) for cell in cells(grid)))


def vmap(grid: Grid) -> list[Probes]:
    """An ensemble for each depth and activation, the deepest first, on two processes."""
    from joblib import Parallel, delayed

    every = cells(grid)
    shapes = list(product(grid["depth"], grid["activation"]))[::-1]
    groups = [[cell for cell in every if (cell.depth, cell.activation) == shape] for shape in shapes]
    done = Parallel(n_jobs=2)(delayed(_train_together)(group) for group in groups)
    probes = {
        cell: own for group, each in zip(groups, done, strict=True) for cell, own in zip(group, each, strict=True)
    }
    return [probes[cell] for cell in every]


def hydra(grid: Grid) -> list[Probes]:
    """Hydra's multirun with its joblib launcher on two processes; each job writes its numbers to a file."""
    with tempfile.TemporaryDirectory() as folder:
        first, *_ = every = cells(grid)
        fixed = {name: value for name, value in asdict(first).items() if name not in AXES}
        command = [
            sys.executable, "-m", "peers.hydra_app",
            "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"hydra.sweep.dir={folder}", f"+out={folder}",
            *(f"{name}={'null' if value is None else value}" for name, value in fixed.items()),
            *(f"{axis}={','.join(map(str, grid[axis]))}" for axis in AXES),
        ]  # fmt: skip
        ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode:
            raise SystemExit(ended.stderr)
        return [json.loads((Path(folder) / f"{cell.key}.json").read_text()) for cell in every]


def ray(grid: Grid, *, reuse: bool = False) -> list[Probes]:
    """Ray Tune's grid search, by default with a function, with `reuse` as a class whose actors are used again."""
    os.environ |= {"RAY_DEDUP_LOGS": "0", "RAY_AIR_NEW_OUTPUT": "0", "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0"}
    import ray as core
    from ray import tune

    path = os.pathsep.join(filter(None, sys.path))
    core.init(  # one of its own, whatever cluster this machine has beside it
        address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )  # fmt: skip

    class Trial(tune.Trainable):
        def setup(self, config: Grid) -> None:
            self.cell = Cell(**config)

        def reset_config(self, new_config: Grid) -> bool:
            self.cell = Cell(**new_config)
            return True

        def step(self) -> Grid:
            return {"probes": _train(self.cell), "done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            pass

    def trial(config: Grid) -> None:
        tune.report({"probes": _train(Cell(**config))})

    first, *_ = every = cells(grid)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            Trial if reuse else trial,
            param_space=asdict(first) | {axis: tune.grid_search(grid[axis]) for axis in AXES},
            tune_config=tune.TuneConfig(reuse_actors=reuse),
            run_config=tune.RunConfig(storage_path=folder, name="grid", verbose=0),
        )
        probes = {Cell(**result.config).key: result.metrics["probes"] for result in tuner.fit()}
    core.shutdown()
    return [probes[cell.key] for cell in every]


def ray_reused(grid: Grid) -> list[Probes]:
    """See `ray`."""
    return ray(grid, reuse=True)


@dataclass(frozen=True)
class Runner:
    """A runner, what the tables call it, and what it needs to be installed."""

    title: str
    run: Callable[[Grid], list[Probes]]
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """The modules that it needs and that are not there."""
        return [name for name in self.needs if find_spec(name) is None]


RUNNERS = {
    "sequential": Runner("plain torch.nn loop, one process", sequential),
    "joblib": Runner("the same, joblib on 2 processes", joblib, ("joblib",)),
    "hydra": Runner("Hydra multirun, joblib launcher on 2", hydra, ("hydra", "hydra_plugins", "joblib")),
    "ray": Runner("Ray Tune, 2 CPUs", ray, ("ray",)),
    "ray_reused": Runner("Ray Tune, `reuse_actors`", ray_reused, ("ray",)),
    "vmap": Runner("torch.func.vmap ensembles, joblib on 2", vmap, ("joblib",)),
    "gradlab": Runner("gradlab, 2 workers", by_gradlab.run),
}
