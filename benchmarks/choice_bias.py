"""What a choice between values of an axis is worth, in simulated grids whose true accuracies are known.

    python benchmarks/choice_bias.py [--configurations 20000]

prints both tables of docs/statistics.md. The accuracy of a network is the worth of its value plus luck that is normal
over seeds; on each half of the held-out samples it is counted over 200 of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradlab.analysis.compare.choice import Choice, Trials, choose

SEEDS, SAMPLES = 5, 200
ALIKE = ((3, 0.0), (3, 0.02), (10, 0.02), (10, 0.1))
"""Values that are all worth 0.6, and the deviation of the luck."""
BEST_BY = (0.005, 0.01, 0.02, 0.05)
"""By what one of five values is better than two others; two more are far behind. The luck is 0.02."""


def chosen(worth: Sequence[float], luck: float, configurations: int, random: np.random.Generator) -> Choice:
    """Return the choice in as many configurations, each with 5 seeds of every value."""
    shape = (configurations, len(worth), SEEDS)
    accuracy = np.clip(np.array(worth)[:, None] + luck * random.normal(size=shape), 0, 1)
    validation, test = random.binomial(SAMPLES, accuracy, size=(2, *shape)) / SAMPLES
    configuration, value, seed = (index.ravel() for index in np.indices(shape))
    nothing: NDArray[np.bool_] = np.zeros(validation.size, dtype=bool)
    return choose(Trials(validation.ravel(), test.ravel(), nothing, nothing, configuration, value, seed))


def print_bias(configurations: int) -> None:
    print("| values, all worth 0.6 | luck | same samples | test half | test half, value of the other seeds |")
    print("| --- | --- | --- | --- | --- |")
    for number, (values, luck) in enumerate(ALIKE):
        choice = chosen([0.6] * values, luck, configurations, np.random.default_rng(number))
        means = choice.validation.mean[choice.chosen], choice.test.mean[choice.chosen], choice.without_seed
        texts = [f"{each.mean() - 0.6:+.4f} ± {each.std() / configurations**0.5:.4f}" for each in means]
        print(f"| {values} | {luck:g} | {' | '.join(texts)} |", flush=True)


def print_ties(configurations: int) -> None:
    print("| best by | chosen | chosen or a tie | ties among the other four |")
    print("| --- | --- | --- | --- |")
    for number, lead in enumerate(BEST_BY):
        worth = (0.6 - lead, 0.6, 0.6 - lead, 0.5, 0.4)
        choice = chosen(worth, 0.02, configurations, np.random.default_rng(100 + number))
        ties = choice.ties.reshape(configurations, len(worth))
        right = choice.chosen % len(worth) == 1
        held, others = right | ties[:, 1], ties.sum(axis=1).mean()
        print(f"| {lead:g} | {100 * right.mean():.1f} % | {100 * held.mean():.1f} % | {others:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=20_000)
    configurations = parser.parse_args().configurations
    print_bias(configurations)
    print()
    print_ties(configurations)


if __name__ == "__main__":
    main()
