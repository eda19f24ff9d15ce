"""The table of docs/own_models.md: models of other packages, the blocks of their chains, verdict and cost.

    python benchmarks/module_table.py

Cost is the time of a probe over that of one plain forward and backward pass of the model in its own precision, medians
of five in turn, one thread. The models are tiny: what a probe costs beside its passes weighs more than in a real one;
benchmarks/probe.py measures models of a real size.
"""

from __future__ import annotations

import importlib.util
import logging
import platform
import statistics
import time
import warnings
from typing import Any

import torch
from torch import nn
from zoo import MODELS

from gradlab.modules.graph.values import tensors
from gradlab.modules.measuring.probe import measure
from gradlab.modules.summary import verdict


def plain(model: nn.Module, batch: Any) -> None:
    output = model(**batch) if isinstance(batch, dict) else batch(model) if callable(batch) else model(batch)
    first = next(tensor for _, tensor in tensors(output) if tensor.requires_grad)
    model.zero_grad()
    first.sum().backward()


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    print(f"{time.strftime('%Y-%m-%d')}, {platform.processor() or platform.machine()}, torch {torch.__version__}\n")
    print("| model | package | blocks | first and last | verdict | cost in passes | notes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, entry in MODELS.items():
        if importlib.util.find_spec(entry.package) is None:
            print(f"| {name} | {entry.package} | not installed |")
            continue
        torch.manual_seed(0)
        model, batch = entry.build()
        model.eval()
        profile = measure(model, batch)
        ratios = []
        for _ in range(5):
            start = time.process_time()
            plain(model, batch)
            middle = time.process_time()
            measure(model, batch)
            ratios.append((time.process_time() - middle) / (middle - start))
        ends = f"`{profile.blocks[0].name}` … `{profile.blocks[-1].name}`"
        cost = f"{statistics.median(ratios):.1f}"
        cells = (name, entry.package, len(profile.blocks), ends, verdict(profile), cost, entry.note)
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
