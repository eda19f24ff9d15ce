"""Parameters of components under dotted keys: the same cells as with whole components, and what is refused."""

from __future__ import annotations

import pytest

from gradlab import grid, spec
from gradlab.cell import cell_id
from gradlab.errors import SpecError


def ids(text: str, *overrides: str) -> list[str]:
    return [cell_id(cell) for cell in grid.expand(spec.loads(f"name: x\n{text}", "spec.yaml", overrides)).cells]


SAME = {
    "axis": (
        "optimizer: adam\ngrid: {optimizer.eps: [1e-8, 1e-4]}",
        "grid: {optimizer: [adam, {name: adam, eps: 1e-4}]}",
    ),
    "fixed": ("optimizer: adam\noptimizer.eps: 1e-4", "optimizer: {name: adam, eps: 1e-4}"),
    "component and parameter": (
        "grid: {optimizer: [adam, rmsprop], optimizer.eps: [1e-8, 1e-4]}",
        "grid: {optimizer: [adam, {name: adam, eps: 1e-4}, rmsprop, {name: rmsprop, eps: 1e-4}]}",
    ),
    "parameter first, another axis between": (
        "grid: {task.noise: [0, 0.5], depth: [2, 3], task: [teacher, spirals]}",
        "grid: {task: [{name: teacher, noise: 0}, {name: spirals, noise: 0}, {name: teacher, noise: 0.5}, "
        "{name: spirals, noise: 0.5}], depth: [2, 3]}",
    ),
    "two parameters": (
        "optimizer: adam\ngrid: {optimizer.beta1: [0.8, 0.9], optimizer.eps: [1e-8, 1e-4]}",
        "grid: {optimizer: [{name: adam, beta1: 0.8}, {name: adam, beta1: 0.8, eps: 1e-4}, adam, "
        "{name: adam, eps: 1e-4}]}",
    ),
    "default component": ("grid: {init.gain: [0.5, 1]}", "grid: {init: [{name: he_normal, gain: 0.5}, he_normal]}"),
    "default of the family": (
        "model: rnn\ngrid: {init.gain: [0.5, 1], task.samples: [64, 128]}",
        "model: rnn\ngrid: {init: [{name: orthogonal, gain: 0.5}, orthogonal], "
        "task: [{adding: 64}, {adding: 128}]}",
    ),
    "required parameter": (
        "init: normal\ngrid: {init.std: [0.1, 0.2]}", "grid: {init: [{normal: 0.1}, {normal: 0.2}]}",
    ),
    "range": ("task: teacher\ngrid: {task.noise: 0..1:0.5}", "grid: {task: [teacher, {name: teacher, noise: 0.5}, "
              "{name: teacher, noise: 1}]}"),
    "zip with another setting": (
        "task: teacher\nzip: {depth: [2, 3], task.noise: [0, 0.5]}",
        "zip: {depth: [2, 3], task: [teacher, {name: teacher, noise: 0.5}]}",
    ),
    "zip with its component": (
        "zip: {activation: [elu, softplus], init.gain: [1, 2]}",
        "zip: {activation: [elu, softplus], init: [he_normal, {name: he_normal, gain: 2}]}",
    ),
    "learning rate": ("optimizer: adam\ngrid: {optimizer.lr: [0.1, 0.2]}", "optimizer: adam\ngrid: {lr: [0.1, 0.2]}"),
    "each optimizer keeps its learning rate": (
        "grid: {optimizer: [{name: adam, lr: 0.1}, rmsprop], optimizer.eps: [1e-4]}",
        "grid: {optimizer: [{name: adam, lr: 0.1, eps: 1e-4}, {name: rmsprop, eps: 1e-4}]}",
    ),
    "name of a component": ("grid: {clip.norm: [1, 5]}", "grid: {clip: [{norm: 1}, {norm: 5}]}"),
    "inherited by sub-grids": (
        "optimizer.eps: 1e-4\ngrids: [{optimizer: adam}, {optimizer: rmsprop}]",
        "grids: [{optimizer: {name: adam, eps: 1e-4}}, {optimizer: {name: rmsprop, eps: 1e-4}}]",
    ),
    "included": (
        "optimizer: adam\noptimizer.eps: 1e-4\ninclude: [{optimizer: rmsprop}, {optimizer.eps: 1e-3}]",
        "grids: [{optimizer: rmsprop}, {optimizer: {name: adam, eps: 1e-3}}]",
    ),
    "excluded by a mapping": (
        "task: teacher\ngrid: {task.noise: [0, 0.5, 1]}\nexclude: [{task.noise: [0, 1]}]",
        "task: {name: teacher, noise: 0.5}",
    ),
    "excluded by an expression": (
        "grid: {task: [teacher, spirals], task.noise: [0.02, 0.5]}\nexclude: ['task=teacher and task.noise<0.1']",
        "grid: {task: [{name: teacher, noise: 0.5}, spirals, {name: spirals, noise: 0.5}]}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_the_cells_are_those_of_whole_components(name: str) -> None:
    dotted, whole = SAME[name]
    assert ids(dotted) == ids(whole)


@pytest.mark.parametrize("name", SAME)
def test_a_dump_of_it_has_the_same_cells(name: str) -> None:
    loaded = spec.loads(f"name: x\n{SAME[name][0]}")
    again = spec.loads(spec.dump(loaded))
    assert grid.expand(again).cells == grid.expand(loaded).cells


OVERRIDES = {
    "two values": (
        "optimizer: adam", ["optimizer.eps=1e-8,1e-4"],
        "optimizer: adam\ngrid: {optimizer.eps: [1e-8, 1e-4]}",
    ),
    "instead of its own": (
        "optimizer: {name: adam, eps: 1e-3, beta1: 0.8}", ["optimizer.eps=1e-8,1e-4"],
        "optimizer: {name: adam, beta1: 0.8}\ngrid: {optimizer.eps: [1e-8, 1e-4]}",
    ),
    "for every component of an axis": (
        "grid: {optimizer: [adam, {name: rmsprop, eps: 1}]}", ["optimizer.eps=1e-4"],
        "grid: {optimizer: [{name: adam, eps: 1e-4}, {name: rmsprop, eps: 1e-4}]}",
    ),
    "instead of a dotted axis": (
        "optimizer: adam\ngrid: {optimizer.eps: [1e-8, 1e-4]}", ["optimizer.eps=1e-3"],
        "optimizer: {name: adam, eps: 1e-3}",
    ),
    "another component": ("optimizer: adam\ngrid: {optimizer.eps: [1e-8, 1e-4]}", ["optimizer=sgd"], "optimizer: sgd"),
    "component and parameter, in either order": (
        "depth: 3", ["optimizer.eps=1e-4", "optimizer=adam"], "depth: 3\noptimizer: {name: adam, eps: 1e-4}",
    ),
    "an included component": (
        "optimizer: adam\ninclude: [{optimizer: {name: rmsprop, eps: 1}}]", ["optimizer.eps=1e-4"],
        "optimizer: adam\noptimizer.eps: 1e-4\ninclude: [{optimizer: {name: rmsprop, eps: 1e-4}}]",
    ),
    "a required one": ("init: {normal: 1}", ["init.std=0.1,0.2"], "grid: {init: [{normal: 0.1}, {normal: 0.2}]}"),
}  # fmt: skip


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_override(name: str) -> None:
    text, overrides, same = OVERRIDES[name]
    assert ids(text, *overrides) == ids(same)


def test_plain_values_make_the_same_axis() -> None:
    values = {"optimizer": ["adam", "rmsprop"], "optimizer.eps": [1e-8, 1e-4], "seeds": 2}
    for mapping in (values, dict(reversed(values.items()))):
        cells = grid.expand(spec.from_mapping("x", mapping)).cells
        whole = ids("grid: {optimizer: [adam, rmsprop], optimizer.eps: [1e-8, 1e-4]}\nseeds: 2")
        assert set(map(cell_id, cells)) == set(whole)


TOLD = {
    "grid: {optimizer: [adam, sgd], optimizer.eps: [1e-8, 1e-4]}": "spec.yaml:2:48: sgd has no parameter 'eps'",
    "grid: {optimizer.eps: [1e-8, 1e-4]}": "spec.yaml:2:24: sgd has no parameter 'eps'",
    "optimizer: adam\noptimizer.eps: small":
        "spec.yaml:3:16: eps of adam must be a number of at least 0, found 'small'",
    "optimizer: {name: adam, eps: 1}\ngrid: {optimizer.eps: [1, 2]}":
        "spec.yaml:3:8: optimizer.eps is given in two places: here and at line 2",
    "optimizer.eps: 1\ngrid: {optimizer: [{name: adam, eps: 1}, rmsprop]}":
        "spec.yaml:3:33: optimizer.eps is given in two places: here and at line 2",
    "optimizer: adam\noptimizer.eps: [1, 2]": "spec.yaml:3:16: optimizer.eps must be one value here, found a list",
    "optimizer: adam\ngrid: {optimizer.eps: [1, 1.0]}": "spec.yaml:3:27: optimizer.eps has the value 1.0 twice",
    "optimizer: adam\noptimizer.epsilon: 1": "spec.yaml:3:1: no optimizer has a parameter 'epsilon'",
    "init: normal\ngrids: [{init.std: 0.1}, {width: 8}]": "spec.yaml:2:7: normal needs its std",
    "optimizer: adam\ngrid: {optimizer.eps: 1..1000, optimizer.beta1: 0..0.9:1e-3}":
        "spec.yaml:3:23: optimizer and its parameters have 901,000 combinations",
    "task: teacher\ngrid: {task.noise: [0, 1]}\nexpect: ['survival[task.noise=0.7] > 1']":
        "spec.yaml:4:31: no cell of the grid has task.noise=0.7",
    "exclude: ['optimizer.epz>1']": "spec.yaml:2:12: no optimizer has a parameter 'epz'",
    "exclude: [{task.noise: loud}]": "spec.yaml:2:24: task.noise must be a number of at least 0, found 'loud'",
}  # fmt: skip


@pytest.mark.parametrize("text", TOLD)
def test_what_is_refused_and_where(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        ids(text)
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(TOLD[text])
