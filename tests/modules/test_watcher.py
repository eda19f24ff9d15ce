"""A watched training loop: numbers against plain autograd and torch.optim, and a training that nobody has touched."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from networks import WIDTH, Net
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from watching import Steps, batches, block_norms, grad_norms, hooks, trained

from gradlab.modules.watching.watcher import Watcher


class Dropping(Net):
    """With everything that a forward in training changes: dropout, batch statistics, draws of numpy and Python."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.dropout = nn.BatchNorm1d(WIDTH), nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.dropout(self.norm(x)) * float(1 + np.random.rand() + random.random()))


def test_the_training_is_bit_for_bit_the_same_and_no_hook_is_left() -> None:
    results = []
    for watched in (False, True):
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        model = Dropping()
        steps = trained(model, watched=watched)
        assert len(steps) == (3 if watched else 0)
        assert hooks(model) == 0
        draws = (float(torch.rand(())), float(np.random.rand()), random.random())
        grads = [parameter.grad for parameter in model.parameters()]
        results.append(([*model.state_dict().values(), *grads], draws, model.training))
    (tensors, draws, mode), (others, other_draws, other_mode) = results
    assert (draws, mode) == (other_draws, other_mode)
    assert all(torch.equal(a, b) for a, b in zip(tensors, others, strict=True))


def test_the_numbers_are_those_of_plain_autograd_and_of_the_optimizer() -> None:
    torch.manual_seed(0)
    model, twin = Net(), Net()
    twin.load_state_dict(model.state_dict())
    steps = trained(model, watched=True, every=2, count=5, clip=0.1)
    assert [step.step for step in steps] == [0, 2, 4]
    optimizer = torch.optim.Adam(twin.parameters(), 1e-2)
    for number, x in enumerate(batches(5)):
        expected = block_norms(twin, x)
        optimizer.zero_grad()
        twin(x).square().mean().backward()
        gradients = [parameter.grad.double().norm() for parameter in twin.blocks[1].parameters() if parameter.ndim > 1]  # type: ignore[union-attr]
        total = float(nn.utils.clip_grad_norm_(twin.parameters(), 0.1))
        before = [parameter.detach().clone() for parameter in twin.blocks[1].parameters() if parameter.ndim > 1]
        optimizer.step()
        if number % 2:
            continue
        step = steps[number // 2]
        assert grad_norms(step) == pytest.approx(expected, rel=1e-5)
        assert step.clip_norm_before == pytest.approx(total, rel=1e-5)
        assert step.clip_norm_after == pytest.approx(min(total, 0.1), rel=1e-4)
        block = step.profile.blocks[1]
        assert math.exp(block.log_weight_grad_norm) == pytest.approx(float(torch.stack(gradients).norm()), rel=1e-5)
        norm = math.hypot(*(float(weight.norm()) for weight in before))
        after = [parameter.detach() for parameter in twin.blocks[1].parameters() if parameter.ndim > 1]
        change = math.hypot(*(float((a - b).norm()) for a, b in zip(after, before, strict=True)))
        assert (block.weight_norm, step.update_ratios[1]) == pytest.approx((norm, change / norm), rel=1e-5)


class OwnLoss(Net):
    """Returns its loss, as models of Hugging Face do."""

    def forward(self, x: Tensor) -> Any:
        out = super().forward(x)
        return {"loss": out.square().mean(), "logits": out}


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_the_loss_that_a_model_returns_is_read_as_it_is_weighted(share: float) -> None:
    torch.manual_seed(0)
    model, scaler = OwnLoss(), torch.amp.GradScaler("cpu")
    steps: Steps = []
    watcher = Watcher(model, steps.append, every=1, scaler=scaler)
    total = 0.0
    for x in batches(4):
        loss = model(x)["loss"]
        scaler.scale(loss * share).backward()
        total += share * float(loss.detach())
    watcher.step()
    watcher.close()
    assert steps[0].loss == pytest.approx(total, rel=1e-6)


def test_hooks_stand_at_measured_steps_only() -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    watcher = Watcher(model, lambda step: None, every=3, optimizer=optimizer)
    counts = []
    for x in batches(7):
        model(x).sum().backward()
        counts.append(hooks(model))
        optimizer.step()
    watcher.close()
    assert [bool(count) for count in counts] == [True, False, False, True, False, False, True]
    assert hooks(model) == 0
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


def test_micro_batches_are_parts_of_one_batch() -> None:
    torch.manual_seed(0)
    whole = Net()
    parts = copy.deepcopy(whole)
    x = next(batches(1, 8))
    whole_steps: Steps = []
    steps: Steps = []
    one = Watcher(whole, whole_steps.append, every=1)
    whole(x).square().mean().backward()
    one.step()
    one.close()
    optimizer = torch.optim.SGD(parts.parameters(), 0.1)
    watcher = Watcher(parts, steps.append, every=1, optimizer=optimizer)
    for part in x.split(2):
        (parts(part).square().mean() / 4).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    watcher.close()
    assert grad_norms(steps[0]) == pytest.approx(grad_norms(whole_steps[0]), rel=1e-5)
    assert steps[0].micro_batches == 4
    assert "parts of one batch" in watcher.notes[0]
    assert steps[0].profile.blocks[0].shape == (8, WIDTH)
    assert steps[0].clip_norm_before == pytest.approx(whole_steps[0].clip_norm_before, rel=1e-5)
    assert steps[0].profile.blocks[0].act_rms == pytest.approx(whole_steps[0].profile.blocks[0].act_rms, rel=1e-5)


@pytest.mark.parametrize("reentrant", [True, False])
def test_recomputed_blocks_are_read_once(reentrant: bool) -> None:
    torch.manual_seed(0)
    plain = Net()
    checked = copy.deepcopy(plain)
    checked.each = lambda block, x: checkpoint(block, x, use_reentrant=reentrant)
    x = next(batches(1))
    expected = block_norms(plain, x)
    steps: Steps = []
    optimizer = torch.optim.SGD(checked.parameters(), 0.1)
    watcher = Watcher(checked, steps.append, every=1, optimizer=optimizer)
    checked(x.requires_grad_()).square().mean().backward()  # the reentrant way needs an input with a gradient
    optimizer.step()
    watcher.close()
    assert grad_norms(steps[0]) == pytest.approx(expected, rel=1e-5)
    assert watcher.notes == []


def scaled_training(model: nn.Module, scaler: Any, inputs: list[Tensor], watcher: bool, fused: bool) -> Steps:
    steps: Steps = []
    optimizer = torch.optim.Adam(model.parameters(), 1e-2, fused=fused)
    watch = Watcher(model, steps.append, every=1, optimizer=optimizer, scaler=scaler) if watcher else None
    for x in inputs:
        optimizer.zero_grad()
        scaler.scale(model(x).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
    if watch is not None:
        watch.close()
    return steps


@pytest.mark.parametrize("fused", [False, True])
def test_the_scale_is_divided_out_and_overflowing_steps_are_told_apart(fused: bool) -> None:
    torch.manual_seed(0)
    model, twin = Net(), Net()
    twin.load_state_dict(model.state_dict())
    good, bad = next(batches(1)), torch.full((4, WIDTH), 1e25)  # its square is beyond float32
    steps = scaled_training(model, torch.amp.GradScaler("cpu", init_scale=2.0**10), [good, bad, bad, good], True, fused)
    first = block_norms(twin, good)
    scaled_training(twin, torch.amp.GradScaler("cpu", init_scale=2.0**10), [good, bad, bad, good], False, fused)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))
    assert [(step.step, step.overflows, step.loss_scale) for step in steps] == [(0, 0, 2.0**10), (1, 2, 2.0**8)]
    assert steps[1].overflow_at == "readout.weight"
    assert grad_norms(steps[0]) == pytest.approx(first, rel=1e-5)
    for step in steps:
        assert step.clip_norm_after == pytest.approx(step.clip_norm_before, rel=1e-5)


class FunctionalNorms(nn.Module):
    """Residual adds in the parent's forward, whose results no module hands out or takes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + torch.tanh(layer(nn.functional.layer_norm(x, (WIDTH,))))
        return x.mean(-1)


def test_a_tensor_that_no_module_hands_out_is_read_all_the_same() -> None:
    torch.manual_seed(0)
    model = FunctionalNorms()
    steps = trained(copy.deepcopy(model), watched=True, every=1, count=1, blocks="joins")
    x = next(batches(1))
    adds = []
    for layer in model.layers:
        x = x + torch.tanh(layer(nn.functional.layer_norm(x, (WIDTH,))))
        adds.append(x)
    expected = torch.autograd.grad(x.mean(-1).square().mean(), adds)
    assert grad_norms(steps[0]) == pytest.approx([float(gradient.norm()) for gradient in expected], rel=1e-5)


def test_a_closure_inside_the_optimizers_step() -> None:
    torch.manual_seed(0)
    model = Net()
    x = next(batches(1))
    expected = block_norms(model, x)
    steps: Steps = []
    optimizer = torch.optim.LBFGS(model.parameters(), 0.1, max_iter=4)
    watcher = Watcher(model, steps.append, every=1, optimizer=optimizer)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    watcher.close()
    assert grad_norms(steps[0]) == pytest.approx(expected, rel=1e-5)
    assert steps[0].micro_batches == 1
    assert min(steps[0].update_ratios) > 0


def test_without_an_optimizer_the_loop_says_where_a_step_ends() -> None:
    torch.manual_seed(0)
    model = Net()
    steps: Steps = []
    watcher = Watcher(model, steps.append, every=2)
    for x in batches(4):
        loss = model(x).square().mean()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                assert parameter.grad is not None
                parameter -= 0.01 * parameter.grad
        model.zero_grad()
        watcher.step(loss)
    watcher.close()
    assert [step.step for step in steps] == [0, 2]
    assert all(math.isfinite(step.loss) and min(step.update_ratios) > 0 for step in steps)
    assert math.isnan(steps[0].clip_norm_after)
