"""Banks: who may share one, how they are ordered and cut, and what they are said to cost."""

from __future__ import annotations

import dataclasses
import random
from itertools import groupby

import pytest

from gradlab import grid, plan, spec
from gradlab.cell import SETTINGS, Cell
from gradlab.registry import Named

CELLS = grid.expand(
    spec.loads(
        "name: x\nseeds: 7\ngrid:\n  depth: [2, 8]\n  activation: [relu, tanh, {leaky_relu: 0.2}]\n"
        "  optimizer: [sgd, {name: adam, lr: 0.01}, adam]\n  clip: [none, {norm: 1}]\n"
        "  init: [he_normal, xavier_normal]\n"
    )
).cells


def cell(text: str) -> Cell:
    (found,) = grid.expand(spec.loads(f"name: x\n{text}")).cells
    return found


def test_every_cell_is_in_one_bank_and_only_what_may_differ_does() -> None:
    banks = plan.pack(CELLS)
    assert sorted(map(repr, CELLS)) == sorted(repr(one) for bank in banks for one in bank.cells)
    shared = [field.attribute for field in SETTINGS.values() if not field.per_replica] + ["data_digest"]
    for bank in banks:
        assert len({tuple(getattr(one, name) for name in shared) for one in bank.cells}) == 1
    assert len({bank.id for bank in banks}) == len(banks)


@pytest.mark.parametrize("field", [f for f in SETTINGS.values() if f.key != "seed"], ids=lambda f: f.key)
def test_a_setting_splits_banks_unless_it_is_marked(field) -> None:  # type: ignore[no-untyped-def]
    other = {"model": "x", "task": "spirals"}
    value = other.get(field.key, 3 if isinstance(field.default, int) else 0.75)
    two = (Cell(lr=0.1), dataclasses.replace(Cell(lr=0.1), **{field.attribute: value}))
    if field.is_component:
        two = (
            two[0],
            dataclasses.replace(two[0], **{field.attribute: dataclasses.replace(field.default, name="other")}),
        )
    assert len(plan.pack(two)) == (1 if field.per_replica else 2)


def test_changed_data_split_banks() -> None:
    task = Named("table", (("path", "/a.csv"), ("target", "y"), ("kind", "regression")))
    assert len(plan.pack([Cell(task=task, lr=0.1, data_digest=one) for one in ("a", "b")])) == 2


def test_equal_optimizers_are_contiguous_and_within_them_equal_clips() -> None:
    for bank in plan.pack(CELLS):
        rules = [(one.optimizer, one.lr, one.weight_decay) for one in bank.cells]
        assert len(list(groupby(rules))) == len(set(rules))
        clips = [(*rule, one.clip) for rule, one in zip(rules, bank.cells, strict=True)]
        assert len(list(groupby(clips))) == len(set(clips))


def test_packing_does_not_depend_on_the_order_of_the_cells() -> None:
    shuffled = random.Random(0).sample(CELLS, len(CELLS))
    assert {(bank.id, bank.cells) for bank in plan.pack(shuffled)} == {
        (bank.id, bank.cells) for bank in plan.pack(CELLS)
    }


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("depth: 16\nwidth: 64\ntrain.batch_size: 64", 12, 20),
        ("depth: 8\nwidth: 32\ntrain.batch_size: 32", 26, 40),
        ("depth: 16\nwidth: 128\ntrain.batch_size: 64", 6, 10),
    ],
)
def test_the_capacity_is_near_the_best_measured_one(text: str, low: int, high: int) -> None:
    """R of 16, 32 and 8: the table of the design, a plateau around each."""
    assert low <= plan.capacity(cell(text)) <= high


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 31, 33, 100])
def test_banks_of_a_group_are_almost_equally_large(count: int) -> None:
    banks = plan.pack(grid.expand(spec.loads(f"name: x\ndepth: 16\nseeds: {count}")).cells)
    sizes = [len(bank.cells) for bank in banks]
    most = plan.capacity(banks[0].cells[0])
    assert sum(sizes) == count
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == -(-count // most)


def test_a_probe_keeps_to_its_memory_and_a_bank_has_at_least_one_cell() -> None:
    large = cell("depth: 1000\nwidth: 512\nprobe.batch_size: 4096")
    assert plan.capacity(large) == 1
    for depth, width, batch in ((1000, 16, 1024), (50, 64, 2048), (4, 512, 8192)):
        one = cell(f"depth: {depth}\nwidth: {width}\nprobe.batch_size: {batch}\ntrain.batch_size: 1")
        assert plan.capacity(one, 10**15) == max(1, 2**30 // (8 * 4 * batch * depth * width))


def test_more_capacity_makes_fewer_banks() -> None:
    assert len(plan.pack(CELLS, capacity_bytes=10**9)) == 6
    assert len(plan.pack(CELLS, capacity_bytes=1)) == len(CELLS)


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
    assert of("train.steps: 1000\nwidth: 640").seconds > 20 * base.seconds
    assert of("train.steps: 1000\nwidth: 640").memory_bytes > 10 * base.memory_bytes
    assert of("train.steps: 1000\ndepth: 80").disk_bytes > 5 * base.disk_bytes
    assert of("train.steps: 0").seconds < base.seconds / 5
