"""Unscaled data: inputs and targets of any task times a factor, plus a shift, in data, training, specs and theory."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from contract import SMALL, STEP_BY_STEP, assert_independent
from reference import network, torch_optimizer

from gradlab import grid, spec
from gradlab.cell import Cell, cell_id
from gradlab.components import TASKS, Named
from gradlab.errors import SpecError, UsageError
from gradlab.mean_field import Prediction, predict
from gradlab.mean_field.inputs import inputs_of
from gradlab.tasks import Data, Scaling, load
from gradlab.training.batches import Batches
from gradlab.training.loop import Trainer, train_bank

SCALING = Scaling(255.0, -40.0, 1000.0)
DRAWN = [name for name in TASKS if name not in ("table", "arrays", "array_sequences")]


@pytest.mark.parametrize("name", DRAWN)
def test_inputs_and_targets_of_every_task_are_scaled_exactly(name: str) -> None:
    task, lengths = Named(name), TASKS[name].lengths
    steps = lengths.default if lengths else None
    plain = load(task, (0, 3), steps)
    if plain.vocabulary:
        with pytest.raises(UsageError, match=f"the inputs of {name} are indices"):
            load(task, (0, 3), steps, Scaling(2.0))
    else:
        scaled = load(task, (0, 3), steps, Scaling(255.0, -40.0))
        for part in ("train_x", "test_x"):
            assert torch.equal(getattr(scaled, part), 255.0 * getattr(plain, part) - 40.0)
            assert torch.equal(getattr(scaled, part.replace("x", "y")), getattr(plain, part.replace("x", "y")))
    if TASKS[name].targets == "classes":
        with pytest.raises(UsageError, match=f"the targets of {name} are classes"):
            load(task, (0, 3), steps, Scaling(target_scale=3.0))
    else:
        scaled = load(task, (0, 3), steps, Scaling(target_scale=1000.0))
        assert torch.equal(scaled.train_y, 1000.0 * plain.train_y)
        assert torch.equal(scaled.test_y, 1000.0 * plain.test_y)
        guess = torch.zeros_like(plain.test_y)  # r2 has no unit
        torch.testing.assert_close(
            scaled.criterion.metric(1000.0 * guess + 500.0, scaled.test_y),
            plain.criterion.metric(guess + 0.5, plain.test_y),
        )


RAW = dataclasses.replace(SMALL, input_scale=20.0, input_shift=3.0, target_scale=50.0, lr=0.001)


def test_a_cell_of_scaled_data_does_not_depend_on_its_bank_mates() -> None:
    assert_independent([dataclasses.replace(RAW, seed=seed, lr=0.001 * (1 + seed)) for seed in range(3)], [1])


def test_training_on_scaled_data_is_that_of_plain_torch() -> None:
    cell = dataclasses.replace(
        STEP_BY_STEP, input_scale=20.0, input_shift=3.0, target_scale=50.0, optimizer=Named("adam"), clip=Named("none")
    )
    trainer = Trainer([cell], torch.device("cpu"))
    plain = load(cell.task, (cell.seed,))
    twin = network(trainer, 0)
    optimizer = torch_optimizer(cell, twin.parameters())
    batches = Batches([cell.seed], plain.train_x.shape[1], cell.batch_size, torch.device("cpu"))
    for _ in range(cell.steps):
        chosen = batches.next()[0]
        x, y = 20.0 * plain.train_x[0, chosen] + 3.0, 50.0 * plain.train_y[0, chosen]
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(twin(x)[0], y).backward()
        optimizer.step()
    record = trainer.train()[0]
    with torch.no_grad():
        error = torch.nn.functional.mse_loss(twin(20.0 * plain.test_x[0] + 3.0)[0], 50.0 * plain.test_y[0])
    r2 = 1 - error / (50.0 * plain.test_y[0]).var(correction=0)
    assert record.metric[-1] == pytest.approx(float(r2), rel=1e-8)
    assert record.input_mean_square == pytest.approx(
        float((20.0 * trainer_inputs(trainer, plain) + 3.0).square().mean()), rel=1e-12
    )


def trainer_inputs(trainer: Trainer, plain: Data) -> torch.Tensor:
    """The inputs of the probe, from unscaled data."""
    cell = trainer.shared
    chosen = Batches([cell.seed], plain.train_x.shape[1], cell.probe_batch_size, torch.device("cpu"), purpose="probe")
    return plain.train_x[0, chosen.next()[0]]


def test_a_bank_holds_one_scale() -> None:
    with pytest.raises(ValueError, match=r"the cells of a bank must agree in inputs.scale"):
        train_bank([SMALL, dataclasses.replace(SMALL, input_scale=2.0)])


def cells(text: str) -> tuple[Cell, ...]:
    return grid.expand(spec.loads(f"name: x\n{text}")).cells


def test_scales_are_settings_and_axes() -> None:
    (plain,) = cells("task: teacher")
    (same,) = cells("task: teacher\ninputs: {scale: 1, shift: 0}\ntargets: {scale: 1.0}")
    assert cell_id(plain) == cell_id(same)
    (cell,) = cells("task: teacher\ninputs: {scale: 255, shift: -3}\ntargets.scale: 1000")
    assert (cell.input_scale, cell.input_shift, cell.target_scale) == (255.0, -3.0, 1000.0)
    varied = cells("task: teacher\ngrid: {inputs.scale: [1, 10], targets.scale: [1, 1e3]}")
    assert len({cell_id(cell) for cell in varied}) == 4
    assert cell_id(plain) in {cell_id(cell) for cell in varied}
    for text in ("{name: teacher, inputs: {scale: 255, shift: -3}, targets: {scale: 1000}}",
                 "{teacher: {inputs: {scale: 255, shift: -3}, targets.scale: 1000}}"):  # fmt: skip
        assert cells(f"task: {text}") == (cell,)
    (both,) = cells("task: {name: teacher, inputs: 6, inputs.scale: 255}")
    assert (both.task, both.input_scale) == (Named("teacher", (("inputs", 6),)), 255.0)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("task: digits\ntargets: {scale: 2}", 3, "the targets of digits are classes, which have no scale: found 2"),
        ("task: ratings\ninputs.shift: 2", 3, "the inputs of ratings are indices, which have no scale: found 2"),
        ("model: lstm\ntask: char_lm\ninputs: {scale: 2}", 4, "the inputs of char_lm are indices"),
        ("inputs: {scale: 0}", 2, "inputs.scale must be a number above 0"),
        ("inputs: {scale: -1}", 2, "inputs.scale must be a number above 0"),
        ("inputs: {shift: .nan}", 2, "inputs.shift must be"),
        ("targets: {shift: 1}", 2, "unknown key 'shift' in targets"),
    ],
)  # fmt: skip
def test_what_cannot_be_scaled(text: str, line: int, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        cells(text)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert words in problem.message


def test_theory_reads_the_scale_of_inputs_and_refuses_what_it_does_not_know() -> None:
    cell = dataclasses.replace(Cell(task=Named("teacher")), activation=Named("tanh"), lr=0.1)
    known = inputs_of(cell.task)
    assert known is not None

    def predicted(scale: float, **changes: float) -> Prediction:
        inputs = known.scaled(scale)
        return predict(
            dataclasses.replace(cell, input_scale=scale, **changes), in_features=inputs.in_features,
            out_features=inputs.out_features, input_mean_square=inputs.mean_square,
        )  # fmt: skip

    plain, large = predicted(1.0), predicted(10.0)
    assert large.log_survival < plain.log_survival - 0.2
    assert "does not read the setting inputs.shift" in predicted(1.0, input_shift=1.0).reason
    assert "does not read the setting targets.scale" in predicted(1.0, target_scale=9.0).reason


def test_theory_of_scaled_inputs_is_what_is_measured() -> None:
    """tanh with inputs ten times as large: the mean of 40 seeds, within 4 standard errors."""
    cell = Cell(
        task=Named("teacher", (("samples", 256),)), depth=6, width=128, activation=Named("tanh"),
        init=Named("xavier_normal"), lr=0.1, steps=0, input_scale=10.0, probe_batch_size=64,
    )  # fmt: skip
    records = train_bank([dataclasses.replace(cell, seed=seed) for seed in range(40)])
    measured = torch.tensor([record.log_grad_norm[0][0] - record.log_grad_norm[0][-1] for record in records])
    inputs = inputs_of(cell.task)
    assert inputs is not None
    scaled = inputs.scaled(10.0)
    mean_square = sum(record.input_mean_square for record in records) / len(records)
    assert mean_square == pytest.approx(scaled.mean_square, rel=0.02)
    prediction = predict(
        cell, in_features=scaled.in_features, out_features=scaled.out_features, input_mean_square=scaled.mean_square
    )
    assert prediction.log_survival is not None
    error = float(measured.std()) / math.sqrt(len(records))
    assert abs(float(measured.mean()) - prediction.log_survival) < 4 * error


@pytest.mark.parametrize(("standardize", "kind", "refused"), [
    (True, "regression", ""), (False, "regression", "inputs and targets"), ("inputs", "regression", "targets"),
    ("target", "regression", "inputs"), (False, "classification", "inputs"), ("inputs", "classification", ""),
])  # fmt: skip
def test_theory_refuses_a_table_that_is_left_as_it_is(standardize: object, kind: str, refused: str) -> None:
    params = (("path", "a.csv"), ("target", "y"), ("kind", kind))
    params += () if standardize is True else (("standardize", standardize),)
    prediction = predict(
        Cell(task=Named("table", params), lr=0.1), in_features=3, out_features=2, input_mean_square=1.0
    )
    assert (
        prediction.reason.startswith(f"mean-field theory takes {refused} of mean 0")
        if refused
        else not prediction.reason
    )


def test_a_scale_in_a_list_of_tasks_is_told_where_it_belongs() -> None:
    with pytest.raises(SpecError) as caught:
        cells("grid: {task: [digits, {name: digits, inputs: {scale: 255}}]}")
    (problem,) = caught.value.problems
    assert problem.hint == "inputs.scale is a setting beside the task; vary it with grid: {inputs.scale: [...]}"
