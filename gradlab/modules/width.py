"""The coordinate check: how far each layer's output moves in the first steps of training, at several widths.

In a parametrisation whose learning rate transfers to other widths, no layer's output moves further, or less far, in
a wider model (Yang 2022, Tensor Programs V, arXiv 2203.03466, appendix D.1). Measured are the outputs of all modules
with a matrix or a kernel, before their activations, on the batch that the model is trained with.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradlab.errors import UsageError
from gradlab.modules.copies.isolation import isolated, unwrapped
from gradlab.modules.graph.values import tensors
from gradlab.modules.measuring.inputs import Batch, Loss, Run, objective
from gradlab.modules.width_record import WidthCheck

__all__ = ["check"]

Make = Callable[..., nn.Module]
Optimizer = str | Callable[[nn.Module], torch.optim.Optimizer]

OPTIMIZERS: dict[str, Callable[[nn.Module, float], torch.optim.Optimizer]] = {
    "sgd": lambda model, lr: torch.optim.SGD(model.parameters(), lr=lr),
    # a gradient far below eps would not be normed, and how far a layer moves would depend on eps
    "adam": lambda model, lr: torch.optim.Adam(model.parameters(), lr=lr, eps=1e-30),
}


def check(
    make: Make,
    widths: Sequence[int],
    batch: Batch,
    loss: Loss = None,
    *,
    optimizer: Optimizer = "adam",
    lr: float = 1e-3,
    steps: int = 3,
    seeds: int = 3,
    dtype: torch.dtype | None = torch.float64,
) -> WidthCheck:
    """Train models of several widths for a few steps, and measure how far each layer's output moves.

    Args:
        make: builds the model of a width, or of a width and a seed.
        widths: at least three.
        batch: as `inputs.Batch`; a function is called with the width and returns one.
        loss: see `inputs.objective`.
        optimizer: ``sgd``, ``adam`` (with eps 1e-30), or a function of the model that returns one.
        lr: the learning rate of the first two.
        steps, seeds: how many updates, and how many models of each width.
        dtype: what is computed in; None: the models' own.

    Raises:
        UsageError: for fewer than three widths, layers that differ between the widths, a batch or loss that does not
            fit, and an optimizer that is none.
        Exception: whatever `make`, a model, the loss or the optimizer raises.
    """
    widths = sorted(dict.fromkeys(widths))
    if len(widths) < 3:
        raise UsageError(f"{len(widths)} widths show no slope", "give at least three, as 64, 128, 256")
    takes_seed = _takes_seed(make)
    names: tuple[str, ...] = ()
    before: list[list[list[float]]] = []
    moved: list[list[list[list[float]]]] = []
    sizes: list[int] = []
    for width in widths:
        batch_of_width = batch(width) if callable(batch) and not isinstance(batch, nn.Module) else batch
        outputs = []
        for seed in range(seeds):
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                model = make(width, seed) if takes_seed else make(width)
            if not isinstance(model, nn.Module):
                raise UsageError(f"make({width}) returned a {type(model).__name__}", "return a torch.nn.Module")
            measured = _trained(unwrapped(model), batch_of_width, loss, optimizer, lr, steps, seed, dtype)
            if names and tuple(measured[0]) != names:
                raise UsageError(
                    f"the layers at width {width} are not those at width {widths[0]}", _difference(names, measured[0])
                )
            names = tuple(measured[0])
            outputs.append(measured)
        sizes.append(sum(parameter.numel() for parameter in model.parameters()))
        before.append([[_rms(first[name]) for name in names] for first, *_ in outputs])
        moved.append([
            [[_rms(later[name] - first[name]) for name in names] for later in probes] for first, *probes in outputs
        ])  # fmt: skip
    if len(set(sizes)) < len(sizes):
        raise UsageError("models of different widths have as many parameters", "let make(width) use the width")
    # [W, S, L] to [L, W, S], and [W, S, T, L] to [L, T, W, S]
    return WidthCheck(
        names, tuple(widths), np.moveaxis(np.array(before), 2, 0),
        np.array(moved).transpose(3, 2, 0, 1), optimizer if isinstance(optimizer, str) else "the given optimizer",
        lr if isinstance(optimizer, str) else None,
    )  # fmt: skip


def _takes_seed(make: Make) -> bool:
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in parameters if p.kind in positional and p.default is inspect.Parameter.empty]
    return len(required) == 2 or any(p.name == "seed" for p in parameters)


def _trained(
    model: nn.Module, batch: Batch, loss: Loss, optimizer: Optimizer, lr: float, steps: int, seed: int,
    dtype: torch.dtype | None,
) -> list[dict[str, Tensor]]:  # fmt: skip
    """Return the layers' outputs before the first update and after each."""
    if not any(map(_is_layer, model.modules())):
        raise UsageError("the models have no module with a matrix or a kernel", "there is no layer to follow")
    with isolated(model, dtype=dtype, train=None, seed=seed) as copy:
        trained = copy.model
        for name, parameter in trained.named_parameters():
            parameter.requires_grad_(name not in copy.frozen)
        updates = OPTIMIZERS[optimizer](trained, lr) if isinstance(optimizer, str) else optimizer(trained)
        if not isinstance(updates, torch.optim.Optimizer):
            raise UsageError(f"the optimizer is a {type(updates).__name__}", "return a torch.optim.Optimizer")
        measured = []
        for step in range(steps + 1):
            with _outputs(trained) as layers:
                run = Run.of(trained, batch, dtype)
            measured.append(layers)
            if step < steps:
                updates.zero_grad()
                objective(run, batch, loss, seed)[0].backward()  # type: ignore[no-untyped-call]
                updates.step()
    return measured


@contextmanager
def _outputs(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """As a context: note the output of every call of a module with a matrix or a kernel, by name."""
    layers: dict[str, Tensor] = {}
    calls: Counter[str] = Counter()

    def note(name: str, output: Any) -> None:
        tensor = next((part for _, part in tensors(output) if part.is_floating_point()), None)
        if tensor is not None:
            calls[name] += 1
            layers[name if calls[name] == 1 else f"{name}#{calls[name]}"] = tensor.detach().clone()

    handles = [
        module.register_forward_hook(lambda _, __, output, name=name: note(name, output))
        for name, module in model.named_modules()
        if _is_layer(module)
    ]
    try:
        yield layers
    finally:
        for handle in handles:
            handle.remove()


def _is_layer(module: nn.Module) -> bool:
    table = isinstance(module, nn.Embedding | nn.EmbeddingBag)
    return not table and any(weight.ndim > 1 for weight in module.parameters(recurse=False))


def _rms(value: Tensor) -> float:
    return float(value.double().square().mean().sqrt())


def _difference(names: Sequence[str], other_names: Sequence[str] | dict[str, Tensor]) -> str:
    apart = sorted(set(names) ^ set(other_names))
    return f"build the same architecture at each width; {', '.join(apart[:5]) or 'the order'} differs"
