"""A watched training loop: numbers against plain autograd and torch.optim, and a training that nobody has touched."""

from __future__ import annotations

import copy
import math
import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from networks import WIDTH, Block, Net
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradlab.errors import UsageError
from gradlab.modules.watch import Watcher
from gradlab.modules.watch_numbers import WatchedStep

Steps = list[WatchedStep]


def batches(count: int, size: int = 4) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(7)
    for _ in range(count):
        yield torch.randn(size, WIDTH, generator=generator)


def hooks(model: nn.Module) -> int:
    return sum(
        len(getattr(module, name))
        for module in model.modules()
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    )


def block_norms(model: Net, x: Tensor) -> list[float]:
    """The gradient norms of the blocks' outputs, of the mean square of the output, by plain autograd in float64."""
    model = copy.deepcopy(model).double()
    x = x.double()
    outputs = []
    for block in model.blocks:
        x = x + block.second(block.first(x).relu())
        outputs.append(x)
    gradients = torch.autograd.grad(model.readout(x).square().mean(), outputs)
    return [float(gradient.norm()) for gradient in gradients]


def grad_norms(step: WatchedStep) -> list[float]:
    return [math.exp(block.log_grad_norm) for block in step.profile.blocks]


def trained(
    model: nn.Module, *, watched: bool, every: int = 2, count: int = 6, clip: float | None = None, **options: Any
) -> Steps:
    """Train a model for some steps of Adam."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    steps: Steps = []
    watcher = Watcher(model, steps.append, every=every, optimizer=optimizer, **options) if watched else None
    for x in batches(count):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    if watcher is not None:
        watcher.close()
        assert not watcher.notes
    return steps


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


def test_evaluations_in_between_are_not_measured() -> None:
    torch.manual_seed(0)
    model = Net()
    x = next(batches(1))
    expected = block_norms(model, x)
    steps: Steps = []
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    watcher = Watcher(model, steps.append, every=1, optimizer=optimizer)
    with torch.no_grad():
        model(10 * x)
    model(20 * x)  # with a graph, and no backward
    loss = model(x).square().mean()
    with torch.inference_mode():
        model(30 * x)
    loss.backward()
    optimizer.step()
    watcher.close()
    assert grad_norms(steps[0]) == pytest.approx(expected, rel=1e-5)
    assert steps[0].micro_batches == 1


def test_what_is_copied_or_saved_at_a_measured_step_has_no_hooks(tmp_path: Any) -> None:
    model = Net(each=Block.__call__)
    steps: Steps = []
    watcher = Watcher(model, steps.append, every=1)
    model(next(batches(1))).sum().backward()
    copied = copy.deepcopy(model)
    torch.save(model, tmp_path / "model.pt")
    saved = torch.load(tmp_path / "model.pt", weights_only=False)
    for other in (copied, saved):
        other(next(batches(1))).sum().backward()
    watcher.step()
    watcher.close()
    assert steps[0].micro_batches == 1


def test_a_model_is_watched_once_and_two_models_side_by_side() -> None:
    first, second = Net(), Net(depth=3)
    steps: dict[str, Steps] = {"first": [], "second": []}
    one, two = Watcher(first, steps["first"].append, every=1), Watcher(second, steps["second"].append, every=1)
    with pytest.raises(UsageError, match="being watched already"):
        Watcher(first, lambda step: None, every=1)
    x = next(batches(1))
    (first(x).sum() + second(x).sum()).backward()
    one.step()
    two.step()
    one.close()
    two.close()
    assert [len(step.profile.blocks) for steps in steps.values() for step in steps] == [5, 3]
    again: Steps = []
    third = Watcher(first, again.append, every=1)
    third.close()


def test_a_forward_that_raises_leaves_nothing_behind() -> None:
    def broken(block: nn.Module, x: Tensor) -> Tensor:
        if model.fails:
            raise RuntimeError("mine")
        return block(x)  # type: ignore[no-any-return]

    model: Any = Net(each=broken)
    model.fails = False
    steps: Steps = []
    watcher = Watcher(model, steps.append, every=1)
    x = next(batches(1))
    model(x).sum().backward()
    watcher.step()
    model.fails = True
    with pytest.raises(RuntimeError, match="mine"):
        model(x)
    model.fails = False
    model(x).sum().backward()
    watcher.step()
    watcher.close()
    assert [step.micro_batches for step in steps] == [1, 1]
    assert hooks(model) == 0


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda model, x: None, "was not called in step 0"),
        (lambda model, x: model.blocks[0](x).sum().backward(), "was not called in step 0"),
        (lambda model, x: model(x), "no backward went through a forward of Net in step 0"),
    ],
    ids=["nothing", "a part of it", "no backward"],
)
def test_a_step_without_a_measurement_is_said(use: Callable[[Any, Tensor], object], words: str) -> None:
    model = Net()
    watcher = Watcher(model, lambda step: pytest.fail("measured"), every=1)
    use(model, next(batches(1)))
    with pytest.warns(UserWarning, match=words):
        watcher.step()
    watcher.step()  # said once
    watcher.close()
    assert hooks(model) == 0


def test_a_step_that_did_not_end_is_left_out_and_said() -> None:
    model = Net()
    watcher = Watcher(model, lambda step: pytest.fail("measured"), every=1)
    model(next(batches(1))).sum().backward()
    watcher.close()
    assert watcher.notes == ["step 0 was not finished when the watch was closed: it is left out"]


def test_wrappers(tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = Net()
    x = next(batches(1))
    expected = block_norms(model, x)
    assert grad_norms(trained(nn.DataParallel(copy.deepcopy(model)), watched=True, count=1)[0]) == pytest.approx(
        expected, rel=1e-5
    )
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parallel = nn.parallel.DistributedDataParallel(copy.deepcopy(model))
        step = trained(parallel, watched=True, count=1, clip=1e-3)[0]
    finally:
        torch.distributed.destroy_process_group()
    assert grad_norms(step) == pytest.approx(expected, rel=1e-5)
    assert step.clip_norm_before == pytest.approx(
        trained(copy.deepcopy(model), watched=True, count=1)[0].clip_norm_before
    )


@pytest.mark.parametrize("before", [False, True], ids=["compiled after", "compiled and called before"])
def test_a_compiled_model_is_measured_uncompiled_and_that_is_said(before: bool) -> None:
    torch.manual_seed(0)
    model = Net()
    x = next(batches(1))
    calls = []

    def backend(module: Any, inputs: Any) -> Any:
        calls.append(1)
        return module.forward

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch imports for it warns about itself
        compiled: Any = torch.compile(model, backend=backend)
        if before:
            compiled(x)
        made = len(calls)
        expected = block_norms(model, x)
        steps: Steps = []
        watcher = Watcher(compiled, steps.append, every=2)
        compiled(x).square().mean().backward()
        watcher.step()
        assert len(calls) == made
        compiled(x)  # between measured steps as ever
        assert bool(calls)
        watcher.close()
    assert grad_norms(steps[0]) == pytest.approx(expected, rel=1e-5)
    assert watcher.notes[0].startswith("the model is compiled: measured steps run without the compiler")
    torch._dynamo.reset()


def test_what_is_below_float32_when_squared_is_not_zero() -> None:
    torch.manual_seed(0)
    model = Net()
    steps: Steps = []
    watcher = Watcher(model, steps.append, every=1)
    (1e-30 * model(next(batches(1))).sum()).backward()
    watcher.step()
    watcher.close()
    assert -31 < steps[0].profile.blocks[0].log_grad_norm / math.log(10) < -27
    assert 0 < steps[0].clip_norm_before < 1e-27


def test_an_unknown_name_is_refused_by_the_first_forward() -> None:
    model = Net()
    watcher = Watcher(model, lambda step: None, every=1, blocks="nothing.*")
    with pytest.raises(UsageError, match=r"no module 'nothing\.\*' was called"):
        model(next(batches(1)))
    watcher.close()
    assert hooks(model) == 0
