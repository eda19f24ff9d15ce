"""The profile of one model with one batch: forward once, back once, and the numbers of every block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from gradlab.errors import UsageError
from gradlab.modules.chains.choice import Blocks
from gradlab.modules.chains.unseen import norms_of_one_value, unseen
from gradlab.modules.copies.distributed import check_whole
from gradlab.modules.copies.isolation import Isolated, isolated, unwrapped
from gradlab.modules.graph.capture import Call
from gradlab.modules.measuring.block_numbers import numbers_of
from gradlab.modules.measuring.forward import Request, chain_of, forward_pass
from gradlab.modules.measuring.inputs import Batch, Loss, limited
from gradlab.modules.measuring.recurrences import recurrences
from gradlab.modules.measuring.weights import equal_weights, weight_uses
from gradlab.modules.profile import ModuleProfile
from gradlab.modules.theory.factors import theory_notes

__all__ = ["check_model", "measure", "names_of"]


def measure(
    model: nn.Module,
    batch: Batch,
    loss: Loss = None,
    *,
    blocks: Blocks = "auto",
    source: str | None = None,
    seed: int = 0,
    dtype: torch.dtype | None = torch.float64,
    train: bool | None = None,
    samples: int | None = None,
) -> ModuleProfile:
    """Measure the gradient of the loss along the blocks of a model. Nothing about the model or the process changes.

    Args:
        model: any module, also inside `torch.compile`, DataParallel, DistributedDataParallel.
        batch: a tensor, (inputs, targets), a mapping of keyword arguments, or a function of the model.
        loss: see `inputs.objective`.
        blocks: see `chain.choose`.
        source: the input that the chain begins at; None: the first that the loss depends on.
        seed: of dropout, and of the gradient that stands for a loss.
        dtype: what is computed in; None: the model's own. A model that cannot compute in `dtype` is measured in its
            own, and the notes say so.
        train: the mode; None: the one that the model is in.
        samples: at most so many of the batch's first samples; None: all.

    Raises:
        UsageError: for a batch, a loss, blocks or a source that do not fit the model.
        Exception: whatever the model or the loss raises.
    """
    model = unwrapped(model)
    check_model(model)
    request = Request(
        batch if samples is None else limited(batch, samples), loss, names_of(model, blocks), source, seed
    )
    profile = None
    if dtype is not None:
        precision = str(dtype).removeprefix("torch.")
        try:
            with isolated(model, dtype=dtype, train=train, seed=seed) as copy:
                profile = _measured(copy, request, dtype)
            if _is_finite(profile):
                return profile
            reason = f"its values are not finite in {precision}"
        except UsageError:
            raise
        except Exception as error:  # what is wrong with the model itself shows in its own dtype as well
            reason = (
                f"it does not run in {precision}: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            )
    with isolated(model, dtype=None, train=train, seed=seed) as copy:
        if dtype is not None:
            copy.notes.append(f"measured in the model's own precision, as {reason}")
        in_own_precision = _measured(copy, request, None)
    return in_own_precision if profile is None or _is_finite(in_own_precision) else profile


def _is_finite(profile: ModuleProfile) -> bool:
    """Return whether the loss and all values are finite: a mask of the smallest number of the format, cast to another,
    makes them infinite in one of the two."""
    return math.isfinite(profile.loss) and not any(block.nonfinite_values > 0 for block in profile.blocks)


def names_of(model: nn.Module, blocks: Blocks) -> Blocks:
    """Return modules that are asked for by their names: what is measured is a copy of them."""
    if isinstance(blocks, str | type):
        return blocks
    names = {module: name for name, module in model.named_modules()}
    strangers = [item for item in blocks if not isinstance(item, str) and item not in names]
    if strangers:
        raise UsageError(
            f"blocks: a {type(strangers[0]).__name__} is no part of the model", "give modules of the model"
        )
    return [item if isinstance(item, str) else names[item] for item in blocks]


def check_model(model: nn.Module) -> None:
    """Raise UsageError for a model that nothing can be measured of."""
    if isinstance(model, torch.jit.ScriptModule):
        raise UsageError(
            "a compiled ScriptModule shows nothing of its inside", "give the module that it was traced or scripted from"
        )
    check_whole(model)
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise UsageError(f"parameter {name} is not initialised", "call the model with a batch once before")
        if parameter.is_meta:
            raise UsageError(
                f"parameter {name} is on the meta device and has no numbers", "build the model on a device"
            )


_PAST = 'input {} also goes past the blocks: the chain begins at {}; source="{}" begins it at the input'
_OTHER = 'the chain that begins at {}; another one begins at {}: source="{}"'


def _measured(copy: Isolated, request: Request, dtype: torch.dtype | None) -> ModuleProfile:
    model = copy.model
    forward = forward_pass(model, request, dtype)
    chain, blocks, graph = chain_of(model, request, dtype, forward)
    uses = weight_uses(forward.capture, graph) if graph is not None else ()
    leaves = [leaf for leaf in forward.run.leaves.values() if leaf.requires_grad]
    numbers, head, parameter_grads = numbers_of(copy, forward.capture, graph, blocks, forward.loss, leaves)
    repeated = len({block.name for block, _ in blocks}) == 1 < len(blocks)
    states = list(dict.fromkeys(block.name for block, _ in blocks if block.is_state or repeated))
    broken = any(edge is None for _, edge in blocks)
    profile = ModuleProfile(
        blocks=numbers,
        objective=forward.objective,
        loss=float(forward.loss.detach()),
        source=forward.source,
        rule=chain.rule,
        dtype=str(dtype or forward.loss.dtype).removeprefix("torch."),
        training=model.training,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        head=head,
        weight_uses=uses,
        parameter_grads=parameter_grads,
        uncalled=tuple(name for name in forward.capture.uncalled if not _used(name, parameter_grads)),
        cut_off=_outermost(forward.capture.detached) if broken else (),
        notes=(
            *copy.notes,
            *(_OTHER.format(forward.source, name, name) for name in forward.other_sources),
            *([_PAST.format(forward.goes_past, forward.source, forward.goes_past)] if forward.goes_past else []),
            *unseen(model, forward.capture, graph, [edge for _, edge in blocks if edge is not None]),
        ),
        recurrences=recurrences(model, states, forward.gates),
        norms_of_one_value=norms_of_one_value(forward.capture),
        copies=equal_weights(dict(model.named_parameters())),
    )
    return replace(profile, notes=(*profile.notes, *theory_notes(profile)))


def _outermost(detached: Sequence[tuple[str, Call | None]]) -> tuple[tuple[str, str], ...]:
    """Return where gradients were cut off, without the modules inside another one of the same kind.

    Of ``no_grad`` and ``inference_mode`` the first place: everything after it has no gradient to be cut off.
    """
    places = list(dict.fromkeys((cut_by, call.name if call else "") for cut_by, call in detached))
    outermost = [
        (cut_by, name)
        for cut_by, name in places
        if not any(
            cut_by == other and name != outer and (not outer or name.startswith(f"{outer}.")) for other, outer in places
        )
    ]
    first = dict(reversed(outermost))
    return tuple((cut_by, name) for cut_by, name in outermost if cut_by == "detach" or first[cut_by] == name)


def _used(module: str, parameter_grads: Mapping[str, float]) -> bool:
    """Return whether a gradient reached the parameters of a module that was never called: their owner reads them."""
    return any(name.rpartition(".")[0] == module for name in parameter_grads)
