"""How often the 95 % intervals of `gradlab compare` contain the truth, in simulated designs whose effects are known.

    python benchmarks/interval_coverage.py [--tables 2000]

prints the table of docs/statistics.md. Each table of cells is drawn anew: true means of the configurations with
interactions of all orders, a part that all cells of a seed have in common, and scatter of its own for each cell.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gradlab.analysis.compare.factor import Factor
from gradlab.analysis.compare.main_effects import main_effects

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Settings = tuple[int, ...]


@dataclass(frozen=True)
class Simulated:
    """One table of cells: `truth` has the mean of each configuration that was measured."""

    factors: tuple[Factor, ...]
    values: Floats
    seed: Integers
    truth: dict[Settings, float]


Run = tuple[list[Settings], range]
"""The configurations of a run and its seeds."""


def simulated(
    random: np.random.Generator,
    runs: list[Run],
    *,
    missing: float = 0.0,
    uneven: bool = False,
    null: tuple[int, ...] = (),
) -> Simulated:
    """Return the cells of some `runs` over the same factors.

    A share `missing` of the cells failed; `uneven`: the scatter grows fourfold along the last factor; factors of
    `null` change nothing at all.
    """
    every = sorted({setting for settings, _ in runs for setting in settings})
    sizes = np.max(every, axis=0) + 1
    means = random.normal(0, 2, sizes)
    for factor in null:
        means = np.broadcast_to(means.mean(axis=factor, keepdims=True), sizes)
    common = random.normal(0, 1, max(seeds.stop for _, seeds in runs))
    rows, values, seed = [], [], []
    for settings, seeds in runs:
        for setting, s in product(settings, seeds):
            if random.random() < missing:
                continue
            scatter = 1 + 3 * setting[-1] / max(sizes[-1] - 1, 1) if uneven else 1.0
            rows.append(setting)
            seed.append(s)
            values.append(means[setting] + common[s] * (1 + 0.3 * setting[0]) + scatter * random.normal())
    codes = np.array(rows, dtype=np.int64)
    factors = []
    for index in range(codes.shape[1]):
        levels, code = np.unique(codes[:, index], return_inverse=True)
        factors.append(Factor("abcd"[index], tuple(map(str, levels)), code.astype(np.int64)))
    measured = {tuple(map(int, row)) for row in rows}
    truth = {setting: float(means[setting]) for setting in measured}
    return Simulated(tuple(factors), np.array(values), np.array(seed, dtype=np.int64), truth)


def grid(*sizes: int) -> list[Settings]:
    return list(product(*map(range, sizes)))


def nested() -> list[Settings]:
    """Levels of the second factor that one level of the first has alone, as the length of a recurrent network."""
    return [(0, 0, c) for c in range(3)] + [(1, b, c) for b in range(4) for c in range(3)]


def holes(random: np.random.Generator) -> list[Settings]:
    settings = grid(3, 4, 2)
    chosen = random.permutation(len(settings))[:17]
    return [settings[index] for index in sorted(chosen)]


Design = Callable[[np.random.Generator, int], Simulated]

DESIGNS: dict[str, Design] = {
    "balanced": lambda random, n: simulated(random, [(grid(3, 4), range(n))]),
    "balanced, one factor without any effect": lambda random, n: simulated(random, [(grid(3, 4), range(n))], null=(0,)),
    "balanced, scatter grows fourfold": lambda random, n: simulated(random, [(grid(3, 4), range(n))], uneven=True),
    "crossed, three factors": lambda random, n: simulated(random, [(grid(2, 3, 3), range(n))]),
    "unbalanced, a tenth of the cells missing": lambda random, n: simulated(
        random, [(grid(3, 4), range(n))], missing=0.1
    ),
    "unbalanced, a third of the cells missing": lambda random, n: simulated(
        random, [(grid(3, 4), range(n))], missing=0.33
    ),
    "unbalanced, a third of the configurations missing": lambda random, n: simulated(
        random, [(holes(random), range(n))]
    ),
    "nested": lambda random, n: simulated(random, [(nested(), range(n))]),
    "two runs, other settings": lambda random, n: simulated(
        random, [(grid(2, 3, 1), range(n)), ([(a, b, 1) for a in (1, 2) for b in range(2)], range(n))]
    ),
    "two runs, same grid, other seeds": lambda random, n: simulated(
        random, [(grid(2, 3), range(n)), (grid(2, 3), range(n, 3 * n))]
    ),
    "two runs, half a grid each, other seeds, scatter grows": lambda random, n: simulated(
        random, [(grid(3, 2), range(n)), ([(a, b) for a in range(3) for b in (2, 3)], range(n, 2 * n))], uneven=True
    ),
    "three runs that meet in a part, other seeds": lambda random, n: simulated(
        random,
        [
            (grid(3, 2, 2), range(n)),
            ([(a, b, 1) for a in (0, 1) for b in (1, 2, 3)], range(n, 2 * n)),
            ([(3, b, c) for b in range(4) for c in range(2)], range(2 * n, 3 * n)),
        ],
    ),
}


def true_effects(table: Simulated, factor: int, levels: list[str]) -> list[float]:
    """Return the effects of some `levels`, from the true means where all of them were measured with the rest alike."""
    repeated = _repeated(table)
    wanted = [int(level) for level in levels]
    others = sorted({setting[:factor] + setting[factor + 1 :] for setting in repeated})
    rows = []
    for rest in others:
        settings = [(*rest[:factor], level, *rest[factor:]) for level in wanted]
        if all(setting in repeated for setting in settings):
            rows.append([table.truth[setting] for setting in settings])
    means = np.mean(rows, axis=0)
    return list(means - means.mean())


def _repeated(table: Simulated) -> set[Settings]:
    """Return the configurations with two seeds or more: no other has scatter that could be estimated."""
    levels = [np.array(factor.levels, dtype=int)[factor.codes] for factor in table.factors]
    cells = list(zip(*levels, strict=True))
    return {setting for setting in set(cells) if cells.count(setting) > 1}


def coverage(design: Design, seeds: int, tables: int, random: np.random.Generator) -> tuple[float, float, int]:
    """Return the share of the intervals that contain their true effect, its standard error over tables, their number.

    The standard error takes the tables as the unit, since the intervals of one table depend on each other.
    """
    covered = []
    number = 0
    for _ in range(tables):
        table = design(random, seeds)
        effects = main_effects(table.values, table.factors, table.seed).levels
        hits = []
        for index, factor in enumerate(table.factors):
            own = [effect for effect in effects if effect.factor == factor.name]
            if own:
                truth = true_effects(table, index, [effect.level for effect in own])
                hits += [effect.low <= true <= effect.high for effect, true in zip(own, truth, strict=True)]
        number += len(hits)
        if hits:
            covered.append(np.mean(hits))
    return float(np.mean(covered)), float(np.std(covered) / np.sqrt(len(covered))), number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=2000)
    tables = parser.parse_args().tables
    seeds = (3, 5, 8)
    print("| design | " + " | ".join(f"{n} seeds" for n in seeds) + " |\n| --- |" + " --- |" * len(seeds))
    for name, design in DESIGNS.items():
        cells = []
        for n in seeds:
            share, error, _ = coverage(design, n, tables, np.random.default_rng(n))
            cells.append(f"{100 * share:.1f} ± {100 * error:.1f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
