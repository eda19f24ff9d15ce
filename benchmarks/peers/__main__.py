"""One runner on one grid: `python -m peers RUNNER '{"depth": [4], ...}'` prints a line of JSON.

`log10_survival`: the mean at step 0 over the cells of the first depth, activation and init of the grid, which agrees
between runners within the scatter of their seeds; `loss`: their mean loss at the end.
"""

from __future__ import annotations

import json
import sys
from math import log10
from statistics import fmean

from peers.launchers import RUNNERS
from peers.setting import cells

if __name__ == "__main__":
    grid = json.loads(sys.argv[2])
    results = RUNNERS[sys.argv[1]].run(grid)
    shape = tuple(grid[axis][0] for axis in ("depth", "activation", "init"))
    chosen = [
        probes
        for cell, probes in zip(cells(grid), results, strict=True)
        if (cell.depth, cell.activation, cell.init) == shape
    ]
    survival = fmean(log10(probes[0]["grad_norm"][0] / probes[0]["grad_norm"][-1]) for probes in chosen)
    loss = fmean(probes[-1]["loss"] for probes in chosen)
    print(json.dumps({"cells": len(results), "log10_survival": survival, "loss": loss}))
