"""The reference grid as a user would write it with torch.nn, and the runners that are compared by `runners.py`.

    python benchmarks/runner_tasks.py RUNNER '{"depth": [4], "steps": 200, ...}'

Every runner trains the same cells and makes the same probes: the norms of the loss gradient with respect to the
output of every block, in float64, at steps 0, 1, 2, 4, ... and the last. Each prints one line of JSON: the mean log10
of survival at step 0 of its sigmoid cells with a Xavier init, which must agree between runners.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

AXES = ("depth", "activation", "init", "seed")
ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "selu": nn.SELU}
INITS: dict[str, Callable[[Tensor], object]] = {
    "xavier_normal": nn.init.xavier_normal_,
    "he_normal": nn.init.kaiming_normal_,
    "orthogonal": nn.init.orthogonal_,
}
WIDTH, BATCH, PROBE, LR = 64, 64, 128, 0.1
Setting = dict[str, Any]


def settings(grid: Setting) -> list[Setting]:
    """Return the cells of a grid, each with its number of steps."""
    return [dict(zip(AXES, point, strict=True)) | {"steps": grid["steps"]} for point in product(*map(grid.get, AXES))]


def probed(steps: int) -> set[int]:
    return {0, *(2**k for k in range(steps.bit_length())), steps}


@lru_cache(maxsize=1)
def digits() -> tuple[Tensor, Tensor]:
    """Return the training images, scaled, and their labels."""
    pixels, labels = load_digits(return_X_y=True)
    train, _, labels, _ = train_test_split(pixels, labels, test_size=450, random_state=0, stratify=labels)
    train = torch.as_tensor(train)
    centred = train - train.mean(0)
    return (centred / centred.square().mean().sqrt()).float(), torch.as_tensor(labels)


def network(depth: int, activation: str, init: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(WIDTH, WIDTH), ACTIVATIONS[activation]()]
    model = nn.Sequential(*layers, nn.Linear(WIDTH, 10))
    for layer in model:
        if isinstance(layer, nn.Linear):
            INITS[init](layer.weight)
            nn.init.zeros_(layer.bias)
    return model


def profile(model: nn.Sequential, x: Tensor, y: Tensor) -> list[float]:
    """Return the gradient norm at the output of every block."""
    params = {name: value.detach().double().requires_grad_() for name, value in model.named_parameters()}
    outputs, h = [], x.double()
    for i, layer in enumerate(model):
        own = {name.split(".")[1]: value for name, value in params.items() if name.split(".")[0] == str(i)}
        h = torch.func.functional_call(layer, own, (h,))
        if not isinstance(layer, nn.Linear):
            h.retain_grad()
            outputs.append(h)
    nn.functional.cross_entropy(h, y).backward()
    return [float(output.grad.norm()) for output in outputs]


def cell(depth: int, activation: str, init: str, seed: int, steps: int) -> list[list[float]]:
    """Train one cell the ordinary way and return its profiles."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # without it deep sigmoid networks take several times as long
    torch.manual_seed(seed)
    x, y = digits()
    model = network(depth, activation, init)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    probes, at = [], probed(steps)
    order, start = torch.randperm(len(x)), 0
    for step in range(steps + 1):
        if step in at:
            probes.append(profile(model, x[:PROBE], y[:PROBE]))
        if step == steps:
            break
        if start + BATCH > len(x):
            order, start = torch.randperm(len(x)), 0
        batch = order[start : start + BATCH]
        start += BATCH
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
    return probes


def of(setting: Setting) -> list[list[float]]:
    return cell(**setting)


def sequential(grid: Setting) -> list[list[list[float]]]:
    return [of(one) for one in settings(grid)]


def with_joblib(grid: Setting) -> list[list[list[float]]]:
    from joblib import Parallel, delayed

    return list(Parallel(n_jobs=2)(delayed(of)(one) for one in settings(grid)))


def vmap_group(depth: int, activation: str, members: list[tuple[str, int]], steps: int) -> list[list[list[float]]]:
    """Train all cells of one shape as an ensemble with torch.func, as its tutorial does; return their profiles."""
    from torch.func import functional_call, grad_and_value, stack_module_state, vmap

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    x, y = digits()
    models, orders = [], []
    for init, seed in members:
        torch.manual_seed(seed)
        models.append(network(depth, activation, init))
        orders.append(torch.cat([torch.randperm(len(x)) for _ in range(-(-steps * BATCH // len(x)) + 1)]))
    params, _ = stack_module_state(models)
    params = {name: value.detach() for name, value in params.items()}
    order = torch.stack(orders)
    skeleton, act = network(depth, activation, "he_normal").to("meta"), ACTIVATIONS[activation]()

    def loss(own: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(functional_call(skeleton, own, (x,)), y)

    def disturbed(eps: tuple[Tensor, ...], own: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        """Return the loss with something (zero) added to every block output: its gradient is that of the output."""
        for i, added in enumerate(eps):
            x = act(nn.functional.linear(x, own[f"{2 * i}.weight"], own[f"{2 * i}.bias"])) + added
        last = 2 * len(eps)
        return nn.functional.cross_entropy(nn.functional.linear(x, own[f"{last}.weight"], own[f"{last}.bias"]), y)

    gradients = vmap(grad_and_value(loss))
    zeros = tuple(torch.zeros(PROBE, WIDTH, dtype=torch.float64) for _ in range(depth))
    outputs = vmap(torch.func.grad(disturbed), in_dims=(None, 0, None, None))
    probes, at = [], probed(steps)
    for step in range(steps + 1):
        if step in at:
            wide = {name: value.double() for name, value in params.items()}
            found = outputs(zeros, wide, x[:PROBE].double(), y[:PROBE])
            probes.append(torch.stack([g.flatten(1).norm(dim=1) for g in found], 1))
        if step < steps:
            batch = order[:, step * BATCH : (step + 1) * BATCH]
            grads, _ = gradients(params, x[batch], y[batch])
            for name, value in params.items():
                value.sub_(grads[name], alpha=LR)
    return torch.stack(probes, 1).tolist()


def with_vmap(grid: Setting) -> list[list[list[float]]]:
    from joblib import Parallel, delayed

    members = list(product(grid["init"], grid["seed"]))
    shapes = list(product(grid["depth"], grid["activation"]))
    groups = [delayed(vmap_group)(*shape, members, grid["steps"]) for shape in reversed(shapes)]
    done = list(Parallel(n_jobs=2)(groups))
    return [one for group in reversed(done) for one in group]


def with_hydra(grid: Setting) -> list[list[list[float]]]:
    """Sweep with Hydra's multirun and its joblib launcher on two processes; each job writes what it found."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = [f"{axis}={','.join(map(str, grid[axis]))}" for axis in AXES]
        command = [
            sys.executable, str(Path(__file__).with_name("runner_hydra.py")),
            "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2",
            f"hydra.sweep.dir={folder}", f"+out={folder}", f"steps={grid['steps']}", *sweep,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        return [json.loads((Path(folder) / f"{key(one)}.json").read_text()) for one in settings(grid)]


def key(setting: Setting) -> str:
    return "-".join(str(setting[axis]) for axis in AXES)


def with_ray(grid: Setting, *, reuse: bool = False) -> list[list[list[float]]]:
    """Run Ray Tune's grid search, by default with a function, with `reuse` as a class whose actors are used again."""
    os.environ |= {"RAY_DEDUP_LOGS": "0", "RAY_AIR_NEW_OUTPUT": "0"}
    import ray
    from ray import tune

    here = str(Path(__file__).parent)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": here}})

    class Trial(tune.Trainable):
        def setup(self, config: Setting) -> None:
            self.setting = dict(config)

        def reset_config(self, new_config: Setting) -> bool:
            self.setting = dict(new_config)
            return True

        def step(self) -> Setting:
            return {"profiles": of(self.setting), "done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            pass

    def trial(config: Setting) -> None:
        tune.report({"profiles": of(dict(config))})

    with tempfile.TemporaryDirectory() as folder:
        space = {axis: tune.grid_search(grid[axis]) for axis in AXES} | {"steps": grid["steps"]}
        tuner = tune.Tuner(
            Trial if reuse else trial,
            param_space=space,
            tune_config=tune.TuneConfig(reuse_actors=reuse),
            run_config=tune.RunConfig(storage_path=folder, name="grid", verbose=0),
        )
        found = {key(result.config): result.metrics["profiles"] for result in tuner.fit()}
    ray.shutdown()
    return [found[key(one)] for one in settings(grid)]


def with_ray_reused(grid: Setting) -> list[list[list[float]]]:
    return with_ray(grid, reuse=True)


def with_gradlab(grid: Setting) -> list[list[list[float]]]:
    """Run `gradlab run` on the same grid, with two workers; without pictures, which the others do not draw either."""
    import pandas as pd

    text = f"""name: reference
width: {WIDTH}
optimizer: {{name: sgd, lr: {LR}}}
train: {{steps: {grid["steps"]}, batch_size: {BATCH}}}
probe: {{at: log, batch_size: {PROBE}}}
seeds: [{", ".join(map(str, grid["seed"]))}]
grid:
  depth: [{", ".join(map(str, grid["depth"]))}]
  activation: [{", ".join(grid["activation"])}]
  init: [{", ".join(grid["init"])}]
"""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "reference.yaml"
        spec.write_text(text)
        command = [
            sys.executable,
            "-m",
            "gradlab",
            "run",
            str(spec),
            "--out",
            folder,
            "--quiet",
            "--no-plots",
            "--device",
            "cpu",
        ]
        done = subprocess.run([*command, "--workers", "2"], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        table = pd.read_csv(Path(folder) / "reference" / "cells.csv").set_index(list(AXES))
        survival = [10 ** table.loc[tuple(one[axis] for axis in AXES), "log10_survival"] for one in settings(grid)]
        return [[[one, 1.0]] for one in survival]


RUNNERS: dict[str, Callable[[Setting], list[list[list[float]]]]] = {
    "sequential": sequential,
    "joblib": with_joblib,
    "hydra": with_hydra,
    "ray": with_ray,
    "ray_reused": with_ray_reused,
    "vmap": with_vmap,
    "gradlab": with_gradlab,
}


def main() -> None:
    grid = json.loads(sys.argv[2])
    found = RUNNERS[sys.argv[1]](grid)
    chosen = [
        math.log10(profiles[0][0] / profiles[0][-1])
        for one, profiles in zip(settings(grid), found, strict=True)
        if one["activation"] == "sigmoid" and one["init"] == "xavier_normal" and one["depth"] == grid["depth"][0]
    ]
    print(json.dumps({"cells": len(found), "log10_survival": sum(chosen) / len(chosen)}))


if __name__ == "__main__":
    # by its import name, so that other processes find what they are sent
    sys.path.insert(0, str(Path(__file__).parent))
    import runner_tasks

    runner_tasks.main()
