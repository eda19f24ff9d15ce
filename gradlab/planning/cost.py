"""What a bank costs: time, memory and disk, from the settings of its cells alone, without torch.

The time is a sum of features (steps, blocks, floating-point operations, elements passed over ...) times `RATES`, the
seconds that one of each takes. `benchmarks/cost_model.py` measures banks of many kinds and fits the rates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from gradlab.cell import Cell, probe_steps
from gradlab.families import FAMILIES, Cost

__all__ = [
    "RATES",
    "Estimate",
    "bank_features",
    "estimate",
    "memory_bytes",
    "parameters",
    "probe_bytes",
    "probe_features",
    "seconds",
    "step_features",
    "units",
    "working_set_bytes",
]

_FUSED = ("sgd", "momentum", "nesterov", "adagrad", "adam", "adamw")
"""Optimizers whose update is one kernel in torch; the others make a dozen passes over the parameters."""
_BY_TENSOR = ("muon", "adafactor")
"""Optimizers that update every matrix of every replica by itself."""
_ITEMSIZE = {"float64": 8, "float32": 4}
_CHEAP = ("linear", "relu", "leaky_relu", "hardtanh")

RATES: dict[str, float] = {
    "flop": 6.83e-12, "unit": 1.60e-09, "block": 7.75e-06, "run": 1.21e-05, "step": 8.49e-05, "rule": 2.60e-05,
    "fused_update": 0.0, "clip": 2.58e-04, "clip_parameter": 7.69e-11, "sigmoid_unit": 0.0,
    "hardsigmoid_unit": 1.09e-09, "logsigmoid_unit": 2.17e-09, "tanh_unit": 4.88e-10, "tanhshrink_unit": 3.73e-09,
    "softsign_unit": 2.57e-09, "erf_unit": 3.19e-09, "sine_unit": 3.85e-09, "relu6_unit": 1.13e-09,
    "relu_squared_unit": 1.87e-09, "prelu_unit": 1.16e-08, "elu_unit": 2.12e-09, "celu_unit": 2.11e-09,
    "selu_unit": 2.19e-09, "gelu_unit": 2.59e-09, "gelu_tanh_unit": 3.38e-09, "silu_unit": 1.44e-09,
    "hardswish_unit": 1.13e-09, "mish_unit": 7.41e-09, "softplus_unit": 2.28e-09, "squareplus_unit": 9.62e-09,
    "softshrink_unit": 1.15e-09, "tat_unit": 1.62e-09, "dks_unit": 4.57e-09, "hardshrink_unit": 1.12e-09,
    "threshold_unit": 1.20e-09, "norm_block": 8.82e-05, "batch_unit": 8.65e-09, "layer_unit": 1.17e-09,
    "rms_unit": 1.54e-09, "residual_unit": 4.54e-10, "dropout_unit": 5.58e-09, "plain_update": 9.29e-10,
    "adafactor_tensor": 5.74e-05, "muon_tensor": 2.51e-04, "rprop_update": 1.03e-08, "bfloat16_unit": 0.0,
    "float16_unit": 4.36e-08, "time_block": 2.18e-05, "probe_flop": 2.10e-11, "probe_unit": 1.12e-08,
    "probe_block": 2.15e-04, "probe_run": 6.44e-05, "probe": 7.77e-04, "probe_cell": 1.16e-05,
    "probe_sigmoid_unit": 3.15e-10, "probe_hardsigmoid_unit": 5.15e-10, "probe_logsigmoid_unit": 7.21e-09,
    "probe_tanh_unit": 4.61e-09, "probe_tanhshrink_unit": 1.43e-08, "probe_softsign_unit": 7.71e-09,
    "probe_erf_unit": 1.19e-08, "probe_sine_unit": 1.49e-08, "probe_relu6_unit": 7.66e-10,
    "probe_relu_squared_unit": 3.69e-09, "probe_prelu_unit": 2.98e-08, "probe_elu_unit": 5.94e-09,
    "probe_celu_unit": 6.92e-09, "probe_selu_unit": 6.28e-09, "probe_gelu_unit": 8.25e-09,
    "probe_gelu_tanh_unit": 1.17e-08, "probe_silu_unit": 3.02e-09, "probe_hardswish_unit": 1.58e-09,
    "probe_mish_unit": 3.32e-08, "probe_softplus_unit": 7.81e-09, "probe_squareplus_unit": 3.00e-08,
    "probe_softshrink_unit": 1.29e-09, "probe_tat_unit": 3.60e-09, "probe_dks_unit": 1.78e-08,
    "probe_hardshrink_unit": 1.37e-09, "probe_threshold_unit": 1.45e-09, "probe_norm_block": 9.22e-05,
    "probe_batch_unit": 1.12e-08, "probe_layer_unit": 8.33e-09, "probe_rms_unit": 6.20e-09,
    "probe_residual_unit": 2.56e-09, "probe_dropout_unit": 2.58e-09, "probe_bfloat16_unit": 0.0,
    "probe_float16_unit": 6.45e-08, "probe_time_block": 2.97e-04, "cell": 3.51e-04, "drawn": 1.57e-08,
    "token_block": 1.50e-04, "probe_token_block": 2.00e-04,
    "turned": 1.93e-10, "bank": 2.55e-03, "time_bank": 8.69e-04, "sequence": 2.39e-05, "conv_flop": 2.87e-12,
    "conv_unit": 4.80e-09, "conv_block": 2.81e-04, "probe_conv_flop": 2.07e-11, "probe_conv_unit": 3.74e-08,
    "probe_conv_block": 1.38e-03,
}  # fmt: skip
"""Seconds of one of each feature, on one thread of a shared 2-core AMD EPYC (2026): within a factor of 1.5 for 96 %
of the banks measured. A run corrects them by how long its first banks took."""


_PROFILE_SHARE = 0.68
"""What a probe of `probe.record: profile` takes of one that measures everything (0.61 to 0.75 measured)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a bank will take, roughly: for a progress bar and a dry run."""

    seconds: float
    memory_bytes: int
    """At its largest, during a probe."""
    disk_bytes: int
    """The bank's part and its share of the tables."""


def estimate(cells: Sequence[Cell]) -> Estimate:
    """Return what a bank of these cells will take on one thread of a CPU."""
    cell, replicas = cells[0], len(cells)
    probes = len(probe_steps(cell.steps, cell.probe_at))
    total = seconds(bank_features(cells)) + cell.steps * seconds(step_features(cells))
    total += probes * seconds(probe_features(cells))
    return Estimate(total, memory_bytes(cell) * replicas, _disk_bytes(cell, probes) * replicas)


def seconds(features: dict[str, float]) -> float:
    """Return the time of what `features` counts; what has no rate, as an activation of the user's own, is free."""
    return sum(RATES.get(name, 0.0) * count for name, count in features.items())


def _cost(cell: Cell) -> Cost:
    return FAMILIES[cell.model.name].cost


def parameters(cell: Cell) -> int:
    """Return about how many parameters one replica has."""
    return _cost(cell).parameters(cell)


def units(cell: Cell) -> int:
    """Return the numbers between the maps of one sample: before the nonlinearities, all layers, all time steps."""
    return _cost(cell).units(cell)


def step_features(cells: Sequence[Cell]) -> dict[str, float]:
    """Return what one training step counts."""
    cell, replicas = cells[0], len(cells)
    counts = _pass(cells, cell.batch_size, "", cell.precision.name)
    rules = [(member.optimizer, member.lr, member.weight_decay) for member in cells]
    counts["step"] = 1
    counts["rule"] = sum(1 for _ in groupby(rules))
    for name, count in Counter(member.optimizer.name for member in cells).items():
        if name in _BY_TENSOR:
            counts[f"{name}_tensor"] = count * (cell.depth + 1)
        else:
            kind = "fused" if name in _FUSED else "rprop" if name == "rprop" else "plain"
            counts[f"{kind}_update"] = counts.get(f"{kind}_update", 0) + count * parameters(cell)
    penalised = any(member.l1 or member.l2 for member in cells)
    clipped = sum(member.clip.name != "none" for member in cells)
    counts["clip"] = float(clipped > 0)
    counts["clip_parameter"] = ((replicas + clipped) * (clipped > 0) + 2 * replicas * penalised) * parameters(cell)
    return counts


def probe_features(cells: Sequence[Cell]) -> dict[str, float]:
    """Return what one probe counts."""
    counts = _pass(cells, cells[0].probe_batch_size, "probe_", "float64") | {"probe": 1, "probe_cell": len(cells)}
    share = _PROFILE_SHARE if cells[0].probe_record == "profile" else 1.0
    return {name: share * count for name, count in counts.items()}


def bank_features(cells: Sequence[Cell]) -> dict[str, float]:
    """Return what is done once: data, initial weights, records."""
    cell = cells[0]
    turned = sum(member.init.name == "orthogonal" for member in cells) * parameters(cell) * cell.width
    counts: dict[str, float] = {"cell": len(cells), "drawn": len(cells) * parameters(cell), "turned": turned}
    for name, count in _cost(cell).bank(cell).items():
        counts[name.removesuffix("_per_cell")] = count * (len(cells) if name.endswith("_per_cell") else 1)
    return counts


def _pass(cells: Sequence[Cell], batch: int, prefix: str, precision: str) -> dict[str, float]:
    """Return what one forward and backward pass counts, of a training step or (with the prefix) of a probe."""
    cell, replicas = cells[0], len(cells)
    maps, kind = _cost(cell).maps(cell), _cost(cell).kind
    mapped = batch * units(cell)
    wide = 2 if precision == "float64" and not prefix else 1
    counts: dict[str, float] = {
        # a sample: 2 for each product forward, 4 backward
        f"{prefix}{kind}flop": 6 * wide * _cost(cell).products(cell) * replicas * batch,
        f"{prefix}{kind}unit": wide * mapped * replicas,
    }
    if cell.precision.name in ("bfloat16", "float16"):  # beside a probe too: the held-out samples are judged in it
        counts[f"{prefix}{cell.precision.name}_unit"] = mapped * replicas
    runs = [(name, len(list(group))) for name, group in groupby(member.activation.name for member in cells)]
    counts[f"{prefix}{_cost(cell).step}"] = maps
    counts[f"{prefix}run"] = maps * (len(runs) - 1)
    for name, count in runs:
        if name not in _CHEAP:
            key = f"{prefix}{name}_unit"
            counts[key] = counts.get(key, 0) + wide * mapped * count
    if cell.norm.name != "none":
        counts[f"{prefix}norm_block"] = maps
        counts[f"{prefix}{cell.norm.name}_unit"] = wide * mapped * replicas
    if cell.dropout:
        counts[f"{prefix}dropout_unit"] = wide * mapped * replicas
    if cell.residual.name != "none":
        counts[f"{prefix}residual_unit"] = wide * mapped * replicas
    return counts


def working_set_bytes(cell: Cell) -> int:
    """Return the bytes that one training step of one replica goes through.

    Parameters and their gradients, and of every block the pre-activation and the output of the batch:
    ``itemsize * (2 P + 2 N U)`` with P parameters, batch N and the U `units` of a sample.
    """
    return _ITEMSIZE.get(cell.precision.name, 4) * 2 * (parameters(cell) + cell.batch_size * units(cell))


def probe_bytes(cell: Cell) -> int:
    """Return the float64 activations and gradients that a probe of one replica holds at once: 4 of every block."""
    return 8 * 4 * cell.probe_batch_size * units(cell)


def memory_bytes(cell: Cell) -> int:
    """Return the memory of one replica: training with two optimizer states beside the float64 probe."""
    return 3 * working_set_bytes(cell) + 8 * 3 * parameters(cell) + probe_bytes(cell)


def _disk_bytes(cell: Cell, probes: int) -> int:
    """Return the disk of one cell: a part's profiles (11 numbers a block and probe), and its rows in the tables."""
    blocks = FAMILIES[cell.model.name].length(cell)
    return 1500 + probes * (100 + blocks * (11 * 6 + 130))
