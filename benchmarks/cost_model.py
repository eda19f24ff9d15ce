"""Measure banks of many kinds, and fit the rates of `gradlab.planning.cost` to them.

    OMP_NUM_THREADS=1 python benchmarks/cost_model.py measure    # some minutes; writes benchmarks/cost_model.csv
    python benchmarks/cost_model.py fit                          # prints RATES, and how well they hold

What is measured is the processor time of the thread, which other processes disturb much less than the clock on the
wall: medians of the single steps and probes, the better of the rounds. The fit is a non-negative least squares of the
relative errors, one for steps, one for probes, one for what a bank does once.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls

from gradlab.cell import Cell
from gradlab.components import ACTIVATIONS, OPTIMIZERS, Named
from gradlab.planning.cost import bank_features, probe_features, step_features
from gradlab.training.loop import Trainer

TABLE = Path(__file__).with_suffix(".csv")
TIMES = ("step_us", "probe_us", "bank_us")
CLIPS = {"norm": ("max", 1.0), "value": ("max", 0.1), "agc": ("factor", 0.01)}
COMPONENTS = ("model", "task", "activation", "init", "norm", "residual", "optimizer", "clip", "precision")


def configurations() -> Iterator[tuple[str, int]]:
    """Yield settings as text and a number of replicas. `activation` and `optimizer` may list several, joined by +."""
    for shape, counts in {
        "depth=4 width=32": (1, 9, 32),
        "depth=16 width=32": (1, 3, 9, 32),
        "depth=64 width=32": (3, 9, 18),
        "depth=8 width=32 batch_size=32": (1, 32),
        "depth=4 width=64": (1, 8, 24),
        "depth=16 width=64": (1, 4, 16, 24),
        "depth=32 width=64": (12,),
        "depth=100 width=64": (4,),
        "depth=16 width=64 batch_size=256 probe_batch_size=256": (8,),
        "depth=16 width=128": (1, 8),
        "depth=8 width=256": (1, 4),
        "depth=4 width=512": (1, 2),
        "depth=4 width=1024": (1,),
    }.items():
        for count in counts:
            yield shape, count
    for shape, count in {
        "depth=4 width=8": 1, "depth=8 width=16": 8, "depth=20 width=16": 4, "depth=8 width=32": 8,
        "depth=4 width=64": 4,
        "depth=8 width=16 norm=batch": 4, "depth=12 width=16 residual=add": 2,
    }.items():  # fmt: skip
        yield f"model=conv {shape}", count
    for name in ACTIVATIONS:
        yield f"depth=16 width=64 activation={name}", 8
        yield f"depth=8 width=32 activation={name}", 16
    yield "depth=16 width=32 activation=sigmoid+tanh+relu", 9
    yield "depth=16 width=32 activation=sigmoid+tanh+relu+gelu+selu", 15
    yield "depth=16 width=64 activation=sigmoid+tanh+relu", 9
    for name in ("batch", "layer", "rms"):
        yield f"depth=16 width=64 norm={name}", 8
        yield f"depth=8 width=32 norm={name}", 9
    yield "depth=16 width=64 residual=add", 8
    yield "depth=8 width=32 residual=add", 9
    yield "depth=16 width=64 residual=pre_norm norm=layer", 8
    yield "depth=16 width=64 dropout=0.1", 8
    for name in OPTIMIZERS:
        if name != "sgd":
            yield f"depth=16 width=64 optimizer={name}", 8
    yield "depth=8 width=32 optimizer=sgd+adam+rmsprop", 9
    for name in CLIPS:
        yield f"depth=16 width=64 clip={name}", 8
    yield "depth=16 width=64 l2=0.001", 8
    for name in ("float64", "bfloat16", "float16"):
        yield f"depth=16 width=64 precision={name}", 8
        yield f"depth=8 width=32 precision={name}", 9
    for name in ("he_normal", "orthogonal"):
        yield f"depth=32 width=64 init={name}", 8
        yield f"depth=8 width=128 init={name}", 4
    for model in ("rnn", "lstm", "gru", "minimal_rnn"):
        for shape, count in (
            ("seq_len=20 width=32", 1), ("seq_len=20 width=32", 9), ("seq_len=100 width=32", 6),
            ("seq_len=50 width=64", 8), ("seq_len=30 width=32 depth=2", 6),
        ):  # fmt: skip
            yield f"model={model} task=adding activation=tanh depth=1 {shape}", count
    for shape, counts in {
        "task=sequential_digits seq_len=16 depth=4 width=64 batch_size=16": (1, 8, 16),
        "task=sequential_digits seq_len=16 depth=4 width=64": (1, 4),
        "task=sequential_digits seq_len=16 depth=4 width=32 batch_size=16": (1, 16),
        "task=sequential_digits seq_len=64 depth=4 width=64 batch_size=16": (4,),
        "task=sequential_digits seq_len=16 depth=8 width=128 batch_size=16": (4,),
        "task=digits depth=4 width=64": (2,),
    }.items():
        for count in counts:
            yield f"model=transformer norm=layer residual=pre_norm {shape}", count


def cells_of(settings: str, replicas: int) -> list[Cell]:
    """Return the cells that a row of the table stands for."""
    given = [pair.split("=") for pair in settings.split()]
    values: dict[str, object] = {"activation": "relu", "optimizer": "sgd", "init": "xavier_normal", **dict(given)}
    several = {key: str(values.pop(key)).split("+") for key in ("activation", "optimizer")}
    for key, value in values.items():
        if key == "clip":
            values[key] = Named(str(value), (CLIPS[str(value)],))
        elif key in COMPONENTS:
            values[key] = Named(str(value))
        else:
            values[key] = float(str(value)) if "." in str(value) else int(str(value))
    cells = []
    for r in range(replicas):
        own = {key: Named(names[r * len(names) // replicas]) for key, names in several.items()}
        lr = OPTIMIZERS[own["optimizer"].name].params["lr"].default / 10
        cells.append(Cell(**values, **own, lr=lr, seed=r))  # type: ignore[arg-type]
    return cells


def timed(function: Callable[[int], object], seconds: float, least: int) -> float:
    """Return the median processor time of a call, microseconds, from as many calls as fit."""
    function(0)
    times: list[float] = []
    while len(times) < least or (sum(times) < seconds and len(times) < 200):
        start = time.thread_time()
        function(len(times))
        times.append(time.thread_time() - start)
    return 1e6 * statistics.median(times)


def measure(rounds: int) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    listed = list(dict.fromkeys(configurations()))
    best: dict[tuple[str, int], list[float]] = {one: [math.inf] * len(TIMES) for one in listed}
    Trainer(cells_of("depth=1 width=8", 1), torch.device("cpu")).measure(0)  # whatever is loaded at first use
    for _ in range(rounds):
        for settings, replicas in listed:
            cells = [dataclasses.replace(cell, steps=1000) for cell in cells_of(settings, replicas)]
            start = time.thread_time()
            trainer = Trainer(cells, torch.device("cpu"))
            begun = time.thread_time() - start
            found = (timed(trainer.step, 0.25, 5), timed(trainer.measure, 0.1, 3), 1e6 * begun)
            best[settings, replicas] = [min(pair) for pair in zip(best[settings, replicas], found, strict=True)]
            print(f"{settings}, R = {replicas}: {' '.join(f'{one:.0f}' for one in found)}", flush=True)
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("settings", "replicas", *TIMES))
        writer.writerows((*one, *(f"{value:.0f}" for value in times)) for one, times in best.items())


def fit() -> None:
    with TABLE.open() as file:
        rows = list(csv.DictReader(file))
    banks = [cells_of(row["settings"], int(row["replicas"])) for row in rows]
    rates: dict[str, float] = {}
    for column, features in zip(TIMES, (step_features, probe_features, bank_features), strict=True):
        times = np.array([1e-6 * float(row[column]) for row in rows])
        counted = [features(cells) for cells in banks]
        names = list(dict.fromkeys(name for one in counted for name in one))
        matrix = np.array([[one.get(name, 0.0) for name in names] for one in counted])
        scale = matrix.max(0) + 1e-300
        solved = nnls(matrix / scale / times[:, None], np.ones(len(rows)))[0] / scale
        predicted = matrix @ solved
        # a rate that no row needs is still a rate: what is counted must be found
        rates |= dict(zip(names, solved.tolist(), strict=True))
        off = np.maximum(predicted / times, times / predicted)
        shares = ", ".join(f"{np.mean(off < factor):.0%} within {factor}" for factor in (1.25, 1.5, 2.0))
        print(f"# {column}: {shares}; worst:")
        for i in np.argsort(off)[::-1][:5]:
            print(f"#   {rows[i]['settings']}, R = {rows[i]['replicas']}: {predicted[i] / times[i]:.2f}")
    print("RATES = {")
    for name, rate in rates.items():
        print(f'    "{name}": {rate:.2e},')
    print("}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("measure", "fit"))
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    if options.do == "measure":
        measure(options.rounds)
    else:
        fit()


if __name__ == "__main__":
    main()
