"""What a watcher makes of evaluations, copies, wrappers, compiled models and loops that break off."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from networks import Block, Net
from torch import Tensor, nn
from watching import Steps, batches, block_norms, grad_norms, hooks, trained

from gradlab.errors import UsageError
from gradlab.modules.watching.watcher import Watcher


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
    watchers = [Watcher(net, steps[name].append, every=1) for name, net in (("first", first), ("second", second))]
    with pytest.raises(UsageError, match="being watched already"):
        Watcher(first, lambda step: None, every=1)
    x = next(batches(1))
    (first(x).sum() + second(x).sum()).backward()
    for watcher in watchers:
        watcher.step()
    for watcher in watchers:
        watcher.close()
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


def test_of_a_fused_recurrent_layer_it_is_said_that_time_is_not_seen() -> None:
    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.out = nn.LSTM(4, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.lstm(x)[0])

    model = Tagger()
    watcher = Watcher(model, lambda step: None, every=1)
    model(torch.randn(2, 5, 4)).sum().backward()
    watcher.step()
    watcher.close()
    assert "no profile over the time steps of lstm in a training loop: gl.probe has it" in watcher.notes
