"""The profile of one model with one batch: forward once, back once, and the numbers of every block."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from gradlab.errors import UsageError
from gradlab.modules.block_numbers import numbers_of
from gradlab.modules.blocks import Block, Chain
from gradlab.modules.capture import Call, Capture, captured
from gradlab.modules.chain import Blocks, choose
from gradlab.modules.distributed import check_whole
from gradlab.modules.exceptional_chains import in_order, other_chains
from gradlab.modules.graph import Edge, Graph, walk
from gradlab.modules.inputs import Batch, Loss, Run, limited, objective
from gradlab.modules.isolation import Isolated, isolated, unwrapped
from gradlab.modules.profile import ModuleProfile
from gradlab.modules.recurrences import recurrences
from gradlab.modules.recurrent import Gates, replayed
from gradlab.modules.theory import theory_notes
from gradlab.modules.unseen import norms_of_one_value, past_the_input, unseen
from gradlab.modules.weights import equal_weights, weight_uses

__all__ = ["ForwardPass", "Request", "chain_of", "check_model", "forward_pass", "measure", "names_of"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is measured, whatever the model and its precision."""

    batch: Batch
    loss: Loss
    blocks: Blocks
    source: str | None
    seed: int


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
    if dtype is not None:
        try:
            with isolated(model, dtype=dtype, train=train, seed=seed) as copy:
                return _measured(copy, request, dtype)
        except UsageError:
            raise
        except Exception as error:  # what is wrong with the model itself shows in its own dtype as well
            reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
    with isolated(model, dtype=None, train=train, seed=seed) as copy:
        if dtype is not None:
            precision = str(dtype).removeprefix("torch.")
            copy.notes.append(f"measured in the model's own precision, as it does not run in {precision}: {reason}")
        return _measured(copy, request, None)


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


_NO_MAP = "no module with a matrix or a kernel comes before the loss"
_PAST = 'input {} also goes past the blocks: the chain begins at {}; source="{}" begins it at the input'
_OTHER = 'the chain that begins at {}; another one begins at {}: source="{}"'


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """One forward pass."""

    run: Run
    capture: Capture
    loss: Tensor
    objective: str
    source: str
    graph: Graph | None
    """None where the loss depends on nothing that has a gradient."""
    gates: Gates = field(default_factory=dict)
    other_sources: tuple[str, ...] = ()
    """Inputs that other chains begin at."""
    goes_past: str = ""
    """The input that also goes past the chain, which begins at the first map therefore."""


def forward_pass(
    model: nn.Module, request: Request, dtype: torch.dtype | None, *, attached: bool = False, replay: bool = True
) -> ForwardPass:
    """Run a model forward and record its graph. `attached`: see `captured`; `replay`: fused recurrent layers step by
    step."""
    with ExitStack() as stack:
        gates = stack.enter_context(replayed(model)) if replay else {}
        capture = stack.enter_context(captured(model, attached=attached, dtype=dtype))
        run = Run.of(model, request.batch, dtype)
    loss, words = objective(run, request.batch, request.loss, request.seed)
    if loss.grad_fn is None:
        return ForwardPass(run, capture, loss, words, next(iter(run.inputs), ""), None)
    nodes = walk(loss.grad_fn)
    source, edges = run.sources(nodes, request.source)
    if not edges and not run.leaves:  # integers that no table of embeddings looks up: as if their first map were one
        first = next((call for call in capture.calls if _enters(call, nodes)), None)
        if first is not None:
            source, edges = f"the output of {first.name}", [edge for edge in first.outputs if edge is not None]
    other_inputs: dict[str, list[Edge]] = {}
    sources = {*edges}
    for name, place in run.entered(nodes).items():  # one tensor may be given by two names
        other_inputs[name] = [edge for edge in place if edge not in sources]
        sources.update(place)
    graph = Graph(loss, nodes, edges, [edge for place in other_inputs.values() for edge in place])
    others = other_chains(capture, graph, other_inputs)
    goes_past = ""
    if request.source is None and (first := past_the_input(capture, graph)) is not None:
        goes_past, source = source, f"the output of {first.name}"
        graph = graph.beginning_at([edge for edge in first.outputs if edge is not None])
    return ForwardPass(run, capture, loss, words, source, graph, gates, others, goes_past)


def _enters(call: Call, nodes: Collection[Node]) -> bool:
    inner = next(call.module.children(), None) is not None
    return not inner and any(edge is not None and edge.node in nodes for edge in call.outputs)


def _measured(copy: Isolated, request: Request, dtype: torch.dtype | None) -> ModuleProfile:
    model = copy.model
    forward = forward_pass(model, request, dtype)
    chain, blocks, graph = chain_of(model, request, dtype, forward)
    uses = weight_uses(forward.capture, graph) if graph is not None else ()
    leaves = [leaf for leaf in forward.run.leaves.values() if leaf.requires_grad]
    numbers, head, parameter_grads = numbers_of(copy, forward.capture, graph, blocks, forward.loss, leaves)
    states = list(dict.fromkeys(block.name for block, _ in blocks if block.is_state))
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


def chain_of(
    model: nn.Module, request: Request, dtype: torch.dtype | None, forward: ForwardPass
) -> tuple[Chain, list[tuple[Block, Edge | None]], Graph | None]:
    """Return the chain of a forward, each block with its tensor in the graph (None: the loss does not depend on
    it), and the graph.

    Raises UsageError for a model without a block.
    """
    if forward.graph is not None and forward.graph.connected:
        chain = choose(model, forward.capture, forward.graph, request.blocks)
        if not chain.blocks and request.blocks == "auto":  # nothing but the output is a cut
            chain = in_order(model, forward.capture, forward.graph)
        blocks: list[tuple[Block, Edge | None]] = [(block, block.edge) for block in chain.blocks]
        graph: Graph | None = chain.graph
    else:
        chain, blocks = _as_if_attached(model, request, dtype, forward)
        graph = forward.graph
    if not blocks:
        reasons = unseen(model, forward.capture, graph, ())
        raise UsageError(
            f"the model has no block: {reasons[0] if reasons else _NO_MAP}",
            'name the blocks: blocks="cuts", or a class, or modules',
        )
    return chain, blocks, graph


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


def _as_if_attached(
    model: nn.Module, request: Request, dtype: torch.dtype | None, forward: ForwardPass
) -> tuple[Chain, list[tuple[Block, Edge | None]]]:
    """Return the chain that there would be if nothing inside cut the gradient off, with what there is of it."""
    attached = forward_pass(model, request, dtype, attached=True)
    if attached.graph is None or not attached.graph.connected:
        raise UsageError(
            "the loss does not depend on the model's input",
            "give another batch, a loss of the model's output, or source=… to name where the data enters",
        )
    chain = choose(model, attached.capture, attached.graph, request.blocks)
    return chain, [(block, _same(block, forward)) for block in chain.blocks]


def _same(block: Block, forward: ForwardPass) -> Edge | None:
    """Return the tensor of a block in a graph whose chain is broken; None where the loss does not depend on it."""
    if forward.graph is None:
        return None
    candidates: Sequence[Edge | None] = [
        output
        for call in forward.capture.calls
        if (call.name or call.kind, call.number) == (block.name, block.call)
        for output in call.outputs
    ] or [
        edge
        for edge, call in forward.capture.last_call.items()
        if (f"{call.name}+", call.number, edge.operation) == (block.name, block.call, block.kind)
    ]
    return next((edge for edge in candidates if edge is not None and edge.node in forward.graph.order), None)
