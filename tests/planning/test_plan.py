"""Banks: who may share one, how they are ordered and cut, and what they are said to cost."""

from __future__ import annotations

import dataclasses
import heapq
import random
from itertools import groupby

import pytest

from gradlab import grid, spec
from gradlab.api.sweep import sweep_spec
from gradlab.cell import SETTINGS, Cell
from gradlab.components import Named
from gradlab.planning import banks as plan

CELLS = grid.expand(
    spec.loads(
        "name: x\nseeds: 7\ngrid:\n  depth: [2, 8]\n  activation: [relu, tanh, {leaky_relu: 0.2}]\n"
        "  optimizer: [sgd, {name: adam, lr: 0.01}, adam]\n  clip: [none, {norm: 1}]\n"
        "  init: [he_normal, xavier_normal]\n"
    )
).cells


UNCUT = dataclasses.replace(plan.CPU, share=1.0)
"""The packing without regard to how long the banks take."""


def cells_of(text: str) -> tuple[Cell, ...]:
    return grid.expand(spec.loads(text)).cells


def cell(text: str) -> Cell:
    (only_cell,) = cells_of(f"name: x\n{text}")
    return only_cell


def test_every_cell_is_in_one_bank_and_only_what_may_differ_does() -> None:
    banks = plan.pack(CELLS)
    assert sorted(map(repr, CELLS)) == sorted(repr(cell) for bank in banks for cell in bank.cells)
    shared = [field.attribute for field in SETTINGS.values() if not field.per_replica] + ["data_digest"]
    for bank in banks:
        assert len({tuple(getattr(cell, name) for name in shared) for cell in bank.cells}) == 1
    assert len({bank.id for bank in banks}) == len(banks)


@pytest.mark.parametrize("field", [f for f in SETTINGS.values() if f.key != "seed"], ids=lambda f: f.key)
def test_a_setting_splits_banks_unless_it_is_marked(field) -> None:  # type: ignore[no-untyped-def]
    value = {"probe.at": (0, 7)}.get(field.key, 3 if isinstance(field.default, int) else 0.75)
    if field.is_component:
        value = dataclasses.replace(field.default, name="rnn" if field.key == "model" else "other")
    first = Cell(lr=0.1, seq_len=5)
    two = (first, dataclasses.replace(first, **{field.attribute: value}))
    assert len(plan.pack(two, UNCUT)) == (1 if field.per_replica else 2)


def test_changed_data_split_banks() -> None:
    task = Named("table", (("path", "/a.csv"), ("target", "y"), ("kind", "regression")))
    assert len(plan.pack([Cell(task=task, lr=0.1, data_digest=digest) for digest in ("a", "b")])) == 2


def test_equal_activations_are_contiguous_within_them_equal_optimizers_and_then_clips() -> None:
    for bank in plan.pack(CELLS):
        rules = [(cell.activation, cell.optimizer, cell.lr, cell.weight_decay) for cell in bank.cells]
        assert len(list(groupby(rule[0] for rule in rules))) == len({rule[0] for rule in rules})
        assert len(list(groupby(rules))) == len(set(rules))
        clips = [(*rule, cell.clip) for rule, cell in zip(rules, bank.cells, strict=True)]
        assert len(list(groupby(clips))) == len(set(clips))


def test_packing_does_not_depend_on_the_order_of_the_cells() -> None:
    shuffled = random.Random(0).sample(CELLS, len(CELLS))
    assert {(bank.id, bank.cells) for bank in plan.pack(shuffled)} == {
        (bank.id, bank.cells) for bank in plan.pack(CELLS)
    }


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("depth: 16\nwidth: 64\ntrain.batch_size: 64", 16, 32),
        ("depth: 8\nwidth: 32\ntrain.batch_size: 32", 32, 64),
        ("depth: 64\nwidth: 32\ntrain.batch_size: 64", 16, 64),
        ("depth: 16\nwidth: 128\ntrain.batch_size: 64", 6, 16),
    ],
)
def test_the_capacity_is_near_the_best_measured_one(text: str, low: int, high: int) -> None:
    """Where the time of a cell's step lies within some 15 % of the best of R = 1 to 64: see benchmarks/README.md."""
    assert low <= plan.capacity(cell(text)) <= high


@pytest.mark.parametrize("count", [1, 2, 15, 16, 23, 24, 33, 100])
def test_banks_of_a_group_are_almost_equally_large(count: int) -> None:
    banks = plan.pack(grid.expand(spec.loads(f"name: x\ndepth: 16\nseeds: {count}")).cells, UNCUT)
    sizes = [len(bank.cells) for bank in banks]
    most = plan.capacity(banks[0].cells[0])
    assert sum(sizes) == count
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == -(-count // most)


def test_a_probe_keeps_to_its_memory_and_a_bank_has_at_least_one_cell() -> None:
    large = cell("depth: 1000\nwidth: 512\nprobe.batch_size: 4096")
    assert plan.capacity(large) == 1
    unbounded = dataclasses.replace(plan.CPU, capacity_bytes=10**15)
    for depth, width, batch in ((1000, 16, 1024), (50, 64, 2048), (4, 512, 8192)):
        single = cell(f"depth: {depth}\nwidth: {width}\nprobe.batch_size: {batch}\ntrain.batch_size: 1")
        assert plan.capacity(single, unbounded) == max(1, 2**30 // (8 * 4 * batch * depth * width))


def test_more_capacity_makes_fewer_banks() -> None:
    assert len(plan.pack(CELLS, dataclasses.replace(UNCUT, capacity_bytes=10**9))) == 2
    assert len(plan.pack(CELLS, dataclasses.replace(UNCUT, capacity_bytes=1))) == len(CELLS)


def test_few_seeds_of_many_activations_share_a_bank_and_many_seeds_do_not() -> None:
    def kinds(seeds: int) -> list[set[str]]:
        text = f"name: x\ndepth: 16\nseeds: {seeds}\ngrid: {{activation: [sigmoid, tanh, relu, prelu]}}"
        return [{cell.activation.name for cell in bank.cells} for bank in plan.pack(cells_of(text), UNCUT)]

    assert kinds(3) == [{"sigmoid", "tanh", "relu"}, {"prelu"}]
    assert kinds(16) == [{"sigmoid"}, {"tanh"}, {"relu"}, {"prelu"}]


def test_learned_activations_and_recurrent_networks_have_banks_of_one_activation() -> None:
    banks = plan.pack(cells_of("name: x\ngrid: {activation: [{prelu: 0.1}, {prelu: 0.2}, relu, linear]}"), UNCUT)
    assert [len({cell.activation for cell in bank.cells}) for bank in banks] == [1, 1, 2]
    text = "name: x\nmodel: rnn\ntask: adding\nseq_len: 10\ngrid: {activation: [tanh, relu]}"
    assert [len(bank.cells) for bank in plan.pack(cells_of(text))] == [1, 1]


def last_to_finish(seconds: list[float], workers: int) -> float:
    """Longest first, each to whoever is free: when the last one is done."""
    free = [0.0] * workers
    for duration in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


SWEEP = sweep_spec({"depth": "2..64"})
REFERENCE = spec.loads(
    "name: x\nwidth: 64\ntrain.steps: 200\nseeds: 8\ngrid:\n  depth: [4, 8, 16, 32]\n"
    "  activation: [sigmoid, tanh, relu, gelu, selu]\n  init: [xavier_normal, he_normal, orthogonal]\n"
)
SMALL = spec.loads(
    "name: x\nseeds: 5\ngrid:\n  depth: [2, 4, 8, 16, 32]\n  activation: [sigmoid, relu]\n"
    "  init: [xavier_normal, he_normal]\n"
)


@pytest.mark.parametrize("document", [SWEEP, REFERENCE, SMALL], ids=["sweep", "reference", "small"])
@pytest.mark.parametrize("workers", [2, 4])
def test_no_worker_is_long_alone_at_the_end(document: spec.Spec, workers: int) -> None:
    """By the estimates: all workers end within a tenth of the time that they take."""
    seconds = [plan.estimate(bank).seconds for bank in plan.pack(grid.expand(document).cells)]
    assert last_to_finish(seconds, workers) < 1.1 * sum(seconds) / workers


@pytest.mark.parametrize("text", ["seeds: 10", "seeds: 3\nwidth: 512", "seeds: 40\nwidth: 16\ndepth: 2"])
def test_a_bank_above_its_share_is_one_that_is_dear_to_halve(text: str) -> None:
    banks = plan.pack(cells_of(f"name: x\n{text}"))
    (whole,) = plan.pack(cells_of(f"name: x\n{text}"), dataclasses.replace(UNCUT, capacity_bytes=10**9))
    assert sum(len(bank.cells) for bank in banks) == len(whole.cells)
    for bank in banks:
        if plan.estimate(bank).seconds > plan.CPU.share * plan.estimate(whole).seconds and len(bank.cells) > 1:
            middle = len(bank.cells) // 2
            halves = [plan.estimate(plan.bank_of(part)).seconds for part in (bank.cells[:middle], bank.cells[middle:])]
            assert sum(halves) > plan.DEARER * plan.estimate(bank).seconds


def test_a_gpu_has_larger_banks_within_its_own_limits() -> None:
    cells = cells_of("name: x\ndepth: 16\nseeds: 500\ngrid: {activation: [sigmoid, tanh, relu]}")
    (most, *smaller) = sorted((len(bank.cells) for bank in plan.pack(cells, plan.CUDA)), reverse=True)
    assert most > 10 * plan.capacity(cells[0])
    assert most <= plan.capacity(cells[0], plan.CUDA)
    assert sum((most, *smaller)) == len(cells)


def test_the_working_set_is_parameters_gradients_and_activations() -> None:
    small, double = (
        cell("depth: 3\nwidth: 5\ntrain.batch_size: 7"),
        cell("depth: 3\nwidth: 5\ntrain.batch_size: 7\nprecision: float64"),
    )
    assert plan.working_set_bytes(small) == 4 * (2 * 4 * 5 * 6 + 2 * 7 * 3 * 5)
    assert plan.working_set_bytes(double) == 2 * plan.working_set_bytes(small)


def test_estimates_grow_with_the_work() -> None:
    def of(text: str) -> plan.Estimate:
        (bank,) = plan.pack([cell(text)])
        return plan.estimate(bank)

    base = of("train.steps: 1000")
    assert of("train.steps: 2000").seconds > 1.8 * base.seconds
    assert of("train.steps: 1000\nwidth: 640").seconds > 10 * base.seconds
    assert of("train.steps: 1000\nwidth: 640").memory_bytes > 10 * base.memory_bytes
    assert of("train.steps: 1000\ndepth: 80").disk_bytes > 5 * base.disk_bytes
    assert of("train.steps: 0").seconds < base.seconds / 5
